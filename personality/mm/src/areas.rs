//! The sorted list of areas.

use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use guest_memory::{PAGE_BYTES, frames};

use linux_abi::{Errno, Result};

use crate::area::Area;

/// Most areas of an address space: Linux's default `vm.max_map_count`.
pub(crate) const MAX_AREAS: usize = 65_530;

/// Areas of all address spaces: they share a 16th of RAM, so that nobody can eat the personality's heap with them.
static ALL_AREAS: AtomicUsize = AtomicUsize::new(0);

/// Sorted, disjoint areas.
#[derive(Debug, Default)]
pub(crate) struct Areas {
    list: Vec<Area>,
}

impl Areas {
    pub(crate) fn as_slice(&self) -> &[Area] {
        &self.list
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Area> {
        self.list.get(index)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Area> {
        self.list.get_mut(index)
    }

    /// Index of the first area that ends above `addr`.
    pub(crate) fn first_above(&self, addr: u64) -> usize {
        self.list.partition_point(|area| area.end <= addr)
    }

    /// The area that contains `addr`.
    pub(crate) fn find(&self, addr: u64) -> Option<&Area> {
        self.get(self.first_above(addr)).filter(|area| area.start <= addr)
    }

    /// Indices of the areas that overlap `start..end`.
    pub(crate) fn overlapping(&self, start: u64, end: u64) -> Range<usize> {
        let first = self.first_above(start);
        let rest = self.list.get(first..).unwrap_or_default();
        first..first + rest.partition_point(|area| area.start < end)
    }

    /// Whether areas cover all of `start..end`.
    pub(crate) fn cover(&self, start: u64, end: u64) -> bool {
        let mut at = start;
        for area in self.list.get(self.overlapping(start, end)).unwrap_or_default() {
            if area.start > at {
                return false;
            }
            at = area.end;
        }
        at >= end
    }

    /// Whether `more` further areas may exist.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn check_room(&self, more: usize) -> Result<()> {
        let all = ALL_AREAS.load(Ordering::Relaxed) + more;
        let limit = frames::stats().total as usize * (PAGE_BYTES as usize / 16 / size_of::<Area>());
        if self.list.len() + more > MAX_AREAS || all > limit { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// Makes `start` and `end` borders between areas, where they are inside one.
    pub(crate) fn split_at(&mut self, start: u64, end: u64) -> Range<usize> {
        self.split(start);
        self.split(end);
        self.overlapping(start, end)
    }

    fn split(&mut self, addr: u64) {
        let index = self.first_above(addr);
        let Some(area) = self.list.get_mut(index) else { return };
        if area.start < addr {
            let upper = area.split_off(addr);
            self.insert_at(index + 1, upper);
        }
    }

    /// Adds an area where none is, joining it with its neighbours where they continue one another.
    pub(crate) fn insert(&mut self, area: Area) {
        let index = self.first_above(area.start);
        if let Some(before) = index.checked_sub(1).and_then(|before| self.list.get_mut(before))
            && before.continues_with(&area)
        {
            before.end = area.end;
            self.merge(index..index + 1);
            return;
        }
        self.insert_at(index, area);
        self.merge(index..index + 2);
    }

    /// Takes the areas out.
    pub(crate) fn remove(&mut self, indices: Range<usize>) {
        if indices.start < indices.end && indices.end <= self.list.len() {
            ALL_AREAS.fetch_sub(indices.len(), Ordering::Relaxed);
            self.list.drain(indices);
        }
    }

    /// Joins each of the areas with the one before it, where one continues the other.
    pub(crate) fn merge(&mut self, indices: Range<usize>) {
        let last = indices.end.min(self.list.len().saturating_sub(1));
        for index in (indices.start.max(1)..=last).rev() {
            let (Some(before), Some(area)) = (self.list.get(index - 1), self.list.get(index)) else { continue };
            if before.continues_with(area) {
                let end = area.end;
                if let Some(before) = self.list.get_mut(index - 1) {
                    before.end = end;
                }
                self.remove(index..index + 1);
            }
        }
    }

    /// Adds an area above all others.
    pub(crate) fn push_last(&mut self, area: Area) {
        self.insert_at(self.list.len(), area);
    }

    fn insert_at(&mut self, index: usize, area: Area) {
        ALL_AREAS.fetch_add(1, Ordering::Relaxed);
        self.list.insert(index, area);
    }

    pub(crate) fn with_capacity(count: usize) -> Self {
        Self { list: Vec::with_capacity(count) }
    }
}

impl Drop for Areas {
    fn drop(&mut self) {
        ALL_AREAS.fetch_sub(self.list.len(), Ordering::Relaxed);
    }
}
