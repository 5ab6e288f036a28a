//! VSpaces: page-table roots, the pool of table pages, who runs in them, and their end.
//!
//! `tables` follows and makes page tables, `mapping` fills and empties them. A legacy VSpace's two roots have the same tables in
//! slots 0 to 255, and those slots of its master view are execute-never.

use ukernel_abi::object::{MAX_ATTACHMENTS, SLOT_BYTES};
use ukernel_abi::{Error, PAGE_BYTES};

use crate::page_table::Leaf;
use crate::preemption::{Burial, Dead, Piece, Progress};
use crate::tables::MASTER_SLOT;
use crate::thread::{ThreadSlot, slot_of};
use crate::{Attachment, Cap, Kernel, Machine, Object, PhysAddr, Ref, RemoteCall, SlotRef, State, Thread};

/// Where a VSpace's slots are, in bytes from its start.
const SLOTS_OFFSET: u64 = 512;
/// Slots for the untypeds that its table pages came from.
pub(crate) const DONATION_SLOTS: u64 = 4;
/// All its slots: the last one is for the master's VSpace.
pub(crate) const VSPACE_SLOTS: u64 = DONATION_SLOTS + 1;

/// An address space.
#[derive(Clone, Debug)]
pub struct VSpace {
    pub(crate) caps: u32,
    /// Root of the only view, or of the master view; 0 before the first donation and after the end.
    pub(crate) root: PhysAddr,
    /// Root of the legacy view, or 0.
    pub(crate) legacy_root: PhysAddr,
    /// Whose master slot it shares.
    pub(crate) master: Option<Ref<VSpace>>,
    /// Those that share this one's: they end with its tables. Links in that list.
    pub(crate) sharers: Option<Ref<VSpace>>,
    pub(crate) sharer_next: Option<Ref<VSpace>>,
    pub(crate) sharer_previous: Option<Ref<VSpace>>,
    /// Unused table pages, linked through their first words; 0 ends the list.
    pub(crate) pool: PhysAddr,
    pub(crate) pool_pages: u64,
    /// Which attachment numbers are taken.
    numbers: [u64; MAX_ATTACHMENTS.div_ceil(64)],
    pub(crate) attachments: Option<Ref<Attachment>>,
    pub(crate) threads: Option<Ref<Thread>>,
    /// Its place among the dead, while it has attachments.
    pub(crate) burial: Burial,
}

impl Object for VSpace {
    fn is_unfinished(&self) -> bool {
        self.burial.listed
    }
}

const _: () = assert!(size_of::<VSpace>() <= SLOTS_OFFSET as usize);
const _: () = assert!(SLOTS_OFFSET + VSPACE_SLOTS * SLOT_BYTES <= 1024);

impl VSpace {
    pub(crate) fn new() -> Self {
        let mut numbers = [0; MAX_ATTACHMENTS.div_ceil(64)];
        numbers[0] = 1; // Number 0 means "none".
        Self {
            caps: 0,
            root: PhysAddr(0),
            legacy_root: PhysAddr(0),
            master: None,
            sharers: None,
            sharer_next: None,
            sharer_previous: None,
            pool: PhysAddr(0),
            pool_pages: 0,
            numbers,
            attachments: None,
            threads: None,
            burial: Burial::default(),
        }
    }

    pub(crate) fn is_legacy(&self) -> bool {
        self.legacy_root != PhysAddr(0)
    }

    pub(crate) fn take_number(&mut self) -> Option<u16> {
        let (index, word) = self.numbers.iter_mut().enumerate().find(|(_, word)| **word != u64::MAX)?;
        let bit = word.trailing_ones();
        *word |= 1 << bit;
        Some(index as u16 * 64 + bit as u16)
    }

    pub(crate) fn free_number(&mut self, number: u16) {
        self.numbers[usize::from(number) / 64] &= !(1 << (number % 64));
    }
}

/// A slot inside a VSpace.
pub(crate) fn vspace_slot(vspace: Ref<VSpace>, index: u64) -> SlotRef {
    vspace.part(SLOTS_OFFSET + index * SLOT_BYTES)
}

impl<M: Machine> Kernel<M> {
    /// Add pages of zeros to the pool; the first becomes the root.
    pub(crate) fn add_tables(&mut self, vspace: Ref<VSpace>, first: PhysAddr, pages: u64) {
        for page in 0..pages {
            let table = first.offset(page * PAGE_BYTES);
            if self.get(vspace).root == PhysAddr(0) {
                self.machine.fill_kernel_half(table);
                self.get_mut(vspace).root = table;
            } else {
                self.return_table(vspace, table);
            }
        }
    }

    /// Give a fresh VSpace its two views.
    pub(crate) fn make_legacy(&mut self, vspace: Ref<VSpace>, master: Ref<VSpace>) -> Result<(), Error> {
        let (v, m) = (self.get(vspace), self.get(master));
        let shared = if m.root == PhysAddr(0) { Leaf(0) } else { self.entry(m.root, MASTER_SLOT) };
        let fresh = v.root != PhysAddr(0) && !v.is_legacy() && v.attachments.is_none() && v.threads.is_none();
        if !fresh || vspace == master || m.is_legacy() || !shared.present() {
            return Err(Error::InvalidState);
        }
        let root = v.root;
        let legacy_root = self.take_table(vspace)?;
        self.machine.fill_kernel_half(legacy_root);
        self.set_entry(root, MASTER_SLOT, shared);
        let next = self.get_mut(master).sharers.replace(vspace);
        if let Some(next) = next {
            self.get_mut(next).sharer_previous = Some(vspace);
        }
        let v = self.get_mut(vspace);
        (v.legacy_root, v.master, v.sharer_next) = (legacy_root, Some(master), next);
        Ok(())
    }

    /// A VSpace shares no master's slot any more: its tables are about to go.
    fn leave_master(&mut self, vspace: Ref<VSpace>) {
        let v = self.get_mut(vspace);
        let Some(master) = v.master.take() else { return };
        let (next, previous) = (v.sharer_next.take(), v.sharer_previous.take());
        match previous {
            Some(previous) => self.get_mut(previous).sharer_next = next,
            None => self.get_mut(master).sharers = next,
        }
        if let Some(next) = next {
            self.get_mut(next).sharer_previous = previous;
        }
        self.clear(vspace_slot(vspace, VSPACE_SLOTS - 1));
    }

    /// Make a thread run in a VSpace; the capability to it is in the thread's slot already.
    pub(crate) fn join_vspace(&mut self, thread: Ref<Thread>, vspace: Ref<VSpace>) {
        let foreign = self.get(thread).foreign;
        let v = self.get_mut(vspace);
        let (root, next) = (if foreign { v.legacy_root } else { v.root }, v.threads.replace(thread));
        if let Some(next) = next {
            self.get_mut(next).vspace_previous = Some(thread);
        }
        let t = self.get_mut(thread);
        (t.vspace, t.root, t.vspace_next, t.vspace_previous) = (Some(vspace), root, next, None);
        self.note_home(thread);
        self.update_vcpu_roots(thread);
        if self.cpu().loaded == Some(thread) {
            self.cpu_mut().active = Some(vspace);
            self.machine.reload(thread);
        }
    }

    /// A thread's capability to its VSpace went.
    pub(crate) fn leave_vspace(&mut self, thread: Ref<Thread>) {
        self.pull(thread);
        self.dequeue(thread);
        let t = self.get_mut(thread);
        let Some(vspace) = t.vspace.take() else { return };
        t.root = PhysAddr(0);
        let (next, previous) = (t.vspace_next.take(), t.vspace_previous.take());
        match previous {
            Some(previous) => self.get_mut(previous).vspace_next = next,
            None => self.get_mut(vspace).threads = next,
        }
        if let Some(next) = next {
            self.get_mut(next).vspace_previous = previous;
        }
        self.update_vcpu_roots(thread);
        self.note_home(thread);
        if self.cpu().loaded == Some(thread) {
            self.cpu_mut().active = None;
            self.machine.reload(thread);
        }
    }

    /// Take a thread out of its VSpace, which it can not run in any more.
    fn put_out(&mut self, thread: Ref<Thread>) {
        self.pull(thread);
        self.dequeue(thread);
        if self.get(thread).state == State::Ready {
            self.get_mut(thread).state = State::Stopped;
        }
        self.clear(slot_of(thread, ThreadSlot::VSpace));
    }

    /// The VSpace is about to lose its tables: take the threads out of it and end those that share them, in pieces.
    pub(crate) fn evict(&mut self, vspace: Ref<VSpace>) -> Progress {
        loop {
            let v = self.get(vspace);
            let sharer = v.sharers;
            // Who shares another's slot shares out none itself.
            let inside = sharer.map_or(v.threads, |sharer| self.get(sharer).threads);
            match (inside, sharer) {
                (Some(thread), _) => self.put_out(thread),
                (None, Some(sharer)) => self.kill_vspace(sharer),
                (None, None) => return Progress::Done,
            }
            let v = self.get(vspace);
            if (v.threads.is_some() || v.sharers.is_some()) && self.is_preempted() {
                return Progress::Preempted;
            }
        }
    }

    /// The VSpace has lost the memory of its tables, or what it shares: nothing can run in it any more.
    pub(crate) fn kill_vspace(&mut self, vspace: Ref<VSpace>) {
        while let Some(sharer) = self.get(vspace).sharers {
            self.kill_vspace(sharer);
        }
        while let Some(thread) = self.get(vspace).threads {
            self.put_out(thread);
        }
        if self.cpu().active == Some(vspace) {
            self.cpu_mut().active = None;
            self.machine.retire_root();
        }
        let others = self.others_in(vspace);
        if others != 0 {
            self.machine.call(others, RemoteCall::RetireRoot);
            for cpu in (0..crate::cpu::MAX_CPUS as u8).filter(|cpu| others & 1 << cpu != 0) {
                self.cpu_at_mut(cpu).active = None;
            }
        }
        let v = self.get_mut(vspace);
        (v.root, v.legacy_root, v.pool, v.pool_pages) = (PhysAddr(0), PhysAddr(0), PhysAddr(0), 0);
        self.leave_master(vspace);
    }

    /// Nobody can reach the VSpace any more, and no thread runs in it.
    pub(crate) fn destroy_vspace(&mut self, vspace: Ref<VSpace>) {
        self.kill_vspace(vspace);
        if self.get(vspace).attachments.is_some() {
            self.list_dead(Dead::VSpace(vspace));
            return;
        }
        for index in 0..VSPACE_SLOTS {
            self.clear(vspace_slot(vspace, index));
        }
    }

    /// A dead VSpace loses an attachment, which maps nothing any more, or what is in one of its slots.
    pub(crate) fn empty_vspace(&mut self, vspace: Ref<VSpace>) -> Piece {
        if let Some(attachment) = self.get(vspace).attachments {
            self.clear(crate::attachment::slot_of(attachment));
            return Piece::Made;
        }
        let slots = (0..VSPACE_SLOTS).map(|index| vspace_slot(vspace, index));
        let Some(slot) = slots.into_iter().find(|slot| self.cap(*slot) != Cap::Null) else { return Piece::None };
        self.clear(slot);
        Piece::Made
    }
}
