//! Budgets are conserved, nobody runs without time, and the timer comes for whatever is due.

use crate::checks::invariants::heap;
use crate::checks::simulation::Simulation;
use crate::checks::{Violation, must};
use crate::cpu::{Cpu, NOWHERE};
use crate::refills::{Refill, Refills};
use crate::{Kernel, Machine, PhysAddr, Ref, SchedContext, Thread};

pub(in crate::checks) fn check(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    let now = kernel.machine.now;
    for (context, c) in kernel.machine.all::<SchedContext>().filter(|(_, c)| c.caps > 0) {
        must!(c.limit.is_some() || !c.waiting, "{context:?} is unlimited and waits for a refill");
        if let Some(limit) = &c.limit {
            conserved(context, limit, now)?;
            must!(c.waiting || limit.ready(now), "{context:?} has no time, and nobody gives it some");
        }
    }
    for (thread, t) in kernel.machine.all::<Thread>().filter(|(_, t)| t.caps > 0) {
        let (mut home, mut fast_home) = (NOWHERE, NOWHERE);
        if let Some(context) = t.sched_context.filter(|_| t.root != PhysAddr(0)) {
            let c = kernel.get(context);
            home = if c.waiting { NOWHERE } else { c.cpu };
            fast_home = if c.limit.is_some() || t.foreign { NOWHERE } else { c.cpu };
            must!(t.limited == c.limit.is_some(), "{thread:?} believes that its time is limited: {}", t.limited);
        }
        must!(t.home == home, "{thread:?} believes that it can run on processor {}, not {home}", t.home);
        must!(t.fast_home == fast_home, "{thread:?} believes in a fast path on {}, not {fast_home}", t.fast_home);
    }
    let mut waiting = 0;
    for index in 0..kernel.machine.cpus() {
        let cpu = kernel.machine.cpu_at(index);
        waiting += waiting_in_order(kernel, cpu)?;
        if !cpu.summoned {
            running_time_is_counted(kernel, cpu)?;
        }
    }
    let all = kernel.machine.all::<SchedContext>().filter(|(_, c)| c.caps > 0 && c.waiting).count();
    must!(waiting == all, "{all} contexts wait for a refill, {waiting} are listed");
    Ok(())
}

impl Refills {
    /// All of them, the first first.
    pub(crate) fn all(&self) -> &[Refill] {
        &self.list[..self.count]
    }
}

/// The refills are the budget, ascending, none of them empty, and none further away than time can come back.
fn conserved(context: Ref<SchedContext>, limit: &Refills, now: u64) -> Result<(), Violation> {
    let refills = limit.all();
    let total: u64 = refills.iter().map(|refill| refill.amount).sum();
    must!(total == limit.budget, "{context:?} has a budget of {} and refills of {total}: {refills:?}", limit.budget);
    let ordered = refills.windows(2).all(|pair| pair[0].time + pair[0].amount <= pair[1].time);
    must!(ordered, "refills of {context:?} overlap: {refills:?}");
    must!(limit.first().amount >= limit.least, "{context:?} begins with a crumb: {refills:?}");
    let far = refills.iter().any(|refill| refill.amount == 0 || refill.time > now + 2 * limit.period);
    must!(!far, "{context:?} has a refill that is empty or too far away: {refills:?}");
    Ok(())
}

/// Those that wait in a processor's heap are its own, and do wait.
fn waiting_in_order(kernel: &Kernel<Simulation>, cpu: &Cpu) -> Result<usize, Violation> {
    let nodes = heap::nodes(kernel, cpu.account.waiting)?;
    for context in &nodes {
        let c = kernel.get(*context);
        must!(c.waiting && c.cpu == cpu.index, "{context:?} does not wait here, but is in the heap");
    }
    Ok(nodes.len())
}

/// Who runs on limited time is charged, and the timer is set for the end of it, the first refill and the first deadline.
fn running_time_is_counted(kernel: &Kernel<Simulation>, cpu: &Cpu) -> Result<(), Violation> {
    let context = cpu.current.and_then(|thread| kernel.get(thread).sched_context);
    let limited = context.filter(|context| kernel.get(*context).limit.is_some());
    must!(cpu.account.charged == limited, "{:?} is charged, not {limited:?}", cpu.account.charged);
    let deadline = cpu.timers.map_or(u64::MAX, |timer| kernel.get(timer).deadline);
    let due = deadline.min(kernel.first_refill(cpu)).min(kernel.budget_end(cpu));
    must!(cpu.programmed <= due, "the timer is set to {}, {due} would be due", cpu.programmed);
    Ok(())
}
