//! Two processors: threads that are on both at once and act on each other; memory that is unmapped, and tables that go, while the
//! other one translates through them.
//!
//! A processor has the kernel for a whole call, but may come for it while the other has it: then its thread's call is begun, with its
//! registers stored, and whatever the other one does comes first. Between two steps a program may have touched all that it has mapped.

use ukernel_abi::invoke::{attachment, memory, sched_context, thread, vcpu};
use ukernel_abi::{Call, ObjectType, PAGE_BYTES};
use ukernel_core::checks::moves::{ENTER, FOREIGN, SUMMONS};
use ukernel_core::checks::step::{FAULT, Step};
use ukernel_core::checks::world::{VSPACE, World};

use crate::foreign::{self, LEGACY};
use crate::scenario::{self, ALL, READ, READ_WRITE, WINDOW, call, delete, invoke, receive, revoke, slot};

/// Thread 0 stays on the first processor, and thread 1, a master, on the second; thread 2 is on either.
pub(crate) fn world() -> World {
    let mut world = scenario::shared_table(2);
    let pins = [(0, 0), (1, 1)].map(|(thread, cpu)| invoke(0, slot::TIMES[thread], sched_context::SET_CPU, &[cpu]));
    foreign::start(&mut world, pins);
    foreign::start(&mut world, foreign::views(VSPACE));
    foreign::start(&mut world, foreign::master());
    world.handle_faults(world.threads[1], slot::ENDPOINT);
    for cpu in [1, 0] {
        foreign::start(&mut world, [Step { call: SUMMONS, cap: cpu, ..Step::default() }]);
    }
    world
}

/// Messages, signals, and who stops or moves whom.
fn threads() -> Vec<Step> {
    let mut steps = Vec::new();
    for thread in [0, 1, 2] {
        steps.extend([
            call(thread, Call::Call, slot::ENDPOINT),
            receive(thread, slot::ENDPOINT, slot::REPLY),
            call(thread, Call::Signal, slot::NOTIFICATION),
            call(thread, Call::Wait, slot::NOTIFICATION),
        ]);
    }
    for thread in [1, 2] {
        steps.extend([
            Step { reply: slot::REPLY, endpoint: slot::ENDPOINT, ..call(thread, Call::ReplyRecv, slot::REPLY) },
            call(thread, Call::Reply, slot::REPLY),
        ]);
    }
    for (by, whom) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 1)] {
        steps.push(invoke(by, slot::THREADS[whom], thread::SUSPEND, &[]));
    }
    for (by, whom) in [(0, 1), (0, 2), (1, 0)] {
        steps.push(invoke(by, slot::THREADS[whom], thread::RESUME, &[]));
    }
    for (thread, cpu) in [(1, 0), (1, 1), (2, 0), (2, 1), (2, sched_context::ANY_CPU), (0, 1), (0, 0)] {
        steps.push(invoke(0, slot::TIMES[thread], sched_context::SET_CPU, &[cpu]));
    }
    steps.extend([
        invoke(0, slot::TIMES[1], sched_context::UNBIND, &[]),
        invoke(0, slot::TIMES[1], sched_context::BIND, &[slot::THREADS[1]]),
        invoke(0, slot::TIMES[2], sched_context::UNBIND, &[]),
        invoke(0, slot::THREADS[1], thread::SET_PRIORITY, &[2]),
        invoke(0, slot::THREADS[1], thread::SET_PRIORITY, &[1]),
        invoke(1, slot::THREADS[2], thread::SET_PRIORITY, &[2]),
        Step { thread: 2, call: FAULT, ..Step::default() },
        invoke(2, slot::THREADS[2], thread::SET_VSPACE, &[LEGACY]),
    ]);
    steps
}

/// Memory in both VSpaces that comes and goes.
fn memory() -> Vec<Step> {
    let attach =
        |space| invoke(0, slot::MEMORY, memory::ATTACH, &[space, WINDOW, 3 * PAGE_BYTES, ALL, slot::ATTACHMENT]);
    vec![
        attach(VSPACE),
        attach(LEGACY),
        invoke(0, slot::ATTACHMENT, attachment::MAP, &[WINDOW | READ_WRITE, 1 << 40]),
        invoke(1, slot::ATTACHMENT, attachment::MAP, &[(WINDOW + PAGE_BYTES) | READ_WRITE, 0]),
        invoke(0, slot::ATTACHMENT, attachment::PROTECT, &[WINDOW | READ, 2]),
        invoke(1, slot::ATTACHMENT, attachment::UNMAP, &[WINDOW, 1]),
        invoke(0, slot::ATTACHMENT, attachment::UNMAP_ALL, &[]),
        invoke(1, slot::ATTACHMENT, attachment::DETACH, &[]),
        delete(0, slot::ATTACHMENT),
        revoke(0, slot::MEMORY),
        Step { interrupted: true, ..revoke(1, slot::MEMORY) },
        invoke(0, slot::SECOND_ATTACHMENT, attachment::DETACH, &[]),
        scenario::retype(1, ObjectType::Memory, PAGE_BYTES, slot::FREE[2]),
    ]
}

/// All of that, what a master does and has done to it, and calls that wait for the kernel.
pub(crate) fn steps() -> Vec<Step> {
    let mut steps = threads();
    steps.extend(memory());
    steps.extend(foreign::master_steps().into_iter().filter(|step| !steps.contains(step)).collect::<Vec<_>>());
    let waiting = [
        call(1, Call::Call, slot::ENDPOINT),
        receive(1, slot::ENDPOINT, slot::REPLY),
        call(1, Call::VcpuEnter, 0),
        invoke(1, slot::THREADS[0], thread::SUSPEND, &[]),
        invoke(1, slot::ATTACHMENT, attachment::UNMAP, &[WINDOW, 1]),
        call(0, Call::Call, slot::ENDPOINT),
        invoke(0, slot::THREADS[1], thread::SUSPEND, &[]),
        call(2, Call::Signal, slot::NOTIFICATION),
    ];
    steps.extend(waiting.map(waits));
    steps.extend(arrivals());
    steps
}

pub(crate) fn waits(step: Step) -> Step {
    Step { waits: true, ..step }
}

/// A processor gets the kernel, or the summons arrive.
pub(crate) fn arrivals() -> impl Iterator<Item = Step> {
    let at = |cpu| [ENTER, SUMMONS].map(|call| Step { call, cap: cpu, ..Step::default() });
    [0, 1].into_iter().flat_map(at)
}

/// Fewer calls, and so deeper: who stops, kicks, calls and moves whom while his processor waits for the kernel.
pub(crate) fn pulls() -> Vec<Step> {
    let [first, second, third] = slot::THREADS;
    let (suspend_first, suspend_second) =
        (invoke(1, first, thread::SUSPEND, &[]), invoke(0, second, thread::SUSPEND, &[]));
    let waiting = [
        call(0, Call::Call, slot::ENDPOINT),
        receive(1, slot::ENDPOINT, slot::REPLY),
        call(1, Call::VcpuEnter, 0),
        call(2, Call::Signal, slot::NOTIFICATION),
        suspend_first,
        suspend_second,
    ];
    let mut steps = Vec::from(waiting);
    steps.extend(waiting.map(waits));
    steps.extend(arrivals());
    steps.extend([
        Step { reply: slot::REPLY, endpoint: slot::ENDPOINT, ..call(1, Call::ReplyRecv, slot::REPLY) },
        Step { thread: 1, call: FOREIGN, ..Step::default() },
        call(2, Call::Call, slot::ENDPOINT),
        call(0, Call::Wait, slot::NOTIFICATION),
        invoke(0, foreign::VCPU, vcpu::KICK, &[]),
        revoke(0, foreign::STATE),
        invoke(1, first, thread::RESUME, &[]),
        invoke(0, second, thread::RESUME, &[]),
        invoke(1, third, thread::SUSPEND, &[]),
        invoke(0, third, thread::RESUME, &[]),
        invoke(0, slot::TIMES[2], sched_context::SET_CPU, &[1]),
        invoke(0, slot::TIMES[2], sched_context::SET_CPU, &[sched_context::ANY_CPU]),
        invoke(0, slot::TIMES[1], sched_context::SET_CPU, &[0]),
        invoke(0, second, thread::SET_PRIORITY, &[2]),
    ]);
    steps
}
