//! Page faults.

use alloc::vec::Vec;

use guest_memory::{Frame, PAGE_BYTES, USER_END};
use linux_abi::{Errno, Result};

use crate::area::{Area, AreaFlags, Backing, Protection};
use crate::layout::STACK_GUARD_BYTES;
use crate::page_tables::{MapRun, PageTables, push_map};
use crate::space::{AddressSpace, Inner};

/// Pages of an object that one fault maps at most, if they are at hand: an aligned block around the fault.
const FAULT_AROUND_PAGES: u64 = 16;

/// What the process tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read.
    Read,
    /// To write.
    Write,
    /// To execute.
    Execute,
}

impl Access {
    /// From the error code of a page fault (Intel SDM 3A, 4.7).
    #[must_use]
    pub const fn from_error_code(code: u64) -> Self {
        const WRITE: u64 = 1 << 1;
        const FETCH: u64 = 1 << 4;
        if code & FETCH != 0 {
            Self::Execute
        } else if code & WRITE != 0 {
            Self::Write
        } else {
            Self::Read
        }
    }

    const fn allowed_by(self, protection: Protection) -> bool {
        match self {
            Self::Read => protection.allows_access(),
            Self::Write => protection.contains(Protection::WRITE),
            Self::Execute => protection.contains(Protection::EXECUTE),
        }
    }
}

/// Why a fault cannot be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// Nothing is mapped there: `SIGSEGV` with `SEGV_MAPERR`.
    NotMapped,
    /// The mapping does not allow it: `SIGSEGV` with `SEGV_ACCERR`.
    NotAllowed,
    /// The object has no such page, or could not deliver it: `SIGBUS`.
    Bus,
    /// There is no memory: somebody must be killed.
    OutOfMemory,
}

impl From<FaultError> for Errno {
    fn from(error: FaultError) -> Self {
        if error == FaultError::OutOfMemory { Self::ENOMEM } else { Self::EFAULT }
    }
}

impl FaultError {
    fn from_source(error: Errno) -> Self {
        if error == Errno::ENOMEM { Self::OutOfMemory } else { Self::Bus }
    }
}

impl AddressSpace {
    /// Makes the page at `addr` present for an access, if the process may do that. May sleep.
    ///
    /// # Errors
    /// What the process is to be told.
    pub fn handle_fault(&self, addr: u64, access: Access) -> core::result::Result<(), FaultError> {
        if addr >= USER_END {
            return Err(FaultError::NotMapped);
        }
        let page = addr & !(PAGE_BYTES - 1);
        let mut inner = self.lock();
        let area = match inner.areas.find(page) {
            Some(area) => area,
            None => inner.grow_stack(page)?,
        };
        if !access.allowed_by(area.protection) {
            return Err(FaultError::NotAllowed);
        }
        inner.make_present(&*self.tables, page, access == Access::Write)
    }

    /// Makes the page at `addr` present on behalf of a user copy.
    ///
    /// # Errors
    /// `EFAULT`, or `ENOMEM` where somebody must be killed.
    pub fn handle_copy_fault(&self, addr: u64, write: bool) -> Result<()> {
        let access = if write { Access::Write } else { Access::Read };
        self.handle_fault(addr, access).map_err(Errno::from)
    }
}

impl Inner {
    /// Makes a page of an area present, and for a write writable. The area allows the access.
    pub(crate) fn make_present(
        &mut self,
        tables: &dyn PageTables,
        page: u64,
        write: bool,
    ) -> core::result::Result<(), FaultError> {
        if let Some(resident) = self.pages.get(page) {
            let (frame, writable) = (resident.frame.clone(), resident.writable);
            return self.touch_resident(tables, page, write, frame, writable);
        }
        let Some(area) = self.areas.find(page) else { return Err(FaultError::NotMapped) };
        let Some(backing) = &area.backing else {
            let frame = if write { Frame::alloc_zeroed() } else { Ok(Frame::zero()) };
            let frame = frame.map_err(|_| FaultError::OutOfMemory)?;
            return self.install(tables, page, frame, write);
        };
        let index = area.page_index(backing, page);
        let source = &backing.object.source;
        let tracks = source.tracks_writes();
        let for_write = area.is_shared() && (write || !tracks);
        let frame = source.page(index, for_write).map_err(FaultError::from_source)?;
        if area.is_shared() {
            let may_write = area.protection.contains(Protection::WRITE);
            if tracks && write {
                // Its neighbours were not asked for with `for_write`.
                return self.install(tables, page, frame, true);
            }
            return self.install_with_neighbours(tables, page, frame, may_write && !tracks);
        }
        if write {
            let copy = frame.duplicate().map_err(|_| FaultError::OutOfMemory)?;
            return self.install(tables, page, copy, true);
        }
        self.install_with_neighbours(tables, page, frame, false)
    }

    /// A fault on a page that is resident: it lacks write access, or the page tables do not have it.
    fn touch_resident(
        &mut self,
        tables: &dyn PageTables,
        page: u64,
        write: bool,
        frame: Frame,
        writable: bool,
    ) -> core::result::Result<(), FaultError> {
        let Some(area) = self.areas.find(page) else { return Err(FaultError::NotMapped) };
        if area.is_shared() && write && !writable {
            let frame = tell_tracker(area, page)?.unwrap_or(frame);
            return self.install(tables, page, frame, true);
        }
        if !write || writable {
            return self.install(tables, page, frame, writable || write);
        }
        // One count is ours here and one the page map's: nobody else has the frame, so it need not be copied.
        let frame = if frame.refcount() == 2 && !frame.is_zero_page() {
            frame
        } else if frame.is_zero_page() {
            Frame::alloc_zeroed().map_err(|_| FaultError::OutOfMemory)?
        } else {
            frame.duplicate().map_err(|_| FaultError::OutOfMemory)?
        };
        self.install(tables, page, frame, true)
    }

    /// Enters a frame in the page map and the page tables; the frame that was there goes last.
    fn install(
        &mut self,
        tables: &dyn PageTables,
        page: u64,
        frame: Frame,
        writable: bool,
    ) -> core::result::Result<(), FaultError> {
        let Some(area) = self.areas.find(page) else { return Err(FaultError::NotMapped) };
        let rights = area.protection.rights(writable);
        let run = MapRun { addr: page, frame: frame.number(), pages: 1, rights };
        let before = self.pages.set(page, frame, rights.write).map_err(|_| FaultError::OutOfMemory)?;
        let mapped = tables.map(&[run]);
        if mapped.is_err() {
            // What was there before may still be mapped: it goes as well, or is let go too early.
            self.drop_pages(tables, page, page + PAGE_BYTES);
        }
        drop(before);
        mapped.map_err(|_| FaultError::OutOfMemory)
    }

    /// As [`install`](Self::install), and the pages around it that the object has at hand.
    fn install_with_neighbours(
        &mut self,
        tables: &dyn PageTables,
        page: u64,
        frame: Frame,
        writable: bool,
    ) -> core::result::Result<(), FaultError> {
        let Some(area) = self.areas.find(page) else { return Err(FaultError::NotMapped) };
        let rights = area.protection.rights(writable);
        let (first, count, mut neighbours) = cached_neighbours(area, page);
        let mut runs: Vec<MapRun> = Vec::with_capacity(FAULT_AROUND_PAGES as usize);
        if let Some(slot) = neighbours.get_mut(((page - first) / PAGE_BYTES) as usize) {
            *slot = Some(frame);
        }
        let mut addr = first;
        for slot in neighbours.iter_mut().take(count) {
            if let Some(frame) = slot.take()
                && self.pages.get(addr).is_none()
            {
                let number = frame.number();
                self.pages.set(addr, frame, rights.write).map_err(|_| FaultError::OutOfMemory)?;
                push_map(&mut runs, addr, number, rights);
            }
            addr += PAGE_BYTES;
        }
        if tables.map(&runs).is_err() {
            for run in &runs {
                self.drop_pages(tables, run.addr, run.addr + u64::from(run.pages) * PAGE_BYTES);
            }
            return Err(FaultError::OutOfMemory);
        }
        Ok(())
    }

    /// Extends the area above `page` down to it, if that area grows and the limits allow.
    fn grow_stack(&mut self, page: u64) -> core::result::Result<&Area, FaultError> {
        const REFUSED: FaultError = FaultError::NotMapped;
        let index = self.areas.first_above(page);
        let area = self.areas.get(index).ok_or(REFUSED)?;
        if !area.flags.contains(AreaFlags::GROWS_DOWN) {
            return Err(REFUSED);
        }
        let (old_start, is_data) = (area.start, area.is_data());
        let growth = old_start - page;
        let floor = match index.checked_sub(1).and_then(|below| self.areas.get(below)) {
            Some(below) if below.flags.contains(AreaFlags::GROWS_DOWN) => below.end,
            // Memory that nobody can access is as good as a gap (`stack_guard_gap`).
            Some(below) if !below.protection.allows_access() => below.end,
            Some(below) => below.end.saturating_add(STACK_GUARD_BYTES),
            None => crate::layout::MMAP_MIN_ADDRESS,
        };
        if page < floor || area.end - page > self.limits.stack || self.check_limits(growth, is_data).is_err() {
            return Err(REFUSED);
        }
        self.total_pages += growth / PAGE_BYTES;
        self.peak_pages = self.peak_pages.max(self.total_pages);
        let area = self.areas.get_mut(index).ok_or(REFUSED)?;
        area.start = page;
        if let Some(Backing { first_page, .. }) = &mut area.backing {
            *first_page = first_page.saturating_sub(growth / PAGE_BYTES);
        }
        Ok(area)
    }
}

/// Tells a source that tracks writes that a shared page is about to be written: the frame that it has there now.
fn tell_tracker(area: &Area, page: u64) -> core::result::Result<Option<Frame>, FaultError> {
    let Some(backing) = area.backing.as_ref().filter(|backing| backing.object.source.tracks_writes()) else {
        return Ok(None);
    };
    let index = area.page_index(backing, page);
    backing.object.source.page(index, true).map(Some).map_err(FaultError::from_source)
}

type Neighbours = [Option<Frame>; FAULT_AROUND_PAGES as usize];

/// The pages of the aligned block around `page` that lie in the area and that the object has at hand: first address,
/// number of pages, and the frames.
fn cached_neighbours(area: &Area, page: u64) -> (u64, usize, Neighbours) {
    const BLOCK_BYTES: u64 = FAULT_AROUND_PAGES * PAGE_BYTES;
    let mut frames: Neighbours = [const { None }; FAULT_AROUND_PAGES as usize];
    let block = page & !(BLOCK_BYTES - 1);
    let first = block.max(area.start);
    let end = (block + BLOCK_BYTES).min(area.end);
    let count = ((end - first) / PAGE_BYTES) as usize;
    if let (Some(backing), Some(frames)) = (&area.backing, frames.get_mut(..count)) {
        backing.object.source.cached_pages(area.page_index(backing, first), frames);
    }
    (first, count, frames)
}
