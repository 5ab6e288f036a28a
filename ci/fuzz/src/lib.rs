//! Every parser of untrusted bytes is given damaged input: whatever the bytes, the answer is a value or an error, and it comes.
//!
//! A [`Target`] has a good input and a function that takes any input; it panics where something is broken. [`drive`] damages
//! the good input at random (the same for the same seed), and makes what broke it smaller. It is a driver without
//! feedback from coverage, so that it runs with a stable compiler: in the tests for seconds, in `check --long` for minutes.

pub mod damage;
pub mod drive;
pub mod targets;

pub use drive::{Finding, drive};

/// A parser, or a few that read the same bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on command lines and in findings.
    pub name: &'static str,
    /// An input that is understood.
    pub good: fn() -> Vec<u8>,
    /// Into how many bytes from the start the damage crowds: where the format keeps its structure.
    pub head: usize,
    /// Inputs in a test: fewer for slow targets.
    pub inputs: u64,
    /// Takes an input; panics where something is broken.
    pub run: fn(&[u8]) -> Answer,
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All of it made sense; the good input's answer.
    Understood,
    /// There was an error.
    Refused,
}

impl Answer {
    /// The answer that a parser's result is.
    #[must_use]
    pub fn of<T, E>(result: Result<T, E>) -> Self {
        if result.is_ok() { Self::Understood } else { Self::Refused }
    }
}

/// All targets.
pub const ALL: &[Target] = &[
    targets::elf::PROGRAM,
    targets::elf::KERNEL,
    targets::root::CPIO,
    targets::root::TAR,
    targets::archive::TARGET,
    targets::manifest::COMPILED,
    targets::manifest::TEXT,
    targets::channel::FRAMES,
    targets::channel::GUEST,
    targets::trace::TARGET,
    targets::messages::CONTRACTS,
    targets::file_system::MESSAGES,
    targets::file_system::IMAGE,
];

impl Target {
    /// The target of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|target| target.name == name)
    }
}
