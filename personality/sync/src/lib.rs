//! How threads of the personality wait for one another.
//!
//! A [`Waiter`] belongs to one thread and is what others wake or interrupt; a [`WaitQueue`] is a place where threads
//! wait for a condition. Both are free of lost wake-ups: a thread registers, then tests its condition, then parks; a
//! wake-up that comes in between is latched by the waiter.
//!
//! A [`Listener`] is told of a queue's wake-ups without waiting: how epoll watches many files for long.
//!
//! Lock order: a queue's internal locks are leaves: nothing else is locked while one is held, and listeners are told
//! without. A listener may be told with any lock held that a caller of `wake` holds, so what it locks is a leaf as well.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod listener;
mod queue;
mod waiter;

pub use listener::Listener;
pub use queue::{Registration, WaitError, WaitQueue};
pub use waiter::{Waiter, Woken};
