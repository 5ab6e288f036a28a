//! Invocations of IoControl, IoSpace and IoMapping.

use ukernel_abi::invoke::{io_control, io_mapping, io_space};
use ukernel_abi::{Error, Rights};

use crate::call::Outcome;
use crate::donation::Recipient;
use crate::invocation::{Answer, Invocation};
use crate::io_faults::fault_words;
use crate::io_mapping::{IoStage, mapping_slot};
use crate::io_space::Source;
use crate::preemption::Progress;
use crate::{Cap, IoMapping, IoSpace, Kernel, Machine, Ref};

/// Most pages of one donation.
const MOST_PAGES: u64 = 4096;

/// The two errors that end a mapping which has begun, in a call's progress.
const OUT_OF_TABLES: u64 = 2;
const ALREADY_MAPPED: u64 = 3;

impl IoStage {
    /// As it is kept while the call is made again.
    fn progress(self) -> u64 {
        match self {
            Self::Start | Self::Complete => 0,
            Self::Grow => 1,
            Self::Undo(Error::OutOfTables) => OUT_OF_TABLES,
            Self::Undo(_) => ALREADY_MAPPED,
        }
    }

    fn from_progress(progress: u64) -> Self {
        match progress {
            0 => Self::Start,
            OUT_OF_TABLES => Self::Undo(Error::OutOfTables),
            ALREADY_MAPPED => Self::Undo(Error::AlreadyMapped),
            _ => Self::Grow,
        }
    }
}

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
                self.io_tables()?;
                let given = self.donate(Recipient::IoSpace(target), untyped, pages, self.progress(&call))?;
                if given < pages {
                    return Ok(self.repeat_from(&call, given));
                }
            }
            io_space::MAP => {
                let [memory, start, wanted, mapping] = self.args(&call)?;
                let memory = self.slot(call.caller, memory)?;
                let Cap::IoMapping(mapping) = self.cap(self.slot(call.caller, mapping)?) else {
                    return Err(Error::InvalidCapability);
                };
                let stage = IoStage::from_progress(self.progress(&call));
                let stage = self.map_io(target, memory, start, Rights::from_bits(wanted), mapping, stage)?;
                if stage != IoStage::Complete {
                    return Ok(self.repeat_from(&call, stage.progress()));
                }
            }
            io_space::CLEAR => {
                if self.cut_io_space(target) == Progress::Preempted {
                    return Ok(Outcome::Repeat);
                }
                self.clear_io_space(target);
            }
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
            io_mapping::UNMAP => Ok(Outcome::from(self.remove(mapping_slot(target)))),
            _ => Err(Error::InvalidMethod),
        }
    }
}
