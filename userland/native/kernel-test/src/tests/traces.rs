//! The trace ring: what the kernel writes into memory that this task has mapped.

use ukernel_abi::boot::slot;
use ukernel_abi::trace::{Kind, RECORD_BYTES, Record, header};
use ukernel_abi::vcpu::ExitReason;
use ukernel_abi::{Error, MessageInfo, PAGE_BYTES, Rights};
use ukernel_user::{Cap, Memory, Thread, Trace};

use super::registers::fill;
use crate::machine::{foreign_code, peek};
use crate::master::Master;
use crate::world::{PLAYGROUND, World};
use crate::{Outcome, check};

const CODE: u64 = 0x40_0000;
const RING: u64 = PLAYGROUND + (1 << 32);
pub(super) const TRACE: Cap<Trace> = Cap::new(slot::TRACE);

/// Starts tracing into a fresh ring of so many pages.
pub(super) fn start(world: &mut World, pages: u64) -> Result<Cap<Memory>, Error> {
    let memory = world.make_sized::<Memory>(pages * PAGE_BYTES)?;
    world.map(world.vspace, memory, RING, Rights::READ)?;
    TRACE.start(memory)?;
    Ok(memory)
}

/// All events, if the ring holds them.
pub(super) fn events() -> impl Iterator<Item = Record> {
    (0..written()).filter_map(event)
}

fn written() -> u64 {
    peek(RING + header::WORD_WRITTEN as u64 * 8)
}

/// The event with this number, from 0.
fn event(number: u64) -> Option<Record> {
    let capacity = peek(RING + header::WORD_CAPACITY as u64 * 8);
    let at = RING + (number % capacity + 1) * RECORD_BYTES;
    Record::from_words(&core::array::from_fn(|word| peek(at + word as u64 * 8)))
}

/// Events of a kind and label.
fn count(kind: Kind, label: u32) -> usize {
    events().filter(|event| event.kind == kind && event.label == label).count()
}

pub fn messages_are_traced(world: &mut World) -> Outcome {
    let endpoint = world.echo_server(100)?;
    Cap::<Thread>::new(slot::THREAD).set_name(b"kernel-test")?;
    let memory = start(world, 4)?;
    check!(TRACE.start(memory) == Err(Error::InvalidState));
    check!(peek(RING) == header::MAGIC);
    endpoint.call(MessageInfo::new(4711, 3), &[1, 2, 3, 0, 0, 0])?;
    TRACE.stop()?;
    let end = written();
    endpoint.call(MessageInfo::new(4712, 0), &[0; 6])?;
    check!(written() == end);
    // The call arrives, and its echo comes back.
    check!(count(Kind::Send, 4711) == 1 && count(Kind::Reply, 4711) == 1 && count(Kind::Receive, 4711) == 2);
    check!(count(Kind::Send, 4712) == 0);
    let send = (0..end).filter_map(event).find(|event| event.kind == Kind::Send);
    let Some(send) = send else { return Err(crate::Failure { what: "no send", line: line!() }) };
    check!(send.length == 3 && send.name_bytes().starts_with(b"kernel-test\0"));
    // Threads take turns, in order of time.
    let runs = (0..end).filter_map(event).filter(|event| event.kind == Kind::Schedule && event.thread == send.thread);
    check!(runs.count() >= 1);
    check!((1..end).all(|number| event(number).map(|e| e.time) >= event(number - 1).map(|e| e.time)));
    Ok(())
}

pub fn vcpus_do_the_same_while_traced(world: &mut World) -> Outcome {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    start(world, 4)?;
    master.state(fill);
    for _ in 0..3 {
        let seen = master.enter(world)?;
        check!(seen.reason == ExitReason::Syscall as u64);
        check!(seen.state.rax == 39 && seen.state.rip == CODE + 7);
        check!(seen.state.rcx == seen.state.rip && seen.state.r11 == seen.state.rflags);
        let mut expected = seen.state.clone();
        fill(&mut expected);
        check!(seen.state == expected);
    }
    TRACE.stop()?;
    check!(count(Kind::VcpuEnter, 0) == 3 && count(Kind::VcpuExit, 0) == 3);
    let exit = events().find(|event| event.kind == Kind::VcpuExit);
    check!(exit.is_some_and(|exit| exit.detail == ExitReason::Syscall as u8));
    // And again on the fast way.
    check!(master.enter(world)?.reason == ExitReason::Syscall as u64);
    Ok(())
}

pub fn traces_end_with_their_memory(world: &mut World) -> Outcome {
    let endpoint = world.echo_server(100)?;
    let memory = start(world, 1)?;
    for _ in 0..100 {
        endpoint.call(MessageInfo::new(1, 0), &[0; 6])?;
    }
    check!(written() > 400 && event(written() - 1).is_some());
    world.table.revoke(memory.slot())?;
    let again = start(world, 1)?;
    check!(again.slot() != memory.slot());
    TRACE.stop()?;
    Ok(())
}
