//! Invocations of IoControl, IoSpace and IoMapping.

use ukernel_abi::invoke::{io_control, io_mapping, io_space};
use ukernel_abi::{Error, Rights};

use crate::call::Outcome;
use crate::invocation::{Answer, Invocation};
use crate::io_space::{Source, fault_words, mapping_slot};
use crate::{Cap, IoMapping, IoSpace, Kernel, Machine, Ref};

/// Most pages of one donation.
const MOST_PAGES: u64 = 4096;

impl<M: Machine> Kernel<M> {
    pub(crate) fn invoke_io_control(&mut self, call: Invocation) -> Answer {
        match call.method {
            io_control::BIND => {
                let [space, source] = self.args(&call)?;
                let Cap::IoSpace(space) = self.cap(self.slot(call.caller, space)?) else {
                    return Err(Error::InvalidCapability);
                };
                let source = u16::try_from(source).map_err(|_| Error::InvalidArgument)?;
                self.bind_io_space(space, Source(source))?;
                Ok(Outcome::Done)
            }
            io_control::STRAY_FAULTS => {
                let (count, last) = (self.io_spaces.stray, self.io_spaces.last_stray);
                let [count, address, kind, reason] = fault_words(count, last);
                let source = last.map_or(0, |fault| fault.source.0.into());
                Ok(self.give(&call, &[count, address, kind, reason, source]))
            }
            _ => Err(Error::InvalidMethod),
        }
    }

    pub(crate) fn invoke_io_space(&mut self, call: Invocation, target: Ref<IoSpace>) -> Answer {
        match call.method {
            io_space::DONATE => {
                let [source, pages] = self.args(&call)?;
                if pages == 0 || pages > MOST_PAGES {
                    return Err(Error::InvalidArgument);
                }
                let untyped = self.slot(call.caller, source)?;
                if !matches!(self.cap(untyped), Cap::Untyped { .. }) {
                    return Err(Error::InvalidCapability);
                }
                self.donate_io_tables(target, untyped, pages)?;
            }
            io_space::MAP => {
                let [memory, start, wanted, mapping] = self.args(&call)?;
                let memory = self.slot(call.caller, memory)?;
                let Cap::IoMapping(mapping) = self.cap(self.slot(call.caller, mapping)?) else {
                    return Err(Error::InvalidCapability);
                };
                self.map_io(target, memory, start, Rights::from_bits(wanted), mapping)?;
            }
            io_space::CLEAR => self.clear_io_space(target),
            io_space::BIND_FAULTS => {
                let [notification] = self.args(&call)?;
                let notification = self.slot(call.caller, notification)?;
                self.bind_io_faults(target, notification)?;
            }
            io_space::FAULT => {
                let words = self.take_io_fault(target);
                return Ok(self.give(&call, &words));
            }
            io_space::POOL => {
                let bits = self.machine.io_tables().map_or(0, |tables| tables.address_bits());
                let pages = self.get(target).pool_pages;
                return Ok(self.give(&call, &[pages, bits.into()]));
            }
            _ => return Err(Error::InvalidMethod),
        }
        Ok(Outcome::Done)
    }

    pub(crate) fn invoke_io_mapping(&mut self, call: Invocation, target: Ref<IoMapping>) -> Answer {
        match call.method {
            io_mapping::UNMAP if self.get(target).space.is_none() => Err(Error::InvalidState),
            io_mapping::UNMAP => {
                self.clear(mapping_slot(target));
                Ok(Outcome::Done)
            }
            _ => Err(Error::InvalidMethod),
        }
    }
}
