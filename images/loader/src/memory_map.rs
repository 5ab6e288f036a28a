//! What lies where in physical memory: the firmware's map, cut by what the loader keeps.
//!
//! Invariants of what leaves here: ranges of RAM are whole pages, in ascending order, and overlap nothing else.

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};

use crate::{Error, PAGE_BYTES};

/// Most ranges in a map, before and after cutting.
pub const CAPACITY: usize = 256;

/// What a range of physical addresses is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RAM that the firmware leaves to us.
    Ram,
    /// Memory in use by the loader or by what it hands over.
    Loader,
    /// The firmware's: the number is its type (E820).
    Firmware(u32),
}

/// A range of physical addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
    /// What it is.
    pub kind: Kind,
}

const EMPTY: Range = Range { start: 0, end: 0, kind: Kind::Ram };

/// The ranges, in the order in which they were added.
#[derive(Clone, Debug)]
pub struct MemoryMap {
    ranges: [Range; CAPACITY],
    length: usize,
}

impl Default for MemoryMap {
    fn default() -> Self {
        Self { ranges: [EMPTY; CAPACITY], length: 0 }
    }
}

impl MemoryMap {
    /// Adds a range; an empty one is left out.
    ///
    /// # Errors
    /// [`Error::MemoryMap`] when the map is full.
    pub fn push(&mut self, range: Range) -> Result<(), Error> {
        if range.start < range.end {
            *self.ranges.get_mut(self.length).ok_or(Error::MemoryMap("too many ranges"))? = range;
            self.length += 1;
        }
        Ok(())
    }

    /// The ranges.
    #[must_use]
    pub fn ranges(&self) -> &[Range] {
        &self.ranges[..self.length]
    }

    /// The end of the highest RAM.
    #[must_use]
    pub fn ram_end(&self) -> u64 {
        self.ranges().iter().filter(|range| range.kind == Kind::Ram).map(|range| range.end).max().unwrap_or(0)
    }

    /// Cuts RAM to whole pages that nothing else claims, and sorts.
    ///
    /// # Errors
    /// [`Error::MemoryMap`] when there are too many pieces.
    pub fn resolve(&self) -> Result<Self, Error> {
        let mut sorted = self.clone();
        sorted.ranges[..self.length].sort_unstable_by_key(|range| range.start);
        let mut resolved = Self::default();
        let mut ram_from = 0;
        for range in sorted.ranges() {
            if range.kind == Kind::Ram {
                // RAM that is listed twice counts once.
                let start = range.start.max(ram_from);
                sorted.push_free_pages(start, range.end, &mut resolved)?;
                ram_from = ram_from.max(range.end);
            } else {
                resolved.push(*range)?;
            }
        }
        resolved.ranges[..resolved.length].sort_unstable_by_key(|range| range.start);
        Ok(resolved)
    }

    /// Finds the largest RAM range of a resolved map between `from` and `to`.
    #[must_use]
    pub fn largest_ram(&self, from: u64, to: u64) -> Option<(u64, u64)> {
        let ram = self.ranges().iter().filter(|range| range.kind == Kind::Ram);
        let inside = ram.map(|range| (range.start.max(from), range.end.min(to))).filter(|(start, end)| start < end);
        inside.max_by_key(|(start, end)| end - start)
    }

    /// Converts the map to the kernel's form.
    pub fn regions(&self) -> impl Iterator<Item = MemoryRegion> + '_ {
        self.ranges().iter().map(|range| MemoryRegion {
            start: range.start,
            end: range.end,
            kind: match range.kind {
                Kind::Ram => MemoryRegionKind::Usable,
                Kind::Loader => MemoryRegionKind::Bootloader,
                Kind::Firmware(number) => MemoryRegionKind::UnknownBios(number),
            },
        })
    }

    /// Pushes the pages of `start..end` that no range of this sorted map other than RAM touches.
    fn push_free_pages(&self, start: u64, end: u64, output: &mut Self) -> Result<(), Error> {
        let end = end & !(PAGE_BYTES - 1);
        let Some(mut at) = start.checked_next_multiple_of(PAGE_BYTES) else { return Ok(()) };
        for taken in self.ranges().iter().filter(|range| range.kind != Kind::Ram) {
            if taken.start >= end {
                break;
            }
            if taken.end > at {
                let free_end = taken.start & !(PAGE_BYTES - 1);
                output.push(Range { start: at, end: free_end, kind: Kind::Ram })?;
                at = taken.end.checked_next_multiple_of(PAGE_BYTES).unwrap_or(u64::MAX).max(at);
            }
        }
        output.push(Range { start: at, end, kind: Kind::Ram })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn map(ranges: &[(u64, u64, Kind)]) -> MemoryMap {
        let mut map = MemoryMap::default();
        for (start, end, kind) in ranges {
            map.push(Range { start: *start, end: *end, kind: *kind }).expect("room");
        }
        map
    }

    fn ram(map: &MemoryMap) -> Vec<(u64, u64)> {
        map.ranges().iter().filter(|range| range.kind == Kind::Ram).map(|range| (range.start, range.end)).collect()
    }

    #[test]
    fn ram_is_cut_to_free_whole_pages() {
        let map = map(&[
            (0x10_0000, 0x20_0001, Kind::Ram),
            (0, 0x9_fc00, Kind::Ram),
            (0x9_fc00, 0x10_0000, Kind::Firmware(2)),
            (0x11_0000, 0x11_2001, Kind::Loader),
        ]);
        let resolved = map.resolve().expect("few ranges");
        assert_eq!(ram(&resolved), [(0, 0x9_f000), (0x10_0000, 0x11_0000), (0x11_3000, 0x20_0000)]);
        assert_eq!(resolved.largest_ram(0, u64::MAX), Some((0x11_3000, 0x20_0000)));
    }

    #[test]
    fn overlaps_are_resolved_against_ram() {
        let map = map(&[(0x1000, 0x9000, Kind::Ram), (0x2000, 0xa000, Kind::Ram), (0, 0x3000, Kind::Firmware(5))]);
        assert_eq!(ram(&map.resolve().expect("few ranges")), [(0x3000, 0x9000), (0x9000, 0xa000)]);
    }

    #[test]
    fn ranges_at_the_end_of_the_address_space_do_not_overflow() {
        let map = map(&[(u64::MAX - 5, u64::MAX, Kind::Ram), (u64::MAX - 9000, u64::MAX, Kind::Firmware(2))]);
        assert!(ram(&map.resolve().expect("few ranges")).is_empty());
    }
}
