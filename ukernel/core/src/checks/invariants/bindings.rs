//! What threads are bound to: time, Vcpus, address spaces; each binding is known at both ends.

use crate::checks::invariants::heap;
use crate::checks::simulation::Simulation;
use crate::checks::{Violation, must};
use crate::{Kernel, Machine, Reply, SchedContext, Thread, Timer, VSpace, Vcpu};

pub(in crate::checks) fn check(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    let machine = &kernel.machine;
    for (context, c) in machine.all::<SchedContext>().filter(|(_, c)| c.caps > 0) {
        if let Some(thread) = c.thread {
            must!(machine.exists(thread), "{context:?} is the time of a thread that is gone");
            must!(kernel.get(thread).sched_context == Some(context), "{thread:?} does not know its time {context:?}");
        }
    }
    for (thread, t) in machine.all::<Thread>().filter(|(_, t)| t.caps > 0) {
        if let Some(context) = t.sched_context {
            must!(machine.exists(context), "{thread:?} runs on time that is gone");
            must!(kernel.get(context).thread == Some(thread), "{context:?} is used by two");
        }
        if let Some(vcpu) = t.vcpu {
            must!(machine.exists(vcpu) && kernel.get(vcpu).thread == Some(thread), "{vcpu:?} is not {thread:?}'s");
        }
        let root = t.vspace.map_or(crate::PhysAddr(0), |vspace| {
            let v = kernel.get(vspace);
            if t.foreign { v.legacy_root } else { v.root }
        });
        must!(t.root == root, "{thread:?} runs under a root that is not its VSpace's");
    }
    for (vcpu, v) in machine.all::<Vcpu>().filter(|(_, v)| v.caps > 0) {
        if let Some(thread) = v.thread {
            must!(machine.exists(thread) && kernel.get(thread).vcpu == Some(vcpu), "{thread:?} does not know {vcpu:?}");
        }
    }
    lent_time_comes_back(kernel)?;
    timers_are_in_order(kernel)?;
    vspaces_know_their_threads(kernel)
}

/// Time that is lent is known at both ends: a context has a stack of the calls that it was lent for.
fn lent_time_comes_back(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    let mut loans = 0;
    for (context, c) in kernel.machine.all::<SchedContext>().filter(|(_, c)| c.caps > 0) {
        let mut at = c.lent;
        while let Some(reply) = at {
            must!(kernel.machine.exists(reply), "{context:?} was lent for a call whose Reply is gone");
            let r = kernel.get(reply);
            must!(r.donated == Some(context), "{reply:?} does not know that it has {context:?} to give back");
            must!(r.caller.is_some(), "{reply:?} has time to give back to nobody");
            (at, loans) = (r.outer, loans + 1);
            must!(loans < 1000, "a stack of loans is a circle");
        }
    }
    let donated = kernel.machine.all::<Reply>().filter(|(_, r)| r.caps > 0 && r.donated.is_some()).count();
    must!(donated == loans, "{donated} Replies have time to give back, {loans} are known");
    Ok(())
}

fn timers_are_in_order(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    let mut count = 0;
    for index in 0..kernel.machine.cpus() {
        let cpu = kernel.machine.cpu_at(index);
        for timer in heap::nodes(kernel, cpu.timers)? {
            let t = kernel.get(timer);
            must!(t.armed && t.cpu == cpu.index, "{timer:?} is not armed here, but in the heap");
            let target = t.target.is_some_and(|(notification, _)| kernel.machine.exists(notification));
            must!(target, "{timer:?} is armed, with nobody to signal");
            count += 1;
        }
    }
    let armed = kernel.machine.all::<Timer>().filter(|(_, t)| t.caps > 0 && t.armed).count();
    must!(armed == count, "{armed} timers are armed, {count} are in a heap");
    Ok(())
}

fn vspaces_know_their_threads(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    let mut listed = 0;
    for (vspace, v) in kernel.machine.all::<VSpace>().filter(|(_, v)| v.caps > 0) {
        let (mut at, mut previous) = (v.threads, None);
        while let Some(thread) = at {
            must!(kernel.machine.exists(thread), "{vspace:?} lists a thread that is gone");
            let t = kernel.get(thread);
            let agrees = t.vspace == Some(vspace) && t.vspace_previous == previous;
            must!(agrees, "{vspace:?} lists {thread:?}, which does not know");
            (previous, at, listed) = (at, t.vspace_next, listed + 1);
            must!(listed < 1000, "a list of threads is a circle");
        }
    }
    let threads = kernel.machine.all::<Thread>().filter(|(_, t)| t.caps > 0 && t.vspace.is_some()).count();
    must!(threads == listed, "{threads} threads have a VSpace, {listed} are listed");
    Ok(())
}
