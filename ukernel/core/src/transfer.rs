//! What a message brings: words in registers and pages, and capabilities.

use ukernel_abi::message::{MAX_CAPS, REGISTER_WORDS};
use ukernel_abi::vcpu::TRAP_WORDS;
use ukernel_abi::{MessageInfo, MessagePage, Rights, fault};

use crate::thread::{Content, SendKind};
use crate::trace::Event;
use crate::{Kernel, Machine, PhysAddr, Ref, Thread};

/// Index of a field of the message page, in words.
const SEND_CAPS_WORD: usize = core::mem::offset_of!(MessagePage, send_caps) / 8;

const RECEIVE_CAPS_WORD: usize = core::mem::offset_of!(MessagePage, receive_caps) / 8;

impl<M: Machine> Kernel<M> {
    /// Copy a message. The receiver's registers say what arrived.
    pub(crate) fn deliver(&mut self, from: Ref<Thread>, to: Ref<Thread>, badge: u64, kind: SendKind) {
        let source = self.get(from);
        if kind.content == Content::Fault && source.foreign {
            return self.deliver_trap(from, to, badge);
        }
        let info = self.outgoing(from, kind);
        let mut length = info.length();
        let mut caps = 0;
        if kind.content == Content::Own && (length > REGISTER_WORDS || info.caps() > 0) {
            (length, caps) = self.deliver_page(from, to, info, kind.grant);
        }
        self.copy_words(from, to, length, kind.content);
        let target = self.get_mut(to);
        target.work.messages += 1;
        let info = MessageInfo::new(info.label(), length).with_caps(caps);
        let context = &mut target.context;
        (context.rsi, context.rdi, context.rax) = (info.0, badge, 0);
        self.trace(move |k| Event::received(k, from, to));
    }

    /// Copy those of so many words that are in registers, or those that tell of a fault.
    #[inline(always)]
    pub(crate) fn copy_words(&mut self, from: Ref<Thread>, to: Ref<Thread>, length: usize, content: Content) {
        for index in 0..REGISTER_WORDS {
            if index == length {
                break;
            }
            let s = self.get(from);
            let word = if content == Content::Own { s.context.words[index] } else { s.fault_words[index] };
            self.get_mut(to).context.words[index] = word;
        }
    }

    /// The header of what a thread sends.
    pub(crate) fn outgoing(&self, sender: Ref<Thread>, kind: SendKind) -> MessageInfo {
        let s = self.get(sender);
        match kind.content {
            Content::Own => MessageInfo(s.context.rsi),
            Content::Fault if s.foreign => MessageInfo::new(fault::FOREIGN, TRAP_WORDS),
            Content::Fault => MessageInfo::new(fault::LABEL, fault::WORDS),
            Content::Timeout => MessageInfo::new(fault::TIMEOUT, fault::TIMEOUT_WORDS),
        }
    }

    /// Copy what does not fit registers. Returns the words and capabilities that arrive.
    #[inline(never)]
    fn deliver_page(&mut self, from: Ref<Thread>, to: Ref<Thread>, info: MessageInfo, grant: bool) -> (usize, usize) {
        let (Some(source), Some(target)) = (self.get(from).page, self.get(to).page) else {
            return (info.length().min(REGISTER_WORDS), 0);
        };
        if info.length() > REGISTER_WORDS {
            let offset = REGISTER_WORDS as u64 * 8;
            self.machine.copy(
                source.offset(offset),
                target.offset(offset),
                (info.length() - REGISTER_WORDS) as u64 * 8,
            );
        }
        let mut caps = 0;
        if info.caps() > 0 && grant {
            caps = self.deliver_caps((from, source), (to, target), info.caps());
        }
        (info.length(), caps)
    }

    fn deliver_caps(&mut self, from: (Ref<Thread>, PhysAddr), to: (Ref<Thread>, PhysAddr), count: usize) -> usize {
        let mut arrived = 0;
        for index in 0..count.min(MAX_CAPS) {
            let source = self.slot(from.0, self.machine.word(from.1, SEND_CAPS_WORD + index));
            let target = self.optional_slot(to.0, self.machine.word(to.1, RECEIVE_CAPS_WORD + index));
            let (Ok(source), Ok(Some(target))) = (source, target) else { break };
            if self.copy_cap(source, target, Rights::ALL, None).is_err() {
                break;
            }
            arrived += 1;
        }
        arrived
    }
}
