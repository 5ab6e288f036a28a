//! `mprotect`.

use alloc::vec::Vec;

use guest_memory::PAGE_BYTES;
use linux_abi::{Errno, Result};

use crate::area::{AreaFlags, Protection};
use crate::layout::{is_page_aligned, page_up};
use crate::map::check_overcommit;
use crate::page_map::push_run;
use crate::page_tables::{PageRun, PageTables};
use crate::space::{AddressSpace, Inner};

impl AddressSpace {
    /// Changes the protection of a range.
    ///
    /// # Errors
    /// `EINVAL` for an unaligned address; `ENOMEM` where something is not mapped (what comes before it is changed), a
    /// limit is passed or areas run out; `EACCES` for rights that the mapping can never have.
    pub fn protect(&self, addr: u64, bytes: u64, protection: Protection) -> Result<()> {
        if !is_page_aligned(addr) {
            return Err(Errno::EINVAL);
        }
        let end = page_up(bytes).and_then(|bytes| addr.checked_add(bytes)).ok_or(Errno::ENOMEM)?;
        if end == addr { Ok(()) } else { self.lock().protect(&*self.tables, addr, end, protection) }
    }

    /// Changes the protection of a range and of what lies below or in the same growing area (`PROT_GROWSDOWN`).
    ///
    /// # Errors
    /// As [`protect`](Self::protect); `EINVAL` if the area does not grow down.
    pub fn protect_growing_down(&self, addr: u64, bytes: u64, protection: Protection) -> Result<()> {
        if !is_page_aligned(addr) {
            return Err(Errno::EINVAL);
        }
        let end = page_up(bytes).and_then(|bytes| addr.checked_add(bytes)).ok_or(Errno::ENOMEM)?;
        let mut inner = self.lock();
        let area = inner.areas.find(addr).ok_or(Errno::ENOMEM)?;
        if !area.flags.contains(AreaFlags::GROWS_DOWN) {
            return Err(Errno::EINVAL);
        }
        let start = area.start;
        inner.protect(&*self.tables, start, end, protection)
    }
}

impl Inner {
    fn protect(&mut self, tables: &dyn PageTables, start: u64, end: u64, protection: Protection) -> Result<()> {
        self.areas.check_room(2)?;
        let mut at = start;
        while at < end {
            let Some(area) = self.areas.find(at) else { return Err(Errno::ENOMEM) };
            let piece_end = area.end.min(end);
            self.protect_piece(tables, at, piece_end, protection)?;
            at = piece_end;
        }
        Ok(())
    }

    /// Changes a range within one area.
    fn protect_piece(&mut self, tables: &dyn PageTables, start: u64, end: u64, protection: Protection) -> Result<()> {
        let Some(area) = self.areas.find(start) else { return Err(Errno::ENOMEM) };
        let old = area.protection;
        if old == protection {
            return Ok(());
        }
        if protection.contains(Protection::WRITE) && area.flags.contains(AreaFlags::NEVER_WRITE)
            || protection.contains(Protection::EXECUTE) && area.flags.contains(AreaFlags::NEVER_EXECUTE)
        {
            return Err(Errno::EACCES);
        }
        let mut changed = area.clone();
        changed.protection = protection;
        if changed.is_data() && !area.is_data() {
            self.check_limits_of_data(end - start)?;
            if !area.flags.contains(AreaFlags::NO_RESERVE) {
                check_overcommit(end - start)?;
            }
        }
        let indices = self.areas.split_at(start, end);
        for index in indices.clone() {
            let Some(area) = self.areas.get(index).cloned() else { continue };
            self.uncount(&area);
            if let Some(area) = self.areas.get_mut(index) {
                area.protection = protection;
            }
            let Some(area) = self.areas.get(index).cloned() else { continue };
            self.count(&area);
        }
        self.areas.merge(indices.start..indices.end + 1);
        self.protect_pages(tables, start, end, old, protection);
        Ok(())
    }

    /// Tells the page tables. Pages gain write access only by a fault, which knows whether they are shared.
    fn protect_pages(&mut self, tables: &dyn PageTables, start: u64, end: u64, old: Protection, new: Protection) {
        if !self.pages.any(start, end) || !old.allows_access() {
            // Without access nothing was mapped; faults map what is resident.
            return;
        }
        if !new.contains(Protection::WRITE) {
            self.pages.clear_writable(start, end, &mut Vec::new());
        }
        if !new.allows_access() {
            tables.unmap(&[PageRun { addr: start, pages: (end - start) / PAGE_BYTES }]);
            return;
        }
        let (mut read_only, mut writable) = (Vec::new(), Vec::new());
        self.pages.for_each(start, end, |addr, page| {
            push_run(if page.writable { &mut writable } else { &mut read_only }, addr);
        });
        tables.protect(&read_only, new.rights(false));
        tables.protect(&writable, new.rights(true));
    }

    fn check_limits_of_data(&self, bytes: u64) -> Result<()> {
        let pages = self.data_pages.saturating_mul(PAGE_BYTES);
        if pages.saturating_add(bytes) > self.limits.data { Err(Errno::ENOMEM) } else { Ok(()) }
    }
}
