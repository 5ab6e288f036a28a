//! Heaps by time are in order, and no way in them is longer than the manual says.

use std::vec;
use std::vec::Vec;

use crate::checks::simulation::Simulation;
use crate::checks::{Violation, must};
use crate::heap::Due;
use crate::{Kernel, Ref};

/// All nodes of a heap, each after its parent.
pub(crate) fn nodes<T: Due>(kernel: &Kernel<Simulation>, first: Option<Ref<T>>) -> Result<Vec<Ref<T>>, Violation> {
    let mut nodes = Vec::new();
    let mut todo = vec![(None, first)];
    while let Some((parent, at)) = todo.pop() {
        let Some(node) = at else { continue };
        must!(kernel.machine.exists(node), "what is due is gone");
        let n = kernel.get(node);
        let links = n.links();
        must!(links.parent == parent, "the heap does not agree at {node:?}");
        let parent_due = parent.map_or(0, |parent| kernel.get(parent).due());
        must!(parent_due <= n.due(), "{node:?} is due before what is above it");
        let rank = |child: Option<Ref<T>>| {
            child.map_or(0, |child| if kernel.machine.exists(child) { kernel.get(child).links().rank } else { 0 })
        };
        let (left, right) = (rank(links.left), rank(links.right));
        must!(left >= right && links.rank == right + 1, "{node:?} has rank {}, over {left} and {right}", links.rank);
        nodes.push(node);
        must!(nodes.len() < 100_000, "a heap is a circle");
        todo.extend([(Some(node), links.left), (Some(node), links.right)]);
    }
    Ok(nodes)
}
