//! Exception IPC: foreign code in threads of its own, whose traps are messages to this task.

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_abi::Error;
use ukernel_abi::vcpu::{ExitReason, State};
use ukernel_user::{Cap, Thread};

use super::foreign::{FORBIDDEN, forbidden_code, forbidden_start};
use super::registers::{disturb, fill, keep_a_value};
use crate::foreign_thread::ForeignThread;
use crate::machine::{
    foreign_code, foreign_fpu_count_offset, foreign_fpu_keep_offset, foreign_spin_offset, fpu_value, set_fpu_value,
};
use crate::master::sleep;
use crate::world::{World, park};
use crate::{Failure, Outcome, check};

/// Where the foreign code is.
const CODE: u64 = 0x40_0000;
/// Where in it the first `syscall` instruction is.
const SYSCALL: u64 = CODE + 5;

const fn is(state: &State, reason: ExitReason) -> bool {
    state.exit_reason == reason as u64
}

pub fn foreign_threads_calls_are_messages(world: &mut World) -> Outcome {
    let foreign = ForeignThread::new(world, foreign_code(), CODE, Cap::NULL)?;
    let mut state = foreign.start()?;
    // The kernel's own numbers, and some of Linux's.
    for number in (0..16).chain([39, 60, 231, u64::MAX]) {
        fill(&mut state);
        (state.rip, state.rax) = (SYSCALL, number);
        state = foreign.run(&state)?;
        let mut expected = state.clone();
        fill(&mut expected);
        check!(state == expected);
        check!(is(&state, ExitReason::Syscall));
        check!(state.rax == number);
        check!(state.rip == SYSCALL + 2);
        check!(state.rcx == state.rip && state.r11 == state.rflags);
    }
    Ok(())
}

pub fn foreign_threads_faults_are_messages(world: &mut World) -> Outcome {
    let foreign = ForeignThread::new(world, &forbidden_code(), CODE, Cap::NULL)?;
    let mut state = foreign.start()?;
    for (index, (_, vector)) in FORBIDDEN.iter().enumerate() {
        let start = CODE + forbidden_start(index);
        (state.rip, state.rflags) = (start, 0x202);
        state = foreign.run(&state)?;
        check!(is(&state, ExitReason::Exception));
        check!(state.vector == *vector);
        check!(state.rip >= start && state.rip < start + 4);
    }
    for address in [0x1234_5000, 0xffff_8000_0000_0000 - 0x1000] {
        state.rip = address;
        state = foreign.run(&state)?;
        let expected = if address == 0x1234_5000 { 14 } else { 13 };
        check!(is(&state, ExitReason::Exception));
        check!(state.vector == expected && state.rip == address);
        check!(expected == 13 || state.fault_address == address);
    }
    Ok(())
}

pub fn foreign_threads_registers_are_kept(world: &mut World) -> Outcome {
    let foreign = ForeignThread::new(world, foreign_code(), CODE, Cap::NULL)?;
    let mut state = foreign.start()?;
    // Of the foreign thread's priority: the two take turns.
    world.thread(100, Cap::NULL, disturb, 0x6666_0000)?.resume()?;
    fill(&mut state);
    let seen = foreign.run(&state)?;
    check!(is(&seen, ExitReason::Syscall));
    let mut expected = seen.clone();
    fill(&mut expected);
    check!(seen == expected);

    state.rip = CODE + foreign_spin_offset();
    foreign.answer(&state)?;
    sleep(world, 40)?;
    foreign.thread.kick()?;
    let seen = foreign.receive()?;
    check!(is(&seen, ExitReason::Kick) && seen.rip == state.rip);
    let mut expected = seen.clone();
    fill(&mut expected);
    check!(seen == expected);
    Ok(())
}

pub fn foreign_threads_can_be_kicked(world: &mut World) -> Outcome {
    let foreign = ForeignThread::new(world, foreign_code(), CODE, Cap::NULL)?;
    let mut state = foreign.start()?;
    check!(is(&state, ExitReason::Kick));
    // While it waits for its answer: it traps as soon as it could go on.
    foreign.thread.kick()?;
    state.rip = CODE;
    let seen = foreign.run(&state)?;
    check!(is(&seen, ExitReason::Kick) && seen.rip == CODE);
    check!(is(&foreign.run(&seen)?, ExitReason::Syscall));
    // While it runs: it traps where it is.
    state.rip = CODE + foreign_spin_offset();
    foreign.answer(&state)?;
    sleep(world, 20)?;
    check!(foreign.endpoint.try_receive(foreign.reply) == Err(Error::WouldBlock));
    foreign.thread.kick()?;
    let seen = foreign.receive()?;
    check!(is(&seen, ExitReason::Kick) && seen.rip == state.rip);
    // Ordinary threads have no traps.
    let thread = world.thread(1, Cap::NULL, idle, 0)?;
    check!(thread.kick() == Err(Error::InvalidState));
    thread.resume()?;
    check!(thread.make_foreign(Cap::NULL) == Err(Error::InvalidState));
    Ok(())
}

extern "C" fn idle(_: u64) -> ! {
    park()
}

pub fn hostile_registers_are_refused(world: &mut World) -> Outcome {
    let foreign = ForeignThread::new(world, foreign_code(), CODE, Cap::NULL)?;
    let mut state = foreign.start()?;
    for bad in [1 << 47, 0x8000_0000_0000_0000, u64::MAX, 0xffff_ffff_8000_0000, 0xffff_8000_0000_0000] {
        let seen = foreign.run(&State { rip: bad, ..state.clone() })?;
        check!(is(&seen, ExitReason::Exception));
        check!(seen.vector == 13 && seen.rip == bad);
    }
    for change in [(|s: &mut State| s.fs_base = 1 << 47) as fn(&mut State), |s| s.gs_base = 1 << 63] {
        let mut hostile = state.clone();
        change(&mut hostile);
        check!(foreign.run(&hostile)?.vector == 13);
    }
    // Interrupts stay on and no input/output privilege is given, whatever the flags say.
    (state.rip, state.rflags) = (CODE, 0x3000);
    let seen = foreign.run(&state)?;
    check!(is(&seen, ExitReason::Syscall));
    check!(seen.rflags & 0x3200 == 0x200);
    Ok(())
}

pub fn foreign_threads_need_a_legacy_view(world: &mut World) -> Outcome {
    let space = world.vspace()?;
    let foreign = ForeignThread::in_vspace(world, space, foreign_code(), CODE, Cap::NULL)?;
    let state = foreign.start()?;
    foreign.answer(&state)?;
    sleep(world, 5)?;
    check!(foreign.endpoint.try_receive(foreign.reply) == Err(Error::WouldBlock));
    foreign.thread.kick()?;
    check!(foreign.receive()?.rip == CODE);
    Ok(())
}

pub fn unanswered_foreign_threads_stop(world: &mut World) -> Outcome {
    let foreign = ForeignThread::new(world, foreign_code(), CODE, Cap::NULL)?;
    foreign.start()?;
    world.table.delete(foreign.reply.slot())?;
    check!(foreign.thread.read_registers()?.state == 0);
    // Stopped in the middle of a call, it makes the call again.
    let foreign = ForeignThread::new(world, foreign_code(), CODE, Cap::NULL)?;
    let state = foreign.start()?;
    foreign.run(&state)?;
    foreign.thread.suspend()?;
    foreign.thread.resume()?;
    let seen = foreign.receive()?;
    check!(is(&seen, ExitReason::Syscall) && seen.rax == 39 && seen.rip == SYSCALL + 2);
    Ok(())
}

/// With registers that no processor takes it must not go on for want of an answer.
pub fn traps_received_without_reply_stop_the_thread(world: &mut World) -> Outcome {
    let foreign = ForeignThread::new(world, foreign_code(), CODE, Cap::NULL)?;
    let mut state = foreign.start()?;
    for change in [(|s: &mut State| s.fs_base = 1 << 47) as fn(&mut State), |s| s.gs_base = 1 << 63] {
        let mut hostile = state.clone();
        change(&mut hostile);
        foreign.answer(&hostile)?;
        foreign.endpoint.try_receive(Cap::NULL)?;
        sleep(world, 2)?;
        check!(foreign.thread.read_registers()?.state == 0);
        check!(foreign.endpoint.try_receive(foreign.reply) == Err(Error::WouldBlock));
        foreign.thread.resume()?;
        state.rip = CODE;
        check!(foreign.receive()?.vector == 13);
        check!(is(&foreign.run(&state)?, ExitReason::Syscall));
    }
    Ok(())
}

/// Slots, and what the handler found wrong: 0 is "not done yet", 1 "nothing".
static SLOTS: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];
static RESULT: AtomicU64 = AtomicU64::new(0);
const VALUE: u64 = 0x0011_2233_4455_6677;

extern "C" fn serve_fpu(start: u64) -> ! {
    let slot = |index: usize| SLOTS[index].load(Ordering::SeqCst);
    let foreign = ForeignThread::of(Cap::new(slot(0)), Cap::new(slot(1)), Cap::new(slot(2)), start);
    let result = check_fpu(&foreign).map_or_else(|failure| u64::from(failure.line), |()| 1);
    RESULT.store(result, Ordering::SeqCst);
    park()
}

fn check_fpu(foreign: &ForeignThread) -> Result<(), Failure> {
    set_fpu_value(VALUE);
    let mut state = foreign.start()?;
    // Each sees at once what the other stored.
    for round in 0..3 {
        state.rip = CODE + foreign_fpu_count_offset();
        state = foreign.run(&state)?;
        check!(is(&state, ExitReason::Syscall));
        check!(state.rax == VALUE + 2 * round + 1 && fpu_value() == state.rax);
        set_fpu_value(state.rax + 1);
    }
    // It is kept while others use the FPU: the foreign code compares until it is kicked.
    (state.rip, state.rbx) = (CODE + foreign_fpu_keep_offset(), fpu_value());
    state = foreign.run(&state)?;
    check!(is(&state, ExitReason::Kick));
    check!(fpu_value() == state.rbx);
    Ok(())
}

pub fn foreign_threads_use_their_handlers_fpu_state(world: &mut World) -> Outcome {
    RESULT.store(0, Ordering::SeqCst);
    let handler: Cap<Thread> = world.thread(100, Cap::NULL, serve_fpu, CODE)?;
    handler.set_fpu(true)?;
    let foreign = ForeignThread::new(world, foreign_code(), CODE, handler)?;
    for (place, slot) in SLOTS.iter().zip([foreign.thread.slot(), foreign.endpoint.slot(), foreign.reply.slot()]) {
        place.store(slot, Ordering::SeqCst);
    }
    let other = world.thread(100, Cap::NULL, keep_a_value, 0)?;
    other.set_fpu(true)?;
    other.resume()?;
    handler.resume()?;
    sleep(world, 60)?;
    check!(RESULT.load(Ordering::SeqCst) == 0);
    foreign.thread.kick()?;
    sleep(world, 20)?;
    check!(RESULT.load(Ordering::SeqCst) == 1);
    Ok(())
}

pub fn foreign_threads_without_fpu_fault(world: &mut World) -> Outcome {
    let foreign = ForeignThread::new(world, foreign_code(), CODE, Cap::NULL)?;
    let mut state = foreign.start()?;
    state.rip = CODE + foreign_fpu_count_offset();
    state = foreign.run(&state)?;
    check!(is(&state, ExitReason::Exception) && state.vector == 7);
    Ok(())
}
