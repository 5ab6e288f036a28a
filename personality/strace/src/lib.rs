//! System calls as text, as strace(1) 6.1 prints them.
//!
//! [`table`] says of each call what its arguments are, [`calls`] what they can be; [`print`] prints one argument of each kind; [`structures`] the
//! structures behind pointers; [`names`] holds the names of flags; [`Tracer`] joins entries and exits of several
//! threads to lines. Memory of the traced process is reached only through [`Memory`]; whatever lies there is text, at
//! worst strange text: nothing here panics.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod addresses;
mod calls;
mod errors;
mod events;
mod memory;
mod messages;
mod names;
mod option_names;
mod print;
mod signals;
mod socket_names;
mod socket_options;
mod sockets;
mod special;
mod structures;
mod table;
mod tracer;

#[cfg(test)]
mod event_tests;
#[cfg(test)]
mod socket_tests;
#[cfg(test)]
mod tests;

pub use memory::Memory;
pub use signals::{SignalDetail, SignalEvent};
pub use tracer::{Call, End, Tracer};
