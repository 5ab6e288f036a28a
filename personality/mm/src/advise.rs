//! `madvise`, `mlock`, `mincore`, `msync`: calls about ranges that are mapped already.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::PAGE_BYTES;
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};

use crate::area::{Area, AreaFlags, MappedObject, Protection};
use crate::layout::{is_page_aligned, is_user_range, page_up};
use crate::page_tables::PageTables;
use crate::space::{AddressSpace, Inner};

/// What `madvise` is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Nothing but checking the range.
    Note,
    /// The pages go; the next access finds zeros, or the object's.
    DontNeed,
    /// The pages may go (private anonymous memory only).
    Free,
    /// Make the pages present, for reading.
    PopulateRead,
    /// Make the pages present, for writing.
    PopulateWrite,
    /// `fork` leaves it out, or not.
    DontFork(bool),
    /// The child finds zeros, or not.
    WipeOnFork(bool),
}

impl Advice {
    /// The advice from `madvise`'s argument.
    ///
    /// # Errors
    /// `EINVAL` if it is not supported.
    pub fn from_linux(number: u64) -> Result<Self> {
        Ok(match u32::try_from(number).map_err(|_| Errno::EINVAL)? {
            raw::MADV_NORMAL
            | raw::MADV_RANDOM
            | raw::MADV_SEQUENTIAL
            | raw::MADV_WILLNEED
            | raw::MADV_HUGEPAGE
            | raw::MADV_NOHUGEPAGE
            | raw::MADV_DONTDUMP
            | raw::MADV_DODUMP
            | raw::MADV_COLD
            | raw::MADV_PAGEOUT => Self::Note,
            raw::MADV_DONTNEED => Self::DontNeed,
            raw::MADV_FREE => Self::Free,
            raw::MADV_POPULATE_READ => Self::PopulateRead,
            raw::MADV_POPULATE_WRITE => Self::PopulateWrite,
            raw::MADV_DONTFORK => Self::DontFork(true),
            raw::MADV_DOFORK => Self::DontFork(false),
            raw::MADV_WIPEONFORK => Self::WipeOnFork(true),
            raw::MADV_KEEPONFORK => Self::WipeOnFork(false),
            _ => return Err(Errno::EINVAL),
        })
    }
}

/// The end of a checked range.
fn range_end(addr: u64, bytes: u64) -> Result<u64> {
    let bytes = page_up(bytes).ok_or(Errno::ENOMEM)?;
    if is_user_range(addr, bytes) { Ok(addr + bytes) } else { Err(Errno::ENOMEM) }
}

impl AddressSpace {
    /// Takes advice about a range.
    ///
    /// # Errors
    /// `EINVAL` for an unaligned address or advice that does not fit the mapping; `ENOMEM` where something is not mapped
    /// (the rest was done).
    pub fn advise(&self, addr: u64, bytes: u64, advice: Advice) -> Result<()> {
        let end = page_up(bytes).and_then(|bytes| addr.checked_add(bytes)).ok_or(Errno::EINVAL)?;
        if !is_page_aligned(addr) {
            return Err(Errno::EINVAL);
        }
        if end == addr {
            return Ok(());
        }
        if let Advice::PopulateRead | Advice::PopulateWrite = advice {
            return self.populate_for(addr, end, advice == Advice::PopulateWrite);
        }
        let mut inner = self.lock();
        let complete = inner.areas.cover(addr, end);
        let touched = inner.areas.overlapping(addr, end);
        let pieces: Vec<(u64, u64)> = inner
            .areas
            .as_slice()
            .get(touched)
            .unwrap_or_default()
            .iter()
            .map(|area| (area.start.max(addr), area.end.min(end)))
            .collect();
        for (start, end) in pieces {
            inner.advise_piece(&*self.tables, start, end, advice)?;
        }
        if complete { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    fn populate_for(&self, addr: u64, end: u64, write: bool) -> Result<()> {
        let needed = if write { Protection::WRITE } else { Protection::NONE };
        let mut at = addr;
        while at < end {
            let mut inner = self.lock();
            let area = inner.areas.find(at).ok_or(Errno::ENOMEM)?;
            if !area.protection.contains(needed) || !area.protection.allows_access() {
                return Err(Errno::EINVAL);
            }
            inner.make_present(&*self.tables, at, write).map_err(|_| Errno::EFAULT)?;
            at += PAGE_BYTES;
        }
        Ok(())
    }

    /// Locks a range. All memory here is always resident once touched, so this makes it present and counts it.
    ///
    /// # Errors
    /// `ENOMEM` past the limit or where something is not mapped; `EAGAIN` if there is no memory.
    pub fn lock_range(&self, addr: u64, bytes: u64, on_fault: bool) -> Result<()> {
        let start = addr & !(PAGE_BYTES - 1);
        let end = range_end(start, bytes.checked_add(addr - start).ok_or(Errno::EINVAL)?)?;
        {
            let mut inner = self.lock();
            let already = inner.locked_pages(start, end) * PAGE_BYTES;
            inner.check_locked((end - start).saturating_sub(already))?;
            inner.set_flag(start, end, AreaFlags::LOCKED, true)?;
        }
        if !on_fault && end > start {
            // Pages that cannot be made present (no access, past a file's end) are not an error of this call.
            let _ = self.populate(start, end - start);
        }
        Ok(())
    }

    /// Unlocks a range.
    ///
    /// # Errors
    /// `ENOMEM` where something is not mapped.
    pub fn unlock_range(&self, addr: u64, bytes: u64) -> Result<()> {
        let start = addr & !(PAGE_BYTES - 1);
        let end = range_end(start, bytes.checked_add(addr - start).ok_or(Errno::EINVAL)?)?;
        self.lock().set_flag(start, end, AreaFlags::LOCKED, false)
    }

    /// Locks all that is mapped, and (or) all that will be.
    ///
    /// # Errors
    /// `ENOMEM` past the limit.
    pub fn lock_all(&self, current: bool, future: bool) -> Result<()> {
        let mut inner = self.lock();
        if current {
            if inner.total_pages.saturating_mul(PAGE_BYTES) > inner.limits.locked {
                return Err(Errno::ENOMEM);
            }
            inner.set_flag_everywhere(AreaFlags::LOCKED, true);
        }
        inner.lock_future = future;
        Ok(())
    }

    /// Unlocks everything.
    pub fn unlock_all(&self) {
        let mut inner = self.lock();
        inner.set_flag_everywhere(AreaFlags::LOCKED, false);
        inner.lock_future = false;
    }

    /// Says for each page of a range whether an access would need no fault; at most `limit` pages at once.
    ///
    /// # Errors
    /// `ENOMEM` where something is not mapped.
    pub fn residency(&self, addr: u64, pages: usize) -> Result<Vec<u8>> {
        let end = addr.checked_add(pages as u64 * PAGE_BYTES).ok_or(Errno::ENOMEM)?;
        let inner = self.lock();
        if !inner.areas.cover(addr, end) {
            return Err(Errno::ENOMEM);
        }
        let mut present = alloc::vec![0; pages];
        inner.pages.for_each(addr, end, |at, _| {
            if let Some(byte) = present.get_mut(((at - addr) / PAGE_BYTES) as usize) {
                *byte = 1;
            }
        });
        Ok(present)
    }

    /// Checks a range for `msync`; the objects whose shared mappings are in it, each once, to be written by the caller.
    ///
    /// # Errors
    /// `ENOMEM` where something is not mapped; `EBUSY` for `MS_INVALIDATE` of locked memory.
    pub fn check_sync(&self, addr: u64, bytes: u64, invalidate: bool) -> Result<Vec<Arc<MappedObject>>> {
        let end = range_end(addr, bytes)?;
        let inner = self.lock();
        if invalidate && inner.locked_pages(addr, end) > 0 {
            return Err(Errno::EBUSY);
        }
        if !inner.areas.cover(addr, end) {
            return Err(Errno::ENOMEM);
        }
        let areas = inner.areas.as_slice().get(inner.areas.overlapping(addr, end)).unwrap_or_default();
        let shared = areas.iter().filter(|area| area.is_shared()).filter_map(|area| area.backing.as_ref());
        let mut objects: Vec<Arc<MappedObject>> = shared.map(|backing| backing.object.clone()).collect();
        objects.dedup_by(|one, other| Arc::ptr_eq(one, other));
        Ok(objects)
    }
}

impl Inner {
    fn advise_piece(&mut self, tables: &dyn PageTables, start: u64, end: u64, advice: Advice) -> Result<()> {
        let Some(area) = self.areas.find(start) else { return Ok(()) };
        let anonymous = area.backing.is_none();
        match advice {
            Advice::DontNeed if area.flags.contains(AreaFlags::LOCKED) => return Err(Errno::EINVAL),
            Advice::Free if !anonymous => return Err(Errno::EINVAL),
            Advice::DontNeed | Advice::Free => self.drop_pages(tables, start, end),
            Advice::DontFork(set) => self.set_flag(start, end, AreaFlags::DONT_FORK, set)?,
            Advice::WipeOnFork(true) if !anonymous => return Err(Errno::EINVAL),
            Advice::WipeOnFork(set) => self.set_flag(start, end, AreaFlags::WIPE_ON_FORK, set)?,
            Advice::Note | Advice::PopulateRead | Advice::PopulateWrite => {}
        }
        Ok(())
    }

    /// Sets or clears a flag of a range.
    fn set_flag(&mut self, start: u64, end: u64, flag: AreaFlags, set: bool) -> Result<()> {
        if start == end {
            return Ok(());
        }
        self.areas.check_room(2)?;
        let complete = self.areas.cover(start, end);
        let indices = self.areas.split_at(start, end);
        for index in indices.clone() {
            if let Some(area) = self.areas.get_mut(index) {
                area.flags = changed(area, flag, set);
            }
        }
        self.areas.merge(indices.start..indices.end + 1);
        if complete { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    fn set_flag_everywhere(&mut self, flag: AreaFlags, set: bool) {
        for index in 0..self.areas.len() {
            if let Some(area) = self.areas.get_mut(index) {
                area.flags = changed(area, flag, set);
            }
        }
        self.areas.merge(0..self.areas.len());
    }

    /// Locked pages of a range.
    fn locked_pages(&self, start: u64, end: u64) -> u64 {
        let areas = self.areas.as_slice().get(self.areas.overlapping(start, end)).unwrap_or_default();
        let locked = areas.iter().filter(|area| area.flags.contains(AreaFlags::LOCKED));
        locked.map(|area| (area.end.min(end) - area.start.max(start)) / PAGE_BYTES).sum()
    }

    /// Pages that are locked in all.
    pub(crate) fn all_locked_pages(&self) -> u64 {
        self.locked_pages(0, guest_memory::USER_END)
    }

    /// Whether `bytes` more may be locked.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn check_locked(&self, bytes: u64) -> Result<()> {
        let locked = self.all_locked_pages() * PAGE_BYTES;
        if locked.saturating_add(bytes) > self.limits.locked { Err(Errno::ENOMEM) } else { Ok(()) }
    }
}

fn changed(area: &Area, flag: AreaFlags, set: bool) -> AreaFlags {
    if set { area.flags.with(flag) } else { area.flags.without(flag) }
}
