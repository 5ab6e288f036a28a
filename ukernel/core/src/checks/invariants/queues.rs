//! Threads are in the queues that their states say, and nobody sleeps through what he waits for.

use std::vec::Vec;

use crate::checks::simulation::Simulation;
use crate::checks::{Violation, must};
use crate::ipc::Waiters;
use crate::run_queue::Queue;
use crate::{Cpu, Endpoint, Kernel, Machine, Notification, Object, Ref, Reply, State, Thread};

pub(in crate::checks) fn check(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    let mut waiting = Vec::new();
    endpoints(kernel, &mut waiting)?;
    notifications(kernel, &mut waiting)?;
    waiting.sort_unstable();
    must!(waiting.windows(2).all(|pair| pair[0] != pair[1]), "a thread waits in two queues");
    let mut ready = Vec::new();
    for index in 0..kernel.machine.cpus() {
        run_queues(kernel, kernel.machine.cpu_at(index), &mut ready)?;
    }
    ready.sort_unstable();
    threads(kernel, &waiting, &ready)?;
    for index in 0..kernel.machine.cpus() {
        who_runs(kernel, kernel.machine.cpu_at(index))?;
    }
    replies(kernel)
}

/// A processor's run queues have threads of their priority that run there.
fn run_queues(kernel: &Kernel<Simulation>, cpu: &Cpu, ready: &mut Vec<u64>) -> Result<(), Violation> {
    for (priority, queue) in cpu.run_queues.queues.iter().enumerate().filter(|(_, queue)| **queue != Queue::default()) {
        for thread in members(kernel, *queue)? {
            let t = kernel.get(thread);
            must!(usize::from(t.priority) == priority, "{thread:?} is in another priority's run queue");
            must!(t.home == cpu.index, "{thread:?} is in the run queue of processor {}, not {}", cpu.index, t.home);
            ready.push(thread.address());
        }
    }
    Ok(())
}

/// Who runs on a processor is of the highest priority that can, unless the processor is about to choose anew.
fn who_runs(kernel: &Kernel<Simulation>, cpu: &Cpu) -> Result<(), Violation> {
    let highest = cpu.run_queues.highest();
    match cpu.current {
        Some(current) => {
            let t = kernel.get(current);
            must!(t.runnable(), "the running thread cannot run");
            must!(t.home == cpu.index || cpu.summoned, "{current:?} runs on processor {}, not {}", cpu.index, t.home);
            must!(cpu.summoned || i32::from(t.priority) >= highest, "a thread of higher priority waits");
        }
        None => must!(cpu.summoned || highest < 0, "nobody runs, though threads could"),
    }
    Ok(())
}

/// The threads in a queue, whose links agree both ways.
fn members(kernel: &Kernel<Simulation>, queue: Queue) -> Result<Vec<Ref<Thread>>, Violation> {
    let (mut members, mut at, mut previous) = (Vec::new(), queue.head, None);
    while let Some(thread) = at {
        must!(kernel.machine.exists(thread), "{thread:?} is queued and gone");
        must!(kernel.get(thread).previous == previous, "the queue's links at {thread:?} do not agree");
        must!(members.len() < 1000, "a queue is a circle");
        members.push(thread);
        (previous, at) = (at, kernel.get(thread).next);
    }
    must!(queue.tail == previous, "a queue's tail is not its last thread");
    Ok(members)
}

fn endpoints(kernel: &Kernel<Simulation>, waiting: &mut Vec<u64>) -> Result<(), Violation> {
    for (endpoint, ep) in kernel.machine.all::<Endpoint>().filter(|(_, ep)| ep.caps > 0 || ep.is_unfinished()) {
        let members = members(kernel, ep.queue)?;
        must!(members.is_empty() == (ep.waiters == Waiters::None), "{endpoint:?} does not know whether somebody waits");
        for thread in members {
            let fits = match kernel.get(thread).state {
                State::Sending { endpoint: at, .. } => at == endpoint && ep.waiters == Waiters::Senders,
                State::Receiving { endpoint: at, .. } => at == endpoint && ep.waiters == Waiters::Receivers,
                _ => false,
            };
            must!(fits, "{thread:?} is queued at {endpoint:?} and {:?}", kernel.get(thread).state);
            waiting.push(thread.address());
        }
    }
    Ok(())
}

fn notifications(kernel: &Kernel<Simulation>, waiting: &mut Vec<u64>) -> Result<(), Violation> {
    for (notification, n) in kernel.machine.all::<Notification>().filter(|(_, n)| n.caps > 0 || n.is_unfinished()) {
        let members = members(kernel, n.queue)?;
        must!(members.is_empty() || n.bits == 0, "a lost wake-up: threads wait at {notification:?}, which has bits");
        for thread in members {
            let state = kernel.get(thread).state;
            must!(state == State::Waiting { notification }, "{thread:?} is queued at {notification:?} and {state:?}");
            waiting.push(thread.address());
        }
        if let Some(thread) = n.bound {
            must!(kernel.machine.exists(thread), "{notification:?} is bound to a thread that is gone");
            let t = kernel.get(thread);
            must!(t.bound == Some(notification), "{thread:?} does not know that {notification:?} is bound to it");
            let sleeps = n.bits != 0 && matches!(t.state, State::Receiving { .. });
            must!(!sleeps, "a lost wake-up: {thread:?} receives, and its bound notification has bits");
        }
    }
    Ok(())
}

/// Each thread is where its state says, and nowhere else.
fn threads(kernel: &Kernel<Simulation>, waiting: &[u64], ready: &[u64]) -> Result<(), Violation> {
    let runs = |thread| (0..kernel.machine.cpus()).any(|index| kernel.machine.cpu_at(index).current == Some(thread));
    for (thread, t) in kernel.machine.all::<Thread>().filter(|(_, t)| t.caps > 0) {
        let blocked = matches!(t.state, State::Sending { .. } | State::Receiving { .. } | State::Waiting { .. });
        let (waits, queued) =
            (waiting.binary_search(&thread.address()).is_ok(), ready.binary_search(&thread.address()).is_ok());
        must!(blocked == waits, "{thread:?} is {:?}, but that it is in a waiting queue is {waits}", t.state);
        must!(t.queued == queued, "{thread:?} does not know whether it is in a run queue");
        let should = t.runnable() && !runs(thread);
        must!(queued == should, "{thread:?} is {:?}; in a run queue: {queued}", t.state);
        if let Some(notification) = t.bound {
            must!(kernel.machine.exists(notification), "{thread:?} is bound to a notification that is gone");
            must!(kernel.get(notification).bound == Some(thread), "{notification:?} is not bound to {thread:?}");
        }
    }
    Ok(())
}

/// A Reply object's caller waits for it, and a caller waits for one that holds it.
fn replies(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    for (reply, r) in kernel.machine.all::<Reply>().filter(|(_, r)| r.caps > 0) {
        must!(r.caller.is_none() || r.waiter.is_none(), "{reply:?} is reserved twice");
        if let Some(caller) = r.caller {
            let waits = matches!(kernel.get(caller).state, State::Replying { reply: at, .. } if at == reply);
            must!(waits, "{caller:?} does not wait for {reply:?}, which holds it");
        }
        if let Some(waiter) = r.waiter {
            let waits = matches!(kernel.get(waiter).state, State::Receiving { reply: Some(at), .. } if at == reply);
            must!(waits, "{waiter:?} does not receive with {reply:?}, which it reserved");
        }
    }
    for (thread, t) in kernel.machine.all::<Thread>().filter(|(_, t)| t.caps > 0) {
        match t.state {
            State::Replying { reply, .. } => {
                let held = kernel.machine.exists(reply) && kernel.get(reply).caller == Some(thread);
                must!(held, "nobody can answer {thread:?}");
            }
            State::Receiving { reply: Some(reply), .. } => {
                let reserved = kernel.machine.exists(reply) && kernel.get(reply).waiter == Some(thread);
                must!(reserved, "{thread:?} receives with {reply:?}, which is not reserved for it");
            }
            _ => {}
        }
    }
    Ok(())
}
