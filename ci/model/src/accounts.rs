//! Limited time on two processors: accounts that threads, lent time and timers of one are in, while the other one moves, lends,
//! takes away, limits anew or destroys them.

use ukernel_abi::invoke::{sched_context, thread, timer};
use ukernel_abi::{Call, ObjectType};
use ukernel_core::checks::moves::SUMMONS;
use ukernel_core::checks::step::{Step, TICK};
use ukernel_core::checks::world::World;

use crate::foreign::start;
use crate::processors::{arrivals, waits};
use crate::scenario::{self, ALL, BUDGET, PAUSES, call, delete, invoke, limit, mint, receive, retype, slot};

/// A thread on limited time on each processor, a server without any, and an armed timer of the second one.
pub(crate) fn world() -> World {
    let mut world = scenario::shared_table(2);
    let pins = [(0, 0), (1, 1)].map(|(thread, cpu)| invoke(0, slot::TIMES[thread], sched_context::SET_CPU, &[cpu]));
    start(&mut world, pins);
    start(&mut world, arrivals().filter(|step| step.call == SUMMONS));
    let steps = [
        retype(0, ObjectType::Timer, 0, slot::TIMER),
        mint(0, slot::NOTIFICATION, slot::FREE[0], ALL, 1),
        invoke(0, slot::TIMER, timer::BIND, &[slot::FREE[0]]),
    ];
    start(&mut world, steps);
    world.step(&receive(2, slot::ENDPOINT, slot::REPLY)).expect("waiting breaks no promise");
    let limits = [
        invoke(0, slot::TIMES[2], sched_context::UNBIND, &[]),
        limit(0, slot::TIMES[0], BUDGET, 3 * BUDGET),
        limit(0, slot::TIMES[1], BUDGET, 2 * BUDGET),
        invoke(1, slot::TIMER, timer::ARM, &[3 * BUDGET]),
    ];
    start(&mut world, limits);
    world
}

/// Time that passes while threads call, wait and yield, and each of them deals with the other's time.
pub(crate) fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = arrivals().collect();
    for ticks in PAUSES {
        steps.push(Step { call: TICK, words: [ticks, 0, 0, 0, 0], ..Step::default() });
    }
    let [first, second, third] = slot::THREADS;
    for (by, own, other, others) in [(0, 0, second, 1), (1, 1, first, 0)] {
        steps.extend([
            call(by, Call::Call, slot::ENDPOINT),
            call(by, Call::Wait, slot::NOTIFICATION),
            call(by, Call::Yield, 0),
            invoke(by, other, thread::SUSPEND, &[]),
            invoke(by, other, thread::RESUME, &[]),
            invoke(by, slot::TIMES[others], sched_context::UNBIND, &[]),
            invoke(by, slot::TIMES[others], sched_context::BIND, &[other]),
            invoke(by, slot::TIMES[others], sched_context::SET_CPU, &[own]),
            invoke(by, slot::TIMES[others], sched_context::CONSUMED, &[]),
            invoke(by, slot::TIMER, timer::ARM, &[2 * BUDGET]),
            limit(by, slot::TIMES[others], 2 * BUDGET, 2 * BUDGET),
            waits(call(by, Call::Call, slot::ENDPOINT)),
            waits(call(by, Call::Yield, 0)),
        ]);
    }
    steps.extend([
        Step { reply: slot::REPLY, endpoint: slot::ENDPOINT, ..call(2, Call::ReplyRecv, slot::REPLY) },
        call(2, Call::Yield, 0),
        invoke(0, third, thread::SUSPEND, &[]),
        invoke(0, slot::TIMES[1], sched_context::SET_CPU, &[1]),
        invoke(1, slot::TIMES[1], sched_context::SET_CPU, &[0]),
        invoke(0, slot::TIMES[1], sched_context::YIELD_TO, &[]),
        invoke(0, slot::TIMER, timer::CANCEL, &[]),
        limit(0, slot::TIMES[1], 0, 0),
        invoke(0, slot::TIMES[1], sched_context::SET_CPU, &[sched_context::ANY_CPU]),
        delete(0, slot::TIMER),
        delete(0, slot::REPLY),
        invoke(0, second, thread::SET_PRIORITY, &[2]),
    ]);
    steps
}
