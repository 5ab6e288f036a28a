//! Untyped memory and retype.

use ukernel_abi::object::{MEMORY_UNCLEARED, SLOT_BYTES};
use ukernel_abi::{Error, LARGE_PAGE_BYTES, ObjectType, PAGE_BYTES, Rights};

use crate::io_space::{IO_SPACE_SLOTS, io_space_slot};
use crate::preemption::Progress;
use crate::thread::{SLOTS_OFFSET, THREAD_SLOTS};
use crate::vspace::{VSPACE_SLOTS, vspace_slot};
use crate::{
    Attachment, Cap, CapTable, Endpoint, IoMapping, IoSpace, Irq, Kernel, Machine, Notification, PhysAddr, Ref, Reply,
    SchedContext, Slot, SlotRef, Thread, Timer, VSpace, Vcpu,
};

/// Most objects of one retype.
const MAX_COUNT: u64 = 1024;

/// So much is zeroed before it is looked for interrupts.
const CLEAR_BYTES: u64 = 4 * PAGE_BYTES;

/// A piece of an untyped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) at: PhysAddr,
    /// It may hold what an earlier object left.
    pub(crate) dirty: bool,
}

impl<M: Machine> Kernel<M> {
    /// Carve objects of one type out of an untyped, into consecutive slots of a CapTable. `made` of them are there already;
    /// how many are there then: fewer than `count` where an interrupt waits.
    pub(crate) fn retype(
        &mut self,
        untyped: SlotRef,
        (object, size): (ObjectType, u64),
        count: u64,
        (table, first): (Ref<CapTable>, u64),
        mut made: u64,
    ) -> Result<u64, Error> {
        let bytes = object.bytes(size).ok_or(Error::InvalidArgument)?;
        if count == 0 || count > MAX_COUNT {
            return Err(Error::InvalidArgument);
        }
        // What is left of another call is none of this one's.
        made = if made < count { made } else { 0 };
        let end = first.checked_add(count).ok_or(Error::InvalidArgument)?;
        for index in first + made..end {
            let slot = self.get(table).slot(table, index).ok_or(Error::InvalidCapability)?;
            self.require_empty(slot)?;
        }
        self.start_afresh(untyped);
        let mut align = match object {
            ObjectType::Memory | ObjectType::Untyped if bytes >= LARGE_PAGE_BYTES => LARGE_PAGE_BYTES,
            ObjectType::Memory | ObjectType::Untyped => PAGE_BYTES,
            _ => SLOT_BYTES,
        };
        let clean = match object {
            ObjectType::CapTable => true,
            ObjectType::Memory => size & MEMORY_UNCLEARED == 0 || self.is_dirty(untyped),
            _ => false,
        };
        if count - made > 1 {
            self.require_room(untyped, bytes.checked_mul(count - made).ok_or(Error::OutOfMemory)?, align)?;
        }
        while made < count {
            if made > 0 && !bytes.is_multiple_of(align) {
                align = PAGE_BYTES;
            }
            if clean && self.clear_ahead(untyped, bytes, align)? == Progress::Preempted {
                break;
            }
            let piece = self.carve(untyped, bytes, align)?;
            let cap = self.make(object, size, piece).ok_or(Error::InvalidArgument)?;
            let slot = self.get(table).slot(table, first + made).expect("checked above");
            self.insert_child(untyped, slot, cap);
            made += 1;
            if made < count && self.is_preempted() {
                break;
            }
        }
        Ok(made)
    }

    /// An untyped has so much left.
    pub(crate) fn require_room(&mut self, untyped: SlotRef, wanted: u64, align: u64) -> Result<(), Error> {
        let Cap::Untyped { base, bytes, used, .. } = self.cap(untyped) else { return Err(Error::InvalidCapability) };
        place_in(base, bytes, used, (wanted, align)).map(drop)
    }

    /// Let an untyped without children start afresh. Comes before memory is taken from it.
    pub(crate) fn start_afresh(&mut self, untyped: SlotRef) {
        let buried = self.dead.is_none();
        let slot = self.get_mut(untyped);
        let afresh = buried && !slot.has_children();
        if let Cap::Untyped { used, dirty, cleared, .. } = &mut slot.cap
            && *used > 0
            && afresh
        {
            (*used, *dirty, *cleared) = (0, true, 0);
        }
    }

    /// Whether what is carved from an untyped may hold old data.
    fn is_dirty(&self, untyped: SlotRef) -> bool {
        matches!(self.cap(untyped), Cap::Untyped { dirty: true, .. })
    }

    /// Zero what [`carve`](Self::carve) would take, looking for interrupts in between. The untyped keeps how far this has come,
    /// so that the call can be repeated, and whoever takes that memory meanwhile takes it from there.
    pub(crate) fn clear_ahead(&mut self, untyped: SlotRef, wanted: u64, align: u64) -> Result<Progress, Error> {
        let Cap::Untyped { base, bytes, used, dirty, mut cleared } = self.cap(untyped) else {
            return Err(Error::InvalidCapability);
        };
        let end = place_in(base, bytes, used, (wanted, align))?.1 - base.0;
        // From the first piece that is not used, whatever the alignment: what is cleared is all in one.
        let mut at = used.next_multiple_of(SLOT_BYTES).max(u64::from(cleared) * SLOT_BYTES);
        while at < end {
            let step = CLEAR_BYTES.min(end - at);
            self.machine.zero(base.offset(at), step);
            at += step;
            // Of an untyped of more than 256 GiB the rest is cleared again where it has to be.
            cleared = u32::try_from(at / SLOT_BYTES).unwrap_or(cleared);
            self.get_mut(untyped).cap = Cap::Untyped { base, bytes, used, dirty, cleared };
            if at < end && self.is_preempted() {
                return Ok(Progress::Preempted);
            }
        }
        Ok(Progress::Done)
    }

    /// Take bytes from an untyped.
    pub(crate) fn carve(&mut self, untyped: SlotRef, wanted: u64, align: u64) -> Result<Piece, Error> {
        let Cap::Untyped { base, bytes, used, dirty, cleared } = self.cap(untyped) else {
            return Err(Error::InvalidCapability);
        };
        let (start, end) = place_in(base, bytes, used, (wanted, align))?;
        self.get_mut(untyped).cap = Cap::Untyped { base, bytes, used: end - base.0, dirty, cleared };
        Ok(Piece { at: PhysAddr(start), dirty })
    }

    /// Make one object.
    pub(crate) fn make(&mut self, object: ObjectType, size: u64, Piece { at, dirty }: Piece) -> Option<Cap> {
        let m = &mut self.machine;
        Some(match object {
            ObjectType::Untyped => Cap::Untyped { base: at, bytes: size, used: 0, dirty, cleared: 0 },
            ObjectType::Memory => {
                // It was cleared ahead, where it has to be.
                Cap::Memory { base: at, bytes: size & !MEMORY_UNCLEARED, rights: Rights::ALL, device: false }
            }
            ObjectType::CapTable => Cap::CapTable(self.table_of_zeros(at, size as u8)),
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

    /// A table in memory of any contents.
    pub(crate) fn make_table(&mut self, at: PhysAddr, bits: u8) -> Ref<CapTable> {
        self.machine.zero(at, (SLOT_BYTES << bits) + SLOT_BYTES);
        self.table_of_zeros(at, bits)
    }

    fn table_of_zeros(&mut self, at: PhysAddr, bits: u8) -> Ref<CapTable> {
        self.machine.create_slots(at.offset(SLOT_BYTES), 1 << bits);
        self.machine.create(at, CapTable::new(bits))
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

/// Start and end of a piece of an untyped that is used up to `used` bytes: as large as wanted, and aligned.
fn place_in(base: PhysAddr, bytes: u64, used: u64, (wanted, align): (u64, u64)) -> Result<(u64, u64), Error> {
    let start = (base.0 + used).checked_next_multiple_of(align).ok_or(Error::OutOfMemory)?;
    let end = start.checked_add(wanted).filter(|end| *end <= base.0 + bytes).ok_or(Error::OutOfMemory)?;
    Ok((start, end))
}
