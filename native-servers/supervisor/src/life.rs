//! The states of a task.
//!
//! ```text
//!              start                made
//!   Absent --------------> Making --------> Running
//!     ^                     ^  |               |
//!     | stopped             |  | failed        | stop, death
//!     |                pause|  v               v
//!     +------ Ending <------|--+---------- (threads stop at once)
//!               |           |
//!               +--died--> Pausing     Ending --died too often, or not to be restarted--> Dead
//! ```

use interfaces::supervisor::TaskState;

use crate::pauses::Deaths;

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There is none.
    Absent,
    /// It is being made; what happens when it is there.
    Making {
        /// Something came in between: it is to end as soon as it is there.
        then: Option<After>,
    },
    /// It runs.
    Running,
    /// Its threads are stopped, and what it had is being taken back.
    Ending(After),
    /// It is to be made again at this time.
    Pausing {
        /// Monotonic time.
        until_ns: u64,
    },
    /// It died and is not made again, unless somebody asks.
    Dead,
}

/// What follows when everything was taken back from a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing.
    Absent,
    /// It is made again, at this monotonic time.
    Restart {
        /// When.
        at_ns: u64,
    },
    /// It stays dead.
    Dead,
}

/// A task.
#[derive(Clone, Debug)]
pub struct Life {
    /// What it is doing.
    pub phase: Phase,
    /// Its recent deaths.
    pub deaths: Deaths,
    /// How often it was made again after a death.
    pub restarts: u32,
    /// Whether its next making follows a death.
    pub is_restart: bool,
    /// The driver of another task, which it was a client of, is to let go of it first.
    pub parting: Option<Parting>,
    /// That driver takes no client with its badge.
    pub is_barred: bool,
}

/// A dead client whose driver is asked to let go of its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parting {
    /// Its number.
    pub number: u64,
    /// The task that has the driver.
    pub host: usize,
    /// When that task is taken for dead: monotonic time.
    pub until_ns: u64,
}

impl Life {
    /// A task that is not there.
    #[must_use]
    pub fn new() -> Self {
        Self {
            phase: Phase::Absent,
            deaths: Deaths::default(),
            restarts: 0,
            is_restart: false,
            parting: None,
            is_barred: false,
        }
    }

    /// Its state as the contract has it.
    #[must_use]
    pub fn state(&self) -> TaskState {
        match self.phase {
            Phase::Absent => TaskState::Absent,
            Phase::Running | Phase::Ending(After::Absent) => TaskState::Running,
            Phase::Making { .. } if !self.is_restart => TaskState::Absent,
            Phase::Making { .. } | Phase::Ending(After::Restart { .. }) | Phase::Pausing { .. } => {
                TaskState::Restarting
            }
            Phase::Ending(After::Dead) | Phase::Dead => TaskState::Dead,
        }
    }
}

impl Default for Life {
    fn default() -> Self {
        Self::new()
    }
}
