//! What the kernel's operations cost, in ticks of the time-stamp counter: instructions under the emulator's instruction
//! counting. A fixed number of rounds; the loop around them is not taken off.

use core::hint::black_box;

use ukernel_abi::boot::RootInfo;
use ukernel_abi::{Error, MessageInfo, PAGE_BYTES, Rights};
use ukernel_user::message::load_words;
use ukernel_user::object::{MapRange, PageRange};
use ukernel_user::{Attachment, Cap, Memory, Notification};

use crate::foreign_thread::ForeignThread;
use crate::machine::{foreign_code, now, peek, poke};
use crate::master::Master;
use crate::world::{PLAYGROUND, World, say};

const ROUNDS: u64 = 1000;

type Measure = fn(&mut World) -> Result<(), Error>;

/// Label of the call that a debugger is to follow.
const FOLLOWED: u32 = 0x7ace;

/// One call with that label to a server in another address space, after a few that warm up. It comes before all tests, so
/// that a debugger which stops at each kernel entry finds it soon.
pub fn followed_call(info: &RootInfo) {
    let mut world = World::new(info);
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

/// Run all, each in a world of its own.
pub fn run(info: &RootInfo) {
    let all: [Measure; 8] = [function, calls, notification, waiter, mapping, capability, vcpu, foreign_thread];
    for measure in all {
        let mut world = World::new(info);
        if let Err(error) = measure(&mut world) {
            say(format_args!("bench failed: {error:?}"));
        }
        world.end();
    }
}

fn report(name: &str, ticks: u64) {
    say(format_args!("bench {name} {}", ticks / ROUNDS));
}

/// Ticks of `ROUNDS` rounds.
fn time(mut round: impl FnMut() -> Result<(), Error>) -> Result<u64, Error> {
    round()?;
    let start = now();
    for _ in 0..ROUNDS {
        round()?;
    }
    Ok(now() - start)
}

/// What a call costs without any protection.
fn function(_: &mut World) -> Result<(), Error> {
    #[inline(never)]
    fn callee(words: &[u64; 4]) -> u64 {
        words[0] + words[3]
    }
    report(
        "function_call",
        time(|| {
            black_box(callee(black_box(&[1, 2, 3, 4])));
            Ok(())
        })?,
    );
    Ok(())
}

fn calls(world: &mut World) -> Result<(), Error> {
    let endpoint = world.echo_server(100)?;
    let words: [u64; 120] = [1; 120];
    for (name, length) in [
        ("ipc_call_reply_0", 0),
        ("ipc_call_reply_4", 4),
        ("ipc_call_reply_6", 6),
        ("ipc_call_reply_8", 8),
        ("ipc_call_reply_60", 60),
        ("ipc_call_reply_120", 120),
    ] {
        let registers = load_words(&words[..length]);
        report(name, time(|| endpoint.call(MessageInfo::new(0, length), &registers).map(drop))?);
    }
    Ok(())
}

fn notification(world: &mut World) -> Result<(), Error> {
    let notification = world.make::<Notification>()?;
    let badged = world.mint(notification, Rights::SEND, 1)?;
    report("signal_nobody_waits", time(|| badged.signal())?);
    report("poll_notification", time(|| notification.poll().map(drop).or(Ok(())))?);
    report("null_call", time(|| Cap::<Notification>::NULL.signal().or(Ok(())))?);
    report(
        "yield_alone",
        time(|| {
            ukernel_user::yield_now();
            Ok(())
        })?,
    );
    Ok(())
}

/// Somebody of higher priority, in another address space, waits for the signal: until it runs.
fn waiter(world: &mut World) -> Result<(), Error> {
    let shared = world.make_sized::<Memory>(PAGE_BYTES)?;
    world.map(world.vspace, shared, PLAYGROUND, Rights::READ.or(Rights::WRITE))?;
    let notification = world.waiter(255, shared)?;
    let badged = world.mint(notification, Rights::SEND, 1)?;
    let round = || {
        poke(PLAYGROUND, now());
        badged.signal()
    };
    round()?;
    poke(PLAYGROUND + 8, 0);
    for _ in 0..ROUNDS {
        round()?;
    }
    report("signal_waiter", peek(PLAYGROUND + 8));
    Ok(())
}

fn mapping(world: &mut World) -> Result<(), Error> {
    let memory = world.make_sized::<Memory>(PAGE_BYTES)?;
    let attachment = world.make::<Attachment>()?;
    memory.attach(world.vspace, PLAYGROUND, 1 << 30, Rights::ALL, attachment)?;
    let ticks = time(|| {
        attachment.map(&[MapRange::new(PLAYGROUND, Rights::READ, 0, 1)])?;
        attachment.unmap(&[PageRange { address: PLAYGROUND, pages: 1 }])?;
        Ok(())
    })?;
    report("page_map_unmap", ticks);
    Ok(())
}

fn capability(world: &mut World) -> Result<(), Error> {
    let notification = world.make::<Notification>()?;
    let slot = world.slot();
    let ticks = time(|| {
        world.table.copy(slot, world.table, notification.slot(), Rights::ALL)?;
        world.table.delete(slot)
    })?;
    report("capability_copy_delete", ticks);
    Ok(())
}

fn vcpu(world: &mut World) -> Result<(), Error> {
    let mut master = Master::new(world, foreign_code(), 0x40_0000)?;
    master.enter(world)?;
    report("vcpu_exit_enter", master.time(world, ROUNDS)?);
    Ok(())
}

fn foreign_thread(world: &mut World) -> Result<(), Error> {
    let foreign = ForeignThread::new(world, foreign_code(), 0x40_0000, Cap::NULL)?;
    let mut state = foreign.start().map_err(|_| Error::InvalidState)?;
    let ticks = time(|| {
        state = foreign.run(&state).map_err(|_| Error::InvalidState)?;
        Ok(())
    })?;
    report("exception_ipc_round_trip", ticks);
    Ok(())
}
