//! Each object's count of capabilities is right, and what a capability names exists.

use std::vec::Vec;

use crate::checks::simulation::Simulation;
use crate::checks::{Violation, must};
use crate::{
    Attachment, Cap, CapTable, Endpoint, IoMapping, IoSpace, Irq, Kernel, Notification, Object, Reply, SchedContext,
    Slot, Thread, Timer, VSpace, Vcpu,
};

pub(in crate::checks) fn check(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    let mut named: Vec<u64> = kernel.machine.all::<Slot>().filter_map(|(_, slot)| object_of(slot.cap)).collect();
    named.sort_unstable();
    counts_are_right::<CapTable>(kernel, &named, |object| object.caps)?;
    counts_are_right::<Thread>(kernel, &named, |object| object.caps)?;
    counts_are_right::<VSpace>(kernel, &named, |object| object.caps)?;
    counts_are_right::<Endpoint>(kernel, &named, |object| object.caps)?;
    counts_are_right::<Reply>(kernel, &named, |object| object.caps)?;
    counts_are_right::<Notification>(kernel, &named, |object| object.caps)?;
    counts_are_right::<SchedContext>(kernel, &named, |object| object.caps)?;
    counts_are_right::<Timer>(kernel, &named, |object| object.caps)?;
    counts_are_right::<Vcpu>(kernel, &named, |object| object.caps)?;
    counts_are_right::<Attachment>(kernel, &named, |object| object.caps)?;
    counts_are_right::<Irq>(kernel, &named, |object| object.caps)?;
    counts_are_right::<IoSpace>(kernel, &named, |object| object.caps)?;
    counts_are_right::<IoMapping>(kernel, &named, |object| object.caps)?;
    let objects = kernel.machine.extents();
    for address in named {
        let exists = objects.binary_search_by_key(&address, |(start, _)| *start).is_ok();
        must!(exists, "a capability names {address:x}, where no object is");
    }
    Ok(())
}

/// The object that a capability keeps alive.
fn object_of(cap: Cap) -> Option<u64> {
    Some(match cap {
        Cap::CapTable(table) | Cap::ThreadTable { table, .. } => table.address(),
        Cap::Thread(thread) => thread.address(),
        Cap::VSpace(vspace) | Cap::ThreadVSpace { vspace, .. } => vspace.address(),
        Cap::VSpaceMaster { master, .. } => master.address(),
        Cap::Endpoint { endpoint, .. } | Cap::ThreadFault { endpoint, .. } | Cap::ThreadTimeout { endpoint, .. } => {
            endpoint.address()
        }
        Cap::Reply(reply) => reply.address(),
        Cap::Notification { notification, .. }
        | Cap::IoFaultTarget { notification, .. }
        | Cap::TimerTarget { notification, .. }
        | Cap::IrqTarget { notification, .. } => notification.address(),
        Cap::SchedContext(context) => context.address(),
        Cap::Timer(timer) => timer.address(),
        Cap::Vcpu(vcpu) => vcpu.address(),
        Cap::Attachment(attachment) => attachment.address(),
        Cap::Irq(irq) => irq.address(),
        Cap::IoSpace(space) => space.address(),
        Cap::IoMapping(mapping) => mapping.address(),
        _ => return None,
    })
}

fn counts_are_right<T: Object>(
    kernel: &Kernel<Simulation>,
    named: &[u64],
    caps: fn(&T) -> u32,
) -> Result<(), Violation> {
    for (at, object) in kernel.machine.all::<T>() {
        let first = named.partition_point(|address| *address < at.address());
        let count = named[first..].partition_point(|address| *address == at.address());
        // What no capability names may be memory of an object that is gone.
        must!(count == 0 || caps(object) as usize == count, "{at:?} counts {}, {count} name it", caps(object));
    }
    Ok(())
}
