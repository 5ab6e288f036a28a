//! `munmap`.

use guest_memory::PAGE_BYTES;
use linux_abi::{Errno, Result};

use crate::layout::{is_page_aligned, is_user_range, page_up};
use crate::page_tables::{PageRun, PageTables};
use crate::space::{AddressSpace, Inner};

impl AddressSpace {
    /// Unmaps whatever is mapped in a range.
    ///
    /// # Errors
    /// `EINVAL` for no bytes, an unaligned address or a range outside; `ENOMEM` if a split makes too many areas.
    pub fn unmap(&self, addr: u64, bytes: u64) -> Result<()> {
        let bytes = page_up(bytes).ok_or(Errno::EINVAL)?;
        if bytes == 0 || !is_page_aligned(addr) || !is_user_range(addr, bytes) {
            return Err(Errno::EINVAL);
        }
        self.lock().unmap(&*self.tables, addr, bytes)
    }
}

impl Inner {
    /// Unmaps a page-aligned range.
    pub(crate) fn unmap(&mut self, tables: &dyn PageTables, addr: u64, bytes: u64) -> Result<()> {
        let end = addr + bytes;
        let touched = self.areas.overlapping(addr, end);
        if touched.is_empty() {
            return Ok(());
        }
        let first = self.areas.get(touched.start);
        if touched.len() == 1 && first.is_some_and(|area| area.start < addr && area.end > end) {
            self.areas.check_room(1)?;
        }
        let removed = self.areas.split_at(addr, end);
        for index in removed.clone() {
            if let Some(area) = self.areas.get(index).cloned() {
                self.uncount(&area);
            }
        }
        self.drop_pages(tables, addr, end);
        self.areas.remove(removed);
        Ok(())
    }

    /// Lets the resident pages of a range go: first the page tables, then the frames.
    pub(crate) fn drop_pages(&mut self, tables: &dyn PageTables, start: u64, end: u64) {
        if self.pages.any(start, end) {
            tables.unmap(&[PageRun { addr: start, pages: (end - start) / PAGE_BYTES }]);
            self.pages.remove(start, end);
        }
    }
}
