//! Services with two homes, as the personality has them: where each runs now, and how it moves while it is used.
//!
//! * [`Slot`]: what clients call; a gate, and behind it the present home. It implements the service's contract itself
//! * [`home`]: what it takes to leave a home and to enter one, step by step; [`places`] has the homes of `block` and `fs`
//! * [`migration`]: takes the steps, and takes them back where one fails
//! * [`Services`]: both services together, the commands of `/proc/banyan/services`, and its table
//! * [`pauses`]: how long gates were closed
//!
//! Lock order: the lock of moves, a slot's gate; within a gate nothing of this crate is locked.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod command;
pub mod home;
pub mod migration;
pub mod pauses;
pub mod places;
mod services;
pub mod slot;
#[cfg(test)]
mod tests;

pub use command::{Command, CommandError};
pub use home::{Step, StepError};
pub use migration::MoveError;
pub use places::{LocalDisk, Platform};
pub use services::{Services, Start};
pub use slot::{DiskHandle, Slot};
