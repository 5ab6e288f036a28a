//! One system call as data, made and judged.
//!
//! Beyond the invariants, some calls promise something that only shows when before and after are compared: revocation
//! leaves no descendant, fresh memory is nobody else's, a signal reaches the word or a waiter.

use std::vec::Vec;

use ukernel_abi::invoke::{cap_table, timer, untyped, vspace};
use ukernel_abi::vcpu::REGISTER_WORDS;
use ukernel_abi::{Call, MessageInfo, MessagePage};

use super::invariants::spaces::{table_pages, user_ranges};
use super::moves::{ENTER, FOREIGN, registers};
use super::world::World;
use super::{Violation, must};
use crate::{Cap, Machine, Notification, Ref, Slot, SlotRef, State, Thread};

/// In place of a call's number: the thread touches memory that is not there.
pub const FAULT: u64 = u64::MAX;

/// In place of a call's number: so many ticks pass as the first word says, and the timer interrupts if it is set to that.
pub const TICK: u64 = u64::MAX - 1;

/// A system call of one of a world's threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Which thread.
    pub thread: usize,
    /// Number of the call, or [`FAULT`].
    pub call: u64,
    /// Slot of the capability.
    pub cap: u64,
    /// The message's label; the method of an invocation.
    pub method: u32,
    /// Message words; a timer's deadline counts from now.
    pub words: [u64; 5],
    /// How many of them are sent; as many as foreign code has [registers]: those, of the kind that the first word says.
    pub length: usize,
    /// Slot of the Reply object.
    pub reply: u64,
    /// Slot of the endpoint to receive from.
    pub endpoint: u64,
    /// Slot of a capability to send along; 0: none.
    pub send_cap: u64,
    /// Empty slot for a capability that arrives; 0: none.
    pub receive_cap: u64,
    /// Whether an interrupt waits meanwhile.
    pub interrupted: bool,
    /// Whether the thread's processor waits for the kernel with it, until [`ENTER`].
    pub waits: bool,
}

impl Step {
    /// The message's header.
    pub(super) fn info(&self) -> MessageInfo {
        MessageInfo::new(self.method, self.length).with_caps(usize::from(self.send_cap != 0))
    }
}

/// Indexes of words of the message page.
const SEND_CAP: usize = core::mem::offset_of!(MessagePage, send_caps) / 8;
const RECEIVE_CAP: usize = core::mem::offset_of!(MessagePage, receive_caps) / 8;

/// What a call promises, as far as it depends on what was before.
enum Promise {
    Nothing,
    /// These slots will be empty, unless the call is to be repeated.
    Gone {
        revoked: SlotRef,
        descendants: Vec<SlotRef>,
    },
    /// No memory in use becomes another object's.
    Fresh {
        untyped: SlotRef,
        before: Slot,
        in_use: Vec<(u64, u64)>,
    },
    /// These bits are in the word, or with a thread.
    Signalled {
        notification: Ref<Notification>,
        bits: u64,
    },
}

impl World {
    /// Make the call, if its thread can run now. `None`: it cannot. Returns what is in `rax` afterwards.
    ///
    /// # Errors
    /// When the call did not do what it promises.
    pub fn step(&mut self, step: &Step) -> Result<Option<u64>, Violation> {
        if self.kernel.machine.cpus() > 1 {
            self.remember_all();
        }
        let entered = self.entered(step);
        let result = self.act(step)?;
        if result.is_some() {
            self.masters_are_back(&entered)?;
        }
        Ok(result)
    }

    fn act(&mut self, step: &Step) -> Result<Option<u64>, Violation> {
        if self.make_other(step).is_some() {
            return Ok(Some(0));
        }
        if step.call == ENTER {
            return self.enter_with_promise(step.cap);
        }
        let Some(thread) = self.threads.get(step.thread).copied().filter(|thread| self.can_run(*thread)) else {
            return Ok(None);
        };
        let home = usize::from(self.kernel.get(thread).home);
        if self.doors[home].is_some() {
            return Ok(None);
        }
        self.kernel.machine.go_to(home);
        match step.call {
            FAULT => self.fault(thread),
            FOREIGN if !self.is_foreign(thread) => return Ok(None),
            // With whatever registers it has.
            _ if self.is_foreign(thread) => self.foreign_call(thread),
            _ if step.waits => {
                self.begin(step);
                self.knock(step, thread);
            }
            _ => return self.make_call(step, thread),
        }
        Ok(Some(0))
    }

    fn make_call(&mut self, step: &Step, thread: Ref<Thread>) -> Result<Option<u64>, Violation> {
        let promise = self.promise(step);
        self.begin(step);
        let call = Call::from_number(step.call).expect("a step has a call's number");
        let mut words = step.words;
        if step.method == timer::ARM {
            words[0] = words[0].wrapping_add(self.kernel.machine.now);
        }
        if step.length == REGISTER_WORDS {
            let all = registers(words[0]);
            words.copy_from_slice(&all[..step.words.len()]);
        }
        self.kernel.machine.interrupt = step.interrupted;
        let result = self.call(thread, call, step.cap, step.info(), &words);
        self.end(step);
        self.keep_promise(&promise)?;
        Ok(Some(result))
    }

    /// A processor that waited gets the kernel.
    fn enter_with_promise(&mut self, cpu: u64) -> Result<Option<u64>, Violation> {
        let Some(door) = self.doors[cpu as usize] else { return Ok(None) };
        let promise = self.promise(&door);
        if let Some(thread) = self.enter(cpu) {
            self.end(&door);
            self.keep_promise(&promise)?;
            return Ok(self.kernel.machine.exists(thread).then(|| self.kernel.get(thread).context.rax));
        }
        Ok(Some(0))
    }

    /// Registers and message page as the call wants them.
    fn begin(&mut self, step: &Step) {
        let thread = self.threads[step.thread];
        if self.unfinished[step.thread] != Some(Step { interrupted: false, ..*step }) {
            // Whoever makes another call was stopped in the midst of the one before, and started again elsewhere.
            self.kernel.get_mut(thread).progress = 0;
        }
        let context = &mut self.kernel.get_mut(thread).context;
        (context.r14, context.r15) = (step.reply, step.endpoint);
        if step.call == Call::VcpuEnter as u64 && self.kernel.foreign_vcpu(thread).is_none() {
            self.stand_as_master(thread);
        }
        let page = self.page(thread);
        self.kernel.machine.set_word(page, SEND_CAP, step.send_cap);
        self.kernel.machine.set_word(page, RECEIVE_CAP, step.receive_cap);
        if step.length == REGISTER_WORDS {
            for (index, word) in registers(step.words[0]).into_iter().enumerate() {
                self.kernel.machine.set_word(page, index, word);
            }
        }
    }

    /// The call has been made, or begun.
    fn end(&mut self, step: &Step) {
        self.kernel.machine.interrupt = false;
        let thread = self.threads[step.thread];
        let begun = self.kernel.machine.exists(thread) && self.kernel.get(thread).progress != 0;
        self.unfinished[step.thread] = begun.then_some(Step { interrupted: false, ..*step });
    }

    /// The capability that a thread names by a slot number.
    fn named(&self, step: &Step, index: u64) -> Option<SlotRef> {
        self.kernel.slot(self.threads[step.thread], index).ok()
    }

    fn promise(&self, step: &Step) -> Promise {
        let Some(slot) = self.named(step, step.cap) else { return Promise::Nothing };
        match (Call::from_number(step.call), self.kernel.cap(slot), step.method) {
            (Some(Call::Signal), Cap::Notification { notification, badge, rights }, _)
                if rights.contains(ukernel_abi::Rights::SEND) =>
            {
                Promise::Signalled { notification, bits: self.kernel.get(notification).bits | badge }
            }
            (Some(Call::Invoke), Cap::CapTable(table), cap_table::REVOKE) => {
                match self.kernel.get(table).slot(table, step.words[0]) {
                    Some(revoked) => Promise::Gone { revoked, descendants: self.descendants(revoked) },
                    None => Promise::Nothing,
                }
            }
            (Some(Call::Invoke), Cap::Untyped { .. }, untyped::RETYPE) => self.fresh(slot),
            (Some(Call::Invoke), Cap::VSpace(_), vspace::DONATE) => {
                self.named(step, step.words[0]).map_or(Promise::Nothing, |untyped| self.fresh(untyped))
            }
            _ => Promise::Nothing,
        }
    }

    fn fresh(&self, untyped: SlotRef) -> Promise {
        let mut in_use = self.kernel.machine.named_extents();
        in_use.extend(user_ranges(&self.kernel));
        in_use.extend(table_pages(&self.kernel));
        in_use.extend(self.descendants(untyped).iter().filter_map(|slot| match self.kernel.cap(*slot) {
            Cap::Untyped { base, bytes, .. } => Some((base.0, base.0 + bytes)),
            _ => None,
        }));
        Promise::Fresh { untyped, before: self.kernel.get(untyped).clone(), in_use }
    }

    /// All descendants of a capability.
    fn descendants(&self, slot: SlotRef) -> Vec<SlotRef> {
        let (mut found, mut next) = (Vec::new(), self.kernel.get(slot).first_child);
        while let Some(at) = next {
            found.push(at);
            next = self.kernel.get(at).first_child.or_else(|| self.following(at, slot));
        }
        found
    }

    /// What follows a capability and its descendants, below `top`.
    fn following(&self, mut at: SlotRef, top: SlotRef) -> Option<SlotRef> {
        while at != top {
            let slot = self.kernel.get(at);
            if slot.next.is_some() {
                return slot.next;
            }
            at = slot.parent?;
        }
        None
    }

    fn keep_promise(&self, promise: &Promise) -> Result<(), Violation> {
        match promise {
            Promise::Nothing => {}
            Promise::Gone { revoked, descendants } => {
                let complete = self.kernel.get(*revoked).first_child.is_none();
                let left = descendants.iter().filter(|slot| self.kernel.cap(**slot) != Cap::Null).count();
                must!(left == 0 || !complete, "{left} revoked capabilities are still there");
            }
            Promise::Fresh { untyped, before, in_use } => self.must_be_fresh(*untyped, before, in_use)?,
            Promise::Signalled { notification, bits } => {
                let in_word = self.kernel.get(*notification).bits == *bits;
                let with_thread = self.kernel.machine.all::<Thread>().any(|(_, t)| {
                    t.state == State::Ready && t.context.rdi == *bits && t.context.rsi == 0 && t.context.rax == 0
                });
                must!(in_word || with_thread, "signalled bits {bits:x} are lost");
            }
        }
        Ok(())
    }

    /// What was carved from the untyped overlaps nothing that was in use.
    fn must_be_fresh(&self, untyped: SlotRef, before: &Slot, in_use: &[(u64, u64)]) -> Result<(), Violation> {
        let (Cap::Untyped { base, used: old, .. }, Cap::Untyped { used: new, .. }) =
            (before.cap, self.kernel.cap(untyped))
        else {
            return Ok(());
        };
        if new == old && before.has_children() {
            return Ok(());
        }
        if !self.kernel.get(untyped).has_children() {
            return Ok(()); // The call was preempted, and has made nothing yet.
        }
        let afresh = !before.has_children() || new < old;
        let (start, end) = (if afresh { base.0 } else { base.0 + old }, base.0 + new);
        let taken = in_use.iter().find(|(from, to)| start < *to && *from < end);
        must!(taken.is_none(), "memory from {start:x} to {end:x} is given out twice: {taken:x?}");
        Ok(())
    }
}
