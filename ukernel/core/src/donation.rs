//! Pages for tables: VSpaces and IoSpaces are given them from untypeds.
//!
//! What gives is tied to what takes by a capability inside the latter, child of the untyped: so revoking the untyped takes the tables away.

use ukernel_abi::{Error, PAGE_BYTES};

use crate::io_space::{self, io_space_slot};
use crate::preemption::Progress;
use crate::vspace::{self, vspace_slot};
use crate::{Cap, IoSpace, Kernel, Machine, PhysAddr, Ref, SlotRef, VSpace};

/// So many pages become tables before it is looked for interrupts.
const DONATED_AT_ONCE: u64 = 4;

/// Who is given pages.
#[derive(Clone, Copy)]
pub(crate) enum Recipient {
    VSpace(Ref<VSpace>),
    IoSpace(Ref<IoSpace>),
}

impl Recipient {
    /// What ties it to an untyped that has given.
    const fn tie(self) -> Cap {
        match self {
            Self::VSpace(vspace) => Cap::VSpaceTables(vspace),
            Self::IoSpace(space) => Cap::IoSpaceTables(space),
        }
    }

    /// How many untypeds can have given.
    const fn slots(self) -> u64 {
        match self {
            Self::VSpace(_) => vspace::DONATION_SLOTS,
            Self::IoSpace(_) => io_space::DONATION_SLOTS,
        }
    }

    /// Where one of them is noted.
    fn slot(self, index: u64) -> SlotRef {
        match self {
            Self::VSpace(vspace) => vspace_slot(vspace, index),
            Self::IoSpace(space) => io_space_slot(space, index),
        }
    }
}

impl<M: Machine> Kernel<M> {
    /// Take pages for tables from an untyped. `given` of them are there already; how many are there then: fewer than `pages` where
    /// an interrupt waits.
    pub(crate) fn donate(&mut self, to: Recipient, untyped: SlotRef, pages: u64, mut given: u64) -> Result<u64, Error> {
        given = if given < pages { given } else { 0 };
        let tie = self.donation_slot(to, untyped)?;
        self.start_afresh(untyped);
        self.require_room(untyped, (pages - given) * PAGE_BYTES, PAGE_BYTES)?;
        // Mappings that lost their tables go before there are others.
        if let Recipient::IoSpace(space) = to
            && self.get(space).root == PhysAddr(0)
            && self.drop_mappings(space) == Progress::Preempted
        {
            return Ok(given);
        }
        while given < pages {
            let some = DONATED_AT_ONCE.min(pages - given);
            if self.clear_ahead(untyped, some * PAGE_BYTES, PAGE_BYTES)? == Progress::Preempted {
                break;
            }
            let piece = self.carve(untyped, some * PAGE_BYTES, PAGE_BYTES)?;
            if self.cap(tie) == Cap::Null {
                self.insert_child(untyped, tie, to.tie());
            }
            match to {
                Recipient::VSpace(vspace) => self.add_tables(vspace, piece.at, some),
                Recipient::IoSpace(space) => self.give_io_tables(space, piece.at, some),
            }
            given += some;
            if given < pages && self.is_preempted() {
                break;
            }
        }
        Ok(given)
    }

    /// The slot that ties this untyped to who is given pages: one that does so already, or a free one.
    fn donation_slot(&self, to: Recipient, untyped: SlotRef) -> Result<SlotRef, Error> {
        let mut slots = (0..to.slots()).map(|index| to.slot(index));
        let ties = |slot: &SlotRef| self.cap(*slot) != Cap::Null && self.get(*slot).parent == Some(untyped);
        let known = slots.clone().find(ties);
        known.or_else(|| slots.find(|slot| self.cap(*slot) == Cap::Null)).ok_or(Error::InvalidState)
    }
}
