//! What must hold after every step; the list is in `ukernel/README.md`.

use std::collections::{HashMap, HashSet};
use std::vec::Vec;

use super::simulation::{Simulation, World};
use crate::ipc::Waiters;
use crate::scheduler::Queue;
use crate::{Cap, Endpoint, Fpu, Kernel, Notification, Ref, Reply, Slot, SlotRef, State, Thread};

/// Check all; panics with what is wrong.
pub fn check(world: &World) {
    let kernel = &world.kernel;
    let live = live_slots(world);
    derivation_tree_is_well_formed(kernel, &live);
    children_have_no_more_rights(kernel, &live);
    untyped_memory_is_in_one_object(kernel, &live);
    queues_and_states_agree(kernel);
    replies_and_callers_agree(kernel);
    foreign_threads_are_harmless(kernel);
}

/// Foreign code that can run has registers that the processor takes; floating-point state has at most one other user.
fn foreign_threads_are_harmless(kernel: &Kernel<Simulation>) {
    for (thread, t) in kernel.machine.all::<Thread>().filter(|(_, t)| t.caps > 0) {
        assert!(!t.foreign || t.state != State::Ready || crate::foreign::may_run(&t.context));
        assert!(!t.foreign || t.vcpu.is_none());
        if let Fpu::Of(holder) = t.fpu {
            assert_eq!(kernel.get(holder).fpu_user, Some(thread));
        }
        if let Some(user) = t.fpu_user {
            assert_eq!(kernel.get(user).fpu, Fpu::Of(thread));
        }
    }
}

/// Slots that hold something.
fn live_slots(world: &World) -> Vec<SlotRef> {
    let slots = world.kernel.machine.all::<Slot>();
    slots.filter(|(_, slot)| slot.cap != Cap::Null).map(|(slot, _)| slot).collect()
}

fn derivation_tree_is_well_formed(kernel: &Kernel<Simulation>, live: &[SlotRef]) {
    for slot in live {
        let s = kernel.get(*slot);
        if let Some(next) = s.next {
            assert_eq!(kernel.get(next).previous, Some(*slot));
            assert_eq!(kernel.get(next).parent, s.parent);
        }
        match (s.previous, s.parent) {
            (Some(previous), _) => assert_eq!(kernel.get(previous).next, Some(*slot)),
            (None, Some(parent)) => assert_eq!(kernel.get(parent).first_child, Some(*slot)),
            (None, None) => assert_eq!(s.next, None),
        }
        if let Some(parent) = s.parent {
            assert_ne!(kernel.get(parent).cap, Cap::Null, "a parent is a capability");
        }
    }
}

fn children_have_no_more_rights(kernel: &Kernel<Simulation>, live: &[SlotRef]) {
    for slot in live {
        let s = kernel.get(*slot);
        let Some(parent) = s.parent else { continue };
        match (kernel.get(parent).cap, s.cap) {
            (Cap::Endpoint { rights: above, endpoint: a, .. }, Cap::Endpoint { rights, endpoint: b, .. }) => {
                assert!(above.contains(rights) && a == b);
            }
            (Cap::Memory { rights: above, base: a, bytes: whole, .. }, Cap::Memory { rights, base: b, bytes, .. }) => {
                assert!(above.contains(rights) && b >= a && b.0 + bytes <= a.0 + whole);
            }
            (Cap::Notification { rights: above, .. }, Cap::Notification { rights, .. }) => {
                assert!(above.contains(rights))
            }
            _ => {}
        }
    }
}

/// No two capabilities that were carved from an untyped overlap, but copies of one object.
fn untyped_memory_is_in_one_object(kernel: &Kernel<Simulation>, live: &[SlotRef]) {
    for slot in live {
        let Cap::Untyped { base, bytes, used, .. } = kernel.get(*slot).cap else { continue };
        let mut child = kernel.get(*slot).first_child;
        let mut ranges = Vec::new();
        while let Some(at) = child {
            if let Cap::Memory { base: start, bytes, .. } | Cap::Untyped { base: start, bytes, .. } = kernel.get(at).cap
            {
                ranges.push((start.0, start.0 + bytes));
            }
            child = kernel.get(at).next;
        }
        ranges.sort_unstable();
        assert!(used <= bytes);
        assert!(ranges.iter().all(|(start, end)| *start >= base.0 && *end <= base.0 + used));
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0), "two objects share memory");
    }
}

fn members(kernel: &Kernel<Simulation>, queue: Queue) -> Vec<Ref<Thread>> {
    let (mut members, mut at, mut previous) = (Vec::new(), queue.head, None);
    while let Some(thread) = at {
        assert_eq!(kernel.get(thread).previous, previous);
        assert!(members.len() < 1000, "a queue is a circle");
        members.push(thread);
        (previous, at) = (at, kernel.get(thread).next);
    }
    assert_eq!(queue.tail, previous);
    members
}

/// Each thread is in the queue that its state says, and in no other.
fn queues_and_states_agree(kernel: &Kernel<Simulation>) {
    let mut queued = HashSet::new();
    let reachable: HashSet<u64> = reachable_objects(kernel);
    for (endpoint, ep) in kernel.machine.all::<Endpoint>().filter(|(ep, _)| reachable.contains(&ep.address())) {
        let members = members(kernel, ep.queue);
        assert_eq!(members.is_empty(), ep.waiters == Waiters::None);
        for thread in members {
            assert!(queued.insert(thread.address()));
            match kernel.get(thread).state {
                State::Sending { endpoint: at, .. } => assert!(at == endpoint && ep.waiters == Waiters::Senders),
                State::Receiving { endpoint: at, .. } => assert!(at == endpoint && ep.waiters == Waiters::Receivers),
                other => panic!("{other:?} is queued at an endpoint"),
            }
        }
    }
    for (notification, n) in kernel.machine.all::<Notification>().filter(|(n, _)| reachable.contains(&n.address())) {
        let members = members(kernel, n.queue);
        assert!(members.is_empty() || n.bits == 0, "a lost wake-up");
        for thread in members {
            assert!(queued.insert(thread.address()));
            assert_eq!(kernel.get(thread).state, State::Waiting { notification });
        }
    }
    for (thread, t) in kernel.machine.all::<Thread>().filter(|(_, t)| t.caps > 0 || t.table.is_some()) {
        let blocked = matches!(t.state, State::Sending { .. } | State::Receiving { .. } | State::Waiting { .. });
        assert_eq!(blocked, queued.contains(&thread.address()), "{:?}", t.state);
        assert_eq!(t.queued, t.runnable() && kernel.current != Some(thread));
    }
}

fn replies_and_callers_agree(kernel: &Kernel<Simulation>) {
    let reachable = reachable_objects(kernel);
    for (reply, r) in kernel.machine.all::<Reply>().filter(|(r, _)| reachable.contains(&r.address())) {
        assert!(r.caller.is_none() || r.waiter.is_none());
        if let Some(caller) = r.caller {
            assert!(matches!(kernel.get(caller).state, State::Replying { reply: at, .. } if at == reply));
        }
        if let Some(waiter) = r.waiter {
            assert!(matches!(kernel.get(waiter).state, State::Receiving { reply: Some(at), .. } if at == reply));
        }
    }
    for (thread, t) in kernel.machine.all::<Thread>() {
        if let State::Replying { reply, .. } = t.state {
            assert_eq!(kernel.get(reply).caller, Some(thread), "a caller that nobody can answer");
        }
    }
}

/// Addresses of the objects that some capability names, and a check of the counts.
fn reachable_objects(kernel: &Kernel<Simulation>) -> HashSet<u64> {
    let mut counts: HashMap<u64, u32> = HashMap::new();
    for (_, slot) in kernel.machine.all::<Slot>() {
        let address = match slot.cap {
            Cap::Endpoint { endpoint, .. } | Cap::ThreadFault { endpoint, .. } => endpoint.address(),
            Cap::Reply(reply) => reply.address(),
            Cap::Notification { notification, .. }
            | Cap::TimerTarget { notification, .. }
            | Cap::IrqTarget { notification, .. } => notification.address(),
            _ => continue,
        };
        *counts.entry(address).or_default() += 1;
    }
    for (endpoint, ep) in kernel.machine.all::<Endpoint>() {
        let count = counts.get(&endpoint.address()).copied().unwrap_or(0);
        // What is unreachable may be stale memory of an object that is gone.
        assert!(count == 0 || ep.caps == count);
    }
    counts.into_keys().collect()
}
