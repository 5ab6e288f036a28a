//! The pages of a file: sparse, in leaves of 64.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use guest_memory::Frame;

const LEAF_PAGES: u64 = 64;

type Leaf = [Option<Frame>; LEAF_PAGES as usize];

/// Page frames by index.
#[derive(Default)]
pub(crate) struct Pages {
    leaves: BTreeMap<u64, Box<Leaf>>,
    count: u64,
}

const fn split(index: u64) -> (u64, usize) {
    (index / LEAF_PAGES, (index % LEAF_PAGES) as usize)
}

impl Pages {
    /// Returns how many pages there are.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn get(&self, index: u64) -> Option<&Frame> {
        let (leaf, slot) = split(index);
        self.leaves.get(&leaf)?.get(slot)?.as_ref()
    }

    /// Enters a page where there is none.
    pub(crate) fn insert(&mut self, index: u64, frame: Frame) {
        let (leaf, slot) = split(index);
        let leaf = self.leaves.entry(leaf).or_insert_with(|| Box::new([const { None }; LEAF_PAGES as usize]));
        if let Some(place) = leaf.get_mut(slot)
            && place.replace(frame).is_none()
        {
            self.count += 1;
        }
    }

    /// Removes the pages from `first` on, up to and without `end`; returns how many there were.
    pub(crate) fn remove_range(&mut self, first: u64, end: u64) -> u64 {
        if first >= end {
            return 0;
        }
        let before = self.count;
        let mut numbers = first / LEAF_PAGES..(end - 1) / LEAF_PAGES + 1;
        while let Some((&number, leaf)) = self.leaves.range_mut(numbers.clone()).next() {
            let base = number * LEAF_PAGES;
            let inside = |slot: usize| (first..end).contains(&(base + slot as u64));
            let pages = leaf.iter_mut().enumerate().filter(|(slot, _)| inside(*slot));
            self.count -= pages.filter_map(|(_, page)| page.take()).count() as u64;
            if leaf.iter().all(Option::is_none) {
                self.leaves.remove(&number);
            }
            numbers.start = number + 1;
        }
        before - self.count
    }

    /// Finds the first page at or after `index`.
    pub(crate) fn next_page(&self, index: u64) -> Option<u64> {
        let (first_leaf, first_slot) = split(index);
        for (&number, leaf) in self.leaves.range(first_leaf..) {
            let from = if number == first_leaf { first_slot } else { 0 };
            if let Some(found) = leaf.iter().skip(from).position(Option::is_some) {
                return Some(number * LEAF_PAGES + (from + found) as u64);
            }
        }
        None
    }

    /// Finds the first index at or after `index` where there is no page.
    pub(crate) fn next_gap(&self, index: u64) -> u64 {
        let mut index = index;
        while self.get(index).is_some() {
            index += 1;
        }
        index
    }
}
