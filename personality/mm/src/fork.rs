//! `fork`: a copy that shares the frames until somebody writes.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_abi::Result;
use rt::sync::Mutex;

use crate::area::{Area, AreaFlags, Protection};
use crate::areas::Areas;
use crate::page_map::{ForkAs, PageMap};
use crate::page_tables::{MapRun, PageRun, PageTables, Rights, push_map};
use crate::registry;
use crate::space::{AddressSpace, Inner};

impl AddressSpace {
    /// An address space with the same contents. Frames of private areas are shared until either side writes.
    ///
    /// All resident pages are mapped in the child at once: cheaper, in batches, than the faults that would follow.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn fork(&self) -> Result<Arc<Self>> {
        let tables = self.tables.fresh()?;
        let mut parent = self.lock();
        let mut child = parent.empty_copy();
        let mut runs = Vec::new();
        for area in parent.areas.as_slice() {
            if area.flags.contains(AreaFlags::DONT_FORK) {
                continue;
            }
            let copy = Area { flags: area.flags.without(AreaFlags::LOCKED), ..area.clone() };
            child.count(&copy);
            child.areas.push_last(copy);
            if !area.flags.contains(AreaFlags::WIPE_ON_FORK) {
                parent.fork_pages(&mut child, area, &mut runs)?;
            }
        }
        parent.protect_private(&*self.tables);
        tables.map(&runs)?;
        // Entered before the parent is unlocked.
        let child = Self { number: registry::next_number(), tables, inner: Mutex::new(child) };
        Ok(registry::enter(Arc::new(child)))
    }
}

impl Inner {
    /// The same settings without areas.
    fn empty_copy(&self) -> Self {
        Self {
            areas: Areas::with_capacity(self.areas.len()),
            pages: PageMap::default(),
            limits: self.limits,
            layout: self.layout,
            regions: self.regions,
            brk_start: self.brk_start,
            brk: self.brk,
            total_pages: 0,
            data_pages: 0,
            peak_pages: 0,
            lock_future: false,
        }
    }

    fn fork_pages(&self, child: &mut Self, area: &Area, runs: &mut Vec<MapRun>) -> Result<()> {
        let how = if area.is_shared() { ForkAs::Shared } else { ForkAs::CopyOnWrite };
        let accessible = area.protection.allows_access();
        self.pages.fork_range(&mut child.pages, area.start, area.end, how, |addr, frame, writable| {
            if accessible {
                push_map(runs, addr, frame.number(), area.protection.rights(writable));
            }
        })
    }

    /// Takes write access from all private pages, in one batch for each kind of rights.
    fn protect_private(&mut self, tables: &dyn PageTables) {
        let mut runs: [Vec<PageRun>; 2] = [Vec::new(), Vec::new()];
        let [plain, executable] = &mut runs;
        for area in self.areas.as_slice() {
            if !area.is_shared() && area.protection.contains(Protection::WRITE) {
                let runs = if area.protection.contains(Protection::EXECUTE) { &mut *executable } else { &mut *plain };
                self.pages.clear_writable(area.start, area.end, runs);
            }
        }
        for (runs, execute) in [(&*plain, false), (&*executable, true)] {
            if !runs.is_empty() {
                tables.protect(runs, Rights { write: false, execute });
            }
        }
    }
}
