//! The supervisor's logic: the life of every task, placements, and who may ask for what. It decides; the root task does.
//!
//! * [`supervisor`]: requests and events in, [`Order`]s out
//! * [`life`]: the states of a task; [`pauses`]: how long a dead task waits, and when it is given up
//! * [`rights`]: who may ask for what
//!
//! Nothing here waits, allocates kernel objects or knows a capability: each call returns at once, and what is to be done
//! stands in the list of orders. The caller does them, the slow ones on another thread, and tells how they went.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod life;
pub mod pauses;
pub mod rights;
pub mod supervisor;

pub use supervisor::{Order, Supervisor};
