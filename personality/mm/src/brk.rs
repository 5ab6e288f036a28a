//! `brk`: the heap's end.

use guest_memory::PAGE_BYTES;

use crate::area::{Area, AreaFlags, Protection};
use crate::layout::page_up;
use crate::map::check_overcommit;
use crate::page_tables::PageTables;
use crate::space::{AddressSpace, Inner};

impl AddressSpace {
    /// Says where the heap begins (page-aligned, past the program); empty at first.
    pub fn set_brk_start(&self, addr: u64) {
        let mut inner = self.lock();
        inner.brk_start = addr;
        inner.brk = addr;
    }

    /// Moves the heap's end, if that is possible; returns where it is then.
    pub fn set_brk(&self, addr: u64) -> u64 {
        let mut inner = self.lock();
        // Linux reports no error: the old end says it.
        let _ = inner.try_set_brk(&*self.tables, addr);
        inner.brk
    }
}

impl Inner {
    fn try_set_brk(&mut self, tables: &dyn PageTables, addr: u64) -> Option<()> {
        if addr < self.brk_start || self.brk_start == 0 {
            return None;
        }
        let old_end = page_up(self.brk)?;
        let new_end = page_up(addr)?;
        if new_end < old_end {
            self.unmap(tables, new_end, old_end - new_end).ok()?;
        } else if new_end > old_end {
            self.grow_brk(old_end, new_end - old_end)?;
        }
        self.brk = addr;
        Some(())
    }

    fn grow_brk(&mut self, start: u64, bytes: u64) -> Option<()> {
        // A page stays free above, so that the heap never touches another mapping.
        if !crate::layout::is_user_range(start, bytes) || !self.areas.is_free(start, bytes.checked_add(PAGE_BYTES)?) {
            return None;
        }
        self.areas.check_room(1).ok()?;
        self.check_limits(bytes, true).ok()?;
        check_overcommit(bytes).ok()?;
        let flags = if self.lock_future { AreaFlags::LOCKED } else { AreaFlags::NONE };
        let protection = Protection::READ_WRITE;
        self.add(Area { start, end: start + bytes, protection, flags, backing: None });
        Some(())
    }
}
