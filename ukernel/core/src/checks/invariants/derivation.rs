//! The derivation tree: well-formed, and nobody has more than his parent.

use crate::checks::simulation::Simulation;
use crate::checks::{Violation, must};
use crate::{Cap, Kernel, Slot, SlotRef};

pub(in crate::checks) fn check(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    for (at, slot) in kernel.machine.all::<Slot>() {
        if slot.cap == Cap::Null {
            let linked = slot.parent.is_some() || slot.first_child.is_some() || slot.next.or(slot.previous).is_some();
            must!(!linked, "empty slot {at:?} is linked");
            continue;
        }
        links_agree(kernel, at, slot)?;
        if let Some(parent) = slot.parent {
            must!(kernel.machine.exists(parent), "the parent of {at:?} is gone");
            let above = above_husks(kernel, parent);
            must!(derives(above, slot.cap), "{at:?} has {:?}, which is no child of {above:?}", slot.cap);
            is_below_a_root(kernel, at)?;
        }
        if let Cap::Untyped { .. } = slot.cap {
            children_share_no_memory(kernel, slot)?;
            what_is_cleared_is_zeros(kernel, slot.cap)?;
        }
    }
    Ok(())
}

/// What an untyped has cleared ahead and not given out has no words but zeros.
fn what_is_cleared_is_zeros(kernel: &Kernel<Simulation>, cap: Cap) -> Result<(), Violation> {
    let Cap::Untyped { base, used, cleared, .. } = cap else { return Ok(()) };
    let ahead = base.0 + used..base.0 + u64::from(cleared) * ukernel_abi::object::SLOT_BYTES;
    let mut found = None;
    if !ahead.is_empty() {
        kernel.machine.all_words(|address, _| found = found.or(ahead.contains(&address).then_some(address)));
    }
    must!(found.is_none(), "{cap:?} says that {found:x?} is cleared");
    Ok(())
}

/// The capability in a slot; for a husk, which has the children of what was moved, that of its parent: what was moved, or its
/// parent.
fn above_husks(kernel: &Kernel<Simulation>, mut at: SlotRef) -> Cap {
    while kernel.cap(at) == Cap::Husk
        && let Some(parent) = kernel.get(at).parent
    {
        at = parent;
    }
    kernel.cap(at)
}

/// The links of a slot and those of its neighbours say the same.
fn links_agree(kernel: &Kernel<Simulation>, at: SlotRef, slot: &Slot) -> Result<(), Violation> {
    for other in [slot.next, slot.previous, slot.first_child].into_iter().flatten() {
        must!(kernel.machine.exists(other), "{at:?} is linked to {other:?}, which is gone");
        must!(kernel.cap(other) != Cap::Null, "{at:?} is linked to {other:?}, which is empty");
    }
    if let Some(next) = slot.next {
        let next = kernel.get(next);
        must!(next.previous == Some(at) && next.parent == slot.parent, "the sibling behind {at:?} does not know it");
    }
    if let Some(child) = slot.first_child {
        let child = kernel.get(child);
        must!(child.parent == Some(at) && child.previous.is_none(), "the first child of {at:?} does not know it");
    }
    match (slot.previous, slot.parent) {
        (Some(previous), _) => {
            must!(kernel.get(previous).next == Some(at), "the sibling before {at:?} does not know it")
        }
        (None, Some(parent)) => {
            must!(kernel.machine.exists(parent), "the parent of {at:?} is gone");
            must!(kernel.get(parent).first_child == Some(at), "the parent of {at:?} does not know it");
        }
        (None, None) => must!(slot.next.is_none(), "root {at:?} has siblings"),
    }
    Ok(())
}

/// Going up from a slot comes to an end.
fn is_below_a_root(kernel: &Kernel<Simulation>, from: SlotRef) -> Result<(), Violation> {
    let mut at = Some(from);
    for _ in 0..10_000 {
        let Some(slot) = at else { return Ok(()) };
        at = kernel.get(slot).parent;
    }
    Err(Violation(std::format!("{from:?} is its own ancestor")))
}

/// Whether `below` may be a child of `above`: to the same or a smaller thing, with no more rights.
fn derives(above: Cap, below: Cap) -> bool {
    use Cap::{Endpoint, IoPorts, Memory, Notification, Untyped};
    match (above, below) {
        (_, Cap::Husk) | (Cap::Husk, _) => true,
        // One that is being deleted or revoked has given its memory up.
        (Untyped { bytes: 0, .. }, _) => true,
        (Untyped { base, bytes, used, .. }, Memory { base: b, bytes: n, .. } | Untyped { base: b, bytes: n, .. }) => {
            b >= base && b.0 + n <= base.0 + used.min(bytes)
        }
        // Whatever else comes from an untyped; where its memory is, `spaces` looks at.
        (Untyped { .. }, _) => true,
        (Endpoint { endpoint: a, badge: old, rights: r }, Endpoint { endpoint: b, badge, rights }) => {
            a == b && r.contains(rights) && (old == 0 || old == badge)
        }
        (Notification { notification: a, badge: old, rights: r }, Notification { notification: b, badge, rights }) => {
            a == b && r.contains(rights) && (old == 0 || old == badge)
        }
        (Memory { base: a, bytes: m, rights: r, device: d }, Memory { base: b, bytes: n, rights, device }) => {
            b >= a && b.0 + n <= a.0 + m && r.contains(rights) && d == device
        }
        (IoPorts { first: a, last: z }, IoPorts { first, last }) => first >= a && last <= z,
        (
            Endpoint { endpoint: a, badge: old, .. },
            Cap::ThreadFault { endpoint: b, badge, .. } | Cap::ThreadTimeout { endpoint: b, badge, .. },
        ) => a == b && old == badge,
        (
            Notification { notification: a, .. },
            Cap::TimerTarget { notification: b, .. }
            | Cap::IrqTarget { notification: b, .. }
            | Cap::IoFaultTarget { notification: b, .. },
        ) => a == b,
        (
            Memory { .. },
            Cap::AttachedMemory(_) | Cap::IoMapped(_) | Cap::ThreadPage(_) | Cap::VcpuState(_) | Cap::TraceMemory,
        ) => true,
        (Cap::CapTable(a), Cap::ThreadTable { table: b, .. }) => a == b,
        (Cap::VSpace(a), Cap::ThreadVSpace { vspace: b, .. } | Cap::VSpaceMaster { master: b, .. }) => a == b,
        (a, b) => a == b,
    }
}

/// The untypeds made of an untyped are disjoint, from each other and from memory.
fn children_share_no_memory(kernel: &Kernel<Simulation>, untyped: &Slot) -> Result<(), Violation> {
    let mut ranges = std::vec::Vec::new();
    let mut todo = std::vec::Vec::from_iter(untyped.first_child);
    while let Some(at) = todo.pop() {
        match kernel.cap(at) {
            Cap::Husk => todo.extend(kernel.get(at).first_child),
            Cap::Untyped { base, bytes, .. } => ranges.push((base.0, base.0 + bytes, true)),
            // Parts of one Memory may overlap: its children become the untyped's when it is deleted.
            Cap::Memory { base, bytes, .. } => ranges.push((base.0, base.0 + bytes, false)),
            _ => {}
        }
        todo.extend(kernel.get(at).next);
    }
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        let raw = pair[0].2 || pair[1].2;
        must!(pair[0].1 <= pair[1].0 || !raw, "untyped memory at {:x} is in two places", pair[1].0);
    }
    Ok(())
}
