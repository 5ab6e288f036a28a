//! Notifications, timers, priorities.

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_abi::{Error, Rights};
use ukernel_user::{Cap, Endpoint, Notification, Reply, Thread, Timer, yield_now};

use crate::machine::now;
use crate::world::World;
use crate::{Outcome, check};

static SEEN: AtomicU64 = AtomicU64::new(0);
static COUNTS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
static STOP: AtomicU64 = AtomicU64::new(0);

pub fn bits_accumulate(world: &mut World) -> Outcome {
    let notification = world.make::<Notification>()?;
    check!(notification.poll() == Err(Error::WouldBlock));
    for badge in [1, 4, 4] {
        world.mint(notification, Rights::SEND, badge)?.signal()?;
    }
    check!(notification.wait()? == 5);
    check!(notification.poll() == Err(Error::WouldBlock));
    Ok(())
}

extern "C" fn wait_and_note(notification: u64) -> ! {
    loop {
        let bits = Cap::<Notification>::new(notification).wait().unwrap_or(0);
        SEEN.fetch_add(bits, Ordering::SeqCst);
    }
}

pub fn a_waiter_is_woken(world: &mut World) -> Outcome {
    SEEN.store(0, Ordering::SeqCst);
    let notification = world.make::<Notification>()?;
    let badged = world.mint(notification, Rights::SEND, 2)?;
    world.thread(255, Cap::NULL, wait_and_note, notification.slot())?.resume()?;
    for round in 1..=10 {
        badged.signal()?;
        check!(SEEN.load(Ordering::SeqCst) == 2 * round);
    }
    Ok(())
}

pub fn bound_notifications_reach_receivers(world: &mut World) -> Outcome {
    let (notification, endpoint) = (world.make::<Notification>()?, world.make::<Endpoint>()?);
    let badged = world.mint(notification, Rights::SEND, 8)?;
    let own: Cap<Thread> = Cap::new(ukernel_abi::boot::slot::THREAD);
    own.bind_notification(notification)?;
    check!(own.bind_notification(notification) == Err(Error::InvalidState));
    badged.signal()?;
    let incoming = endpoint.receive(Cap::<Reply>::NULL)?;
    check!((incoming.badge, incoming.info.length()) == (8, 0));
    own.bind_notification(Cap::NULL)?;
    badged.signal()?;
    check!(endpoint.try_receive(Cap::NULL) == Err(Error::WouldBlock));
    Ok(())
}

pub fn timers_signal(world: &mut World) -> Outcome {
    let (notification, timer) = (world.make::<Notification>()?, world.make::<Timer>()?);
    check!(timer.arm(now()) == Err(Error::InvalidState));
    let badged = world.mint(notification, Rights::SEND, 1)?;
    timer.bind(badged)?;
    let deadline = now() + world.tsc_hz / 100;
    timer.arm(deadline)?;
    check!(notification.poll() == Err(Error::WouldBlock));
    check!(notification.wait()? == 1);
    check!(now() >= deadline);
    timer.arm(now() + world.tsc_hz / 100)?;
    timer.cancel()?;
    timer.arm(0)?;
    check!(notification.poll()? == 1);
    Ok(())
}

pub fn timers_signal_in_order_of_time(world: &mut World) -> Outcome {
    let notification = world.make::<Notification>()?;
    let start = now();
    for (badge, hundredths) in [(1, 3), (2, 1), (4, 2)] {
        let badged = world.mint(notification, Rights::SEND, badge)?;
        let timer = world.make::<Timer>()?;
        timer.bind(badged)?;
        timer.arm(start + hundredths * world.tsc_hz / 50)?;
    }
    for expected in [2, 4, 1] {
        check!(notification.wait()? == expected);
    }
    Ok(())
}

extern "C" fn count(index: u64) -> ! {
    loop {
        COUNTS[index as usize].fetch_add(1, Ordering::SeqCst);
        if STOP.load(Ordering::SeqCst) != 0 {
            yield_now();
        }
    }
}

pub fn equal_priorities_share_the_processor(world: &mut World) -> Outcome {
    for counter in &COUNTS {
        counter.store(0, Ordering::SeqCst);
    }
    let (notification, timer) = (world.make::<Notification>()?, world.make::<Timer>()?);
    let badged = world.mint(notification, Rights::SEND, 1)?;
    timer.bind(badged)?;
    for index in 0..2 {
        world.thread(10, Cap::NULL, count, index)?.resume()?;
    }
    timer.arm(now() + world.tsc_hz / 10)?;
    notification.wait()?;
    let counts = [COUNTS[0].load(Ordering::SeqCst), COUNTS[1].load(Ordering::SeqCst)];
    check!(counts[0] > 0 && counts[1] > 0);
    check!(counts[0] / 8 < counts[1] && counts[1] / 8 < counts[0]);
    Ok(())
}

pub fn higher_priorities_run_first(world: &mut World) -> Outcome {
    for counter in &COUNTS {
        counter.store(0, Ordering::SeqCst);
    }
    let (notification, timer) = (world.make::<Notification>()?, world.make::<Timer>()?);
    let badged = world.mint(notification, Rights::SEND, 1)?;
    timer.bind(badged)?;
    world.thread(10, Cap::NULL, count, 0)?.resume()?;
    world.thread(11, Cap::NULL, count, 1)?.resume()?;
    timer.arm(now() + world.tsc_hz / 50)?;
    notification.wait()?;
    check!(COUNTS[0].load(Ordering::SeqCst) == 0);
    check!(COUNTS[1].load(Ordering::SeqCst) > 0);
    Ok(())
}
