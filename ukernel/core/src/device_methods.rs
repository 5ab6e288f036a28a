//! Methods of IrqControl, Irq, IoPorts, Trace and Log.

use ukernel_abi::invoke::{io_ports, irq, irq_control, log, trace};
use ukernel_abi::message::MAX_WORDS;
use ukernel_abi::{Error, Rights};

use crate::call::Outcome;
use crate::invocation::{Answer, Invocation};
use crate::{Cap, Irq, Kernel, Machine, Ref, Source};

impl<M: Machine> Kernel<M> {
    pub(crate) fn invoke_irq_control(&mut self, call: Invocation) -> Answer {
        let [storage] = self.args(&call)?;
        let Cap::Irq(storage) = self.cap(self.slot(call.caller, storage)?) else {
            return Err(Error::InvalidCapability);
        };
        match call.method {
            irq_control::IOAPIC => {
                let [_, line, flags] = self.args(&call)?;
                let line = u32::try_from(line).map_err(|_| Error::InvalidArgument)?;
                let level = flags & irq_control::LEVEL != 0;
                self.issue_line(storage, line, level, flags & irq_control::ACTIVE_LOW != 0)?;
                Ok(Outcome::Done)
            }
            irq_control::MSI => {
                let [_, source] = self.args(&call)?;
                let source = Source(u16::try_from(source).map_err(|_| Error::InvalidArgument)?);
                let (address, data) = self.issue_message(storage, source)?;
                Ok(self.give(&call, &[address, data]))
            }
            _ => Err(Error::InvalidMethod),
        }
    }

    pub(crate) fn invoke_irq(&mut self, call: Invocation, target: Ref<Irq>) -> Answer {
        let slot = crate::interrupt::slot_of(target);
        match call.method {
            irq::BIND => {
                let [source] = self.args(&call)?;
                let source = self.slot(call.caller, source)?;
                let (notification, badge) = self.notification_in(source, Rights::SEND)?;
                self.clear(slot);
                self.insert_child(source, slot, Cap::IrqTarget { irq: target, notification, badge });
                self.get_mut(target).target = Some((notification, badge));
            }
            irq::ACK => self.acknowledge(target),
            irq::UNBIND => self.clear(slot),
            _ => return Err(Error::InvalidMethod),
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn invoke_io_ports(&mut self, call: Invocation, first: u16, last: u16) -> Answer {
        let [port, width] = self.args(&call)?;
        // A transfer touches `width` consecutive ports; all of them must be in the range.
        let check = |port: u64, width: u64| match u16::try_from(port) {
            Ok(start) if start >= first && port + width <= u64::from(last) + 1 => Ok(start),
            _ => Err(Error::InvalidArgument),
        };
        let width_of = |width: u64| match width {
            1 | 2 | 4 => Ok(width as u8),
            _ => Err(Error::InvalidArgument),
        };
        match call.method {
            io_ports::SUB => {
                let [start, end, destination] = self.args(&call)?;
                let (start, end) = (check(start, 1)?, check(end, 1)?);
                let destination = self.slot(call.caller, destination)?;
                self.require_empty(destination)?;
                if start > end {
                    return Err(Error::InvalidArgument);
                }
                self.insert_child(call.slot, destination, Cap::IoPorts { first: start, last: end });
                Ok(Outcome::Done)
            }
            io_ports::IN => {
                let value = self.machine.port_in(check(port, width)?, width_of(width)?);
                Ok(self.give(&call, &[u64::from(value)]))
            }
            io_ports::OUT => {
                let [_, _, value] = self.args(&call)?;
                self.machine.port_out(check(port, width)?, width_of(width)?, value as u32);
                Ok(Outcome::Done)
            }
            io_ports::OUT_BYTES => {
                let (port, bytes) = (check(port, 1)?, call.words);
                if width > 32 {
                    return Err(Error::InvalidArgument);
                }
                for index in 0..width as usize {
                    let byte = bytes[2 + index / 8] >> (index % 8 * 8);
                    self.machine.port_out(port, 1, byte as u32 & 0xff);
                }
                Ok(Outcome::Done)
            }
            io_ports::IN_BYTES_WHILE => {
                let [_, most, status, mask] = self.args(&call)?;
                let (port, status) = (check(port, 1)?, check(status, 1)?);
                let mut results = [0; 5];
                while results[0] < most.min(32) && u64::from(self.machine.port_in(status, 1)) & mask != 0 {
                    let index = results[0] as usize;
                    results[1 + index / 8] |= u64::from(self.machine.port_in(port, 1) & 0xff) << (index % 8 * 8);
                    results[0] += 1;
                }
                Ok(self.give(&call, &results))
            }
            _ => Err(Error::InvalidMethod),
        }
    }

    pub(crate) fn invoke_trace(&mut self, call: Invocation) -> Answer {
        match call.method {
            trace::START => {
                let [memory] = self.args(&call)?;
                let source = self.slot(call.caller, memory)?;
                self.start_trace(source)?;
            }
            trace::STOP => self.stop_trace(),
            trace::THREAD => {
                let [first] = self.args(&call)?;
                let found = self.watch_thread(first)?;
                return Ok(self.give(&call, &found));
            }
            _ => return Err(Error::InvalidMethod),
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn invoke_log(&mut self, call: Invocation) -> Answer {
        if call.method == log::COUNTERS {
            let c = self.counters;
            let root_writes = self.machine.root_writes();
            let entries = c.calls + c.interrupts + c.faults + self.machine.fast_entries();
            return Ok(self.give(&call, &[c.calls, c.switches, c.interrupts, c.faults, root_writes, entries]));
        }
        if call.method == log::IDLE {
            return Ok(self.give(&call, &[self.idle_time()]));
        }
        let [bytes] = self.args(&call)?;
        if call.method != log::WRITE {
            return Err(Error::InvalidMethod);
        }
        for index in 0..(bytes as usize).min(MAX_WORDS * 8).div_ceil(8) {
            let word = self.word(&call, 1 + index)?.to_le_bytes();
            let rest = bytes as usize - index * 8;
            self.machine.log(&word[..rest.min(8)]);
        }
        self.machine.log(b"\n");
        Ok(Outcome::Done)
    }
}
