//! `mremap`.

use guest_memory::PAGE_BYTES;
use linux_abi::{Errno, Result};

use crate::area::{Area, AreaFlags};
use crate::layout::{MMAP_MIN_ADDRESS, is_page_aligned, is_user_range, page_up};
use crate::map::check_overcommit;
use crate::page_tables::{PageRun, PageTables};
use crate::space::{AddressSpace, Inner};

/// Where a mapping may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemapPlacement {
    /// It must stay.
    Stay,
    /// It may move (`MREMAP_MAYMOVE`).
    MayMove,
    /// It must move there (`MREMAP_FIXED`).
    To(u64),
}

/// A mapping to be moved or resized.
#[derive(Clone, Copy, Debug)]
pub struct RemapRequest {
    /// Where it is.
    pub addr: u64,
    /// How many bytes of it are meant; 0: duplicate a shared mapping.
    pub old_bytes: u64,
    /// How many it is to have.
    pub new_bytes: u64,
    /// Where it goes.
    pub placement: RemapPlacement,
    /// The old range stays mapped, without its pages (`MREMAP_DONTUNMAP`).
    pub keep_old: bool,
}

impl AddressSpace {
    /// Moves or resizes a mapping; returns its address.
    ///
    /// # Errors
    /// As mremap(2): `EINVAL`, `EFAULT`, `ENOMEM`, `EAGAIN`.
    pub fn remap(&self, request: &RemapRequest) -> Result<u64> {
        let old = page_up(request.old_bytes).ok_or(Errno::EINVAL)?;
        let new = page_up(request.new_bytes).ok_or(Errno::EINVAL)?;
        let addr = request.addr;
        let moves = request.placement != RemapPlacement::Stay;
        if !is_page_aligned(addr) || new == 0 || !is_user_range(addr, old) || !is_user_range(0, new) {
            return Err(Errno::EINVAL);
        }
        if request.keep_old && (!moves || old != new) || old == 0 && !moves {
            return Err(Errno::EINVAL);
        }
        let mut inner = self.lock();
        match request.placement {
            RemapPlacement::To(to) => inner.remap_fixed(&*self.tables, request, old, new, to),
            _ => inner.remap(&*self.tables, request, old, new),
        }
    }
}

impl Inner {
    fn remap(&mut self, tables: &dyn PageTables, request: &RemapRequest, old: u64, new: u64) -> Result<u64> {
        let addr = request.addr;
        if old >= new && !request.keep_old && old > 0 {
            if old > new {
                if self.areas.find(addr).is_none() {
                    return Err(Errno::EFAULT);
                }
                self.unmap(tables, addr + new, old - new)?;
            }
            return if self.areas.find(addr).is_some() { Ok(addr) } else { Err(Errno::EFAULT) };
        }
        let area = self.remappable(request, old, new)?;
        let stays = !request.keep_old && old > 0;
        if stays && addr + old == area.end && self.can_extend(addr + old, new - old) {
            return self.extend(&area, addr, old, new);
        }
        if request.placement == RemapPlacement::Stay {
            return Err(Errno::ENOMEM);
        }
        let to = self.areas.find_room(new, self.layout)?;
        self.move_area(tables, request, &area, old, new, to)
    }

    fn remap_fixed(
        &mut self,
        tables: &dyn PageTables,
        request: &RemapRequest,
        old: u64,
        new: u64,
        to: u64,
    ) -> Result<u64> {
        let overlaps = to < request.addr + old && request.addr < to.saturating_add(new);
        if !is_page_aligned(to) || !is_user_range(to, new) || overlaps {
            return Err(Errno::EINVAL);
        }
        if to < MMAP_MIN_ADDRESS {
            return Err(Errno::EPERM);
        }
        // Checked before anything is unmapped, so that a refusal changes nothing.
        let area = self.remappable(request, old.min(new), new)?;
        self.areas.check_room(4)?;
        self.unmap(tables, to, new)?;
        if old > new && old > 0 && !request.keep_old {
            self.unmap(tables, request.addr + new, old - new)?;
        }
        let old = old.min(new);
        let area = self.areas.find(request.addr).cloned().unwrap_or(area);
        self.move_area(tables, request, &area, old, new, to)
    }

    /// The one area that holds the whole old range, if it may grow to the new size.
    fn remappable(&self, request: &RemapRequest, old: u64, new: u64) -> Result<Area> {
        let area = self.areas.find(request.addr).ok_or(Errno::EFAULT)?;
        if old == 0 && !area.is_shared() {
            return Err(Errno::EINVAL);
        }
        if request.addr + old > area.end {
            return Err(Errno::EFAULT);
        }
        if request.keep_old && (area.is_shared() || area.backing.is_some()) {
            return Err(Errno::EINVAL);
        }
        let more = if request.keep_old { new } else { new.saturating_sub(old) };
        if let Some(backing) = &area.backing {
            let first = area.page_index(backing, request.addr);
            first.checked_add(new / PAGE_BYTES).filter(|&end| end < 1 << 52).ok_or(Errno::EINVAL)?;
        }
        if area.flags.contains(AreaFlags::LOCKED) {
            self.check_locked(more).map_err(|_| Errno::EAGAIN)?;
        }
        self.check_limits(more, area.is_data())?;
        if area.is_data() && !area.flags.contains(AreaFlags::NO_RESERVE) {
            check_overcommit(more)?;
        }
        Ok(area.clone())
    }

    fn can_extend(&self, end: u64, more: u64) -> bool {
        is_user_range(end, more) && self.areas.is_free(end, more)
    }

    fn extend(&mut self, area: &Area, addr: u64, old: u64, new: u64) -> Result<u64> {
        let mut more = area.clone();
        more.start = addr + old;
        more.end = addr + new;
        if let Some(backing) = &mut more.backing {
            backing.first_page += (addr + old - area.start) / PAGE_BYTES;
        }
        self.areas.check_room(1)?;
        self.add(more);
        Ok(addr)
    }

    /// Moves `old` bytes of `area` to `to`, where nothing is, and makes them `new`.
    fn move_area(
        &mut self,
        tables: &dyn PageTables,
        request: &RemapRequest,
        area: &Area,
        old: u64,
        new: u64,
        to: u64,
    ) -> Result<u64> {
        self.areas.check_room(3)?;
        let from = request.addr;
        let mut moved = area.clone();
        moved.start = to;
        moved.end = to + new;
        if let Some(backing) = &mut moved.backing {
            backing.first_page += (from - area.start) / PAGE_BYTES;
        }
        self.add(moved);
        self.move_pages(tables, from, old, to);
        if old > 0 && !request.keep_old {
            self.unmap(tables, from, old)?;
        }
        Ok(to)
    }

    /// Moves resident pages; the page tables learn of them again by faults.
    fn move_pages(&mut self, tables: &dyn PageTables, from: u64, bytes: u64, to: u64) {
        if bytes == 0 || !self.pages.any(from, from + bytes) {
            return;
        }
        tables.unmap(&[PageRun { addr: from, pages: bytes / PAGE_BYTES }]);
        let mut at = 0;
        while at < bytes {
            match self.pages.take(from + at) {
                Some((frame, writable)) => self.pages.set_moved(to + at, frame, writable),
                None => {
                    at = self.pages.next_resident(from + at, from + bytes).map_or(bytes, |next| next - from);
                    continue;
                }
            }
            at += PAGE_BYTES;
        }
    }
}
