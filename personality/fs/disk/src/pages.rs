//! The pages of a file that are in memory: sparse, in leaves of 64, each with bits that say what is known of its pages.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use guest_memory::Frame;

const LEAF_PAGES: u64 = 64;

struct Leaf {
    frames: [Option<Frame>; LEAF_PAGES as usize],
    /// Newer than what the server has.
    dirty: u64,
    /// A process was allowed to write it through a mapping and may still do so: it may be newer at any time.
    mapped: u64,
    /// Used since it was last considered for being given back.
    recent: u64,
}

/// Dirty pages that follow one another.
pub(crate) struct Run {
    pub(crate) first: u64,
    pub(crate) frames: Vec<Frame>,
}

impl Run {
    /// The index behind its last page.
    pub(crate) const fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }
}

/// Page frames by index.
#[derive(Default)]
pub(crate) struct Pages {
    leaves: BTreeMap<u64, Box<Leaf>>,
    count: u64,
    dirty: u64,
    /// Where the search for pages to give back goes on.
    hand: u64,
}

const fn split(index: u64) -> (u64, usize) {
    (index / LEAF_PAGES, (index % LEAF_PAGES) as usize)
}

/// Bits of the pages of leaf `number` that lie in `first..end`.
const fn mask(number: u64, first: u64, end: u64) -> u64 {
    let base = number * LEAF_PAGES;
    let from = first.saturating_sub(base);
    let to = end.saturating_sub(base);
    let to = if to > LEAF_PAGES { LEAF_PAGES } else { to };
    if from >= to { 0 } else { (u64::MAX >> (LEAF_PAGES - (to - from))) << from }
}

/// The set bits' positions, lowest first.
fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = set.trailing_zeros();
        set &= set.wrapping_sub(1);
        (bit < u64::BITS).then_some(bit as usize)
    })
}

impl Leaf {
    const fn new() -> Self {
        Self { frames: [const { None }; LEAF_PAGES as usize], dirty: 0, mapped: 0, recent: 0 }
    }

    /// Takes the pages of `set` out; how many there were, and how many of them dirty.
    fn take(&mut self, set: u64) -> (u64, u64) {
        let taken = bits(set).filter_map(|slot| self.frames.get_mut(slot)?.take()).count() as u64;
        let dirty = (self.dirty & set).count_ones().into();
        self.dirty &= !set;
        self.mapped &= !set;
        self.recent &= !set;
        (taken, dirty)
    }

    fn frame(&self, slot: usize) -> Option<&Frame> {
        self.frames.get(slot)?.as_ref()
    }
}

impl Pages {
    /// How many pages there are.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// How many of them are dirty.
    pub(crate) const fn dirty(&self) -> u64 {
        self.dirty
    }

    /// The page at an index, without a trace.
    pub(crate) fn peek(&self, index: u64) -> Option<&Frame> {
        let (leaf, slot) = split(index);
        self.leaves.get(&leaf)?.frame(slot)
    }

    /// The page at an index, which counts as used.
    pub(crate) fn get(&mut self, index: u64) -> Option<&Frame> {
        let (leaf, slot) = split(index);
        let leaf = self.leaves.get_mut(&leaf)?;
        leaf.recent |= 1 << slot;
        leaf.frame(slot)
    }

    /// Enters a page where there is none.
    pub(crate) fn insert(&mut self, index: u64, frame: Frame) {
        let (leaf, slot) = split(index);
        let leaf = self.leaves.entry(leaf).or_insert_with(|| Box::new(Leaf::new()));
        leaf.recent |= 1 << slot;
        if let Some(place) = leaf.frames.get_mut(slot)
            && place.replace(frame).is_none()
        {
            self.count += 1;
        }
    }

    /// Makes a page that is there dirty; whether it was not.
    pub(crate) fn mark_dirty(&mut self, index: u64) -> bool {
        let (leaf, slot) = split(index);
        let Some(leaf) = self.leaves.get_mut(&leaf).filter(|leaf| leaf.frame(slot).is_some()) else { return false };
        let is_new = leaf.dirty & 1 << slot == 0;
        leaf.dirty |= 1 << slot;
        self.dirty += u64::from(is_new);
        is_new
    }

    /// Notes that a process may write a page through a mapping from now on.
    pub(crate) fn mark_mapped(&mut self, index: u64) {
        let (leaf, slot) = split(index);
        if let Some(leaf) = self.leaves.get_mut(&leaf) {
            leaf.mapped |= 1 << slot;
        }
    }

    /// Whether a process may write any page through a mapping.
    pub(crate) fn has_mapped(&self) -> bool {
        self.leaves.values().any(|leaf| leaf.mapped != 0)
    }

    /// Makes all pages dirty that a process may have written through a mapping, and forgets that about those that nobody
    /// else refers to any more; how many became dirty.
    pub(crate) fn dirty_mapped(&mut self) -> u64 {
        let mut new = 0;
        for leaf in self.leaves.values_mut().filter(|leaf| leaf.mapped != 0) {
            new += u64::from((leaf.mapped & !leaf.dirty).count_ones());
            leaf.dirty |= leaf.mapped;
            for slot in bits(leaf.mapped) {
                if leaf.frame(slot).is_none_or(|frame| frame.refcount() == 1) {
                    leaf.mapped &= !(1 << slot);
                }
            }
        }
        self.dirty += new;
        new
    }

    /// Makes all pages dirty that a process may have written through a mapping, and forgets that it may: somebody takes
    /// care that it asks again. How many there were.
    pub(crate) fn take_mapped(&mut self) -> u64 {
        let mut taken = 0;
        for leaf in self.leaves.values_mut() {
            taken += u64::from(leaf.mapped.count_ones());
            self.dirty += u64::from((leaf.mapped & !leaf.dirty).count_ones());
            leaf.dirty |= leaf.mapped;
            leaf.mapped = 0;
        }
        taken
    }

    /// Takes dirty pages at or after `from`, at most `limit` in at most `most_runs` runs; they are clean from now on.
    pub(crate) fn take_dirty(&mut self, from: u64, limit: usize, most_runs: usize) -> Vec<Run> {
        let (mut runs, mut from, mut left) = (Vec::new(), from, limit);
        while left > 0 && runs.len() < most_runs {
            let Some(run) = self.take_dirty_run(from, left) else { break };
            (from, left) = (run.end(), left - run.frames.len());
            runs.push(run);
        }
        runs
    }

    fn take_dirty_run(&mut self, from: u64, limit: usize) -> Option<Run> {
        let (first_leaf, _) = split(from);
        let found = self.leaves.range(first_leaf..).find_map(|(&number, leaf)| {
            let set = leaf.dirty & mask(number, from, u64::MAX);
            (set != 0).then(|| number * LEAF_PAGES + u64::from(set.trailing_zeros()))
        });
        let mut run = Run { first: found?, frames: Vec::new() };
        while run.frames.len() < limit {
            let (leaf, slot) = split(run.end());
            let Some(leaf) = self.leaves.get_mut(&leaf).filter(|leaf| leaf.dirty & 1 << slot != 0) else { break };
            let Some(frame) = leaf.frame(slot).cloned() else { break };
            leaf.dirty &= !(1 << slot);
            self.dirty -= 1;
            run.frames.push(frame);
        }
        Some(run)
    }

    /// Whether a dirty page lies at or after `index`.
    pub(crate) fn dirty_from(&self, index: u64) -> u64 {
        let (first_leaf, _) = split(index);
        let leaves = self.leaves.range(first_leaf..);
        leaves.map(|(&number, leaf)| u64::from((leaf.dirty & mask(number, index, u64::MAX)).count_ones())).sum()
    }

    /// Removes the pages from `first` on, up to and without `end`.
    pub(crate) fn remove_range(&mut self, first: u64, end: u64) {
        if first >= end {
            return;
        }
        let mut numbers = first / LEAF_PAGES..(end - 1) / LEAF_PAGES + 1;
        while let Some((&number, leaf)) = self.leaves.range_mut(numbers.clone()).next() {
            let (taken, dirty) = leaf.take(mask(number, first, end));
            self.count -= taken;
            self.dirty -= dirty;
            if leaf.frames.iter().all(Option::is_none) {
                self.leaves.remove(&number);
            }
            numbers.start = number + 1;
        }
    }

    /// Gives back up to `wanted` pages that are clean, that nobody else refers to, and that were not used since the last
    /// time they were considered; how many.
    pub(crate) fn give_back(&mut self, wanted: usize) -> usize {
        let mut given = 0;
        let numbers: Vec<u64> = self.leaves.range(self.hand..).map(|(&number, _)| number).collect();
        for number in numbers {
            if given >= wanted {
                self.hand = number;
                return given;
            }
            let Some(leaf) = self.leaves.get_mut(&number) else { continue };
            let candidates = !(leaf.dirty | leaf.mapped | leaf.recent);
            leaf.recent = 0;
            let free = bits(candidates).filter(|&slot| leaf.frame(slot).is_some_and(|frame| frame.refcount() == 1));
            let set = free.fold(0, |set, slot| set | 1 << slot);
            let (taken, _) = leaf.take(set);
            self.count -= taken;
            given += taken as usize;
            if leaf.frames.iter().all(Option::is_none) {
                self.leaves.remove(&number);
            }
        }
        self.hand = 0;
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Frame {
        Frame::alloc_zeroed().expect("memory")
    }

    #[test]
    fn dirty_pages_come_in_runs_across_leaves() {
        let mut pages = Pages::default();
        for index in [3, 62, 63, 64, 65, 200] {
            pages.insert(index, page());
        }
        [3, 62, 63, 64, 200].iter().for_each(|&index| assert!(pages.mark_dirty(index)));
        assert!(!pages.mark_dirty(3) && !pages.mark_dirty(4));
        assert_eq!((pages.count(), pages.dirty(), pages.dirty_from(63)), (6, 5, 3));
        let shape = |runs: Vec<Run>| runs.iter().map(|run| (run.first, run.frames.len())).collect::<Vec<_>>();
        assert_eq!(shape(pages.take_dirty(4, 64, 1)), [(62, 3)]);
        assert_eq!(shape(pages.take_dirty(65, 64, 1)), [(200, 1)]);
        assert_eq!(shape(pages.take_dirty(0, 64, 8)), [(3, 1)]);
        assert_eq!(shape(pages.take_dirty(0, 64, 8)), []);
        assert_eq!(pages.dirty(), 0);
        [3, 62, 63, 64, 200].iter().for_each(|&index| assert!(pages.mark_dirty(index)));
        assert_eq!(shape(pages.take_dirty(0, 3, 8)), [(3, 1), (62, 2)], "as many pages as may be");
        assert_eq!(shape(pages.take_dirty(0, 64, 8)), [(64, 1), (200, 1)]);
    }

    #[test]
    fn only_idle_clean_pages_are_given_back() {
        let mut pages = Pages::default();
        (0..100).for_each(|index| pages.insert(index, page()));
        pages.mark_dirty(1);
        pages.mark_mapped(2);
        let held = pages.peek(3).cloned();
        assert_eq!(pages.give_back(1000), 0, "all were used a moment ago");
        pages.get(4);
        assert_eq!(pages.give_back(1000), 96);
        assert!((1..5).all(|index| pages.peek(index).is_some()));
        drop(held);
        assert_eq!(pages.give_back(1000), 2);
        assert_eq!((pages.count(), pages.dirty_mapped(), pages.dirty()), (2, 1, 2));
        assert_eq!(pages.give_back(1000), 0);
    }

    #[test]
    fn ranges_go_as_a_whole() {
        let mut pages = Pages::default();
        (0..300).for_each(|index| pages.insert(index, page()));
        pages.mark_dirty(10);
        pages.mark_dirty(250);
        pages.remove_range(5, 200);
        assert_eq!((pages.count(), pages.dirty()), (105, 1));
        pages.remove_range(0, u64::MAX);
        assert_eq!((pages.count(), pages.dirty()), (0, 0));
    }
}
