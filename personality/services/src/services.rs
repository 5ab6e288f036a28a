//! Both services of a personality: from the boot's placements on, through every move.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt::Write;

use interfaces::supervisor::{Placement, ServiceInfo, TaskState};
use interfaces::{BlockDevice, FileSystem, FsError, SupervisorError};
use rt::sync::Mutex;

use crate::command::{Command, CommandError, placement_name};
use crate::home::{Home, Step, StepError};
use crate::migration::{self, MoveError};
use crate::pauses::Pauses;
use crate::places::{BLOCK, BlockInside, BlockNative, Estate, FS, FsInside, FsNative, Places, Platform};
use crate::slot::Slot;

/// Attempts of a move that fails only because the service died under it.
const ATTEMPTS: usize = 5;

/// Where the services start.
pub type Start = Places;

/// The services.
pub struct Services {
    estate: Arc<Estate>,
    block: Arc<Slot<dyn BlockDevice>>,
    fs: Arc<Slot<dyn FileSystem>>,
    /// One move at a time.
    moves: Mutex<Moves>,
}

/// What is kept of moves.
#[derive(Default)]
struct Moves {
    block: Record,
    fs: Record,
    last_error: Option<String>,
}

/// The moves of one service.
#[derive(Default)]
struct Record {
    /// How long the gate was closed, for moves that were rolled back as well.
    pauses: Pauses,
    /// Moves that succeeded.
    done: u64,
}

/// A home that fails at one step.
struct Failing<'a, T: ?Sized> {
    home: &'a dyn Home<T>,
    at: Option<Step>,
}

impl<T: ?Sized> Home<T> for Failing<'_, T> {
    fn preparing(&self) -> &'static [Step] {
        self.home.preparing()
    }

    fn leaving(&self) -> &'static [Step] {
        self.home.leaving()
    }

    fn entering(&self) -> &'static [Step] {
        self.home.entering()
    }

    fn take(&self, step: Step) -> Result<(), StepError> {
        if self.at == Some(step) { Err(StepError::Injected) } else { self.home.take(step) }
    }

    fn take_back(&self, step: Step) -> Result<(), StepError> {
        self.home.take_back(step)
    }

    fn service(&self) -> Arc<T> {
        self.home.service()
    }
}

impl Services {
    /// Opens what runs inside at the start; native tasks were started by the supervisor.
    ///
    /// # Errors
    /// The disk cannot be used, or there is no memory.
    pub fn open(platform: Arc<dyn Platform>, places: Start) -> Result<Self, StepError> {
        let estate = Arc::new(Estate {
            disk: Mutex::new(None),
            file_system: Mutex::new(None),
            served: Mutex::new(None),
            places: Mutex::new(places),
            platform,
        });
        let disk: &dyn Home<dyn BlockDevice> = match places.block {
            Placement::Personality => {
                let inside = BlockInside(estate.clone());
                inside.take(Step::Open)?;
                inside.take(Step::Serve)?;
                &{ inside }
            }
            Placement::Native => &BlockNative(estate.clone()),
        };
        let block: Arc<Slot<dyn BlockDevice>> = Arc::new(Slot::new(BLOCK, disk.service()));
        let file_system: &dyn Home<dyn FileSystem> = match places.fs {
            Placement::Personality => {
                estate.open_file_system(&block)?;
                &FsInside(estate.clone(), block.clone())
            }
            Placement::Native => &FsNative(estate.clone()),
        };
        let fs: Arc<Slot<dyn FileSystem>> = Arc::new(Slot::new(FS, file_system.service()));
        Ok(Self { estate, block, fs, moves: Mutex::default() })
    }

    /// The disk, wherever its driver is.
    #[must_use]
    pub fn block(&self) -> &Arc<Slot<dyn BlockDevice>> {
        &self.block
    }

    /// The file system, wherever it is.
    #[must_use]
    pub fn fs(&self) -> &Arc<Slot<dyn FileSystem>> {
        &self.fs
    }

    /// Does what a line of text says. Why it failed is told by the next [`table`](Self::table) as well.
    ///
    /// # Errors
    /// As [`CommandError`] says.
    pub fn command(&self, line: &str) -> Result<(), CommandError> {
        let result = match Command::parse(line) {
            Ok(Command::Migrate { service, placement, fail_at }) => self.migrate(&service, placement, fail_at),
            Ok(Command::Kill { task }) => self.estate.platform.supervisor().kill(&task).map_err(CommandError::from),
            Err(error) => Err(error),
        };
        self.moves.lock().last_error = result.as_ref().err().map(|error| format!("{}: {error}", line.trim()));
        result
    }

    /// Moves a service; with `fail_at` the move fails at that step.
    ///
    /// # Errors
    /// As [`CommandError`] says.
    pub fn migrate(&self, service: &str, to: Placement, fail_at: Option<Step>) -> Result<(), CommandError> {
        let mut moves = self.moves.lock();
        let places = *self.estate.places.lock();
        let from = match service {
            BLOCK => places.block,
            FS => places.fs,
            _ => return Err(CommandError::Unknown),
        };
        if from == to {
            return Err(CommandError::State);
        }
        let mut result = Ok(());
        for _ in 0..ATTEMPTS {
            self.estate.platform.settle();
            let pause_ns;
            (pause_ns, result) = self.move_once(service, to, fail_at);
            let record = if service == BLOCK { &mut moves.block } else { &mut moves.fs };
            pause_ns.into_iter().for_each(|pause_ns| record.pauses.add(pause_ns));
            record.done += u64::from(result.is_ok());
            if !result.as_ref().is_err_and(is_by_death) {
                break;
            }
        }
        result.map_err(CommandError::Move)
    }

    fn move_once(&self, service: &str, to: Placement, fail_at: Option<Step>) -> (Option<u64>, Result<(), MoveError>) {
        let estate = &self.estate;
        if service == BLOCK {
            // Its queue is empty sooner, the less is left in the device's cache.
            let _ = self.block.call(BlockDevice::flush);
            let (inside, native) = (BlockInside(estate.clone()), BlockNative(estate.clone()));
            return between(&self.block, &inside, &native, to, fail_at, || estate.places.lock().block = to);
        }
        let (inside, native) = (FsInside(estate.clone(), self.block.clone()), FsNative(estate.clone()));
        between(&self.fs, &inside, &native, to, fail_at, || estate.places.lock().fs = to)
    }

    /// A table of the services, for people and programs: a line of names, then a line for each service.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<8}{:<13}{:<12}{:>9}{:>12}{:>15}{:>15}{:>15}{:>15}\n",
            "service",
            "placement",
            "task",
            "restarts",
            "migrations",
            "last-pause-ns",
            "p50-ns",
            "p99-ns",
            "max-pause-ns"
        );
        let moves = self.moves.lock();
        for number in 0.. {
            match self.estate.platform.supervisor().service(number) {
                Ok(info) => self.show(&mut text, &info, &moves),
                Err(SupervisorError::Unknown) => break,
                Err(error) => {
                    // Writing to a string does not fail; likewise below.
                    let _ = writeln!(text, "the supervisor does not answer: {error}");
                    break;
                }
            }
        }
        if let Some(error) = &moves.last_error {
            let _ = writeln!(text, "last error: {error}");
        }
        text
    }

    fn show(&self, text: &mut String, info: &ServiceInfo, moves: &Moves) {
        let none = Record::default();
        let Record { pauses, done } = match info.name.as_str() {
            BLOCK => &moves.block,
            FS => &moves.fs,
            _ => &none,
        };
        let state = match info.state {
            TaskState::Absent => "absent",
            TaskState::Running => "running",
            TaskState::Restarting => "restarting",
            TaskState::Dead => "dead",
        };
        let [last, half, most, longest] =
            [pauses.last(), pauses.percentile(50), pauses.percentile(99), pauses.longest()].map(|ns| ns.to_string());
        let _ = writeln!(
            text,
            "{:<8}{:<13}{state:<12}{:>9}{:>12}{last:>15}{half:>15}{most:>15}{longest:>15}",
            info.name,
            placement_name(info.placement),
            info.restarts,
            done,
        );
    }
}

/// Moves between the two homes of a service; `noted` is called with the gate closed when it is at the other one.
fn between<T: ?Sized>(
    slot: &Slot<T>,
    inside: &dyn Home<T>,
    native: &dyn Home<T>,
    to: Placement,
    fail_at: Option<Step>,
    noted: impl FnOnce(),
) -> (Option<u64>, Result<(), MoveError>) {
    let (from, to) = match to {
        Placement::Native => (inside, native),
        Placement::Personality => (native, inside),
    };
    let (from, to) = (Failing { home: from, at: fail_at }, Failing { home: to, at: fail_at });
    let (pause_ns, result) = migration::run(slot, &from, &to);
    if result.is_ok() {
        noted();
    }
    (pause_ns, result)
}

/// Whether a move failed only because the file system died under it: once its client has caught up, it can be tried again.
fn is_by_death(error: &MoveError) -> bool {
    matches!(
        error,
        MoveError::RolledBack {
            step: Step::Retire,
            error: StepError::FileSystem(FsError::NotBegun | FsError::Call(_) | FsError::NoRegion)
        }
    )
}
