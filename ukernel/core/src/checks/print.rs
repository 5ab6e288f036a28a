//! Steps in words, for counterexamples.

use core::fmt;

use ukernel_abi::Call;
use ukernel_abi::invoke::{
    attachment, cap_table, io_control, io_mapping, io_space, memory, sched_context, thread, timer, untyped, vcpu,
    vspace,
};

use super::moves::{ENTER, FOREIGN, SUMMONS, WRITE_STATE};
use super::step::{FAULT, Step, TICK};

/// A method's name.
fn name(method: u32) -> &'static str {
    match method {
        untyped::RETYPE => "Untyped::RETYPE",
        untyped::INFO => "Untyped::INFO",
        cap_table::COPY => "CapTable::COPY",
        cap_table::MINT => "CapTable::MINT",
        cap_table::MOVE => "CapTable::MOVE",
        cap_table::DELETE => "CapTable::DELETE",
        cap_table::REVOKE => "CapTable::REVOKE",
        sched_context::CONFIGURE => "SchedContext::CONFIGURE",
        sched_context::CONSUMED => "SchedContext::CONSUMED",
        sched_context::YIELD_TO => "SchedContext::YIELD_TO",
        thread::SET_TIMEOUT => "Thread::SET_TIMEOUT",
        thread::SET_MAX_PRIORITY => "Thread::SET_MAX_PRIORITY",
        thread::FORGO_TIME => "Thread::FORGO_TIME",
        thread::SUSPEND => "Thread::SUSPEND",
        thread::RESUME => "Thread::RESUME",
        thread::SET_PRIORITY => "Thread::SET_PRIORITY",
        thread::BIND_NOTIFICATION => "Thread::BIND_NOTIFICATION",
        thread::CONFIGURE => "Thread::CONFIGURE",
        thread::WRITE_REGISTERS => "Thread::WRITE_REGISTERS",
        thread::BIND_VCPU => "Thread::BIND_VCPU",
        thread::MAKE_FOREIGN => "Thread::MAKE_FOREIGN",
        thread::KICK => "Thread::KICK",
        vcpu::SET_STATE => "Vcpu::SET_STATE",
        vcpu::KICK => "Vcpu::KICK",
        sched_context::SET_CPU => "SchedContext::SET_CPU",
        io_space::DONATE => "IoSpace::DONATE",
        io_space::MAP => "IoSpace::MAP",
        io_space::CLEAR => "IoSpace::CLEAR",
        io_mapping::UNMAP => "IoMapping::UNMAP",
        io_control::BIND => "IoControl::BIND",
        thread::SET_VSPACE => "Thread::SET_VSPACE",
        vspace::DONATE => "VSpace::DONATE",
        vspace::MAKE_LEGACY => "VSpace::MAKE_LEGACY",
        memory::ATTACH => "Memory::ATTACH",
        memory::SUB => "Memory::SUB",
        attachment::MAP => "Attachment::MAP",
        attachment::PROTECT => "Attachment::PROTECT",
        attachment::UNMAP => "Attachment::UNMAP",
        attachment::UNMAP_ALL => "Attachment::UNMAP_ALL",
        attachment::DETACH => "Attachment::DETACH",
        sched_context::BIND => "SchedContext::BIND",
        sched_context::UNBIND => "SchedContext::UNBIND",
        timer::BIND => "Timer::BIND",
        timer::ARM => "Timer::ARM",
        _ => "method",
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.call {
            TICK => return write!(f, "{} ticks pass", self.words[0]),
            WRITE_STATE => {
                return write!(f, "registers of kind {} in the state page of slot {}", self.words[0], self.cap);
            }
            ENTER => return write!(f, "processor {} gets the kernel", self.cap),
            SUMMONS => return write!(f, "processor {} chooses anew", self.cap),
            FAULT => return write!(f, "thread {}: page fault", self.thread),
            FOREIGN => return write!(f, "thread {}: system call of foreign code", self.thread),
            _ => write!(f, "thread {}: ", self.thread)?,
        }
        let call = Call::from_number(self.call).ok_or(fmt::Error)?;
        match call {
            Call::Invoke => {
                let words = self.words.get(..self.length).unwrap_or(&self.words);
                write!(f, "{} of slot {}, {words:x?}", name(self.method), self.cap)?;
            }
            Call::Recv | Call::NbRecv => write!(f, "{call:?} from slot {}, reply in slot {}", self.cap, self.reply)?,
            Call::ReplyRecv => write!(
                f,
                "ReplyRecv through slot {}, from slot {}, reply in slot {}",
                self.cap, self.endpoint, self.reply
            )?,
            Call::Yield => write!(f, "Yield")?,
            _ => write!(f, "{call:?} slot {}", self.cap)?,
        }
        if self.send_cap != 0 {
            write!(f, ", sending slot {}", self.send_cap)?;
        }
        if self.receive_cap != 0 {
            write!(f, ", receiving into slot {}", self.receive_cap)?;
        }
        f.write_str(if self.interrupted { ", interrupted" } else { "" })?;
        f.write_str(if self.waits { ", waiting for the kernel" } else { "" })
    }
}
