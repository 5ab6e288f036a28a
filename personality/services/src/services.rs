//! Both services of a personality: from the boot's placements on, through every move.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::Write;

use interfaces::supervisor::{Placement, ServiceInfo, TaskState};
use interfaces::{BlockDevice, FileSystem, FsError, SupervisorError};
use rt::sync::Mutex;

use crate::command::{Command, CommandError, placement_name};
use crate::home::{Home, Step, StepError};
use crate::migration::{self, MoveError};
use crate::pauses::{Pause, Pauses};
use crate::places::{BLOCK, BlockInside, BlockNative, Estate, FS, FsInside, FsNative, Places, Platform, UNKNOWN};
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
    /// Of that, how long some thread of the system ran.
    busy: Pauses,
    /// The one with the longest such time.
    longest: Option<Pause>,
    /// Moves that succeeded.
    done: u64,
}

impl Record {
    fn add(&mut self, pause: Pause) {
        self.pauses.add(pause.whole.time_ns);
        self.busy.add(pause.whole.busy_ns);
        if self.longest.as_ref().is_none_or(|longest| longest.whole.busy_ns <= pause.whole.busy_ns) {
            self.longest = Some(pause);
        }
    }
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

    fn settle(&self) {
        self.home.settle();
    }

    fn is_settled(&self) -> bool {
        self.home.is_settled()
    }

    fn entered(&self) {
        self.home.entered();
    }

    fn ends_calls(&self) -> bool {
        self.home.ends_calls()
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
            next: Mutex::new(None),
            left: Mutex::new(UNKNOWN),
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
            let pause;
            (pause, result) = self.move_once(service, to, fail_at);
            let record = if service == BLOCK { &mut moves.block } else { &mut moves.fs };
            pause.into_iter().for_each(|pause| record.add(pause));
            record.done += u64::from(result.is_ok());
            if !result.as_ref().is_err_and(is_by_death) {
                break;
            }
        }
        // Also where the move did not come so far.
        self.estate.platform.catch_up();
        result.map_err(CommandError::Move)
    }

    fn move_once(&self, service: &str, to: Placement, fail_at: Option<Step>) -> (Option<Pause>, Result<(), MoveError>) {
        let estate = &self.estate;
        if service == BLOCK {
            let (inside, native) = (BlockInside(estate.clone()), BlockNative(estate.clone()));
            return between(&self.block, [&inside, &native], to, fail_at, || estate.places.lock().block = to);
        }
        let (inside, native) = (FsInside(estate.clone(), self.block.clone()), FsNative(estate.clone()));
        between(&self.fs, [&inside, &native], to, fail_at, || estate.places.lock().fs = to)
    }

    /// A table of the services, for people and programs: a line of names, then a line for each service. Below it, what the
    /// longest pause of each consisted of, and the last error.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<8}{:<13}{:<11} {:>8} {:>10} {:>13} {:>11} {:>11} {:>12} {:>11} {:>11} {:>11} {:>11}\n",
            "service",
            "placement",
            "task",
            "restarts",
            "migrations",
            "last-pause-ns",
            "p50-ns",
            "p99-ns",
            "max-pause-ns",
            "last-busy",
            "p50-busy",
            "p99-busy",
            "max-busy",
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
        for (name, record) in [(BLOCK, &moves.block), (FS, &moves.fs)] {
            if let Some(pause) = &record.longest {
                let _ = writeln!(text, "longest pause of {name}, busy/all ns: {pause}");
            }
        }
        if let Some(error) = &moves.last_error {
            let _ = writeln!(text, "last error: {error}");
        }
        text
    }

    fn show(&self, text: &mut String, info: &ServiceInfo, moves: &Moves) {
        let none = Record::default();
        let Record { pauses, busy, done, .. } = match info.name.as_str() {
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
        let [last, half, most, longest] = pauses.figures();
        let [last_busy, half_busy, most_busy, longest_busy] = busy.figures();
        let _ = writeln!(
            text,
            "{:<8}{:<13}{state:<11} {:>8} {:>10} {last:>13} {half:>11} {most:>11} {longest:>12} \
             {last_busy:>11} {half_busy:>11} {most_busy:>11} {longest_busy:>11}",
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
    [inside, native]: [&dyn Home<T>; 2],
    to: Placement,
    fail_at: Option<Step>,
    noted: impl FnOnce(),
) -> (Option<Pause>, Result<(), MoveError>) {
    let (from, to) = match to {
        Placement::Native => (inside, native),
        Placement::Personality => (native, inside),
    };
    let (from, to) = (Failing { home: from, at: fail_at }, Failing { home: to, at: fail_at });
    let (pause, result) = migration::run(slot, &from, &to);
    if result.is_ok() {
        noted();
    }
    (pause, result)
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
