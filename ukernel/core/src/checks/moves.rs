//! What happens besides native threads' system calls: foreign code traps, a state page is written, a processor that waited for the
//! kernel gets it, an interrupt makes another choose anew; and which of all that can happen next.

use std::vec::Vec;

use ukernel_abi::vcpu::{REGISTER_WORDS, State as StatePage};
use ukernel_abi::{Call, USER_END};

use super::processor::reachable;
use super::step::{FAULT, Step, TICK};
use super::world::World;
use super::{Violation, must};
use crate::context::Resume;
use crate::{Cap, Machine, Ref, State, Thread, Vcpu};

/// In place of a call's number: the thread's foreign code makes a system call.
pub const FOREIGN: u64 = u64::MAX - 2;

/// The same: somebody who has the state page of the Vcpu in slot `cap` writes registers of the [kind](registers) that the first word
/// says.
pub const WRITE_STATE: u64 = u64::MAX - 3;

/// The same: the processor whose number is `cap` gets the kernel, for which it waited.
pub const ENTER: u64 = u64::MAX - 4;

/// The same: the summons arrive at the processor whose number is `cap`.
pub const SUMMONS: u64 = u64::MAX - 5;

/// Where masters are when they enter foreign code: instruction and stack pointer.
const MASTER: (u64, u64) = (ukernel_abi::MASTER_START + 0x1000, ukernel_abi::MASTER_START + 0x2000);

/// Kinds of registers for foreign code: harmless, three that no processor takes, and all flags set.
pub const KINDS: u64 = 5;

/// Where foreign code is.
const CODE: u64 = 0x40_0000;

/// Registers of a kind, as a state page and a message have them.
#[must_use]
pub fn registers(kind: u64) -> [u64; REGISTER_WORDS] {
    let mut page = StatePage { rip: CODE, rflags: 0x202, ..StatePage::default() };
    match kind % KINDS {
        1 => page.rip = USER_END,
        2 => page.fs_base = USER_END + 5,
        3 => page.gs_base = 1 << 63,
        4 => page.rflags = u64::MAX,
        _ => {}
    }
    let mut words = [0; REGISTER_WORDS];
    words.copy_from_slice(&page.trap_words()[..REGISTER_WORDS]);
    words
}

/// Foreign code that may come back to its master.
pub(super) type Entered = (Ref<Vcpu>, Ref<Thread>);

impl World {
    /// Whether a step can be the next thing that happens.
    #[must_use]
    pub fn may_be_made(&self, step: &Step) -> bool {
        let machine = &self.kernel.machine;
        match step.call {
            TICK => true,
            WRITE_STATE => self.state_page(step.cap).is_some(),
            ENTER => self.doors[step.cap as usize].is_some(),
            SUMMONS => self.doors[step.cap as usize].is_none() && machine.cpu_at(step.cap as usize).summoned,
            call => {
                let thread = self.threads[step.thread];
                if !self.may_be_next(thread) || self.doors[usize::from(self.kernel.get(thread).home)].is_some() {
                    return false;
                }
                self.is_foreign(thread) == (call == FOREIGN) || call == FAULT
            }
        }
    }

    /// The page of the Vcpu in a slot.
    fn state_page(&self, slot: u64) -> Option<crate::PhysAddr> {
        let Cap::Vcpu(vcpu) = self.cap(slot) else { return None };
        self.kernel.get(vcpu).page
    }

    /// What is no system call of a native thread. `None`: it is.
    pub(super) fn make_other(&mut self, step: &Step) -> Option<()> {
        match step.call {
            TICK => self.tick(step.words[0]),
            WRITE_STATE => {
                if let Some(page) = self.state_page(step.cap) {
                    for (index, word) in registers(step.words[0]).into_iter().enumerate() {
                        self.kernel.machine.set_word(page, index, word);
                    }
                }
            }
            SUMMONS => {
                self.kernel.machine.go_to(step.cap as usize);
                self.kernel.settle();
            }
            _ => return None,
        }
        Some(())
    }

    /// Whether what a thread executes is foreign code.
    pub(super) fn is_foreign(&self, thread: Ref<Thread>) -> bool {
        self.kernel.get(thread).foreign || self.kernel.foreign_vcpu(thread).is_some()
    }

    /// The foreign code of a thread makes a system call.
    pub(super) fn foreign_call(&mut self, thread: Ref<Thread>) {
        self.run(thread);
        self.kernel.general_system_call();
        self.kernel.settle();
    }

    /// A thread's system call has begun, and its processor waits for the kernel. Its registers have been set.
    pub(super) fn knock(&mut self, step: &Step, thread: Ref<Thread>) {
        self.run(thread);
        let context = &mut self.kernel.get_mut(thread).context;
        (context.rax, context.rdi, context.rsi) = (step.call, step.cap, step.info().0);
        context.words[..step.words.len()].copy_from_slice(&step.words);
        context.resume = Resume::SYSCALL;
        let here = self.kernel.machine.here;
        self.doors[here] = Some(*step);
    }

    /// A processor that waited gets the kernel, with what its thread came for, if nobody has pulled that away. Who it was.
    pub(super) fn enter(&mut self, cpu: u64) -> Option<Ref<Thread>> {
        self.kernel.machine.go_to(cpu as usize);
        let door = self.doors[cpu as usize].take()?;
        let came = self.threads[door.thread];
        let is_there = self.kernel.current() == Some(came);
        self.kernel.system_call();
        self.take_timer_interrupt();
        is_there.then_some(came)
    }

    /// Whether a thread's processor waits for the kernel, with this thread's call.
    pub(super) fn is_at_a_door(&self, thread: Ref<Thread>) -> bool {
        let at = |(index, door): (usize, &Option<Step>)| {
            door.is_some_and(|door| self.threads[door.thread] == thread)
                && self.kernel.machine.cpu_at(index).current == Some(thread)
        };
        self.doors.iter().enumerate().any(at)
    }

    /// Each processor remembers all that it can reach.
    pub(super) fn remember_all(&mut self) {
        for index in 0..self.kernel.machine.cpus() {
            let root = self.kernel.machine.processor(index).root;
            self.kernel.machine.processor_mut(index).remembered = reachable(&self.kernel, root);
        }
    }

    /// Whose foreign code may come back by a step.
    pub(super) fn entered(&self, step: &Step) -> Vec<Entered> {
        let enters = (step.call == Call::VcpuEnter as u64).then(|| self.threads[step.thread]);
        let all = self.kernel.machine.all::<Vcpu>().filter_map(|(vcpu, v)| Some((vcpu, v, v.thread?)));
        all.filter(|(_, v, thread)| v.foreign != 0 || enters == Some(*thread))
            .map(|(vcpu, _, thread)| (vcpu, thread))
            .collect()
    }

    /// Where a master stands as it enters foreign code.
    pub(super) fn stand_as_master(&mut self, thread: Ref<Thread>) {
        let context = &mut self.kernel.get_mut(thread).context;
        (context.rip, context.rsp) = MASTER;
    }

    /// Masters whose foreign code has stopped go on where they were, and are told why.
    pub(super) fn masters_are_back(&self, entered: &[Entered]) -> Result<(), Violation> {
        for (vcpu, thread) in entered {
            if !self.kernel.machine.exists(*vcpu) || !self.kernel.machine.exists(*thread) {
                continue;
            }
            let (v, t) = (self.kernel.get(*vcpu), self.kernel.get(*thread));
            let (Some(page), true) = (v.page, v.foreign == 0 && v.thread == Some(*thread)) else { continue };
            // An entry that was refused has not left.
            if t.state == State::Ready && v.legacy_root != 0 && t.context.rax == 0 {
                let reason = self.kernel.machine.word(page, core::mem::offset_of!(StatePage, exit_reason) / 8);
                let back = (t.context.rip, t.context.rsp) == MASTER && t.context.rdi == reason && reason != 0;
                must!(back, "the master of {vcpu:?} is at {:x} for reason {}", t.context.rip, t.context.rdi);
            }
        }
        Ok(())
    }
}
