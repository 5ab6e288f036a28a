//! All address spaces, so that a source of pages can take them from whoever has them mapped.
//!
//! Spaces are visited in the order of their making, each under its own lock alone. A child of `fork` is entered while its
//! parent is still locked: whoever visits the parent before the copy has changed what is copied, and whoever comes after
//! finds the child behind it.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use guest_memory::{CutOff, Mappings, PAGE_BYTES, PageSource};
use rt::sync::Mutex;

use crate::area::{Area, Protection};
use crate::page_tables::{PageTables, Rights};
use crate::space::{AddressSpace, Inner};

static SPACES: Mutex<BTreeMap<u64, Weak<AddressSpace>>> = Mutex::new(BTreeMap::new());

/// A number for a new space.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Enters a space.
pub(crate) fn enter(space: Arc<AddressSpace>) -> Arc<AddressSpace> {
    SPACES.lock().insert(space.number, Arc::downgrade(&space));
    space
}

/// Takes a space out that ends.
pub(crate) fn leave(number: u64) {
    SPACES.lock().remove(&number);
}

/// Visits every space, those included that are made meanwhile.
fn for_each(mut visit: impl FnMut(&AddressSpace)) {
    let mut from = 0;
    loop {
        let next = SPACES.lock().range(from..).find_map(|(&number, space)| Some((number, space.upgrade()?)));
        let Some((number, space)) = next else { return };
        visit(&space);
        from = number + 1;
    }
}

/// All address spaces together.
pub struct AllSpaces;

impl Mappings for AllSpaces {
    fn write_protect(&self, source: &dyn PageSource) {
        for_each(|space| space.lock().write_protect(&*space.tables, source));
    }

    fn cut_off(&self, source: &dyn PageSource, pages: Range<u64>, from: CutOff) {
        for_each(|space| space.lock().cut_off(&*space.tables, source, &pages, from));
    }
}

/// Whether an area maps pages of `source`.
fn maps(area: &Area, source: &dyn PageSource) -> bool {
    let address = core::ptr::from_ref(source).cast::<()>();
    area.backing
        .as_ref()
        .is_some_and(|backing| core::ptr::eq(Arc::as_ptr(&backing.object.source).cast::<()>(), address))
}

impl Inner {
    /// Takes write access to a source's pages from shared areas; faults ask for it again.
    fn write_protect(&mut self, tables: &dyn PageTables, source: &dyn PageSource) {
        for area in self.areas.as_slice() {
            if !area.is_shared() || !maps(area, source) {
                continue;
            }
            let mut runs = Vec::new();
            self.pages.clear_writable(area.start, area.end, &mut runs);
            if !runs.is_empty() {
                tables.protect(&runs, Rights { write: false, execute: area.protection.contains(Protection::EXECUTE) });
            }
        }
    }

    /// Lets a range of a source's pages go.
    fn cut_off(&mut self, tables: &dyn PageTables, source: &dyn PageSource, pages: &Range<u64>, from: CutOff) {
        let concerned = |area: &&Area| maps(area, source) && (from == CutOff::All || area.is_shared());
        let ranges = self.areas.as_slice().iter().filter(concerned).map(|area| {
            let first = area.backing.as_ref().map_or(0, |backing| backing.first_page);
            let at = |page: u64| area.start + page.saturating_sub(first).saturating_mul(PAGE_BYTES).min(area.bytes());
            (at(pages.start), at(pages.end))
        });
        for (start, end) in ranges.collect::<Vec<_>>() {
            if start < end {
                self.drop_pages(tables, start, end);
            }
        }
    }
}
