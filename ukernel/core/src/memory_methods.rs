//! Methods of Untyped, CapTable, VSpace, Memory and Attachment.

use ukernel_abi::invoke::{attachment, cap_table, memory, untyped, vspace};
use ukernel_abi::{Error, ObjectType, PAGE_BYTES, Rights};

use crate::call::Outcome;
use crate::donation::Recipient;
use crate::invocation::{Answer, Invocation};
use crate::vspace::{VSPACE_SLOTS, vspace_slot};
use crate::{Attachment, Cap, CapTable, Kernel, Machine, PhysAddr, Ref, SlotRef, VSpace};

/// The progress of a list of pairs: the pair's index from this bit on, and its pages below.
const PAIR_SHIFT: u32 = 32;

impl<M: Machine> Kernel<M> {
    /// The CapTable in the caller's slot `index`; 0: the caller's own.
    fn table_at(&self, call: &Invocation, index: u64) -> Result<Ref<CapTable>, Error> {
        match self.optional_slot(call.caller, index)? {
            None => self.get(call.caller).table.ok_or(Error::InvalidCapability),
            Some(slot) => match self.cap(slot) {
                Cap::CapTable(table) => Ok(table),
                _ => Err(Error::InvalidCapability),
            },
        }
    }

    fn slot_in(&self, table: Ref<CapTable>, index: u64) -> Result<SlotRef, Error> {
        self.get(table).slot(table, index).ok_or(Error::InvalidCapability)
    }

    pub(crate) fn invoke_untyped(&mut self, call: Invocation) -> Answer {
        match call.method {
            untyped::RETYPE => {
                let [object, size, count, first, table] = self.args(&call)?;
                let object = ObjectType::from_number(object).ok_or(Error::InvalidArgument)?;
                if object == ObjectType::SchedContext {
                    self.may_make_time(call.caller)?;
                }
                let table = self.table_at(&call, table)?;
                let made = self.retype(call.slot, (object, size), count, (table, first), self.progress(&call))?;
                Ok(if made < count { self.repeat_from(&call, made) } else { Outcome::Done })
            }
            untyped::INFO => {
                let Cap::Untyped { bytes, used, .. } = self.cap(call.slot) else {
                    return Err(Error::InvalidCapability);
                };
                let used = if self.get(call.slot).has_children() { used } else { 0 };
                Ok(self.give(&call, &[bytes - used, bytes]))
            }
            _ => Err(Error::InvalidMethod),
        }
    }

    pub(crate) fn invoke_cap_table(&mut self, call: Invocation, table: Ref<CapTable>) -> Answer {
        match call.method {
            cap_table::COPY | cap_table::MINT | cap_table::MOVE => {
                let [destination, source_table, source] = self.args(&call)?;
                let source = self.slot_in(self.table_at(&call, source_table)?, source)?;
                let destination = self.slot_in(table, destination)?;
                match call.method {
                    cap_table::MOVE => return self.move_cap(source, destination).map(Outcome::from),
                    cap_table::COPY => {
                        let [.., rights] = self.args::<4>(&call)?;
                        self.copy_cap(source, destination, Rights::from_bits(rights), None)?;
                    }
                    _ => {
                        let [.., rights, badge] = self.args::<5>(&call)?;
                        self.copy_cap(source, destination, Rights::from_bits(rights), Some(badge))?;
                    }
                }
                Ok(Outcome::Done)
            }
            cap_table::DELETE => {
                let [slot] = self.args(&call)?;
                let slot = self.slot_in(table, slot)?;
                Ok(Outcome::from(self.delete(slot)))
            }
            cap_table::REVOKE => {
                let [slot] = self.args(&call)?;
                let slot = self.slot_in(table, slot)?;
                Ok(Outcome::from(self.revoke(slot)))
            }
            _ => Err(Error::InvalidMethod),
        }
    }

    pub(crate) fn invoke_vspace(&mut self, call: Invocation, target: Ref<VSpace>) -> Answer {
        match call.method {
            vspace::DONATE => {
                let [source, pages] = self.args(&call)?;
                if pages == 0 || pages > 4096 {
                    return Err(Error::InvalidArgument);
                }
                let untyped = self.slot(call.caller, source)?;
                if !matches!(self.cap(untyped), Cap::Untyped { .. }) {
                    return Err(Error::InvalidCapability);
                }
                let given = self.donate(Recipient::VSpace(target), untyped, pages, self.progress(&call))?;
                Ok(if given < pages { self.repeat_from(&call, given) } else { Outcome::Done })
            }
            vspace::MAKE_LEGACY => {
                let [master] = self.args(&call)?;
                let slot = self.slot(call.caller, master)?;
                let Cap::VSpace(master) = self.cap(slot) else { return Err(Error::InvalidCapability) };
                self.make_legacy(target, master)?;
                let tie = vspace_slot(target, VSPACE_SLOTS - 1);
                self.insert_child(slot, tie, Cap::VSpaceMaster { vspace: target, master });
                Ok(Outcome::Done)
            }
            vspace::POOL => {
                let pages = self.get(target).pool_pages;
                Ok(self.give(&call, &[pages]))
            }
            _ => Err(Error::InvalidMethod),
        }
    }

    pub(crate) fn invoke_memory(
        &mut self,
        call: Invocation,
        base: PhysAddr,
        bytes: u64,
        rights: Rights,
        device: bool,
    ) -> Answer {
        match call.method {
            memory::ATTACH => {
                let [vspace, start, length, wanted, storage] = self.args(&call)?;
                let Cap::VSpace(vspace) = self.cap(self.slot(call.caller, vspace)?) else {
                    return Err(Error::InvalidCapability);
                };
                let Cap::Attachment(storage) = self.cap(self.slot(call.caller, storage)?) else {
                    return Err(Error::InvalidCapability);
                };
                let end = start.checked_add(length).ok_or(Error::InvalidArgument)?;
                self.attach(call.slot, storage, vspace, (start, end), Rights::from_bits(wanted))?;
                Ok(Outcome::Done)
            }
            memory::SUB => {
                let [offset, length, destination, wanted] = self.args(&call)?;
                let end = offset.checked_add(length).ok_or(Error::InvalidArgument)?;
                if length == 0 || (offset | length) % PAGE_BYTES != 0 || end > bytes {
                    return Err(Error::InvalidArgument);
                }
                let destination = self.slot(call.caller, destination)?;
                self.require_empty(destination)?;
                let rights = rights.and(Rights::from_bits(wanted));
                let part = Cap::Memory { base: base.offset(offset), bytes: length, rights, device };
                self.insert_child(call.slot, destination, part);
                Ok(Outcome::Done)
            }
            memory::PHYSICAL if rights.contains(Rights::PHYSICAL) => Ok(self.give(&call, &[base.0, bytes])),
            memory::PHYSICAL => Err(Error::InsufficientRights),
            memory::SIZE => Ok(self.give(&call, &[bytes])),
            _ => Err(Error::InvalidMethod),
        }
    }

    pub(crate) fn invoke_attachment(&mut self, call: Invocation, target: Ref<Attachment>) -> Answer {
        let pair = match call.method {
            attachment::MAP => Self::map_pair,
            attachment::PROTECT => Self::protect_pair,
            attachment::UNMAP => Self::unmap_pair,
            attachment::UNMAP_ALL => {
                let reached = self.unmap_all(target, self.progress(&call))?;
                return Ok(reached.map_or(Outcome::Done, |reached| self.repeat_from(&call, reached)));
            }
            attachment::DETACH => {
                let slot = crate::attachment::slot_of(target);
                if self.cap(slot) == Cap::Null {
                    return Err(Error::InvalidState);
                }
                return Ok(Outcome::from(self.remove(slot)));
            }
            _ => return Err(Error::InvalidMethod),
        };
        if !call.length.is_multiple_of(2) || call.length > attachment::MAX_PAIRS * 2 {
            return Err(Error::InvalidMessage);
        }
        let progress = self.progress(&call);
        let (mut index, mut done) = ((progress >> PAIR_SHIFT) as usize, progress & ((1 << PAIR_SHIFT) - 1));
        let pairs = call.length / 2;
        while index < pairs {
            let words = (self.word(&call, index * 2)?, self.word(&call, index * 2 + 1)?);
            match pair(self, target, words, done) {
                Ok(0) => (index, done) = (index + 1, 0),
                Ok(some) => done = some,
                Err(error) => {
                    self.give(&call, &[index as u64]);
                    return Err(error);
                }
            }
            if index < pairs && self.is_preempted() {
                return Ok(self.repeat_from(&call, (index as u64) << PAIR_SHIFT | done));
            }
        }
        Ok(self.give(&call, &[pairs as u64]))
    }
}
