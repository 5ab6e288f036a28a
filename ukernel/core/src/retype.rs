//! Untyped memory and retype.

use ukernel_abi::object::{MEMORY_UNCLEARED, SLOT_BYTES};
use ukernel_abi::{Error, LARGE_PAGE_BYTES, ObjectType, PAGE_BYTES, Rights};

use crate::io_space::{IO_SPACE_SLOTS, io_space_slot};
use crate::thread::{SLOTS_OFFSET, THREAD_SLOTS};
use crate::vspace::{VSPACE_SLOTS, vspace_slot};
use crate::{
    Attachment, Cap, CapTable, Endpoint, IoMapping, IoSpace, Irq, Kernel, Machine, Notification, PhysAddr, Ref, Reply,
    SchedContext, Slot, SlotRef, Thread, Timer, VSpace, Vcpu,
};

/// Most objects of one retype.
const MAX_COUNT: u64 = 1024;

/// A piece of an untyped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) at: PhysAddr,
    /// It may hold what an earlier object left.
    pub(crate) dirty: bool,
}

impl<M: Machine> Kernel<M> {
    /// Carve objects of one type out of an untyped, into consecutive slots of a CapTable.
    pub(crate) fn retype(
        &mut self,
        untyped: SlotRef,
        (object, size): (ObjectType, u64),
        count: u64,
        (table, first): (Ref<CapTable>, u64),
    ) -> Result<(), Error> {
        let bytes = object.bytes(size).ok_or(Error::InvalidArgument)?;
        if count == 0 || count > MAX_COUNT {
            return Err(Error::InvalidArgument);
        }
        for index in first..first.checked_add(count).ok_or(Error::InvalidArgument)? {
            let slot = self.get(table).slot(table, index).ok_or(Error::InvalidCapability)?;
            self.require_empty(slot)?;
        }
        let align = match object {
            ObjectType::Memory | ObjectType::Untyped if bytes >= LARGE_PAGE_BYTES => LARGE_PAGE_BYTES,
            ObjectType::Memory | ObjectType::Untyped => PAGE_BYTES,
            _ => SLOT_BYTES,
        };
        let total = bytes.checked_mul(count).ok_or(Error::OutOfMemory)?;
        let piece = self.carve(untyped, total, align)?;
        for number in 0..count {
            let piece = Piece { at: piece.at.offset(number * bytes), dirty: piece.dirty };
            let cap = self.make(object, size, piece).ok_or(Error::InvalidArgument)?;
            let slot = self.get(table).slot(table, first + number).expect("checked above");
            self.insert_child(untyped, slot, cap);
        }
        Ok(())
    }

    /// Take bytes from an untyped; one without children starts afresh.
    pub(crate) fn carve(&mut self, untyped: SlotRef, wanted: u64, align: u64) -> Result<Piece, Error> {
        let slot = self.get(untyped);
        let Cap::Untyped { base, bytes, mut used, mut dirty } = slot.cap else { return Err(Error::InvalidCapability) };
        if !slot.has_children() && used > 0 {
            (used, dirty) = (0, true);
        }
        let start = (base.0 + used).checked_next_multiple_of(align).ok_or(Error::OutOfMemory)?;
        let end = start.checked_add(wanted).ok_or(Error::OutOfMemory)?;
        if end > base.0 + bytes {
            return Err(Error::OutOfMemory);
        }
        self.get_mut(untyped).cap = Cap::Untyped { base, bytes, used: end - base.0, dirty };
        Ok(Piece { at: PhysAddr(start), dirty })
    }

    /// Make one object.
    pub(crate) fn make(&mut self, object: ObjectType, size: u64, Piece { at, dirty }: Piece) -> Option<Cap> {
        let m = &mut self.machine;
        Some(match object {
            ObjectType::Untyped => Cap::Untyped { base: at, bytes: size, used: 0, dirty },
            ObjectType::Memory => {
                let bytes = size & !MEMORY_UNCLEARED;
                if dirty || size & MEMORY_UNCLEARED == 0 {
                    m.zero(at, bytes);
                }
                Cap::Memory { base: at, bytes, rights: Rights::ALL, device: false }
            }
            ObjectType::CapTable => Cap::CapTable(self.make_table(at, size as u8)),
            ObjectType::Thread => Cap::Thread(self.make_thread(at)),
            ObjectType::VSpace => Cap::VSpace(self.make_vspace(at)),
            ObjectType::Endpoint => {
                Cap::Endpoint { endpoint: m.create(at, Endpoint::new()), badge: 0, rights: Rights::ALL }
            }
            ObjectType::Reply => Cap::Reply(m.create(at, Reply::new())),
            ObjectType::Notification => {
                Cap::Notification { notification: m.create(at, Notification::new()), badge: 0, rights: Rights::ALL }
            }
            ObjectType::SchedContext => Cap::SchedContext(m.create(at, SchedContext::new())),
            ObjectType::Timer => {
                let timer = m.create(at, Timer::new());
                m.create(at.offset(SLOT_BYTES), Slot::default());
                Cap::Timer(timer)
            }
            ObjectType::Vcpu => {
                let vcpu = m.create(at, Vcpu::new());
                m.create(at.offset(512), Slot::default());
                Cap::Vcpu(vcpu)
            }
            ObjectType::Attachment => {
                let attachment = m.create(at, Attachment::new());
                m.create(at.offset(SLOT_BYTES), Slot::default());
                Cap::Attachment(attachment)
            }
            ObjectType::Irq => {
                let irq = m.create(at, Irq::new());
                m.create(at.offset(SLOT_BYTES), Slot::default());
                Cap::Irq(irq)
            }
            ObjectType::IoSpace => Cap::IoSpace(self.make_io_space(at)),
            ObjectType::IoMapping => {
                let mapping = m.create(at, IoMapping::new());
                m.create(at.offset(SLOT_BYTES), Slot::default());
                Cap::IoMapping(mapping)
            }
            ObjectType::IoPorts
            | ObjectType::IrqControl
            | ObjectType::Log
            | ObjectType::Trace
            | ObjectType::IoControl => return None,
        })
    }

    pub(crate) fn make_table(&mut self, at: PhysAddr, bits: u8) -> Ref<CapTable> {
        let table = self.machine.create(at, CapTable::new(bits));
        for index in 0..1u64 << bits {
            self.machine.create(at.offset((index + 1) * SLOT_BYTES), Slot::default());
        }
        table
    }

    pub(crate) fn make_thread(&mut self, at: PhysAddr) -> Ref<Thread> {
        self.threads_made = self.threads_made.wrapping_add(1);
        // Whoever makes a thread passes its own limit on; the kernel's own, at boot, has none.
        let maker = self.cpu().current.map(|maker| self.get(maker));
        let (max_priority, makes_time) = maker.map_or((u8::MAX, true), |maker| (maker.max_priority, maker.makes_time));
        let thread = self.machine.create(at, Thread::new(self.threads_made, max_priority, makes_time));
        for index in 0..THREAD_SLOTS {
            self.machine.create(at.offset(SLOTS_OFFSET + index * SLOT_BYTES), Slot::default());
        }
        self.list_thread(thread);
        thread
    }

    fn make_io_space(&mut self, at: PhysAddr) -> Ref<IoSpace> {
        let space = self.machine.create(at, IoSpace::new());
        let first = io_space_slot(space, 0).address() - space.address();
        for index in 0..IO_SPACE_SLOTS {
            self.machine.create(at.offset(first + index * SLOT_BYTES), Slot::default());
        }
        space
    }

    pub(crate) fn make_vspace(&mut self, at: PhysAddr) -> Ref<VSpace> {
        let vspace = self.machine.create(at, VSpace::new());
        let first = vspace_slot(vspace, 0).address() - vspace.address();
        for index in 0..VSPACE_SLOTS {
            self.machine.create(at.offset(first + index * SLOT_BYTES), Slot::default());
        }
        vspace
    }
}
