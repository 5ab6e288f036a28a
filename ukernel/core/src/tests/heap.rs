//! Heaps by time against a sorted set.

use std::collections::BTreeSet;
use std::vec::Vec;

use proptest::prelude::*;

use crate::checks::invariants::heap::nodes;
use crate::checks::world::World;
use crate::heap::Due;
use crate::{Machine, PhysAddr, Ref, Timer};

/// Where the timers of these tests are, one behind the other.
const AT: u64 = 0x100_0000;

/// A heap of timers that exist for it alone.
struct Heap {
    world: World,
    timers: Vec<Ref<Timer>>,
    first: Option<Ref<Timer>>,
    /// When each that is in it is due, and its index.
    expected: BTreeSet<(u64, usize)>,
}

impl Heap {
    fn new(timers: u64) -> Self {
        let mut world = World::new();
        let create = |index| world.kernel.machine.create(PhysAddr(AT + index * 128), Timer::new());
        let timers = (0..timers).map(create).collect();
        Self { world, timers, first: None, expected: BTreeSet::new() }
    }

    /// Add a timer that is due then, or take it out if it is there.
    fn change(&mut self, index: usize, due: u64) {
        let timer = self.timers[index];
        let old = (self.world.kernel.get(timer).due(), index);
        if self.expected.remove(&old) {
            self.first = self.world.kernel.heap_remove(self.first, timer);
        } else {
            self.world.kernel.get_mut(timer).deadline = due;
            self.first = self.world.kernel.heap_add(self.first, timer);
            self.expected.insert((due, index));
        }
    }

    /// Take out what is due first; when that was.
    fn take(&mut self) -> Option<u64> {
        let first = self.first?;
        let due = self.world.kernel.get(first).due();
        let index = self.timers.iter().position(|timer| *timer == first).expect("one of them");
        self.change(index, 0);
        Some(due)
    }

    fn check(&self) {
        let nodes = match nodes(&self.world.kernel, self.first) {
            Ok(nodes) => nodes,
            Err(violation) => panic!("{violation}"),
        };
        let all: BTreeSet<_> = nodes.iter().map(|timer| timer.address()).collect();
        let expected: BTreeSet<_> = self.expected.iter().map(|(_, index)| self.timers[*index].address()).collect();
        assert_eq!(all, expected);
        let due = |timer: Ref<Timer>| self.world.kernel.get(timer).due();
        assert_eq!(self.first.map(due), self.expected.first().map(|(due, _)| *due));
        let rank = self.first.map_or(0, |first| self.world.kernel.get(first).links().rank);
        assert!(1u64 << rank <= nodes.len() as u64 + 1, "rank {rank} of {} nodes", nodes.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Each change of a timer takes it out if it is in.
    #[test]
    fn a_heap_is_a_sorted_set(changes in prop::collection::vec((0..40usize, 0..60u64), 1..200)) {
        let mut heap = Heap::new(40);
        for (index, due) in changes {
            heap.change(index, due);
            heap.check();
        }
        let order: Vec<_> = core::iter::from_fn(|| heap.take()).collect();
        prop_assert!(order.is_sorted());
        heap.check();
    }
}

/// Ascending, descending and in turns: orders that are unfavourable for one tree or another.
#[test]
fn no_order_makes_a_heap_slow() {
    const COUNT: u64 = 2000;
    let orders: [fn(u64) -> u64; 3] = [|i| i, |i| COUNT - i, |i| if i % 2 == 0 { i } else { 2 * COUNT - i }];
    for order in orders {
        let mut heap = Heap::new(COUNT);
        for index in 0..COUNT {
            heap.change(index as usize, order(index));
        }
        heap.check();
        // All but every seventh, from the middle of it.
        for index in (0..COUNT as usize).filter(|index| index % 7 != 0) {
            heap.change(index, 0);
        }
        heap.check();
        let taken: Vec<_> = core::iter::from_fn(|| heap.take()).collect();
        assert!(taken.is_sorted() && taken.len() as u64 == COUNT.div_ceil(7));
    }
}
