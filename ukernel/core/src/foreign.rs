//! Exception IPC: foreign code as a thread of its own, whose traps are messages.
//!
//! The other way to run foreign code is a Vcpu, which is its master's own thread for a while. A foreign *thread* never makes a
//! system call of this kernel: whatever stops it (a `syscall` instruction with any number, an exception, a page fault, a kick)
//! is sent to its fault endpoint with all its registers, and the answer brings registers back. Between the two it is blocked as
//! in any call. It becomes `Ready` only where `may_go_on` allows it, so its registers are checked at one place.

use ukernel_abi::message::REGISTER_WORDS as MESSAGE_REGISTERS;
use ukernel_abi::vcpu::{ExitReason, REGISTER_WORDS, TRAP_WORDS};
use ukernel_abi::{Error, MessageInfo, USER_END, fault};

use crate::context::Resume;
use crate::trace::Event;
use crate::vcpu::{Exit, GENERAL_PROTECTION, canonical};
use crate::{Context, Fpu, Kernel, Machine, Ref, State, Thread};

/// `fault_words` of a foreign thread: the words of the message behind the registers.
const TRAP_DETAILS: usize = TRAP_WORDS - REGISTER_WORDS;

const KICK: Exit = Exit { reason: ExitReason::Kick, vector: 0, error_code: 0, address: 0 };

impl<M: Machine> Kernel<M> {
    /// `thread::MAKE_FOREIGN`.
    pub(crate) fn make_foreign(&mut self, thread: Ref<Thread>, serves: Option<Ref<Thread>>) -> Result<(), Error> {
        let t = self.get(thread);
        if t.foreign || t.vcpu.is_some() || t.state != State::Stopped || self.cpu().current == Some(thread) {
            return Err(Error::InvalidState);
        }
        if let Some(holder) = serves {
            if holder == thread || self.get(holder).foreign || self.get(holder).fpu_user.is_some() {
                return Err(Error::InvalidState);
            }
            self.get_mut(holder).fpu_user = Some(thread);
            self.get_mut(thread).fpu = Fpu::Of(holder);
        }
        let root = self.get(thread).vspace.map_or(crate::PhysAddr(0), |vspace| self.get(vspace).legacy_root);
        let t = self.get_mut(thread);
        (t.foreign, t.root) = (true, root);
        t.note_kind();
        self.note_home(thread);
        Ok(())
    }

    /// `thread::KICK`.
    pub(crate) fn kick_foreign(&mut self, thread: Ref<Thread>) -> Result<(), Error> {
        self.pull(thread);
        let t = self.get_mut(thread);
        if !t.foreign {
            return Err(Error::InvalidState);
        }
        // A step that it has made is told first, when it is to go on.
        if t.state == State::Ready && t.context.resume != Resume::STEPPED {
            self.dequeue(thread);
            self.foreign_trap(thread, KICK);
        } else {
            t.kicked = true;
        }
        Ok(())
    }

    /// A foreign thread stops: its handler is sent a message.
    #[inline(never)]
    pub(crate) fn foreign_trap(&mut self, thread: Ref<Thread>, exit: Exit) {
        if self.cpu().loaded == Some(thread) {
            self.machine.save_bases(thread);
        }
        let t = self.get_mut(thread);
        if exit.reason == ExitReason::Syscall {
            (t.context.rcx, t.context.r11) = (t.context.rip, t.context.rflags);
        }
        let details = [exit.reason as u64, u64::from(exit.vector), exit.error_code, exit.address];
        t.fault_words[..TRAP_DETAILS].copy_from_slice(&details);
        self.raise(thread);
    }

    /// Copy a trap to whoever receives it.
    pub(crate) fn deliver_trap(&mut self, from: Ref<Thread>, to: Ref<Thread>, badge: u64) {
        let source = self.get(from);
        let mut words = [0; TRAP_WORDS];
        words[..REGISTER_WORDS].copy_from_slice(&source.context.state_words());
        words[REGISTER_WORDS..].copy_from_slice(&source.fault_words[..TRAP_DETAILS]);
        let mut length = MESSAGE_REGISTERS;
        if let Some(page) = self.get(to).page {
            length = TRAP_WORDS;
            for (index, word) in words.iter().enumerate().skip(MESSAGE_REGISTERS) {
                self.machine.set_word(page, index, *word);
            }
        }
        let target = self.get_mut(to);
        target.work.messages += 1;
        let target = &mut target.context;
        target.words.copy_from_slice(&words[..MESSAGE_REGISTERS]);
        let info = MessageInfo::new(fault::FOREIGN, length);
        (target.rsi, target.rdi, target.rax) = (info.0, badge, 0);
        self.trace(move |k| Event::received(k, from, to));
    }

    /// The handler's answer replaces registers of a foreign thread, as many as it is long.
    pub(crate) fn take_answer(&mut self, server: Ref<Thread>, thread: Ref<Thread>) {
        let s = self.get(server);
        let length = MessageInfo(s.context.rsi).length().min(REGISTER_WORDS);
        let (in_registers, page) = (s.context.words, s.page);
        let mut words = self.get(thread).context.state_words();
        for (index, word) in words.iter_mut().enumerate().take(length) {
            match (in_registers.get(index), page) {
                (Some(value), _) => *word = *value,
                (None, Some(page)) => *word = self.machine.word(page, index),
                (None, None) => break,
            }
        }
        self.get_mut(thread).context.set_state_words(&words);
    }

    /// Whether a stopped or answered foreign thread can go on; if not it has trapped at once: it was kicked, or no processor
    /// would take its registers.
    pub(crate) fn may_go_on(&mut self, thread: Ref<Thread>) -> bool {
        let t = self.get_mut(thread);
        let exit = if core::mem::take(&mut t.kicked) {
            KICK
        } else if !may_run(&t.context) {
            Exit { reason: ExitReason::Exception, vector: GENERAL_PROTECTION, error_code: 0, address: 0 }
        } else {
            return true;
        };
        self.foreign_trap(thread, exit);
        false
    }

    /// Whether the trap that a foreign thread waits with is a `syscall` instruction.
    pub(crate) fn waits_in_foreign_call(&self, thread: Ref<Thread>) -> bool {
        let t = self.get(thread);
        t.foreign && t.fault_words[0] == ExitReason::Syscall as u64
    }

    /// A thread is destroyed or declares its FPU anew: nobody shares state with it any more.
    pub(crate) fn part_fpu(&mut self, thread: Ref<Thread>) {
        if let Fpu::Of(holder) = self.get(thread).fpu {
            self.get_mut(holder).fpu_user = None;
            self.get_mut(thread).fpu = Fpu::None;
        }
    }

    /// A thread is destroyed: the foreign thread that used its FPU state has none any more.
    pub(crate) fn part_fpu_user(&mut self, thread: Ref<Thread>) {
        if let Some(user) = self.get_mut(thread).fpu_user.take() {
            self.pull(user);
            self.get_mut(user).fpu = Fpu::None;
        }
    }
}

/// Whether foreign code may run with these registers.
pub(crate) const fn may_run(context: &Context) -> bool {
    context.rip < USER_END && canonical(context.fs_base) && canonical(context.gs_base)
}
