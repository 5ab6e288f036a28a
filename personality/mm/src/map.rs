//! `mmap`: new mappings.

use alloc::sync::Arc;

use guest_memory::{PAGE_BYTES, frames};
use linux_abi::{Errno, Result};

use crate::area::{Area, AreaFlags, Backing, MappedObject, Protection, Sharing};
use crate::layout::{MMAP_MIN_ADDRESS, is_page_aligned, is_user_range, page_up};
use crate::page_tables::PageTables;
use crate::shared::SharedAnonymous;
use crate::space::{AddressSpace, Inner};

/// Where a mapping goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Where there is room; at the given address, if that is not 0 and there is room there.
    Near(u64),
    /// Exactly there; what was there goes.
    Fixed(u64),
    /// Exactly there, or `EEXIST`.
    FixedIfFree(u64),
}

/// A mapping to be made.
#[derive(Clone, Debug)]
pub struct MapRequest {
    /// Where.
    pub placement: Placement,
    /// Bytes; rounded up to pages.
    pub bytes: u64,
    /// What the process may do with it.
    pub protection: Protection,
    /// Who sees writes.
    pub sharing: Sharing,
    /// The object and the index of its first page to map; none: anonymous memory.
    pub object: Option<(Arc<MappedObject>, u64)>,
    /// It grows down on faults below it.
    pub grows_down: bool,
    /// It is not counted against overcommit.
    pub no_reserve: bool,
    /// Its pages are made present at once.
    pub populate: bool,
    /// It counts as locked.
    pub locked: bool,
    /// What `mprotect` may add later.
    pub may_become: Protection,
}

impl MapRequest {
    /// Private anonymous memory.
    #[must_use]
    pub const fn anonymous(placement: Placement, bytes: u64, protection: Protection) -> Self {
        Self {
            placement,
            bytes,
            protection,
            sharing: Sharing::Private,
            object: None,
            grows_down: false,
            no_reserve: false,
            populate: false,
            locked: false,
            may_become: Protection::READ_WRITE.or(Protection::EXECUTE),
        }
    }

    /// A private mapping of an object from page `first_page` on.
    #[must_use]
    pub fn private_object(
        placement: Placement,
        bytes: u64,
        protection: Protection,
        object: Arc<MappedObject>,
        first_page: u64,
    ) -> Self {
        let mut request = Self::anonymous(placement, bytes, protection);
        request.object = Some((object, first_page));
        request
    }

    fn flags(&self) -> AreaFlags {
        let mut flags = AreaFlags::NONE;
        let mut add = |condition: bool, flag| {
            if condition {
                flags = flags.with(flag);
            }
        };
        add(self.sharing == Sharing::Shared, AreaFlags::SHARED);
        add(self.grows_down, AreaFlags::GROWS_DOWN);
        add(self.no_reserve, AreaFlags::NO_RESERVE);
        add(self.locked, AreaFlags::LOCKED);
        add(!self.may_become.contains(Protection::WRITE), AreaFlags::NEVER_WRITE);
        add(!self.may_become.contains(Protection::EXECUTE), AreaFlags::NEVER_EXECUTE);
        flags
    }
}

impl AddressSpace {
    /// Makes a mapping; returns its address.
    ///
    /// # Errors
    /// `EINVAL` for no bytes or an unaligned fixed address; `ENOMEM` without room or beyond a limit; `EEXIST`;
    /// `EPERM` below the lowest address; `EOVERFLOW` where the object's pages would be numbered past the end;
    /// `EAGAIN` past the limit on locked memory.
    pub fn map(&self, request: &MapRequest) -> Result<u64> {
        let addr = self.lock().map(&*self.tables, request)?;
        if request.populate || request.locked {
            // What cannot be made present now fails when it is used.
            let _ = self.populate(addr, request.bytes);
        }
        Ok(addr)
    }

    /// Makes the pages of a range present, as far as possible, each as its area allows.
    ///
    /// # Errors
    /// `ENOMEM` if something is not mapped or there is no memory.
    pub fn populate(&self, addr: u64, bytes: u64) -> Result<()> {
        let end = page_up(bytes).and_then(|bytes| addr.checked_add(bytes)).ok_or(Errno::ENOMEM)?;
        let mut at = addr & !(PAGE_BYTES - 1);
        while at < end {
            // One page under one lock: others get their turn in between.
            let mut inner = self.lock();
            let area = inner.areas.find(at).ok_or(Errno::ENOMEM)?;
            if inner.pages.get(at).is_none() && area.protection.allows_access() {
                let write = area.protection.contains(Protection::WRITE) && !area.is_shared();
                inner.make_present(&*self.tables, at, write).map_err(|_| Errno::ENOMEM)?;
            }
            at += PAGE_BYTES;
        }
        Ok(())
    }
}

impl Inner {
    pub(crate) fn map(&mut self, tables: &dyn PageTables, request: &MapRequest) -> Result<u64> {
        if request.bytes == 0 {
            return Err(Errno::EINVAL);
        }
        let bytes = page_up(request.bytes).filter(|&bytes| is_user_range(0, bytes)).ok_or(Errno::ENOMEM)?;
        if let Some((_, first_page)) = &request.object {
            first_page.checked_add(bytes / PAGE_BYTES).filter(|&end| end < 1 << 52).ok_or(Errno::EOVERFLOW)?;
        }
        let mut flags = request.flags();
        if self.lock_future {
            flags = flags.with(AreaFlags::LOCKED);
        }
        let mut area = Area { start: 0, end: bytes, protection: request.protection, flags, backing: None };
        let addr = self.place(request.placement, bytes, &area)?;
        self.check_commit(bytes, &area, request.object.is_some())?;
        if let Placement::Fixed(_) = request.placement {
            self.unmap(tables, addr, bytes)?;
        }
        area.backing = match (&request.object, request.sharing) {
            (Some((object, first_page)), _) => Some(Backing { object: object.clone(), first_page: *first_page }),
            (None, Sharing::Shared) => {
                Some(Backing { object: SharedAnonymous::object(bytes / PAGE_BYTES), first_page: 0 })
            }
            (None, Sharing::Private) => None,
        };
        area.start = addr;
        area.end = addr + bytes;
        self.add(area);
        Ok(addr)
    }

    /// Decides on the address; nothing is changed yet.
    fn place(&self, placement: Placement, bytes: u64, area: &Area) -> Result<u64> {
        self.areas.check_room(3)?;
        if area.flags.contains(AreaFlags::LOCKED) {
            self.check_locked(bytes).map_err(|_| Errno::EAGAIN)?;
        }
        let addr = match placement {
            Placement::Near(hint) => {
                let hint = hint & !(PAGE_BYTES - 1);
                let usable = hint >= MMAP_MIN_ADDRESS && is_user_range(hint, bytes);
                if usable && self.areas.is_free(hint, bytes) {
                    hint
                } else {
                    self.areas.find_room(bytes, self.layout)?
                }
            }
            Placement::Fixed(addr) | Placement::FixedIfFree(addr) => {
                if !is_page_aligned(addr) {
                    return Err(Errno::EINVAL);
                }
                if !is_user_range(addr, bytes) {
                    return Err(Errno::ENOMEM);
                }
                if addr < MMAP_MIN_ADDRESS {
                    return Err(Errno::EPERM);
                }
                addr
            }
        };
        let replaced = self.mapped_pages(addr, addr + bytes);
        if replaced > 0 && matches!(placement, Placement::FixedIfFree(_)) {
            return Err(Errno::EEXIST);
        }
        self.check_limits(bytes - replaced * PAGE_BYTES, area.is_data())?;
        Ok(addr)
    }

    /// Refuses what RAM can obviously never hold, as Linux does with `vm.overcommit_memory` 0.
    fn check_commit(&self, bytes: u64, area: &Area, has_object: bool) -> Result<()> {
        let private_writable = !area.is_shared() && area.protection.contains(Protection::WRITE);
        let accountable = private_writable || area.is_shared() && !has_object;
        if !accountable || area.flags.contains(AreaFlags::NO_RESERVE) {
            return Ok(());
        }
        check_overcommit(bytes)
    }

    /// Pages of `start..end` that areas cover.
    pub(crate) fn mapped_pages(&self, start: u64, end: u64) -> u64 {
        let areas = self.areas.as_slice().get(self.areas.overlapping(start, end)).unwrap_or_default();
        areas.iter().map(|area| (area.end.min(end) - area.start.max(start)) / PAGE_BYTES).sum()
    }
}

/// Whether RAM could hold `bytes` at all.
pub(crate) fn check_overcommit(bytes: u64) -> Result<()> {
    if bytes / PAGE_BYTES > frames::stats().total { Err(Errno::ENOMEM) } else { Ok(()) }
}
