//! Which physical memory becomes what: free RAM and device ranges, from the loader's memory map.

use ukernel_abi::PAGE_BYTES;
use ukernel_abi::boot::{MAX_RANGES, PhysicalRange};

/// Memory below this stays untouched: it holds what is needed to start further processors.
const LOWEST: u64 = 1 << 20;

/// Ranges, in ascending order, disjoint, zeros at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranges {
    /// The ranges.
    pub ranges: [PhysicalRange; MAX_RANGES],
    count: usize,
}

impl Default for Ranges {
    fn default() -> Self {
        Self { ranges: [PhysicalRange { start: 0, bytes: 0 }; MAX_RANGES], count: 0 }
    }
}

impl Ranges {
    /// Add `start..end`, cut to whole pages, joined with the last range where they touch. Ranges come in ascending
    /// order; when all places are taken the smallest range is given up.
    pub fn add(&mut self, start: u64, end: u64) {
        let (start, end) = (start.max(LOWEST).next_multiple_of(PAGE_BYTES), end / PAGE_BYTES * PAGE_BYTES);
        if start >= end {
            return;
        }
        if let Some(last) = self.count.checked_sub(1).and_then(|last| self.ranges.get_mut(last))
            && last.start + last.bytes == start
        {
            last.bytes += end - start;
            return;
        }
        if self.count == MAX_RANGES {
            let smallest = (0..MAX_RANGES).min_by_key(|index| self.ranges[*index].bytes).unwrap_or(0);
            if self.ranges[smallest].bytes >= end - start {
                return;
            }
            self.ranges.copy_within(smallest + 1.., smallest);
            self.count -= 1;
        }
        self.ranges[self.count] = PhysicalRange { start, bytes: end - start };
        self.count += 1;
    }

    /// The ranges without the page at `page`.
    #[must_use]
    pub fn without_page(&self, page: u64) -> Self {
        let mut rest = Self::default();
        for range in &self.ranges {
            let (start, end) = (range.start, range.start + range.bytes);
            if (start..end).contains(&page) {
                rest.add(start, page);
                rest.add(page + PAGE_BYTES, end);
            } else if range.bytes > 0 {
                rest.add(start, end);
            }
        }
        rest
    }

    /// Bytes of all ranges.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.bytes).sum()
    }
}

/// Take `pages` pages from the start of the largest range. `None`: it has not so many and one more.
pub fn take(ranges: &mut [PhysicalRange; MAX_RANGES], pages: u64) -> Option<u64> {
    let largest = ranges.iter_mut().max_by_key(|range| range.bytes)?;
    let bytes = pages * PAGE_BYTES;
    largest.bytes = largest.bytes.checked_sub(bytes).filter(|rest| *rest > 0)?;
    let start = largest.start;
    largest.start += bytes;
    Some(start)
}

/// The gaps between the ranges of `known` from `lowest` to `highest`: where devices are.
/// `known` is called with a function that it gives each known range to, in ascending order.
pub fn gaps(lowest: u64, highest: u64, known: impl Iterator<Item = (u64, u64)>) -> Ranges {
    let (mut gaps, mut at) = (Ranges::default(), lowest);
    for (start, end) in known {
        gaps.add(at, start.min(highest));
        at = at.max(end);
    }
    gaps.add(at, highest);
    gaps
}

#[cfg(test)]
mod tests {
    use super::{LOWEST, Ranges, gaps, take};

    #[test]
    fn joins_neighbours_and_cuts_to_pages() {
        let mut ranges = Ranges::default();
        ranges.add(0, LOWEST + 0x1800);
        ranges.add(LOWEST + 0x1000, LOWEST + 0x3000);
        ranges.add(LOWEST + 0x4001, LOWEST + 0x4fff);
        assert_eq!((ranges.ranges[0].start, ranges.ranges[0].bytes), (LOWEST, 0x3000));
        assert_eq!(ranges.bytes(), 0x3000);
    }

    #[test]
    fn pages_are_taken_from_the_largest() {
        let mut ranges = Ranges::default();
        ranges.add(LOWEST, LOWEST + 0x1000);
        ranges.add(LOWEST + 0x10_000, LOWEST + 0x14_000);
        assert_eq!(take(&mut ranges.ranges, 4), None);
        assert_eq!(take(&mut ranges.ranges, 3), Some(LOWEST + 0x10_000));
        assert_eq!((ranges.ranges[1].start, ranges.bytes()), (LOWEST + 0x13_000, 0x2000));
    }

    #[test]
    fn keeps_the_largest_when_there_are_too_many() {
        let mut ranges = Ranges::default();
        for index in 0..100u64 {
            let start = LOWEST + index * 0x100_000;
            ranges.add(start, start + 0x1000 * (1 + index % 50));
        }
        assert!(ranges.ranges.iter().all(|range| range.bytes >= 0x1000 * 18));
        assert!(ranges.ranges.windows(2).all(|pair| pair[0].start + pair[0].bytes < pair[1].start));
    }

    #[test]
    fn cuts_a_page_out() {
        let mut ranges = Ranges::default();
        ranges.add(LOWEST, LOWEST + 0x3000);
        let rest = ranges.without_page(LOWEST + 0x1000);
        assert_eq!((rest.ranges[0].bytes, rest.ranges[1].start, rest.bytes()), (0x1000, LOWEST + 0x2000, 0x2000));
    }

    #[test]
    fn finds_gaps() {
        let found = gaps(0x10_0000, 0x100_0000, [(0, 0x20_0000), (0x30_0000, 0x40_0000)].into_iter());
        assert_eq!((found.ranges[0].start, found.ranges[0].bytes), (0x20_0000, 0x10_0000));
        assert_eq!((found.ranges[1].start, found.ranges[1].bytes), (0x40_0000, 0xc0_0000));
        assert_eq!(found.bytes(), 0xd0_0000);
    }
}
