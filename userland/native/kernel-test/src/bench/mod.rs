//! What the kernel's operations cost, in ticks of the time-stamp counter: instructions under the emulator's instruction
//! counting. A fixed number of rounds; the loop around them is not taken off.
//!
//! Each line is `bench NAME INSTRUCTIONS CR3-WRITES ENTRIES EVENTS`: of one operation, in hundredths. An entry is a change from
//! user space to the kernel, with one change back. Events are what tracing would have recorded (0 where the operation is a
//! part of another). The host prints and compares (`ci/bench`); [`meter`] measures.

mod faults;
mod foreign;
mod latency;
mod messages;
mod meter;
mod objects;
mod signals;
mod time;

use core::hint::black_box;

use ukernel_abi::boot::RootInfo;
use ukernel_abi::{Error, MessageInfo};

use crate::world::{Place, World, say};
use meter::Meter;

type Measure = fn(&mut World, Meter) -> Result<(), Error>;

/// All measurements, each in a world of its own.
const ALL: [Measure; 17] = [
    function,
    messages::round_trips,
    messages::one_ways,
    messages::sends,
    signals::alone,
    signals::waiter,
    signals::ping_pong,
    signals::turns,
    objects::mapping,
    objects::capabilities,
    objects::retyping,
    objects::threads,
    time::timers,
    faults::invalid_instructions,
    faults::missing_pages,
    foreign::both,
    latency::interrupts_off,
];

/// Rounds of each operation where the host asks for nothing else: few, which still tests that all can be measured.
pub const ROUNDS: u64 = 100;
/// Label of the call that a debugger is to follow.
const FOLLOWED: u32 = 0x7ace;

/// One call with that label to a server in another address space, after a few that warm up. It comes before all tests, so
/// that a debugger which stops at each kernel entry finds it soon.
pub fn followed_call(info: &RootInfo) {
    let mut world = World::new(info, Place::Here);
    let followed = world.echo_server(100).and_then(|endpoint| {
        for label in [0, 0, 0, FOLLOWED] {
            endpoint.call(MessageInfo::new(label, 4), &[1, 2, 3, 4, 0, 0])?;
        }
        Ok(())
    });
    if let Err(error) = followed {
        say(format_args!("the followed call failed: {error:?}"));
    }
    world.end();
}

/// Run all, with so many rounds of each operation.
pub fn run(info: &RootInfo, rounds: u64) {
    for measure in ALL {
        let mut world = World::new(info, Place::Here);
        let measured = Meter::new(&mut world, rounds).and_then(|meter| measure(&mut world, meter));
        if let Err(error) = measured {
            say(format_args!("bench failed: {error:?}"));
        }
        world.end();
    }
}

/// What a call costs without any protection.
fn function(_: &mut World, meter: Meter) -> Result<(), Error> {
    #[inline(never)]
    fn callee(words: &[u64; 4]) -> u64 {
        words[0] + words[3]
    }
    meter.measure("function_call", || {
        black_box(callee(black_box(&[1, 2, 3, 4])));
        Ok(())
    })
}
