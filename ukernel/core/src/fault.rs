//! Faults: to the master or handler of foreign code, to a fix-up, or as a message to the thread's fault endpoint.

use ukernel_abi::fault;
use ukernel_abi::vcpu::ExitReason;

use crate::context::Resume;
use crate::ipc::Blocking;
use crate::thread::{Content, SendKind};
use crate::trace::Event;
use crate::vcpu::Exit;
use crate::{Kernel, Machine, Ref, State, Thread};
use ukernel_abi::trace::Kind;

/// Vector of a debug exception.
pub(crate) const DEBUG: u8 = 1;

impl<M: Machine> Kernel<M> {
    /// The running thread raised an exception.
    #[inline]
    pub fn exception(&mut self, vector: u8, error_code: u64, address: u64) {
        self.counters.faults += 1;
        // None: it was pulled away meanwhile (`pull`), and the exception comes again.
        let Some(thread) = self.cpu().current else { return };
        if vector == DEBUG {
            self.get_mut(thread).context.resume = Resume::FULL;
        }
        self.trace(move |_| Event { detail: vector, value: address, ..Event::new(Kind::Fault, Some(thread)) });
        let t = self.get(thread);
        if t.foreign || t.vcpu.is_some() {
            self.foreign_exception(thread, vector, error_code, address);
        } else {
            self.report_fault(thread, u64::from(vector), error_code, address);
        }
    }

    /// Foreign code or its master raised an exception.
    #[inline(never)]
    fn foreign_exception(&mut self, thread: Ref<Thread>, vector: u8, error_code: u64, address: u64) {
        let exit = Exit { reason: ExitReason::Exception, vector, error_code, address };
        if self.get(thread).foreign {
            self.foreign_trap(thread, exit);
        } else if let Some(vcpu) = self.foreign_vcpu(thread) {
            self.exit_to_master(thread, vcpu, exit);
        } else if !self.take_fixup(thread, vector, error_code, address) {
            self.report_fault(thread, u64::from(vector), error_code, address);
        }
    }

    /// Stop the running thread and tell its fault handler.
    pub(crate) fn report_fault(&mut self, thread: Ref<Thread>, vector: u64, error_code: u64, address: u64) {
        let t = self.get_mut(thread);
        t.fault_words[fault::WORD_VECTOR] = vector;
        t.fault_words[fault::WORD_ERROR_CODE] = error_code;
        t.fault_words[fault::WORD_ADDRESS] = address;
        t.fault_words[fault::WORD_IP] = t.context.rip;
        t.fault_words[fault::WORD_SP] = t.context.rsp;
        t.fault_words[fault::WORD_FP] = t.context.rbp;
        self.raise(thread);
    }

    /// Tell a thread's fault handler what is in `fault_words`; without one the thread is stopped.
    pub(crate) fn raise(&mut self, thread: Ref<Thread>) {
        if let Some((endpoint, badge)) = self.get(thread).fault_endpoint {
            let kind = SendKind { call: true, grant: false, content: Content::Fault };
            self.send(thread, endpoint, badge, kind, Blocking::Block);
        } else {
            self.get_mut(thread).state = State::Stopped;
            self.leave_processor(thread);
            self.machine.log(b"[ukernel] a thread without fault endpoint faulted and is stopped\n");
        }
    }
}
