//! Homes: where a service can run, and what it takes to leave and to enter, step by step.

use alloc::sync::Arc;
use core::fmt;

use interfaces::{BlockError, FsError, SupervisorError};

/// A step of a move. Which ones a move has, and in which order, depends on the service and on where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The service lets go of the disk, as it is.
    Retire,
    /// The native task ends: its threads, its devices, its memory.
    Stop,
    /// Threads of the old home leave the service's endpoint.
    Unserve,
    /// The driver resets the device, which ends its requests, and gives it back.
    Release,
    /// Threads of the new home serve an endpoint that the service, or its user, calls.
    Serve,
    /// The native task is made.
    Start,
    /// The new home reads from the disk what stays as it is.
    Prepare,
    /// The driver takes the device and starts it.
    Open,
    /// The new home answers.
    Ready,
    /// The supervisor notes the new placement.
    Note,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Retire,
        Self::Stop,
        Self::Unserve,
        Self::Release,
        Self::Serve,
        Self::Start,
        Self::Prepare,
        Self::Open,
        Self::Ready,
        Self::Note,
    ];

    /// Its name, as in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Retire => "retire",
            Self::Stop => "stop",
            Self::Unserve => "unserve",
            Self::Release => "release",
            Self::Serve => "serve",
            Self::Start => "start",
            Self::Prepare => "prepare",
            Self::Open => "open",
            Self::Ready => "ready",
            Self::Note => "note",
        }
    }

    /// The step with this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }
}

/// Why a step was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepError {
    /// The file system's answer.
    FileSystem(FsError),
    /// The disk's answer.
    Disk(BlockError),
    /// The supervisor's answer.
    Supervisor(SupervisorError),
    /// The device cannot be opened, or does not become quiet.
    Device,
    /// There is no memory for threads or kernel objects.
    NoMemory,
    /// Made to fail, to see what happens.
    Injected,
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileSystem(error) => write!(f, "the file system: {error}"),
            Self::Disk(error) => write!(f, "the disk: {error}"),
            Self::Supervisor(error) => write!(f, "the supervisor: {error}"),
            Self::Device => f.write_str("the device cannot be used"),
            Self::NoMemory => f.write_str("no memory"),
            Self::Injected => f.write_str("made to fail"),
        }
    }
}

impl From<FsError> for StepError {
    fn from(error: FsError) -> Self {
        Self::FileSystem(error)
    }
}

impl From<BlockError> for StepError {
    fn from(error: BlockError) -> Self {
        Self::Disk(error)
    }
}

impl From<SupervisorError> for StepError {
    fn from(error: SupervisorError) -> Self {
        Self::Supervisor(error)
    }
}

/// A place where a service of contract `T` can run. Steps are taken with the service's gate closed, but those by which the
/// place is prepared.
pub trait Home<T: ?Sized> {
    /// The steps by which it is made ready to be entered, while the service is still used where it is.
    fn preparing(&self) -> &'static [Step];

    /// The steps by which the service leaves.
    fn leaving(&self) -> &'static [Step];

    /// The steps by which it enters.
    fn entering(&self) -> &'static [Step];

    /// Does before the gate is closed what leaves less to do for the steps of leaving. What fails here fails there again.
    fn settle(&self) {}

    /// Whether there is still nothing to do of that kind. Asked with the gate closed.
    fn is_settled(&self) -> bool {
        true
    }

    /// Whether the steps of leaving end calls in flight, whose callers then repeat them where the service is next: so nobody need
    /// wait for them, however slow the device is.
    fn ends_calls(&self) -> bool {
        false
    }

    /// Takes a step.
    ///
    /// # Errors
    /// Why it was not taken; then nothing is left of it.
    fn take(&self, step: Step) -> Result<(), StepError>;

    /// Takes a step back that was taken.
    ///
    /// # Errors
    /// Why it cannot be.
    fn take_back(&self, step: Step) -> Result<(), StepError>;

    /// The service is here, and its gate open: lets its client do what it has to do before it can go on.
    fn entered(&self) {}

    /// The service, as it can be called here now.
    fn service(&self) -> Arc<T>;
}
