//! An attacker: a task that makes random system calls with random capabilities, while others must not notice.
//!
//! It has a CapTable, VSpace, memory and objects of its own, an IoSpace and an interrupt of a device that writes memory meanwhile,
//! a right to call somebody else's server, and a read-only view of somebody else's memory. It runs at the highest priority, so
//! whenever this task runs again it has ended its script (by a system call that does not exist), faulted, blocked, or left for
//! another processor: then it is put on its feet and goes on. Threads that it starts make the same calls, on any processor.

mod random;
pub mod script;
mod target;

use ukernel_abi::{Error, MessageInfo, PAGE_BYTES, Rights, fault};
use ukernel_user::object::StartRegisters;
use ukernel_user::{Cap, Endpoint, Memory, Untyped};

use crate::edu;
use crate::machine::{END, peek, poke};
use crate::world::{PLAYGROUND, World, say};
use crate::{Failure, Outcome, check};
use random::Random;
use target::{ARENA_BYTES, CODE, Given, MESSAGES, Target};

/// Where this task sees the script, and the memory of the one who is attacked.
const SCRIPT_VIEW: u64 = PLAYGROUND;
const VICTIM_VIEW: u64 = PLAYGROUND + (1 << 24);
const VICTIM_PAGES: u64 = 16;
/// A device writes memory once for so many attackers.
const TRANSFERS: u64 = 8;
/// Scripts that one attacker lives for.
const LIFETIME: u64 = 4;
const READ_WRITE: Rights = Rights::READ.or(Rights::WRITE);

/// What happened.
#[derive(Default)]
struct Tally {
    calls: u64,
    succeeded: u64,
    refused: u64,
    faults: u64,
    stops: u64,
    attackers: u64,
    transfers: u64,
}

/// How a script ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// All its calls were made.
    Complete,
    /// The attacker has destroyed its own address space.
    Dead,
}

/// An attack of so many calls.
pub fn run(world: &mut World, seed: u64, calls: u64) -> Outcome {
    let mut random = Random::new(seed);
    let script = world.make_sized::<Memory>(script::PAGES * PAGE_BYTES)?;
    world.map(world.vspace, script, SCRIPT_VIEW, READ_WRITE)?;
    let (victim, server) = (victim(world, &mut random)?, world.echo_server(255)?);
    let given = Given { script, victim, server, device: edu::find(world).ok() };
    let arena = world.make_sized::<Untyped>(ARENA_BYTES)?;
    let before = hash();
    let mut tally = Tally::default();
    while tally.calls < calls {
        let target = Target::new(world, arena, &given)?;
        tally.attackers += 1;
        if given.device.is_some() && tally.attackers % TRANSFERS == 1 && !edu::is_busy() {
            // It takes a while, and comes to its end in the midst of this attack or the next.
            edu::begin_write(script::IO_WINDOW + random.below(4) * PAGE_BYTES, 64);
            tally.transfers += 1;
        }
        for _ in 0..LIFETIME {
            script::write(&mut random, SCRIPT_VIEW, script::CALLS.min(calls - tally.calls));
            let end = attack(&target, &mut random, &mut tally)?;
            tally.calls += script::calls_made(SCRIPT_VIEW);
            check!(hash() == before);
            check_server(given.server)?;
            target.let_others_run(world.tsc_hz)?;
            if tally.calls == calls || end == End::Dead {
                break;
            }
        }
        target.end(world)?;
    }
    let Tally { calls, succeeded, refused, faults, stops, attackers, transfers } = tally;
    let cpus = world.cpus;
    say(format_args!(
        "attack: seed {seed}, {cpus} processors, {calls} calls, {succeeded} succeeded, {refused} refused, {faults} faults, {stops} stops, {attackers} attackers, {transfers} transfers of a device"
    ));
    check!(succeeded > calls / 20 && refused > calls / 20);
    Ok(())
}

/// Memory of somebody else, full of what must not change.
fn victim(world: &mut World, random: &mut Random) -> Result<Cap<Memory>, Failure> {
    let victim = world.make_sized::<Memory>(VICTIM_PAGES * PAGE_BYTES)?;
    world.map(world.vspace, victim, VICTIM_VIEW, READ_WRITE)?;
    for offset in (0..VICTIM_PAGES * PAGE_BYTES).step_by(8) {
        poke(VICTIM_VIEW + offset, random.number());
    }
    Ok(victim)
}

/// Of all words of the victim's memory.
fn hash() -> u64 {
    let words = (0..VICTIM_PAGES * PAGE_BYTES).step_by(8).map(|offset| peek(VICTIM_VIEW + offset));
    words.fold(0, |hash: u64, word| (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29))
}

/// The server answers others as before.
fn check_server(server: Cap<Endpoint>) -> Outcome {
    let answer = server.call(MessageInfo::new(77, 2), &[4, 5, 0, 0, 0, 0])?;
    check!(answer.info == MessageInfo::new(77, 2) && answer.words[..2] == [4, 5]);
    Ok(())
}

/// Let the attacker make all calls of the script.
fn attack(target: &Target, random: &mut Random, tally: &mut Tally) -> Result<End, Failure> {
    for result in 0..16 {
        poke(SCRIPT_VIEW + script::RESULTS + result * 8, 0);
    }
    target.fill_message_page(random);
    let mut started = target.start();
    let end = loop {
        match started {
            Err(Error::InvalidState) => break End::Dead,
            other => other?,
        }
        match target.faults.try_receive(target.reply) {
            Ok(told) if told.words[fault::WORD_VECTOR] != fault::BAD_CALL => {
                tally.faults += 1;
                started = target.start();
            }
            Ok(told) if told.words[fault::WORD_ADDRESS] == END => break End::Complete,
            // Another call that does not exist: go on behind it.
            Ok(_) => {
                tally.faults += 1;
                started = target.reply.reply(MessageInfo::new(fault::RESUME, 0), &[0; 6]);
            }
            Err(_) => {
                tally.stops += 1;
                started = target.start();
            }
        }
    };
    for result in 0..16 {
        let count = peek(SCRIPT_VIEW + script::RESULTS + result * 8);
        *(if result == 0 { &mut tally.succeeded } else { &mut tally.refused }) += count;
    }
    Ok(end)
}

/// Where the attacker starts.
const fn registers() -> StartRegisters {
    StartRegisters { rip: CODE, rsp: MESSAGES + PAGE_BYTES, rdi: 0, rsi: 0, fs_base: 0 }
}
