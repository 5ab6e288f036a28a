//! Limited processor time: budgets, timeouts, lent time, and who may give which priority.
//!
//! The emulator counts instructions, so how long a thread ran is exact; what is allowed above a budget is what it takes to
//! enter the kernel.

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_abi::{Error, MessageInfo, Rights, fault};
use ukernel_user::object::TimeLimit;
use ukernel_user::{Cap, Endpoint, Notification, Reply, SchedContext, Thread, yield_now};

use crate::master::sleep;
use crate::world::World;
use crate::{Failure, Outcome, check};

const MS: u64 = 1_000_000;
/// What the threads of a test count, and what they need to know.
static COUNTS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

fn counted(index: usize) -> u64 {
    COUNTS[index].load(Ordering::SeqCst)
}

fn reset(values: [u64; 4]) {
    for (count, value) in COUNTS.iter().zip(values) {
        count.store(value, Ordering::SeqCst);
    }
}

extern "C" fn spin(index: u64) -> ! {
    loop {
        COUNTS[index as usize].fetch_add(1, Ordering::SeqCst);
    }
}

fn limit(budget_ns: u64, period_ns: u64, data: u64) -> TimeLimit {
    TimeLimit { budget_ns, period_ns, refills: 4, data }
}

/// A thread and its time.
fn limited(
    world: &mut World,
    priority: u8,
    limit: &TimeLimit,
    main: extern "C" fn(u64) -> !,
    argument: u64,
) -> Result<(Cap<Thread>, Cap<SchedContext>), Failure> {
    let thread = world.thread(priority, Cap::NULL, main, argument)?;
    // The last object that `thread` made is its scheduling context.
    let time: Cap<SchedContext> = Cap::new(world.slot() - 1);
    time.configure(limit)?;
    Ok((thread, time))
}

pub fn a_budget_limits_what_a_thread_uses(world: &mut World) -> Outcome {
    reset([0; 4]);
    let (greedy, time) = limited(world, 20, &limit(MS, 10 * MS, 0), spin, 0)?;
    world.thread(10, Cap::NULL, spin, 1)?.resume()?;
    greedy.resume()?;
    sleep(world, 99)?;
    let used = time.consumed()?;
    check!((99 * MS / 10..101 * MS / 10).contains(&used));
    // The other had the rest.
    check!(counted(0) > 0 && counted(1) > 8 * counted(0) && counted(1) < 10 * counted(0));
    // It is told once.
    check!(time.consumed()? == 0);
    time.unlimit()?;
    check!(time.consumed() == Err(Error::InvalidState));
    let before = counted(1);
    sleep(world, 20)?;
    check!(counted(1) <= before + 1);
    Ok(())
}

pub fn a_refill_preempts_who_is_less_urgent(world: &mut World) -> Outcome {
    reset([0; 4]);
    let (urgent, time) = limited(world, 20, &limit(MS, 5 * MS, 0), spin, 0)?;
    world.thread(10, Cap::NULL, spin, 1)?.resume()?;
    urgent.resume()?;
    for _ in 0..3 {
        sleep(world, 4)?;
        let before = [counted(0), counted(1)];
        sleep(world, 4)?;
        check!(counted(0) > before[0] && counted(1) > before[1]);
    }
    check!(time.consumed()? >= 4 * MS);
    Ok(())
}

extern "C" fn yield_and_count(_: u64) -> ! {
    loop {
        COUNTS[0].fetch_add(1, Ordering::SeqCst);
        yield_now();
    }
}

pub fn yielding_waits_for_the_next_refill(world: &mut World) -> Outcome {
    reset([0; 4]);
    let (periodic, time) = limited(world, 20, &limit(MS, 5 * MS, 0), yield_and_count, 0)?;
    periodic.resume()?;
    sleep(world, 52)?;
    check!((10..=12).contains(&counted(0)));
    check!(time.consumed()? < MS / 2);
    Ok(())
}

pub fn a_timeout_reaches_the_handler(world: &mut World) -> Outcome {
    reset([0; 4]);
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    let timeouts = world.mint(endpoint, Rights::SEND, 5)?;
    let (thread, time) = limited(world, 20, &limit(2 * MS, 50 * MS, 77), spin, 0)?;
    thread.set_timeout(timeouts)?;
    thread.resume()?;
    let incoming = endpoint.receive(reply)?;
    check!((incoming.badge, incoming.info) == (5, MessageInfo::new(fault::TIMEOUT, fault::TIMEOUT_WORDS)));
    check!(incoming.words[fault::WORD_DATA] == 77);
    let used = incoming.words[fault::WORD_CONSUMED_NS];
    check!((2 * MS..2 * MS + MS / 50).contains(&used));
    // It has no time before its refill, unless the handler gives it some.
    let before = counted(0);
    reply.reply(MessageInfo::new(fault::RESUME, 0), &[0; 6])?;
    sleep(world, 20)?;
    check!(counted(0) == before);
    let _ = endpoint.receive(reply)?;
    check!(counted(0) > before);
    time.unlimit()?;
    let before = counted(0);
    reply.reply(MessageInfo::new(fault::RESUME, 0), &[0; 6])?;
    sleep(world, 5)?;
    check!(counted(0) > before);
    Ok(())
}

pub fn an_unresumed_timeout_stops_the_thread(world: &mut World) -> Outcome {
    reset([0; 4]);
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    let (thread, _) = limited(world, 20, &limit(MS, 2 * MS, 0), spin, 0)?;
    thread.set_timeout(endpoint)?;
    thread.resume()?;
    endpoint.receive(reply)?;
    reply.reply(MessageInfo::new(1, 0), &[0; 6])?;
    let before = counted(0);
    sleep(world, 10)?;
    check!(counted(0) == before && thread.read_registers()?.state == 0);
    // With the endpoint gone it waits for its refills.
    thread.resume()?;
    world.table.revoke(endpoint.slot())?;
    world.table.delete(endpoint.slot())?;
    sleep(world, 10)?;
    check!(counted(0) > before && thread.read_registers()?.state == 1);
    Ok(())
}

/// Serves at an endpoint and spins in each call for as long as word 0 says: slots of endpoint and Reply in `COUNTS`.
extern "C" fn serve(_: u64) -> ! {
    let (endpoint, reply) = (Cap::<Endpoint>::new(counted(2)), Cap::<Reply>::new(counted(3)));
    let mut incoming = endpoint.receive(reply);
    loop {
        for _ in 0..incoming.map_or(0, |incoming| incoming.words[0]) {
            COUNTS[0].fetch_add(1, Ordering::SeqCst);
        }
        incoming = endpoint.reply_receive(reply, MessageInfo::new(0, 0), &[0; 6], reply);
    }
}

/// A server without time of its own that waits for calls.
fn passive_server(world: &mut World, priority: u8) -> Result<Cap<Thread>, Failure> {
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    reset([0, 0, endpoint.slot(), reply.slot()]);
    let server = world.thread(priority, Cap::NULL, serve, 0)?;
    let time: Cap<SchedContext> = Cap::new(world.slot() - 1);
    server.resume()?;
    sleep(world, 1)?;
    time.unbind()?;
    Ok(server)
}

extern "C" fn call_for_long(endpoint: u64) -> ! {
    loop {
        let _ = Cap::<Endpoint>::new(endpoint).call(MessageInfo::new(0, 1), &[u64::MAX, 0, 0, 0, 0, 0]);
        COUNTS[1].fetch_add(1, Ordering::SeqCst);
    }
}

pub fn passive_servers_use_their_callers_budget(world: &mut World) -> Outcome {
    let server = passive_server(world, 200)?;
    let (timeouts, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    server.set_timeout(timeouts)?;
    let endpoint = counted(2);
    let (client, time) = limited(world, 20, &limit(2 * MS, 100 * MS, 9), call_for_long, endpoint)?;
    client.resume()?;
    // The server is stopped, and told whose time it was.
    let incoming = timeouts.receive(reply)?;
    check!(incoming.words[fault::WORD_DATA] == 9);
    check!(incoming.words[fault::WORD_CONSUMED_NS] >= 2 * MS);
    check!(counted(0) > 0 && counted(1) == 0);
    check!(client.read_registers()?.state == 2 && server.read_registers()?.state == 2);
    // The handler answers the client in the server's place: its time goes back to it, used up.
    Cap::<Reply>::new(counted(3)).reply(MessageInfo::new(0, 0), &[0; 6])?;
    check!(counted(1) == 0);
    time.unlimit()?;
    sleep(world, 1)?;
    check!(counted(1) == 1);
    Ok(())
}

extern "C" fn call_shortly(endpoint: u64) -> ! {
    let _ = Cap::<Endpoint>::new(endpoint).call(MessageInfo::new(0, 1), &[1_000_000, 0, 0, 0, 0, 0]);
    COUNTS[1].fetch_add(counted(0), Ordering::SeqCst);
    crate::world::park()
}

pub fn a_server_on_lent_time_keeps_its_priority(world: &mut World) -> Outcome {
    passive_server(world, 200)?;
    let endpoint = counted(2);
    world.thread(10, Cap::NULL, call_shortly, endpoint)?.resume()?;
    let done = world.make::<Notification>()?;
    // The client is less urgent than this one, the server that works for it is more so.
    extern "C" fn stop_others(notification: u64) -> ! {
        let _ = Cap::<Notification>::new(notification).wait();
        loop {
            core::hint::spin_loop();
        }
    }
    let rival = world.thread(100, Cap::NULL, stop_others, done.slot())?;
    rival.resume()?;
    // Some way into the call.
    let signal = world.mint(done, Rights::SEND, 1)?;
    while counted(0) == 0 {
        sleep(world, 1)?;
    }
    check!(counted(0) < 1_000_000);
    signal.signal()?;
    sleep(world, 50)?;
    // The answer is there, but the client does not run.
    check!(counted(0) == 1_000_000 && counted(1) == 0);
    rival.suspend()?;
    sleep(world, 1)?;
    check!(counted(1) == 1_000_000);
    Ok(())
}

pub fn limits_are_checked(world: &mut World) -> Outcome {
    let time = world.make::<SchedContext>()?;
    for (budget, period) in [(1, 2), (MS, 0), (0, MS), (2 * MS, MS), (MS, u64::MAX), (9_999, MS)] {
        check!(time.configure(&limit(budget, period, 0)) == Err(Error::InvalidArgument));
    }
    for refills in [0, 1, 9] {
        let wrong = TimeLimit { refills, ..limit(MS, 2 * MS, 0) };
        check!(time.configure(&wrong) == Err(Error::InvalidArgument));
    }
    check!(time.consumed() == Err(Error::InvalidState));
    check!(time.yield_to() == Err(Error::InvalidState));
    time.configure(&limit(MS, MS, 0))?;
    check!(time.consumed()? == 0);
    Ok(())
}

extern "C" fn count_and_park(index: u64) -> ! {
    COUNTS[index as usize].fetch_add(1, Ordering::SeqCst);
    crate::world::park()
}

pub fn yield_to_runs_another_at_once(world: &mut World) -> Outcome {
    reset([0; 4]);
    let mut times = [Cap::<SchedContext>::NULL; 2];
    for (index, time) in times.iter_mut().enumerate() {
        // Of the test's own priority.
        let thread = world.thread(254, Cap::NULL, count_and_park, index as u64)?;
        *time = Cap::new(world.slot() - 1);
        thread.resume()?;
    }
    check!([counted(0), counted(1)] == [0, 0]);
    times[1].yield_to()?;
    check!(counted(1) == 1);
    yield_now();
    check!(counted(0) == 1);
    Ok(())
}

/// What a thread with a limited maximum may do, as codes: slot of the thread that it tries things with.
extern "C" fn try_priorities(thread: u64) -> ! {
    let thread: Cap<Thread> = Cap::new(thread);
    let expected = [
        thread.set_priority(51) == Err(Error::InsufficientRights),
        thread.set_max_priority(51) == Err(Error::InsufficientRights),
        thread.set_priority(50) == Ok(()),
        thread.set_max_priority(50) == Ok(()),
        Cap::<Thread>::new(counted(1)).set_max_priority(255) == Err(Error::InsufficientRights),
    ];
    COUNTS[0].store(expected.iter().filter(|right| **right).count() as u64, Ordering::SeqCst);
    crate::world::park()
}

pub fn priorities_are_given_up_to_the_maximum(world: &mut World) -> Outcome {
    let other = world.make::<Thread>()?;
    let thread = world.thread(255, Cap::NULL, try_priorities, other.slot())?;
    reset([0, thread.slot(), 0, 0]);
    thread.set_max_priority(50)?;
    thread.resume()?;
    check!(counted(0) == 5);
    Ok(())
}
