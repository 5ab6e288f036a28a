//! Vcpus: this task as the master of foreign code. The master must be visible in each address space that it serves, so the
//! tests run theirs from the master slot: the thread that enters is one whose code, stack and data are mapped there too.

use ukernel_abi::vcpu::ExitReason;
use ukernel_abi::{MASTER_START, fault};
use ukernel_user::{Endpoint, Reply};

use crate::machine::{foreign_code, foreign_spin_offset};
use crate::master::{MASTER_STATE, Master};
use crate::world::World;
use crate::{Outcome, check};

/// Where the foreign code is.
const CODE: u64 = 0x40_0000;

pub fn foreign_calls_exit(world: &mut World) -> Outcome {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    for round in 0..3 {
        let seen = master.enter(world)?;
        check!(seen.reason == ExitReason::Syscall as u64);
        check!(seen.state.rax == 39);
        check!(seen.state.rcx == seen.state.rip);
        check!(seen.state.rip == CODE + 7);
        check!(round < 3);
    }
    Ok(())
}

pub fn foreign_faults_exit(world: &mut World) -> Outcome {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    master.state(|state| state.rip = 0x1234_5000);
    let seen = master.enter(world)?;
    check!(seen.reason == ExitReason::Exception as u64);
    check!(seen.state.vector == 14);
    check!(seen.state.fault_address == 0x1234_5000);
    check!(seen.state.rip == 0x1234_5000);
    Ok(())
}

pub fn kicks_are_latched(world: &mut World) -> Outcome {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    master.kick()?;
    check!(master.enter(world)?.reason == ExitReason::Kick as u64);
    check!(master.enter(world)?.reason == ExitReason::Syscall as u64);
    Ok(())
}

pub fn kicks_stop_running_foreign_code(world: &mut World) -> Outcome {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    master.state(|state| (state.rip, state.r12) = (CODE + foreign_spin_offset(), 0x1212));
    master.start(world)?;
    world_sleep(world)?;
    check!(!master.returned());
    master.kick()?;
    let seen = master.wait(world)?;
    check!(seen.reason == ExitReason::Kick as u64);
    check!(seen.state.rip == CODE + foreign_spin_offset());
    check!(seen.state.r12 == 0x1212);
    Ok(())
}

fn world_sleep(world: &mut World) -> Outcome {
    crate::master::sleep(world, 20)
}

pub fn hostile_state_pages_are_refused(world: &mut World) -> Outcome {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    for bad in [1 << 47, 0x8000_0000_0000_0000, u64::MAX, 0xffff_ffff_8000_0000, 0xffff_8000_0000_0000] {
        master.state(|state| (state.rip, state.rcx) = (bad, bad));
        let seen = master.enter(world)?;
        check!(seen.reason == ExitReason::Exception as u64);
        check!(seen.state.vector == 13);
    }
    // Interrupts stay on and no input/output privilege is given, whatever the flags say.
    master.state(|state| (state.rip, state.rflags, state.r11) = (CODE, 0x3000, 0x3000));
    let seen = master.enter(world)?;
    check!(seen.reason == ExitReason::Syscall as u64);
    check!(seen.state.rflags & 0x3200 == 0x200);
    Ok(())
}

pub fn hostile_segment_bases_are_refused(world: &mut World) -> Outcome {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    // With rcx and r11 that match, and so on the fast way in, and without.
    for (bad, rcx) in [(1 << 47, CODE), (1 << 63, CODE), (u64::MAX >> 1, CODE), (1 << 47, 0), (0x8000_0000_0000, 1)] {
        for fs in [true, false] {
            master.state(|state| {
                (state.rip, state.rcx, state.rflags, state.r11) = (CODE, rcx, 0x202, 0x202);
                (state.fs_base, state.gs_base) = if fs { (bad, 0) } else { (0, bad) };
            });
            let seen = master.enter(world)?;
            check!((seen.reason, seen.state.vector) == (ExitReason::Exception as u64, 13));
        }
    }
    // What is left of it harms nobody: the next entry is as any.
    master.state(|state| (state.rip, state.rcx, state.fs_base, state.gs_base) = (CODE, CODE, 0, 0));
    check!(master.enter(world)?.reason == ExitReason::Syscall as u64);
    Ok(())
}

/// `mov rax, [rdi]`, and a system call.
const LOAD: [u8; 5] = [0x48, 0x8b, 0x07, 0x0f, 0x05];

/// Foreign code does not see its master, whose own view does not execute foreign code.
pub fn views_are_apart(world: &mut World) -> Outcome {
    let mut master = Master::new(world, &LOAD, CODE)?;
    master.state(|state| state.rdi = CODE);
    check!(master.enter(world)?.reason == ExitReason::Syscall as u64);
    for hidden in [MASTER_STATE, MASTER_START] {
        master.state(|state| (state.rip, state.rcx, state.rdi) = (CODE, CODE, hidden));
        let seen = master.enter(world)?;
        check!((seen.reason, seen.state.vector) == (ExitReason::Exception as u64, 14));
        check!(seen.state.fault_address == hidden && seen.state.rip == CODE);
    }
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    world.thread_at(master.space, CODE, 255, endpoint, [CODE, 0])?;
    let told = endpoint.receive(reply)?;
    check!((told.words[fault::WORD_VECTOR], told.words[fault::WORD_ADDRESS]) == (14, CODE));
    // Present, a user's, an instruction (Intel SDM 3A, 4.7).
    check!(told.words[fault::WORD_ERROR_CODE] == 1 | 4 | 16);
    Ok(())
}

pub fn fixups_resume_the_master(world: &mut World) -> Outcome {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    check!(master.load(world, CODE)?.is_some());
    check!(master.load(world, 0x7000_0000)?.is_none());
    check!(master.fixup() == 0x7000_0000);
    check!(master.load(world, 0x1234_0000_0000_0000)?.is_none());
    check!(master.fixup() == u64::MAX);
    Ok(())
}

pub fn foreign_code_can_be_stepped(world: &mut World) -> Outcome {
    let mut master = Master::new(world, foreign_code(), CODE)?;
    // The trap flag: an exception behind each instruction.
    master.state(|state| state.rflags = 0x302);
    let seen = master.enter(world)?;
    check!(seen.reason == ExitReason::Exception as u64);
    check!(seen.state.vector == 1);
    check!(seen.state.rip == CODE + 5 && seen.state.rax == 39);
    Ok(())
}

/// Bytes between instructions in the page of what foreign code must not do.
const SPACING: usize = 16;
/// Instructions, and the exceptions that they are.
pub(super) const FORBIDDEN: [(&[u8], u64); 14] = [
    (&[0xcc], 3),                   // int3
    (&[0xf4], 13),                  // hlt
    (&[0xfa], 13),                  // cli
    (&[0xfb], 13),                  // sti
    (&[0xec], 13),                  // in al, dx
    (&[0xee], 13),                  // out dx, al
    (&[0xcd, 0x80], 13),            // int 0x80
    (&[0xcd, 0x20], 13),            // int 0x20
    (&[0x0f, 0x30], 13),            // wrmsr
    (&[0x0f, 0x20, 0xd8], 13),      // mov rax, cr3
    (&[0x0f, 0x01, 0xf8], 13),      // swapgs
    (&[0x48, 0x0f, 0x07], 13),      // sysret
    (&[0x0f, 0x0b], 6),             // ud2
    (&[0x31, 0xc9, 0xf7, 0xf1], 0), // xor ecx, ecx; div ecx
];

/// All of them.
pub(super) fn forbidden_code() -> [u8; FORBIDDEN.len() * SPACING] {
    let mut page = [0x90; FORBIDDEN.len() * SPACING];
    for (place, (bytes, _)) in page.chunks_mut(SPACING).zip(FORBIDDEN) {
        place[..bytes.len()].copy_from_slice(bytes);
    }
    page
}

/// Where one of them is in that code.
pub(super) const fn forbidden_start(index: usize) -> u64 {
    (index * SPACING) as u64
}

pub fn forbidden_instructions_exit(world: &mut World) -> Outcome {
    let mut master = Master::new(world, &forbidden_code(), CODE)?;
    for (index, (_, vector)) in FORBIDDEN.iter().enumerate() {
        let start = CODE + forbidden_start(index);
        master.state(|state| (state.rip, state.rflags) = (start, 0x202));
        let seen = master.enter(world)?;
        check!(seen.reason == ExitReason::Exception as u64);
        check!(seen.state.vector == *vector);
        check!(seen.state.rip >= start && seen.state.rip < start + 4);
    }
    Ok(())
}
