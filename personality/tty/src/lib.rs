//! Terminals: the line discipline, terminal settings, job control, the console and pseudo-terminals.
//!
//! [`discipline`] is pure logic; [`Tty`] puts it between processes and a device; [`Sessions`] knows which session has
//! which controlling terminal; [`console`] and [`pty`] are the two kinds of terminal. Processes are known only through
//! the [`JobControl`] contract, devices only through [`Output`] and [`Tty::receive`].
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod console;
pub mod discipline;
mod file;
mod job_control;
pub mod pty;
mod sessions;
mod terminal;
pub mod termios;

pub use file::TtyFile;
pub use job_control::{Caller, JobControl, Pid, TerminalSignal};
pub use sessions::{OwnTerminal, Sessions};
pub use terminal::{Output, Tty, WindowSize};

#[cfg(test)]
mod tests;
