//! Signals as values: numbers and sets, what accompanies them, dispositions, queues. Pure logic; who is sent what is in
//! `send`, what happens then in `deliver`.

mod action;
mod info;
mod pending;
mod set;

pub use action::{ACTION_BYTES, Action, Actions, SIG_DFL, SIG_IGN};
pub use info::{Fields, SIGINFO_BYTES, SigInfo};
pub use pending::{Pending, Raised};
pub use set::{DefaultAction, SigSet, Signal};
