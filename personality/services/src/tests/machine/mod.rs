//! A machine with one disk: a supervisor with two tasks, a device that one driver may have, a disk that one file system
//! may have. What breaks these rules fails the test.

mod disks;
mod library;

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard};

use interfaces::file_system::Orphans;
use interfaces::supervisor::{Placement, ServiceInfo, TaskState};
use interfaces::{BlockDevice, FileSystem, FsError, Supervisor, SupervisorError};
use ipc::Failure;

use crate::places::LocalDisk;
use crate::{Platform, Services, StepError};
use disks::{Disk, NativeDisk};
use library::Library;

const DIED: Failure = Failure::Kernel(ukernel_abi::Error::ServerDied);

/// An instance of the file system's library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Instance {
    Fresh,
    Begun,
    Retired,
}

#[derive(Default)]
struct State {
    block_task: bool,
    fs_task: bool,
    placements: [Option<Placement>; 2],
    /// The driver inside has the device.
    disk_inside: bool,
    served: bool,
    /// How often it is still found with requests under way.
    busy: u32,
    /// All instances that ever were; the native task's is the last one made for it.
    instances: Vec<Instance>,
    native: usize,
    fault: String,
    kill_at_retire: bool,
    /// So many times the driver's task dies of being asked what disk it has.
    deaths_at_info: u32,
    /// So many requests to the supervisor come before the driver's task is there again.
    restarting: u32,
    settled: u32,
    caught_up: u32,
    /// The device does not answer what it is asked to read.
    stuck: bool,
    /// Calls that wait for that.
    waiting: u32,
}

pub(super) struct Machine {
    state: Arc<Mutex<State>>,
}

impl State {
    /// Whether this is to fail, once.
    fn fails(&mut self, what: &str) -> bool {
        let fails = self.fault == what;
        if fails {
            self.fault.clear();
        }
        fails
    }

    fn make_instance(&mut self) -> usize {
        self.instances.push(Instance::Fresh);
        self.instances.len() - 1
    }

    /// Whether a file system that is elsewhere reaches the disk.
    fn reaches_disk(&self) -> bool {
        self.block_task || self.disk_inside && self.served
    }
}

impl Machine {
    pub(super) fn new(block: Placement, fs: Placement) -> Arc<Self> {
        let is_native = |placement| placement == Placement::Native;
        let mut state = State {
            block_task: is_native(block),
            fs_task: is_native(fs),
            placements: [Some(block), Some(fs)],
            ..State::default()
        };
        state.native = state.make_instance();
        Arc::new(Self { state: Arc::new(Mutex::new(state)) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// What the client does first.
    pub(super) fn begin(&self, services: &Services) {
        services.fs().begin(Orphans::Free).expect("it begins");
    }

    pub(super) fn placement(&self, service: &str) -> Placement {
        self.state().placements[usize::from(service == "fs")].expect("placed")
    }

    pub(super) fn fail_next(&self, what: &str) {
        self.state().fault = what.to_string();
    }

    pub(super) fn make_disk_busy(&self) {
        self.state().busy = 5;
    }

    pub(super) fn set_stuck(&self, stuck: bool) {
        self.state().stuck = stuck;
    }

    /// How many calls the device keeps waiting.
    pub(super) fn waiting(&self) -> u32 {
        self.state().waiting
    }

    pub(super) fn kill_at_next_retire(&self) {
        self.state().kill_at_retire = true;
    }

    pub(super) fn kill_at_info(&self, times: u32) {
        self.state().deaths_at_info = times;
    }

    pub(super) fn caught_up(&self) -> u32 {
        self.state().caught_up
    }

    pub(super) fn settled(&self) -> u32 {
        self.state().settled
    }

    /// Checks that everything is where the supervisor thinks, and nowhere else.
    pub(super) fn check(&self, services: &Services) {
        // The client begins what is not begun; then there is exactly one.
        if services.fs().statistics() == Err(FsError::NotBegun) {
            services.fs().begin(Orphans::Keep).expect("it begins");
        }
        let state = self.state();
        let native = state.placements.map(|placement| placement == Some(Placement::Native));
        assert_eq!([state.block_task, state.fs_task], native);
        assert_eq!(state.disk_inside, !native[0]);
        assert_eq!(state.served, !native[0] && native[1], "endpoint block");
        assert_eq!(state.instances.iter().filter(|instance| **instance == Instance::Begun).count(), 1);
    }
}

impl Supervisor for Machine {
    fn service(&self, number: u32) -> Result<ServiceInfo, SupervisorError> {
        let state = self.state();
        let name = *["block", "fs"].get(number as usize).ok_or(SupervisorError::Unknown)?;
        let running = if number == 0 { state.block_task } else { state.fs_task };
        Ok(ServiceInfo {
            name: name.into(),
            placement: state.placements[number as usize].expect("placed"),
            state: if running { TaskState::Running } else { TaskState::Absent },
            restarts: 0,
        })
    }

    fn start(&self, name: &str) -> Result<(), SupervisorError> {
        let mut state = self.state();
        if state.fails("start") {
            return Err(SupervisorError::Failed);
        }
        if name == "block" {
            assert!(!state.disk_inside && !state.block_task, "two drivers have the device");
            state.block_task = true;
        } else {
            assert!(!state.fs_task, "it runs");
            state.fs_task = true;
            state.native = state.make_instance();
        }
        Ok(())
    }

    fn stop(&self, name: &str) -> Result<(), SupervisorError> {
        let mut state = self.state();
        if state.fails("stop") {
            return Err(SupervisorError::Failed);
        }
        if name == "block" {
            if state.restarting > 0 {
                state.restarting -= 1;
                return Err(SupervisorError::State);
            }
            state.block_task = false;
        } else {
            state.fs_task = false;
            let native = state.native;
            state.instances[native] = Instance::Retired;
        }
        Ok(())
    }

    fn placed(&self, name: &str, placement: Placement) -> Result<(), SupervisorError> {
        let mut state = self.state();
        if state.fails("placed") {
            return Err(SupervisorError::Failed);
        }
        state.placements[usize::from(name == "fs")] = Some(placement);
        Ok(())
    }

    fn kill(&self, task: &str) -> Result<(), SupervisorError> {
        let state = self.state();
        let runs = if task == "block" { state.block_task } else { state.fs_task };
        if runs { Ok(()) } else { Err(SupervisorError::State) }
    }

    fn device_fault(&self, _: u64) -> Result<(), SupervisorError> {
        Err(SupervisorError::Refused)
    }
}

impl Platform for Machine {
    fn open_disk(&self) -> Result<Arc<dyn LocalDisk>, StepError> {
        let mut state = self.state();
        if state.fails("open") {
            return Err(StepError::Device);
        }
        assert!(!state.block_task && !state.disk_inside, "two drivers have the device");
        state.disk_inside = true;
        Ok(Arc::new(Disk(self.state.clone())))
    }

    fn native_disk(&self) -> Arc<dyn BlockDevice> {
        Arc::new(NativeDisk(self.state.clone()))
    }

    fn open_file_system(&self, _: Arc<dyn BlockDevice>) -> Result<Arc<dyn FileSystem>, StepError> {
        let instance = self.state().make_instance();
        Ok(Arc::new(Library(self.state.clone(), Some(instance))))
    }

    fn native_file_system(&self) -> Arc<dyn FileSystem> {
        Arc::new(Library(self.state.clone(), None))
    }

    fn follow(&self) {}

    fn catch_up(&self) {
        // As the client's next call; it repeats what fails.
        let mut state = self.state();
        state.caught_up += 1;
    }

    fn settle(&self) {
        let mut state = self.state();
        state.settled += 1;
        // What the client's next call would do.
        let native = state.native;
        if state.fs_task && state.instances[native] == Instance::Fresh {
            state.instances[native] = Instance::Begun;
        }
    }

    fn supervisor(&self) -> &dyn Supervisor {
        self
    }
}
