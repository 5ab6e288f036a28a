//! A machine with one disk: a supervisor with two tasks, a device that one driver may have, a disk that one file system
//! may have. What breaks these rules fails the test.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use std::sync::{Mutex, MutexGuard};

use interfaces::block_device::{self, BlockInfo};
use interfaces::file_system::*;
use interfaces::supervisor::{Placement, ServiceInfo, TaskState};
use interfaces::{BlockDevice, BlockError, FileSystem, FsError, Supervisor, SupervisorError};
use ipc::Failure;

use crate::places::{LocalDisk, UNKNOWN};
use crate::{Platform, Services, StepError};

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

/// Waits for the device while it is stuck and `serves` says that the driver has it.
fn wait_for_device(state: &Mutex<State>, serves: impl Fn(&State) -> bool) -> bool {
    let mut counted = false;
    loop {
        let mut state = state.lock().expect("no panic");
        let serving = serves(&state);
        state.waiting += u32::from(!counted);
        counted = true;
        if !serving || !state.stuck {
            state.waiting -= 1;
            return serving;
        }
        drop(state);
        std::thread::sleep(core::time::Duration::from_micros(100));
    }
}

/// The driver inside.
struct Disk(Arc<Mutex<State>>);

impl BlockDevice for Disk {
    fn info(&self) -> Result<BlockInfo, BlockError> {
        let mut state = self.0.lock().expect("no panic");
        assert!(state.disk_inside, "a driver that was shut down is asked");
        if state.fails("info") {
            return Err(BlockError::Device);
        }
        Ok(BlockInfo { sectors: 1, max_bytes: 4096, read_only: false, incarnation: 1 })
    }

    fn attach(&self, _: ipc::Capability, _: u64) -> Result<u64, BlockError> {
        Ok(1)
    }

    fn detach(&self, _: u64) -> Result<(), BlockError> {
        Ok(())
    }

    fn read(&self, _: u64, _: u64, _: u64, _: u32) -> Result<(), BlockError> {
        if wait_for_device(&self.0, |state| state.disk_inside) { Ok(()) } else { Err(BlockError::Stopped) }
    }

    fn write(&self, _: u64, _: u64, _: u64, _: u32) -> Result<(), BlockError> {
        Ok(())
    }

    fn write_pieces(&self, _: u64, _: block_device::Pieces) -> Result<(), BlockError> {
        Ok(())
    }

    fn flush(&self) -> Result<(), BlockError> {
        std::thread::yield_now();
        if self.0.lock().expect("no panic").disk_inside { Ok(()) } else { Err(BlockError::Stopped) }
    }

    fn end_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }

    fn admit_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }
}

impl LocalDisk for Disk {
    fn shut_down(&self) -> Result<(), StepError> {
        let mut state = self.0.lock().expect("no panic");
        assert_eq!(state.busy, 0, "everybody waits for these requests");
        state.disk_inside = false;
        Ok(())
    }

    fn is_idle(&self) -> bool {
        let mut state = self.0.lock().expect("no panic");
        state.busy = state.busy.saturating_sub(1);
        state.busy == 0
    }

    fn wait_idle(&self, _: u64) {}

    fn serve(&self) -> Result<Box<dyn Any + Send>, StepError> {
        let mut state = self.0.lock().expect("no panic");
        if state.fails("serve") {
            return Err(StepError::NoMemory);
        }
        assert!(!state.served, "served twice");
        state.served = true;
        Ok(Box::new(Served(self.0.clone())))
    }
}

/// The driver's task.
struct NativeDisk(Arc<Mutex<State>>);

impl NativeDisk {
    fn require(&self) -> Result<MutexGuard<'_, State>, BlockError> {
        let state = self.0.lock().expect("no panic");
        if state.block_task { Ok(state) } else { Err(BlockError::Call(DIED)) }
    }
}

impl BlockDevice for NativeDisk {
    fn info(&self) -> Result<BlockInfo, BlockError> {
        if self.require()?.fails("info") {
            return Err(BlockError::Device);
        }
        Ok(BlockInfo { sectors: 1, max_bytes: 4096, read_only: false, incarnation: 1 })
    }

    fn attach(&self, _: ipc::Capability, _: u64) -> Result<u64, BlockError> {
        self.require().map(|_| 1)
    }

    fn detach(&self, _: u64) -> Result<(), BlockError> {
        self.require().map(drop)
    }

    fn read(&self, _: u64, _: u64, _: u64, _: u32) -> Result<(), BlockError> {
        drop(self.require()?);
        if wait_for_device(&self.0, |state| state.block_task) { Ok(()) } else { Err(BlockError::Call(DIED)) }
    }

    fn write(&self, _: u64, _: u64, _: u64, _: u32) -> Result<(), BlockError> {
        self.require().map(drop)
    }

    fn write_pieces(&self, _: u64, _: block_device::Pieces) -> Result<(), BlockError> {
        self.require().map(drop)
    }

    fn flush(&self) -> Result<(), BlockError> {
        self.require().map(drop)
    }

    fn end_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }

    fn admit_client(&self, _: u64) -> Result<(), BlockError> {
        Err(BlockError::Refused)
    }
}

/// The file system's library: an instance inside, or (`None`) whatever the task has at the moment.
struct Library(Arc<Mutex<State>>, Option<usize>);

impl Library {
    fn instance(&self) -> Result<(MutexGuard<'_, State>, usize), FsError> {
        // The kernel holds the task's calls at endpoint `block` while nobody serves that.
        for _ in 0..10_000 {
            let state = self.0.lock().expect("no panic");
            match self.1 {
                Some(index) => return Ok((state, index)),
                None if !state.fs_task => return Err(FsError::Call(DIED)),
                None if state.reaches_disk() => {
                    let native = state.native;
                    return Ok((state, native));
                }
                None => {}
            }
            drop(state);
            std::thread::sleep(core::time::Duration::from_micros(100));
        }
        panic!("the file system's task has no disk");
    }
}

macro_rules! unsupported {
    ($(fn $method:ident($($argument:ident: $type:ty),*) -> $ok:ty;)*) => {
        $(fn $method(&self, $($argument: $type),*) -> Result<$ok, FsError> {
            let _ = ($($argument,)*);
            Err(FsError::Unsupported)
        })*
    };
}

impl FileSystem for Library {
    fn begin(&self, _: Orphans) -> Result<FsInfo, FsError> {
        let (mut state, index) = self.instance()?;
        if state.fails("begin") {
            return Err(FsError::Corrupt);
        }
        if state.instances[index] == Instance::Retired {
            return Err(FsError::Retired);
        }
        let others = state.instances.iter().enumerate().filter(|(other, _)| *other != index);
        assert_eq!(others.filter(|(_, other)| **other == Instance::Begun).count(), 0, "two have the disk");
        state.instances[index] = Instance::Begun;
        Ok(FsInfo { root: 2, block_bytes: 4096, incarnation: index as u64, committed: 0, read_only: false })
    }

    fn statistics(&self) -> Result<FsStatistics, FsError> {
        let (state, index) = self.instance()?;
        match state.instances[index] {
            Instance::Begun => {
                drop(state);
                std::thread::yield_now();
                Ok(FsStatistics { blocks: 1, free_blocks: 1, available_blocks: 1, inodes: 1, free_inodes: 1, id: 1 })
            }
            Instance::Fresh => Err(FsError::NotBegun),
            Instance::Retired => Err(FsError::Retired),
        }
    }

    fn settle(&self) -> Result<(), FsError> {
        self.statistics().map(drop)
    }

    fn is_settled(&self) -> Result<bool, FsError> {
        self.statistics().map(|_| true)
    }

    fn prepare(&self) -> Result<(), FsError> {
        let (mut state, index) = self.instance()?;
        assert_eq!(state.instances[index], Instance::Fresh, "it is prepared before it has the disk");
        if state.fails("prepare") { Err(FsError::Disk) } else { Ok(()) }
    }

    fn hand_over(&self) -> Result<HandOver, FsError> {
        let (mut state, index) = self.instance()?;
        if core::mem::take(&mut state.kill_at_retire) {
            state.instances[index] = Instance::Retired;
            state.native = state.make_instance();
            return Err(FsError::Call(DIED));
        }
        if state.fails("retire") {
            state.instances[index] = if self.1.is_some() { Instance::Retired } else { state.instances[index] };
            return Err(FsError::Disk);
        }
        if state.instances[index] == Instance::Retired {
            return Err(FsError::Retired);
        }
        state.instances[index] = Instance::Retired;
        Ok(UNKNOWN)
    }

    fn open(&self, _: HandOver) -> Result<(), FsError> {
        let (mut state, index) = self.instance()?;
        if state.fails("open-disk") {
            return Err(FsError::Corrupt);
        }
        if state.instances[index] == Instance::Retired {
            return Err(FsError::Retired);
        }
        let others = state.instances.iter().enumerate().filter(|(other, _)| *other != index);
        assert_eq!(others.filter(|(_, other)| **other == Instance::Begun).count(), 0, "two have the disk");
        Ok(())
    }

    unsupported! {
        fn attach(memory: ipc::Capability, bytes: u64) -> u64;
        fn detach(region: u64) -> ();
        fn lookup(directory: u64, name: &[u8]) -> Attributes;
        fn attributes(inode: u64) -> Attributes;
        fn list(directory: u64, cookie: u64) -> Listing;
        fn read_link(inode: u64) -> Vec<u8>;
        fn read(inode: u64, piece: Piece) -> u32;
        fn seek(inode: u64, offset: u64, hole: bool) -> u64;
        fn set_attributes(change: Change, inode: u64, new: NewAttributes) -> Changed;
        fn write(change: Change, inode: u64, pieces: Pieces) -> Changed;
        fn create(change: Change, directory: u64, name: &[u8], node: NewNode, target: &[u8]) -> Changed;
        fn create_unnamed(change: Change, node: NewNode) -> Changed;
        fn link(change: Change, inode: u64, directory: u64, name: &[u8]) -> Changed;
        fn unlink(change: Change, directory: u64, name: &[u8]) -> Changed;
        fn remove_directory(change: Change, directory: u64, name: &[u8]) -> Changed;
        fn rename(change: Change, directories: (u64, u64), name: &[u8], new_name: &[u8], target: Target) -> Changed;
        fn punch_hole(change: Change, inode: u64, offset: u64, bytes: u64) -> Changed;
        fn forget(change: Change, inode: u64) -> Changed;
        fn commit() -> u64;
        fn retire() -> u64;
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

/// Ends what serves endpoint `block`.
struct Served(Arc<Mutex<State>>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.lock().expect("no panic").served = false;
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
