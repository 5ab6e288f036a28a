//! Tests of the microkernel from user space: a root task that is nothing but tests.
//!
//! Each test prints `[kernel-test] ok NAME` or `[kernel-test] FAILED NAME: reason` to the log; the last line is
//! `[kernel-test] done: N passed, M failed`, and the machine is switched off. The host's harness lists each by name.
//! Before it come the measurements, as lines `[kernel-test] bench NAME ...` ([`bench`]); `bench-rounds` in the archive's data entry
//! `options` says how many rounds of each.
#![no_std]
#![no_main]

mod attack;
mod bench;
mod edu;
mod foreign_thread;
mod latency;
#[expect(unsafe_code, reason = "a task without runtime starts, and touches memory that it mapped itself")]
mod machine;
mod master;
mod options;
mod tests;
mod world;

use ukernel_abi::boot::slot;
use ukernel_user::{Cap, SchedContext};
use world::{Place, World};

/// Why a test failed.
pub type Outcome = Result<(), Failure>;

/// What a failed test says.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// What was expected.
    pub what: &'static str,
    /// Where, as a line of the source.
    pub line: u32,
}

impl From<ukernel_abi::Error> for Failure {
    #[track_caller]
    fn from(error: ukernel_abi::Error) -> Self {
        let what = match error {
            ukernel_abi::Error::InvalidCapability => "InvalidCapability",
            ukernel_abi::Error::InsufficientRights => "InsufficientRights",
            ukernel_abi::Error::InvalidMethod => "InvalidMethod",
            ukernel_abi::Error::InvalidArgument => "InvalidArgument",
            ukernel_abi::Error::InvalidMessage => "InvalidMessage",
            ukernel_abi::Error::SlotOccupied => "SlotOccupied",
            ukernel_abi::Error::OutOfMemory => "OutOfMemory",
            ukernel_abi::Error::OutOfTables => "OutOfTables",
            ukernel_abi::Error::AlreadyMapped => "AlreadyMapped",
            ukernel_abi::Error::NotMapped => "NotMapped",
            ukernel_abi::Error::WouldBlock => "WouldBlock",
            ukernel_abi::Error::ServerDied => "ServerDied",
            ukernel_abi::Error::InvalidState => "InvalidState",
            ukernel_abi::Error::HasChildren => "HasChildren",
        };
        Self { what, line: core::panic::Location::caller().line() }
    }
}

impl From<ukernel_user::object::Incomplete> for Failure {
    #[track_caller]
    fn from(incomplete: ukernel_user::object::Incomplete) -> Self {
        incomplete.error.into()
    }
}

/// Fail the test unless the condition holds.
#[macro_export]
macro_rules! check {
    ($condition:expr) => {
        if !$condition {
            return Err($crate::Failure { what: stringify!($condition), line: line!() });
        }
    };
}

/// Called by the start code with the address of the root task's information page.
pub fn main(info: &ukernel_abi::boot::RootInfo) -> ! {
    bench::followed_call(info);
    let mut failed = 0;
    let only_figures = options::number(info, "only-figures", 0) != 0;
    let (chosen, place) = match (only_figures, options::number(info, "processors", 0)) {
        (true, _) => (&[][..], Place::Here),
        (_, 0) => (tests::ALL, Place::Here),
        (_, 1) => (tests::processors::ALL, Place::Elsewhere),
        _ => (tests::balance::ALL, Place::Anywhere),
    };
    // The tests themselves stay where they are.
    Cap::<SchedContext>::new(slot::SCHED_CONTEXT).set_cpu(0).expect("there is a first processor");
    for (name, test) in chosen {
        let mut world = World::new(info, place);
        match test(&mut world) {
            Ok(()) => world::say(format_args!("ok {name}")),
            Err(Failure { what, line }) => {
                failed += 1;
                world::say(format_args!("FAILED {name}: line {line}: {what}"));
            }
        }
        world.end();
    }
    if place == Place::Here {
        bench::run(info, options::number(info, "bench-rounds", bench::ROUNDS));
    }
    world::say(format_args!("done: {} passed, {failed} failed", chosen.len() - failed));
    world::switch_off(if failed == 0 { 0 } else { 1 })
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    world::say(format_args!("panic: {info}"));
    world::switch_off(2)
}

/// A capability that the kernel gave the root task.
pub const fn initial<T>(slot: u64) -> Cap<T> {
    Cap::new(slot)
}
