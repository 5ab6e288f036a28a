//! Who gets which processor, where that is left to the kernel. The processors are an emulator's that takes them in turn and counts
//! their instructions, so that shares mean something: a thread that spins gives the emulator's turn to the next processor
//! with each `pause`.

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_abi::Rights;
use ukernel_abi::boot::slot;
use ukernel_user::{Cap, Log, Notification, SchedContext, Thread, Timer};

use super::Test;
use crate::machine::now;
use crate::master::sleep;
use crate::world::World;
use crate::{Failure, Outcome, check};

/// Name and function of each test.
pub const ALL: &[(&str, Test)] = &[
    ("four_busy_threads_get_a_quarter_each", four_busy_threads_get_a_quarter_each),
    ("no_processor_idles_while_threads_wait", no_processor_idles_while_threads_wait),
    ("no_processor_idles_while_sleepers_come_and_go", no_processor_idles_while_sleepers_come_and_go),
    ("what_idles_now_is_told", what_idles_now_is_told),
    ("a_thread_that_blocks_lets_another_have_its_processor", a_thread_that_blocks_lets_another_have_its_processor),
    ("a_pinned_thread_stays", a_pinned_thread_stays),
];

static COUNTS: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];

fn counts() -> [u64; 8] {
    COUNTS.each_ref().map(|count| count.load(Ordering::SeqCst))
}

/// What each has counted since.
fn progress(before: [u64; 8]) -> [u64; 8] {
    let mut progress = counts();
    progress.iter_mut().zip(before).for_each(|(count, before)| *count -= before);
    progress
}

extern "C" fn keep_counting(index: u64) -> ! {
    loop {
        COUNTS[index as usize].fetch_add(1, Ordering::SeqCst);
        for _ in 0..50 {
            core::hint::black_box(index);
        }
        core::hint::spin_loop();
    }
}

/// Threads that count from now on.
fn busy(world: &mut World, indices: core::ops::Range<u64>) -> Outcome {
    for index in indices.clone() {
        world.thread(10, Cap::NULL, keep_counting, index)?.resume()?;
    }
    let before = counts();
    while indices.clone().any(|index| counts()[index as usize] == before[index as usize]) {
        sleep(world, 1)?;
    }
    Ok(())
}

fn four_busy_threads_get_a_quarter_each(world: &mut World) -> Outcome {
    check!(world.cpus == 4);
    busy(world, 0..4)?;
    let before = counts();
    sleep(world, 20)?;
    let done = progress(before);
    let all: u64 = done.iter().sum();
    // 25 +- 5 %.
    check!(done[..4].iter().all(|count| (all / 5..=all * 3 / 10).contains(count)));
    Ok(())
}

/// Lets the threads go on for 60 ms, in which no processor may idle for more than a tenth; what each has counted.
fn without_idling(world: &mut World) -> Result<[u64; 8], Failure> {
    let log = Cap::<Log>::new(slot::LOG);
    let (before, idle, start) = (counts(), log.idle()?, now());
    sleep(world, 60)?;
    let (done, all) = (progress(before), 4 * (now() - start));
    check!((log.idle()? - idle) * 10 <= all);
    Ok(done)
}

fn no_processor_idles_while_threads_wait(world: &mut World) -> Outcome {
    busy(world, 0..6)?;
    let done = without_idling(world)?;
    // Nobody is forgotten, either: fairly shared it would be a sixth of all.
    let most: u64 = done.iter().sum();
    check!(done[..6].iter().all(|count| *count >= most / 16));
    Ok(())
}

/// Sleeps for part of a millisecond, again and again. The argument: its number and what wakes it.
extern "C" fn keep_sleeping(what: u64) -> ! {
    let (index, timer) = (what & 7, Cap::<Timer>::new(what >> 3 & 0xffff));
    let (notification, pause) = (Cap::<Notification>::new(what >> 19 & 0xffff), what >> 35);
    loop {
        COUNTS[index as usize].fetch_add(1, Ordering::SeqCst);
        let _ = timer.arm(now() + pause);
        let _ = notification.wait();
    }
}

/// Five threads that are always ready, and three more urgent ones that are for a moment every now and then, wherever that is.
fn no_processor_idles_while_sleepers_come_and_go(world: &mut World) -> Outcome {
    busy(world, 0..5)?;
    for index in 5..8 {
        let (notification, timer) = (world.make::<Notification>()?, world.make::<Timer>()?);
        timer.bind(world.mint(notification, Rights::SEND, 1)?)?;
        let what = index | timer.slot() << 3 | notification.slot() << 19 | (world.tsc_hz / 10_000 * index) << 35;
        world.thread(20, Cap::NULL, keep_sleeping, what)?.resume()?;
    }
    sleep(world, 1)?;
    let done = without_idling(world)?;
    // Each sleeps 0.5 to 0.7 ms at a time, and is not kept waiting long.
    check!(done[5..].iter().all(|count| *count >= 40));
    let most: u64 = done[..5].iter().sum();
    check!(done[..5].iter().all(|count| *count >= most / 14));
    Ok(())
}

/// Of four processors two have something to do: the others' idle time is told while it goes on.
fn what_idles_now_is_told(world: &mut World) -> Outcome {
    let log = Cap::<Log>::new(slot::LOG);
    busy(world, 0..1)?;
    let (mut idle, mut time) = (log.idle()?, now());
    for _ in 0..5 {
        // This thread computes, too, and wakes nobody.
        while now() - time < world.tsc_hz / 200 {
            core::hint::spin_loop();
        }
        let (later_idle, later) = (log.idle()?, now());
        let share = (later_idle - idle) * 100 / (later - time);
        check!((180..=220).contains(&share));
        (idle, time) = (later_idle, later);
    }
    Ok(())
}

extern "C" fn count_and_wait(notification: u64) -> ! {
    loop {
        COUNTS[7].fetch_add(1, Ordering::SeqCst);
        let _ = Cap::<Notification>::new(notification).wait();
    }
}

/// One more thread than processors, which only blocks: the others have all of their time but what it needs.
fn a_thread_that_blocks_lets_another_have_its_processor(world: &mut World) -> Outcome {
    let notification = world.make::<Notification>()?;
    let send = world.mint(notification, Rights::SEND, 1)?;
    busy(world, 0..4)?;
    world.thread(20, Cap::NULL, count_and_wait, notification.slot())?.resume()?;
    let before = counts();
    for _ in 0..20 {
        let woken = counts()[7];
        send.signal()?;
        sleep(world, 1)?;
        check!(counts()[7] > woken);
    }
    let done = progress(before);
    let all: u64 = done[..4].iter().sum();
    check!(done[..4].iter().all(|count| (all / 5..=all * 3 / 10).contains(count)));
    Ok(())
}

/// Two threads of one processor share it, though others are idle.
fn a_pinned_thread_stays(world: &mut World) -> Outcome {
    let pinned = |world: &mut World, index| -> Result<Cap<Thread>, Failure> {
        let thread = world.thread(10, Cap::NULL, keep_counting, index)?;
        // `World::thread` makes the time last.
        Cap::<SchedContext>::new(world.slot() - 1).set_cpu(1)?;
        thread.resume()?;
        Ok(thread)
    };
    for index in 0..2 {
        pinned(world, index)?;
    }
    busy(world, 2..3)?;
    let before = counts();
    sleep(world, 60)?;
    let done = progress(before);
    let both = done[0] + done[1];
    check!(both * 10 >= done[2] * 8 && both * 10 <= done[2] * 12);
    Ok(())
}
