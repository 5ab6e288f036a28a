//! Processes and threads of legacy programs: their family, their lives, their signals.
//!
//! * [`Task`]: a thread; [`Process`]: the threads that share a number; [`System`]: all of them
//! * `clone`, `exec`, `exit`, `wait`: the stations of a life
//! * [`signal`] (values), `send`, `deliver`, `frame`: signals
//! * [`futex`], [`timer`]: waiting for words and for time
//! * [`Seat`]: the personality thread that serves a task; the server makes them ([`Workers`])
//!
//! Lock order: what [`send_together`] holds, [`System::tree`], a process's `group`, a process's or task's signals, a task's resources. Futex buckets and
//! the timer queue are leaves but for the wake-ups and signals that follow once they are released.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod clone;
mod deliver;
mod exec;
mod exit;
mod frame;
pub mod futex;
mod limits;
mod mechanism;
mod process;
mod seat;
mod send;
pub mod signal;
mod spawn;
mod status;
mod system;
mod task;
pub mod timer;
mod timer_file;
mod tree;
mod usage;
mod wait;

pub use clone::{CloneRequest, clone};
pub use deliver::{Interrupted, Verdict, attend};
pub use exec::{ExecRequest, execute};
pub use exit::{begin_group_exit, end_task};
pub use frame::return_from_signal;
pub use limits::{LIMIT_COUNT, Limits};
pub use mechanism::TrapMechanism;
pub use process::{GroupState, Process};
pub use seat::{Machine, Seat, Workers};
pub use send::{force_signal, send_to_group, send_to_process, send_to_task, send_together, signal_arrivals};
pub use spawn::{Spawn, spawn};
pub use status::{ChildEvent, ExitStatus};
pub use system::{Hooks, System, TraceSink, set_system, system};
pub use task::{AlternateStack, Resources, Task, TaskSignals};
pub use timer_file::TimerFile;
pub use tree::{Entry, INIT, PID_MAX, Tree};
pub use usage::Usage;
pub use wait::{Report, Select, WaitOptions, wait_for_child};

/// A process, thread, group or session number.
pub type Pid = i32;
