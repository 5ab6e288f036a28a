//! The personality's program: what joins its parts and lets Linux programs run.
//!
//! * [`start`]: from the manifest's grants to a system in which a program can start
//! * [`seats`] are the threads that serve tasks, [`service`] is their loop, [`puppet`] the other way to run a program, [`fault`] what exceptions become, [`oom`] what
//!   happens when memory runs out, [`trace`] the text of traced calls
//! * [`console`] and [`session`]: where commands come from and where their output goes; [`power`]: the end
//! * [`disk`]: a root on a disk, behind services that [`platform`] links or reaches
//! * [`jobs`] and [`processes`]: processes as terminals and `/proc` see them
//!
//! Locks here are leaves, except that a trace's lock is held while its text is sent.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod console;
mod current;
mod disk;
mod fault;
mod hooks;
mod jobs;
mod load;
mod network;
mod oom;
mod platform;
mod power;
mod processes;
mod program;
mod puppet;
mod raw_disk;
mod seats;
mod service;
mod session;
mod snapshot;
mod start;
mod trace;
mod watch;
mod world;

#[cfg(not(target_os = "linux"))]
mod hardware;
#[cfg(target_os = "linux")]
#[path = "hardware_host.rs"]
mod hardware;

pub use start::run;
