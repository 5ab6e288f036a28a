//! Long operations, done in pieces: between two of them the kernel looks for interrupts, and where one waits it leaves the
//! operation as far as it has come, and the system call is made again.
//!
//! What has been done stays done, and each state in between satisfies the invariants. How far an operation has come is where the
//! operation is: a slot's children that are still there, a window that shrinks, an untyped's memory that is cleared ahead. Calls
//! that change nothing by which one could tell keep it in their thread (`Thread::progress`). An object whose end takes long is put
//! into a list when its last capability goes; it is taken apart by that call and by all that come after, and before any memory is
//! taken from an untyped, so nothing else is ever made where it is.

use crate::{Cap, CapTable, Endpoint, Kernel, Machine, Notification, Ref, SlotRef, VSpace};

/// Whether a long operation is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Done,
    /// An interrupt waits; the system call is to be repeated.
    Preempted,
}

/// Whether anything was left for a piece of work to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// It did something; there may be more.
    Made,
    /// There is nothing more to do.
    None,
}

/// An object without a capability, which is being taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dead {
    Table(Ref<CapTable>),
    VSpace(Ref<VSpace>),
    Endpoint(Ref<Endpoint>),
    Notification(Ref<Notification>),
}

/// An object's place in the list of the dead.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Burial {
    pub(crate) listed: bool,
    next: Option<Dead>,
}

/// So many children of a capability get another parent before it is looked for interrupts.
const CHILDREN: u32 = 16;
/// So many empty slots of a dead table are passed likewise.
const EMPTY_SLOTS: u64 = 64;

impl Cap {
    /// Whether [`Kernel::wind_down`] may have something to do.
    const fn is_long_to_undo(&self) -> bool {
        matches!(
            self,
            Self::AttachedMemory(_)
                | Self::Attachment(_)
                | Self::VSpaceTables(_)
                | Self::VSpaceMaster { .. }
                | Self::IoMapped(_)
                | Self::IoMapping(_)
                | Self::IoSpaceTables(_)
                | Self::IoSpace(_)
                | Self::Thread(_)
                | Self::Reply(_)
                | Self::SchedContext(_)
        )
    }
}

impl<M: Machine> Kernel<M> {
    /// An interrupt waits, and the operation has more to do.
    pub(crate) fn is_preempted(&mut self) -> bool {
        self.machine.interrupt_pending()
    }

    fn burial(&mut self, dead: Dead) -> &mut Burial {
        match dead {
            Dead::Table(table) => &mut self.get_mut(table).burial,
            Dead::VSpace(vspace) => &mut self.get_mut(vspace).burial,
            Dead::Endpoint(endpoint) => &mut self.get_mut(endpoint).burial,
            Dead::Notification(notification) => &mut self.get_mut(notification).burial,
        }
    }

    /// The last capability to an object went: it is to be taken apart.
    pub(crate) fn list_dead(&mut self, dead: Dead) {
        let next = self.dead.replace(dead);
        *self.burial(dead) = Burial { listed: true, next };
    }

    /// Take dead objects apart, which may kill further ones: a work list instead of recursion.
    #[inline(always)]
    pub(crate) fn bury(&mut self) -> Progress {
        if self.dead.is_none() { Progress::Done } else { self.bury_all() }
    }

    #[inline(never)]
    fn bury_all(&mut self) -> Progress {
        while let Some(dead) = self.dead {
            let piece = match dead {
                Dead::Table(table) => match self.empty_slots_of(table) {
                    Ok(piece) => piece,
                    Err(progress) => return progress,
                },
                Dead::VSpace(vspace) => self.empty_vspace(vspace),
                Dead::Endpoint(endpoint) => self.turn_waiter_away(endpoint),
                Dead::Notification(notification) => self.wake_for_nothing(notification),
            };
            if piece == Piece::None {
                // It killed nothing, so it is still the first one.
                self.dead = core::mem::take(self.burial(dead)).next;
            }
            if self.dead.is_some() && self.is_preempted() {
                return Progress::Preempted;
            }
        }
        Progress::Done
    }

    /// Empty the next slots of a dead table: one that holds something, or some that do not.
    fn empty_slots_of(&mut self, table: Ref<CapTable>) -> Result<Piece, Progress> {
        for _ in 0..EMPTY_SLOTS {
            let t = self.get(table);
            let Some(slot) = t.slot(table, t.emptied) else { return Ok(Piece::None) };
            let empty = self.cap(slot) == Cap::Null;
            if !empty && self.remove(slot) == Progress::Preempted {
                return Err(Progress::Preempted);
            }
            self.get_mut(table).emptied += 1;
            if !empty {
                break;
            }
        }
        Ok(Piece::Made)
    }

    /// Empty a slot, in pieces; its children become its parent's. Objects that die are left to [`bury`](Self::bury).
    #[inline(always)]
    pub(crate) fn remove(&mut self, slot: SlotRef) -> Progress {
        let s = self.get(slot);
        if (s.has_children() || s.cap.is_long_to_undo()) && self.prepare_removal(slot) == Progress::Preempted {
            return Progress::Preempted;
        }
        self.clear(slot);
        Progress::Done
    }

    /// All of a removal that may take long.
    #[inline(never)]
    fn prepare_removal(&mut self, slot: SlotRef) -> Progress {
        if self.shed_children(slot) == Progress::Preempted { Progress::Preempted } else { self.wind_down(slot) }
    }

    /// Give the children of a capability to its parent. Those of one without a parent become roots.
    fn shed_children(&mut self, slot: SlotRef) -> Progress {
        if self.get(slot).first_child.is_none() {
            return Progress::Done;
        }
        // While its children are elsewhere already it must not give out their memory again.
        if let Cap::Untyped { bytes, used, cleared, .. } = &mut self.get_mut(slot).cap {
            (*bytes, *used, *cleared) = (0, 0, 0);
        }
        let parent = self.get(slot).parent;
        for number in 1.. {
            let Some(child) = self.get(slot).first_child else { break };
            self.unlink(child);
            if let Some(parent) = parent {
                self.link(parent, child);
            }
            if number % CHILDREN == 0 && self.is_preempted() {
                return Progress::Preempted;
            }
        }
        Progress::Done
    }

    /// Undo in pieces what a capability stands for, as far as that takes long: behind it emptying its slot is short.
    fn wind_down(&mut self, slot: SlotRef) -> Progress {
        match self.cap(slot) {
            Cap::AttachedMemory(attachment) => self.close_window(attachment),
            Cap::Attachment(attachment) if self.get(attachment).caps == 1 => self.close_window(attachment),
            Cap::VSpaceTables(vspace) | Cap::VSpaceMaster { vspace, .. } => self.evict(vspace),
            Cap::IoMapped(mapping) => self.shrink_mapping(mapping),
            Cap::IoMapping(mapping) if self.get(mapping).caps == 1 => self.shrink_mapping(mapping),
            Cap::IoSpaceTables(space) => self.cut_io_space(space),
            Cap::IoSpace(space) if self.get(space).caps == 1 => self.cut_io_space(space),
            Cap::Thread(thread) if self.get(thread).caps == 1 => self.prepare_cancel(thread),
            Cap::Reply(reply) if self.get(reply).caps == 1 => self.prepare_answer(reply),
            Cap::SchedContext(context) if self.get(context).caps == 1 => self.prepare_free(context),
            _ => Progress::Done,
        }
    }
}
