//! Processors execute the code of who runs there, through its tables, and remember nothing that is not so any more.

use crate::checks::processor::{Remembered, reachable};
use crate::checks::simulation::Simulation;
use crate::checks::{Violation, must};
use crate::{Kernel, Leaf, Machine, PhysAddr, Thread, VSpace};

pub(in crate::checks) fn check(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    for index in 0..kernel.machine.cpus() {
        let (cpu, processor) = (kernel.machine.cpu_at(index), kernel.machine.processor(index));
        must!(processor.runs == cpu.current, "processor {index} executes {:?}, not {:?}", processor.runs, cpu.current);
        let root = match cpu.current {
            Some(thread) => kernel.machine.root_of(thread),
            // Whose it was before.
            None => processor.root,
        };
        must!(processor.root == root, "processor {index} translates through {:?}, not {root:?}", processor.root);
        let active = cpu.active.filter(|active| kernel.machine.exists(*active)).map(|active| kernel.get(active));
        let lives = |v: &VSpace| v.root == root || v.legacy_root == root;
        must!(
            root == PhysAddr(0) || active.is_some_and(lives),
            "processor {index} translates through tables that are gone"
        );
        if kernel.machine.cpus() > 1 {
            nothing_is_stale(kernel, index)?;
        }
    }
    idle_ones_have_nothing_to_do(kernel)
}

/// What a processor remembers is still so, or allows less.
fn nothing_is_stale(kernel: &Kernel<Simulation>, index: usize) -> Result<(), Violation> {
    let processor = kernel.machine.processor(index);
    let now = reachable(kernel, processor.root);
    for old in &processor.remembered {
        let found = now.iter().find(|new| new.address == old.address && new.level == old.level);
        must!(found.is_some_and(|new| allows(new.entry, old)), "processor {index} remembers what is gone: {old:x?}");
    }
    Ok(())
}

fn allows(new: Leaf, old: &Remembered) -> bool {
    let old = old.entry;
    let rights = (new.writable() || !old.writable()) && (new.executable() || !old.executable());
    new.present() && new.address() == old.address() && new.is_large() == old.is_large() && rights
}

/// No processor idles while a thread waits that may run on any.
fn idle_ones_have_nothing_to_do(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    let cpus = || (0..kernel.machine.cpus()).map(|index| kernel.machine.cpu_at(index));
    let Some(idle) = cpus().find(|cpu| cpu.current.is_none() && !cpu.summoned) else { return Ok(()) };
    for (thread, t) in kernel.machine.all::<Thread>().filter(|(_, t)| t.caps > 0 && t.queued) {
        let context = t.sched_context.map(|context| kernel.get(context));
        let floats = context.is_some_and(|context| context.floating && context.limit.is_none());
        must!(!floats || kernel.machine.cpus() == 1, "processor {} idles while {thread:?} waits", idle.index);
    }
    Ok(())
}
