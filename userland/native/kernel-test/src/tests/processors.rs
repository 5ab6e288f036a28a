//! Tests with several processors: all threads but the test itself run on others. Some are the tests for one processor that ask
//! for nothing which only that gives (who is more urgent runs at once).

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_abi::trace::Kind;
use ukernel_abi::vcpu::ExitReason;
use ukernel_abi::{MessageInfo, PAGE_BYTES, Rights, fault};
use ukernel_user::object::{MapRange, PageRange};
use ukernel_user::{Cap, Endpoint, Memory, Notification, Reply, SchedContext, Thread, Untyped};

use super::{Test, attacks, elsewhere, endings, foreign, foreign_threads, messages, registers, traces};
use crate::machine::{foreign_code, foreign_spin_offset, now, peek, poke};
use crate::master::Master;
use crate::world::{PLAYGROUND, World, park};
use crate::{Failure, Outcome, check};

/// Name and function of each test.
pub const ALL: &[(&str, Test)] = &[
    ("all_processors_run_threads", all_processors_run_threads),
    ("calls_reach_other_processors", calls_reach_other_processors),
    ("signals_reach_other_processors", signals_reach_other_processors),
    ("more_urgent_threads_preempt_elsewhere", more_urgent_threads_preempt_elsewhere),
    ("stopped_threads_do_nothing", stopped_threads_do_nothing),
    ("unmapped_pages_are_out_of_every_reach", unmapped_pages_are_out_of_every_reach),
    ("threads_keep_their_state_when_they_move", threads_keep_their_state_when_they_move),
    ("kicks_reach_other_processors", kicks_reach_other_processors),
    ("no_kick_is_lost", no_kick_is_lost),
    ("no_call_of_a_pulled_thread_is_lost", no_call_of_a_pulled_thread_is_lost),
    ("passive_servers_work_where_their_callers_are", passive_servers_work_where_their_callers_are),
    ("vspaces_in_use_elsewhere_can_go", vspaces_in_use_elsewhere_can_go),
    ("faults_are_handled_from_elsewhere", elsewhere::faults_are_handled_from_elsewhere),
    ("bound_notifications_reach_receivers_elsewhere", elsewhere::bound_notifications_reach_receivers_elsewhere),
    ("timeouts_reach_handlers_elsewhere", elsewhere::timeouts_reach_handlers_elsewhere),
    ("timers_signal_elsewhere", elsewhere::timers_signal_elsewhere),
    ("interrupts_wake_threads_elsewhere", elsewhere::interrupts_wake_threads_elsewhere),
    ("calls_are_answered_from_elsewhere", messages::a_call_is_answered),
    ("long_messages_arrive_elsewhere", messages::long_messages_arrive),
    ("foreign_calls_exit_elsewhere", foreign::foreign_calls_exit),
    ("foreign_faults_exit_elsewhere", foreign::foreign_faults_exit),
    ("fixups_resume_masters_elsewhere", foreign::fixups_resume_the_master),
    ("foreign_registers_are_kept_elsewhere", registers::foreign_registers_are_kept),
    ("segment_bases_are_kept_elsewhere", registers::foreign_segment_bases_survive_others),
    ("foreign_threads_call_from_elsewhere", foreign_threads::foreign_threads_calls_are_messages),
    ("foreign_threads_fault_elsewhere", foreign_threads::foreign_threads_faults_are_messages),
    ("random_calls_harm_nobody_elsewhere", attacks::random_calls_harm_nobody),
    ("processors_that_idle_as_it_starts_are_traced", processors_that_idle_as_it_starts_are_traced),
    ("foreign_threads_are_kicked_elsewhere", foreign_threads::foreign_threads_can_be_kicked),
];

const CODE: u64 = 0x40_0000;
const READ_WRITE: Rights = Rights::READ.or(Rights::WRITE);

static COUNTS: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];

fn reset() {
    COUNTS.iter().for_each(|count| count.store(0, Ordering::SeqCst));
}

fn count(index: usize) -> u64 {
    COUNTS[index].load(Ordering::SeqCst)
}

/// Wait until a count has gone up by `by`; for ever, if it never does.
fn await_progress(index: usize, by: u64) {
    let goal = count(index) + by;
    while count(index) < goal {
        core::hint::spin_loop();
    }
}

extern "C" fn keep_counting(index: u64) -> ! {
    loop {
        COUNTS[index as usize].fetch_add(1, Ordering::SeqCst);
        core::hint::spin_loop();
    }
}

fn all_processors_run_threads(world: &mut World) -> Outcome {
    reset();
    check!(world.cpus > 1);
    // All of them spin, this one too: each makes progress only if it has a processor of its own.
    for index in 0..world.cpus - 1 {
        world.thread(1, Cap::NULL, keep_counting, index)?.resume()?;
    }
    (0..world.cpus as usize - 1).for_each(|index| await_progress(index, 1000));
    Ok(())
}

/// Their turns are, from the one that ends the idling on.
fn processors_that_idle_as_it_starts_are_traced(world: &mut World) -> Outcome {
    reset();
    traces::start(world, 16)?;
    for index in 0..world.cpus - 1 {
        world.thread(1, Cap::NULL, keep_counting, index)?.resume()?;
    }
    (0..world.cpus as usize - 1).for_each(|index| await_progress(index, 1000));
    traces::TRACE.stop()?;
    let turns = |cpu: u64| {
        traces::events()
            .filter(|event| event.kind == Kind::Schedule && u64::from(event.cpu) == cpu && event.thread != 0)
            .count()
    };
    check!((1..world.cpus).all(|cpu| turns(cpu) >= 1));
    Ok(())
}

extern "C" fn call_often(endpoint: u64) -> ! {
    for round in 0..ROUNDS {
        let answer = Cap::<Endpoint>::new(endpoint).call(MessageInfo::new(7, 2), &[round, 3, 0, 0, 0, 0]);
        let right = answer.is_ok_and(|answer| answer.words[0] == round + 1 && answer.words[1] == 4);
        COUNTS[usize::from(!right)].fetch_add(1, Ordering::SeqCst);
    }
    COUNTS[2].fetch_add(1, Ordering::SeqCst);
    park()
}

/// Rounds of a test, which `times` in the archive's options multiplies.
const ROUNDS: u64 = 40;

/// The test is the server, the callers are elsewhere.
fn calls_reach_other_processors(world: &mut World) -> Outcome {
    reset();
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    let callers = world.cpus - 1;
    for _ in 0..callers {
        world.thread(10, Cap::NULL, call_often, endpoint.slot())?.resume()?;
    }
    for _ in 0..callers * ROUNDS {
        let call = endpoint.receive(reply)?;
        reply.reply(MessageInfo::new(0, 2), &[call.words[0] + 1, call.words[1] + 1, 0, 0, 0, 0])?;
    }
    while count(2) < callers {
        core::hint::spin_loop();
    }
    check!(count(0) == callers * ROUNDS && count(1) == 0);
    // And the other way round.
    let server = world.echo_server(10)?;
    for round in 0..world.times(ROUNDS) {
        check!(server.call(MessageInfo::new(0, 1), &[round, 0, 0, 0, 0, 0])?.words[0] == round);
    }
    Ok(())
}

extern "C" fn call_echo_often(endpoint: u64) -> ! {
    for round in 0..ROUNDS {
        let answer = Cap::<Endpoint>::new(endpoint).call(MessageInfo::new(0, 1), &[round, 0, 0, 0, 0, 0]);
        let right = answer.is_ok_and(|answer| answer.words[0] == round);
        COUNTS[usize::from(!right)].fetch_add(1, Ordering::SeqCst);
    }
    COUNTS[2].fetch_add(1, Ordering::SeqCst);
    park()
}

/// One server without time of its own, called from everywhere.
fn passive_servers_work_where_their_callers_are(world: &mut World) -> Outcome {
    reset();
    let server = world.echo_server(20)?;
    // `World::echo_server` makes the time last. Behind its first answer the server waits.
    let time = Cap::<SchedContext>::new(world.slot() - 1);
    server.call(MessageInfo::new(0, 0), &[0; 6])?;
    time.unbind()?;
    let callers = world.cpus - 1;
    for _ in 0..callers {
        world.thread(10, Cap::NULL, call_echo_often, server.slot())?.resume()?;
    }
    for round in 0..ROUNDS {
        check!(server.call(MessageInfo::new(0, 1), &[round, 0, 0, 0, 0, 0])?.words[0] == round);
    }
    while count(2) < callers {
        core::hint::spin_loop();
    }
    check!(count(0) == callers * ROUNDS && count(1) == 0);
    Ok(())
}

/// Address spaces go while threads run in them; what they were made of is used again at once.
fn vspaces_in_use_elsewhere_can_go(world: &mut World) -> Outcome {
    for round in 0..world.times(9) {
        let slot = world.slot();
        let part = world.pot.create::<Untyped>(UNTYPED_BYTES, slot)?;
        let (thread, vspace) = endings::spinner_of(world, part)?;
        (0..round).for_each(|_| core::hint::spin_loop());
        match round % 3 {
            0 => world.table.delete(vspace.slot())?,
            1 => world.table.revoke(part.slot())?,
            _ => world.table.delete(thread.slot())?,
        }
        world.table.revoke(part.slot())?;
        let memory = world.slot();
        part.create::<Memory>(UNTYPED_BYTES / 2, memory)?;
        world.table.revoke(part.slot())?;
    }
    Ok(())
}

/// What such an address space, its code and its thread are made of.
const UNTYPED_BYTES: u64 = 64 * PAGE_BYTES;

static HERE: AtomicU64 = AtomicU64::new(0);

extern "C" fn pass_signals_back(notification: u64) -> ! {
    let back: Cap<Notification> = Cap::new(HERE.load(Ordering::SeqCst));
    loop {
        let _ = Cap::<Notification>::new(notification).wait();
        let _ = back.signal();
    }
}

fn signals_reach_other_processors(world: &mut World) -> Outcome {
    let (there, here) = (world.make::<Notification>()?, world.make::<Notification>()?);
    let (send, back) = (world.mint(there, Rights::SEND, 1)?, world.mint(here, Rights::SEND, 2)?);
    HERE.store(back.slot(), Ordering::SeqCst);
    world.thread(10, Cap::NULL, pass_signals_back, there.slot())?.resume()?;
    for _ in 0..world.times(ROUNDS) {
        send.signal()?;
        check!(here.wait()? == 2);
    }
    Ok(())
}

extern "C" fn wait_and_count(notification: u64) -> ! {
    loop {
        let _ = Cap::<Notification>::new(notification).wait();
        COUNTS[1].fetch_add(1, Ordering::SeqCst);
    }
}

/// The thread that spins is on the same processor as the one that is woken there.
fn more_urgent_threads_preempt_elsewhere(world: &mut World) -> Outcome {
    reset();
    let notification = world.make::<Notification>()?;
    let send = world.mint(notification, Rights::SEND, 1)?;
    world.thread(10, Cap::NULL, keep_counting, 0)?.resume()?;
    let urgent = world.thread(20, Cap::NULL, wait_and_count, notification.slot())?;
    // `World::thread` makes the time last.
    Cap::<SchedContext>::new(world.slot() - 1).set_cpu(1)?;
    urgent.resume()?;
    for round in 0..world.times(10) {
        await_progress(0, 10);
        send.signal()?;
        while count(1) == round {
            core::hint::spin_loop();
        }
    }
    Ok(())
}

fn stopped_threads_do_nothing(world: &mut World) -> Outcome {
    reset();
    let thread = world.thread(10, Cap::NULL, keep_counting, 0)?;
    for _ in 0..world.times(20) {
        thread.resume()?;
        await_progress(0, 10);
        thread.suspend()?;
        let before = count(0);
        let start = now();
        while now() - start < 20_000 {
            core::hint::spin_loop();
        }
        check!(count(0) == before);
    }
    Ok(())
}

extern "C" fn keep_writing(address: u64) -> ! {
    loop {
        poke(address, peek(address).wrapping_add(1));
        COUNTS[0].fetch_add(1, Ordering::SeqCst);
        core::hint::spin_loop();
    }
}

/// A writer elsewhere; whenever the page is unmapped or read-only here, it is so there, and the writer faults.
fn unmapped_pages_are_out_of_every_reach(world: &mut World) -> Outcome {
    reset();
    let (memory, view) = (world.make_sized::<Memory>(PAGE_BYTES)?, PLAYGROUND + (1 << 32));
    let window = world.map(world.vspace, memory, PLAYGROUND, READ_WRITE)?;
    world.map(world.vspace, memory, view, READ_WRITE)?;
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    let faults = world.mint(endpoint, Rights::SEND, 5)?;
    world.thread(10, faults, keep_writing, PLAYGROUND + 8)?.resume()?;
    let page = PageRange { address: PLAYGROUND, pages: 1 };
    for round in 0..world.times(10) {
        await_progress(0, 10);
        if round % 2 == 0 {
            window.unmap(&[page])?;
        } else {
            window.protect(&[page], Rights::READ)?;
        }
        let before = peek(view + 8);
        let fault = endpoint.receive(reply)?;
        check!(fault.words[fault::WORD_VECTOR] == 14 && fault.words[fault::WORD_ADDRESS] == PLAYGROUND + 8);
        check!(peek(view + 8) == before);
        window.map(&[MapRange::new(PLAYGROUND, READ_WRITE, 0, 1)])?;
        reply.reply(MessageInfo::new(fault::RESUME, 0), &[0; 6])?;
    }
    Ok(())
}

fn threads_keep_their_state_when_they_move(world: &mut World) -> Outcome {
    registers::start_over();
    let mut times = [Cap::<SchedContext>::NULL; 2];
    for (index, time) in times.iter_mut().enumerate() {
        let thread = world.thread(10, Cap::NULL, registers::keep_a_value, index as u64)?;
        *time = Cap::new(world.slot() - 1);
        thread.set_fpu(true)?;
        thread.resume()?;
    }
    for round in 0..world.times(12) {
        for (index, time) in (0u64..).zip(times) {
            let before = registers::rounds(index as usize);
            // They meet on the same processor now and then.
            time.set_cpu(1 + (round / (index + 1) + index) % (world.cpus - 1))?;
            while registers::rounds(index as usize) < before + 10 {
                core::hint::spin_loop();
            }
        }
    }
    check!(registers::mistakes() == 0);
    Ok(())
}

fn kicks_reach_other_processors(world: &mut World) -> Outcome {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    for _ in 0..world.times(8) {
        master.state(|state| (state.rip, state.r12) = (CODE + foreign_spin_offset(), 0x1212));
        master.start(world)?;
        master.kick()?;
        let seen = master.wait(world)?;
        check!(seen.reason == ExitReason::Kick as u64);
        check!(seen.state.rip == CODE + foreign_spin_offset() && seen.state.r12 == 0x1212);
    }
    Ok(())
}

/// While the master enters and leaves all the time, kicks come at any moment; each ends one entry or the next. At the end
/// the foreign code spins, and one more kick is what gets it out.
fn no_kick_is_lost(world: &mut World) -> Outcome {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    for _ in 0..world.times(4) {
        master.state(|state| (state.rip, state.rcx) = (CODE, CODE));
        master.start_many(200)?;
        while !master.returned() {
            master.kick()?;
        }
        // One may still be latched; it ends the next entry at once.
        master.state(|state| state.rip = CODE + foreign_spin_offset());
        master.start(world)?;
        master.kick()?;
        check!(master.wait(world)?.reason == ExitReason::Kick as u64);
        master.settle(world)?;
    }
    Ok(())
}

static STEPS: AtomicU64 = AtomicU64::new(0);

extern "C" fn signal_and_count(notification: u64) -> ! {
    loop {
        if Cap::<Notification>::new(notification).signal().is_ok() {
            STEPS.fetch_add(1, Ordering::SeqCst);
        }
        let _ = Cap::<Notification>::new(COUNTS[7].load(Ordering::SeqCst)).wait();
    }
}

/// A thread signals once for each signal that it gets, and is stopped and started again all the time.
fn no_call_of_a_pulled_thread_is_lost(world: &mut World) -> Outcome {
    STEPS.store(0, Ordering::SeqCst);
    let (there, back) = (world.make::<Notification>()?, world.make::<Notification>()?);
    let (send, answer) = (world.mint(there, Rights::SEND, 1)?, world.mint(back, Rights::SEND, 1)?);
    COUNTS[7].store(there.slot(), Ordering::SeqCst);
    let thread = world.thread(10, Cap::NULL, signal_and_count, answer.slot())?;
    thread.resume()?;
    for _ in 0..world.times(20) {
        interrupt_until(thread, back)?;
        send.signal()?;
    }
    interrupt_until(thread, back)
}

/// Stop and start a thread until its signal arrives, with longer and longer time in between: it has to get on.
fn interrupt_until(thread: Cap<Thread>, signal: Cap<Notification>) -> Result<(), Failure> {
    let mut pauses = 1;
    while signal.poll().is_err() {
        thread.suspend()?;
        thread.resume()?;
        (0..pauses).for_each(|_| core::hint::spin_loop());
        pauses += 1;
    }
    Ok(())
}
