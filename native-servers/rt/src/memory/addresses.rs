//! Which addresses of the mapping area are free.
//!
//! Invariant: `free` is sorted, its ranges neither touch nor overlap, and none of them ends at `next`: what lies behind
//! `next` is free as well.

use alloc::vec::Vec;

/// A range of addresses, by its ends.
type Range = (u64, u64);

/// The free addresses of an area.
#[derive(Debug)]
pub(super) struct Addresses {
    next: u64,
    end: u64,
    free: Vec<Range>,
}

impl Addresses {
    /// All of the area from `start` to `end`.
    pub(super) const fn new(start: u64, end: u64) -> Self {
        Self { next: start, end, free: Vec::new() }
    }

    /// Takes `bytes` at a multiple of `align`, the lowest that there are.
    pub(super) fn take(&mut self, bytes: u64, align: u64) -> Option<u64> {
        for index in 0..self.free.len() {
            let (start, end) = self.free[index];
            let at = start.next_multiple_of(align);
            if at.checked_add(bytes).is_some_and(|taken_end| taken_end <= end) {
                self.free.remove(index);
                self.insert(index, (at + bytes, end));
                self.insert(index, (start, at));
                return Some(at);
            }
        }
        let at = self.next.checked_next_multiple_of(align)?;
        let end = at.checked_add(bytes).filter(|end| *end <= self.end)?;
        self.insert(self.free.len(), (self.next, at));
        self.next = end;
        Some(at)
    }

    /// Gives a range back that was taken (or a part of it).
    pub(super) fn give_back(&mut self, start: u64, bytes: u64) {
        let (mut start, mut end) = (start, start + bytes);
        let mut index = self.free.partition_point(|range| range.0 < start);
        if index > 0 && self.free[index - 1].1 == start {
            index -= 1;
            start = self.free.remove(index).0;
        }
        if self.free.get(index).is_some_and(|range| range.0 == end) {
            end = self.free.remove(index).1;
        }
        if end == self.next {
            self.next = start;
        } else {
            self.insert(index, (start, end));
        }
    }

    fn insert(&mut self, index: usize, range: Range) {
        if range.0 < range.1 {
            self.free.insert(index, range);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_taken_again() {
        let mut addresses = Addresses::new(0x1000, 0x9000);
        for _ in 0..10_000 {
            let taken = [0x1000, 0x2000, 0x1000].map(|bytes| addresses.take(bytes, 0x1000).expect("room"));
            assert_eq!(taken, [0x1000, 0x2000, 0x4000]);
            addresses.give_back(0x2000, 0x2000);
            addresses.give_back(0x4000, 0x1000);
            addresses.give_back(0x1000, 0x1000);
        }
        assert_eq!((addresses.next, addresses.free.len()), (0x1000, 0));
    }

    #[test]
    fn holes_join_their_neighbours_and_serve_what_fits() {
        let mut addresses = Addresses::new(0x1000, 0x9000);
        (0..8).for_each(|page| assert_eq!(addresses.take(0x1000, 0x1000), Some(0x1000 * (page + 1))));
        assert_eq!(addresses.take(0x1000, 0x1000), None);
        [0x3000, 0x5000, 0x4000].into_iter().for_each(|at| addresses.give_back(at, 0x1000));
        assert_eq!(addresses.free, [(0x3000, 0x6000)]);
        assert_eq!(addresses.take(0x2000, 0x2000), Some(0x4000));
        assert_eq!(addresses.take(0x2000, 0x1000), None);
        assert_eq!(addresses.take(0x1000, 0x1000), Some(0x3000));
    }

    #[test]
    fn what_alignment_skips_is_not_lost() {
        let mut addresses = Addresses::new(0x1000, 0x1_0000);
        assert_eq!(addresses.take(0x4000, 0x4000), Some(0x4000));
        assert_eq!(addresses.take(0x3000, 0x1000), Some(0x1000));
        assert_eq!((addresses.take(u64::MAX, 0x1000), addresses.take(0x1000, 1 << 63)), (None, None));
    }
}
