//! Registers survive what other threads do to theirs.

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_abi::vcpu::{ExitReason, State};
use ukernel_user::Cap;

use crate::machine::{foreign_code, foreign_spin_offset, fpu_value, set_fpu_value, set_gs_base};
use crate::master::{Master, sleep};
use crate::world::World;
use crate::{Outcome, check};

/// Where the foreign code is.
const CODE: u64 = 0x40_0000;

static ROUNDS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
static MISTAKES: AtomicU64 = AtomicU64::new(0);

pub(super) extern "C" fn keep_a_value(index: u64) -> ! {
    let value = 0x0123_4567_89ab_cdef << index;
    set_fpu_value(value);
    loop {
        MISTAKES.fetch_add(u64::from(fpu_value() != value), Ordering::SeqCst);
        ROUNDS[index as usize].fetch_add(1, Ordering::SeqCst);
        core::hint::spin_loop();
    }
}

/// Forget the rounds and mistakes of `keep_a_value`.
pub(super) fn start_over() {
    for counter in ROUNDS.iter().chain([&MISTAKES]) {
        counter.store(0, Ordering::SeqCst);
    }
}

/// Rounds of the thread with this index.
pub(super) fn rounds(index: usize) -> u64 {
    ROUNDS[index].load(Ordering::SeqCst)
}

/// Mistakes of all of them.
pub(super) fn mistakes() -> u64 {
    MISTAKES.load(Ordering::SeqCst)
}

pub fn fpu_state_is_each_threads_own(world: &mut World) -> Outcome {
    start_over();
    for index in 0..2 {
        let thread = world.thread(10, Cap::NULL, keep_a_value, index)?;
        thread.set_fpu(true)?;
        thread.resume()?;
    }
    sleep(world, 40)?;
    check!(ROUNDS[0].load(Ordering::SeqCst) > 0 && ROUNDS[1].load(Ordering::SeqCst) > 0);
    check!(MISTAKES.load(Ordering::SeqCst) == 0);
    Ok(())
}

pub(super) fn fill(state: &mut State) {
    (state.rbx, state.rdx, state.rsi, state.rdi, state.rbp) = (1, 2, 3, 4, 5);
    (state.rsp, state.r8, state.r9, state.r10, state.r12) = (6, 7, 8, 9, 10);
    (state.r13, state.r14, state.r15) = (11, 12, 13);
    (state.fs_base, state.gs_base) = (0x1111_1000, 0x7fff_2222_2000);
}

pub fn foreign_registers_are_kept(world: &mut World) -> Outcome {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    master.state(fill);
    for _ in 0..2 {
        let seen = master.enter(world)?;
        check!(seen.reason == ExitReason::Syscall as u64);
        let mut expected = seen.state.clone();
        fill(&mut expected);
        check!(seen.state == expected);
    }
    Ok(())
}

pub(super) extern "C" fn disturb(base: u64) -> ! {
    loop {
        set_gs_base(base);
    }
}

pub fn foreign_segment_bases_survive_others(world: &mut World) -> Outcome {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    master.state(fill);
    master.state(|state| (state.rip, state.rcx) = (CODE + foreign_spin_offset(), CODE + foreign_spin_offset()));
    // Of the master's priority: the two take turns.
    world.thread(100, Cap::NULL, disturb, 0x6666_0000)?.resume()?;
    master.start(world)?;
    sleep(world, 40)?;
    master.kick()?;
    let seen = master.wait(world)?;
    check!(seen.reason == ExitReason::Kick as u64);
    let mut expected = seen.state.clone();
    fill(&mut expected);
    check!(seen.state == expected);
    Ok(())
}
