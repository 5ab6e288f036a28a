//! Invocations: who is called, with which arguments, and how far a call has come. The methods are in `memory_methods`,
//! `thread_calls`, `device_methods` and `io_methods`.

use ukernel_abi::message::{MAX_WORDS, REGISTER_WORDS};
use ukernel_abi::{Error, MessageInfo};

use crate::call::Outcome;
use crate::preemption::Progress;
use crate::{Cap, Kernel, Machine, Ref, SlotRef, Thread};

/// An invocation: who makes it, and its message.
#[derive(Clone, Copy)]
pub(crate) struct Invocation {
    pub(crate) caller: Ref<Thread>,
    pub(crate) slot: SlotRef,
    pub(crate) method: u32,
    pub(crate) words: [u64; REGISTER_WORDS],
    pub(crate) length: usize,
}

pub(crate) type Answer = Result<Outcome, Error>;

impl<M: Machine> Kernel<M> {
    /// `Invoke`: find the object, then its method.
    pub(crate) fn invoke(&mut self, caller: Ref<Thread>, cap: u64) -> Answer {
        let slot = self.slot(caller, cap)?;
        let context = &self.get(caller).context;
        let info = MessageInfo(context.rsi);
        if info.length() > MAX_WORDS {
            return Err(Error::InvalidMessage);
        }
        let call = Invocation { caller, slot, method: info.label(), words: context.words, length: info.length() };
        // Before memory is taken, what was there is taken apart.
        let takes_memory = || matches!(self.cap(slot), Cap::Untyped { .. } | Cap::VSpace(_) | Cap::IoSpace(_));
        if self.dead.is_some() && takes_memory() && self.bury() == Progress::Preempted {
            return Ok(Outcome::Repeat);
        }
        match self.cap(slot) {
            Cap::Attachment(attachment) => self.invoke_attachment(call, attachment),
            Cap::Timer(timer) => self.invoke_timer(call, timer),
            Cap::Irq(irq) => self.invoke_irq(call, irq),
            Cap::IoPorts { first, last } => self.invoke_io_ports(call, first, last),
            Cap::Vcpu(vcpu) => self.invoke_vcpu(call, vcpu),
            Cap::Thread(thread) => self.invoke_thread(call, thread),
            Cap::Untyped { .. } => self.invoke_untyped(call),
            Cap::CapTable(table) => self.invoke_cap_table(call, table),
            Cap::Memory { base, bytes, rights, device } => self.invoke_memory(call, base, bytes, rights, device),
            Cap::VSpace(vspace) => self.invoke_vspace(call, vspace),
            Cap::SchedContext(context) => self.invoke_sched_context(call, context),
            Cap::IrqControl => self.invoke_irq_control(call),
            Cap::Log => self.invoke_log(call),
            Cap::Trace => self.invoke_trace(call),
            Cap::IoSpace(space) => self.invoke_io_space(call, space),
            Cap::IoMapping(mapping) => self.invoke_io_mapping(call, mapping),
            Cap::IoControl => self.invoke_io_control(call),
            _ => Err(Error::InvalidCapability),
        }
    }

    /// The first words of the message, which must have that many.
    pub(crate) fn args<const N: usize>(&self, call: &Invocation) -> Result<[u64; N], Error> {
        if call.length < N {
            return Err(Error::InvalidMessage);
        }
        let mut args = [0; N];
        args.copy_from_slice(&call.words[..N]);
        Ok(args)
    }

    /// Word `index` of the message, wherever it is.
    pub(crate) fn word(&self, call: &Invocation, index: usize) -> Result<u64, Error> {
        if index >= call.length {
            return Err(Error::InvalidMessage);
        }
        if let Some(word) = call.words.get(index) {
            return Ok(*word);
        }
        let page = self.get(call.caller).page.ok_or(Error::InvalidMessage)?;
        Ok(self.machine.word(page, index))
    }

    /// Store results.
    pub(crate) fn give(&mut self, call: &Invocation, results: &[u64]) -> Outcome {
        let words = &mut self.get_mut(call.caller).context.words;
        for (word, result) in words.iter_mut().zip(results) {
            *word = *result;
        }
        Outcome::Done
    }

    /// How far the call has come, if it is made again.
    pub(crate) fn progress(&self, call: &Invocation) -> u64 {
        self.get(call.caller).progress
    }

    /// Have the call made again, from where it has come to.
    pub(crate) fn repeat_from(&mut self, call: &Invocation, progress: u64) -> Outcome {
        self.get_mut(call.caller).progress = progress;
        Outcome::Repeat
    }
}
