//! What `/proc/PID/maps`, `status` and `statm` tell.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::PAGE_BYTES;

use crate::area::{Area, AreaFlags, MappedObject, Protection};
use crate::space::{AddressSpace, Inner};

/// One line of `/proc/PID/maps`.
#[derive(Clone, Debug)]
pub struct AreaReport {
    /// First address.
    pub start: u64,
    /// End.
    pub end: u64,
    /// What the process may do.
    pub protection: Protection,
    /// Writes go to the object.
    pub shared: bool,
    /// Byte offset within the object.
    pub offset: u64,
    /// The object, with its name and numbers.
    pub object: Option<Arc<MappedObject>>,
    /// `[heap]`, `[stack]`, or nothing.
    pub label: &'static str,
    /// Resident pages.
    pub resident_pages: u64,
}

/// Sizes, in pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Mapped (`VmSize`).
    pub total: u64,
    /// Most that was mapped (`VmPeak`).
    pub total_peak: u64,
    /// Resident (`VmRSS`).
    pub resident: u64,
    /// Most that was resident (`VmHWM`).
    pub resident_peak: u64,
    /// Resident pages of objects (`RssFile` and `RssShmem`).
    pub resident_of_objects: u64,
    /// Private writable (`VmData`).
    pub data: u64,
    /// Stack (`VmStk`).
    pub stack: u64,
    /// Executable pages of objects (`VmExe` and `VmLib`).
    pub code: u64,
    /// Locked (`VmLck`).
    pub locked: u64,
}

impl AddressSpace {
    /// All areas, in order.
    #[must_use]
    pub fn report(&self) -> Vec<AreaReport> {
        let inner = self.lock();
        inner.areas.as_slice().iter().map(|area| inner.report_area(area)).collect()
    }

    /// Sizes.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let inner = self.lock();
        let mut usage = Usage {
            total: inner.total_pages,
            total_peak: inner.peak_pages,
            resident: inner.pages.resident(),
            resident_peak: inner.pages.peak(),
            data: inner.data_pages,
            locked: inner.all_locked_pages(),
            ..Usage::default()
        };
        for area in inner.areas.as_slice() {
            let pages = area.bytes() / PAGE_BYTES;
            if area.flags.contains(AreaFlags::GROWS_DOWN) {
                usage.stack += pages;
            }
            if area.backing.is_some() {
                usage.resident_of_objects += inner.pages.count(area.start, area.end);
                usage.code += if area.protection.contains(Protection::EXECUTE) { pages } else { 0 };
            }
        }
        usage
    }

    /// Resident pages now and at most, cheaply.
    #[must_use]
    pub fn resident_pages(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.pages.resident(), inner.pages.peak())
    }
}

impl Inner {
    fn report_area(&self, area: &Area) -> AreaReport {
        let (offset, object) = match &area.backing {
            Some(backing) => (backing.first_page.saturating_mul(PAGE_BYTES), Some(backing.object.clone())),
            None => (0, None),
        };
        let is_heap = object.is_none() && area.start < self.brk && area.end > self.brk_start;
        let stack = self.regions.stack_start;
        let label = if is_heap {
            "[heap]"
        } else if object.is_none() && (area.start..area.end).contains(&stack) {
            "[stack]"
        } else {
            ""
        };
        AreaReport {
            start: area.start,
            end: area.end,
            protection: area.protection,
            shared: area.is_shared(),
            offset,
            object,
            label,
            resident_pages: self.pages.count(area.start, area.end),
        }
    }
}
