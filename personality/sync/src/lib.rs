//! How threads of the personality wait for one another.
//!
//! A [`Waiter`] belongs to one thread and is what others wake or interrupt; a [`WaitQueue`] is a place where threads
//! wait for a condition. Both are free of lost wake-ups: a thread registers, then tests its condition, then parks; a
//! wake-up that comes in between is latched by the waiter.
//!
//! Lock order: a queue's internal lock is a leaf: nothing else is locked while it is held.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod queue;
mod waiter;

pub use queue::{Registration, WaitError, WaitQueue};
pub use waiter::{Waiter, Woken};
