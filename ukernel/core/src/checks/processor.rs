//! What a processor of the simulated machine holds by itself: whose code it executes, through which tables, and what it may
//! remember of them.
//!
//! Between two entries of the kernel a program may have touched everything that it has mapped, so a processor is taken to
//! remember all of it; what it is not told to forget by then, it remembers still.

use std::vec::Vec;

use crate::{Kernel, Leaf, PhysAddr, Ref, RemoteCall, Thread};

use super::invariants::spaces::canonical;
use super::simulation::Simulation;
use crate::page_table::{ENTRIES, PAGE_LEVEL, ROOT_LEVEL, span};

/// A translation, or the way to one: what a processor found at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) address: u64,
    pub(super) level: u32,
    pub(super) entry: Leaf,
}

impl Remembered {
    /// Whether it translates to memory, and does not lead to a table.
    pub(super) fn is_leaf(&self) -> bool {
        self.level == PAGE_LEVEL || self.entry.is_large()
    }
}

/// A processor outside the kernel.
#[derive(Clone, Debug, Default)]
pub struct Processor {
    /// Root of the tables that it translates through; 0: the kernel's own.
    pub(super) root: PhysAddr,
    /// Whose code it executes.
    pub(super) runs: Option<Ref<Thread>>,
    /// What it may remember of its tables.
    pub(super) remembered: Vec<Remembered>,
}

impl Processor {
    /// Translate through other tables, if it does not yet.
    pub(super) fn load(&mut self, root: PhysAddr) {
        if self.root != root {
            self.root = root;
            self.remembered.clear();
        }
    }

    /// Forget a translation, and every way that leads somewhere (Intel SDM 3A, 4.10.4.1).
    pub(super) fn forget(&mut self, address: u64) {
        let holds = |r: &Remembered| r.is_leaf() && (r.address..r.address + span(r.level)).contains(&address);
        self.remembered.retain(|r| r.is_leaf() && !holds(r));
    }

    /// What another processor asks of it.
    pub(super) fn serve(&mut self, what: RemoteCall) {
        match what {
            RemoteCall::Unload(thread) => {
                assert_eq!(self.runs, Some(thread), "only who runs can be unloaded");
                self.runs = None;
            }
            RemoteCall::Invalidate(address) => self.forget(address),
            RemoteCall::InvalidateAll => self.remembered.clear(),
            RemoteCall::RetireRoot => self.load(PhysAddr(0)),
        }
    }
}

/// All that tables translate, and the ways to it.
pub(super) fn reachable(kernel: &Kernel<Simulation>, root: PhysAddr) -> Vec<Remembered> {
    let mut found = Vec::new();
    if root != PhysAddr(0) {
        follow(kernel, root, ROOT_LEVEL, 0, &mut found);
    }
    found
}

fn follow(kernel: &Kernel<Simulation>, table: PhysAddr, level: u32, start: u64, found: &mut Vec<Remembered>) {
    for (index, word) in kernel.machine.words(table) {
        assert!(index < ENTRIES && found.len() < 10_000, "page tables are a circle");
        // The number or count is nothing to the processor.
        let entry = Leaf(word).with_own(0);
        let address = canonical(start + index as u64 * span(level));
        let here = Remembered { address, level, entry };
        found.push(here);
        if entry.present() && !here.is_leaf() {
            follow(kernel, entry.address(), level - 1, address, found);
        }
    }
}
