//! What one processor does, from another: faults, bound notifications, timeouts, timers and interrupts. Nothing depends on how fast
//! the processors are.

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_abi::boot::slot;
use ukernel_abi::{Error, MessageInfo, PAGE_BYTES, Rights, fault};
use ukernel_user::object::TimeLimit;
use ukernel_user::{Cap, Endpoint, Irq, IrqControl, Memory, Notification, Reply, SchedContext, Timer};

use crate::edu::{Behind, Edu};
use crate::machine::{now, peek, poke};
use crate::world::{PLAYGROUND, World, park};
use crate::{Outcome, check};

const READ_WRITE: Rights = Rights::READ.or(Rights::WRITE);

/// What the threads of a test need to know.
static SHARED: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

fn shared(index: usize) -> u64 {
    SHARED[index].load(Ordering::SeqCst)
}

fn share(index: usize, value: u64) {
    SHARED[index].store(value, Ordering::SeqCst);
}

/// Signal the notification in the first shared slot.
fn tell() {
    let _ = Cap::<Notification>::new(shared(0)).signal();
}

/// A notification that threads signal with [`tell`].
fn told(world: &mut World) -> Result<Cap<Notification>, Error> {
    let notification = world.make::<Notification>()?;
    share(0, world.mint(notification, Rights::SEND, 1)?.slot());
    Ok(notification)
}

extern "C" fn touch(address: u64) -> ! {
    poke(address, 4711);
    tell();
    park()
}

/// Each fault is told and resumed across processors.
pub(super) fn faults_are_handled_from_elsewhere(world: &mut World) -> Outcome {
    let (endpoint, reply, told) = (world.make::<Endpoint>()?, world.make::<Reply>()?, told(world)?);
    let faults = world.mint(endpoint, Rights::SEND, 21)?;
    let threads = world.cpus - 1;
    for index in 0..threads {
        world.thread(10, faults, touch, PLAYGROUND + index * PAGE_BYTES)?.resume()?;
    }
    for _ in 0..threads {
        let fault = endpoint.receive(reply)?;
        check!((fault.badge, fault.words[fault::WORD_VECTOR]) == (21, 14));
        let memory = world.make_sized::<Memory>(PAGE_BYTES)?;
        world.map(world.vspace, memory, fault.words[fault::WORD_ADDRESS], READ_WRITE)?;
        reply.reply(MessageInfo::new(fault::RESUME, 0), &[0; 6])?;
        told.wait()?;
    }
    check!((0..threads).all(|index| peek(PLAYGROUND + index * PAGE_BYTES) == 4711));
    Ok(())
}

extern "C" fn receive_bits(endpoint: u64) -> ! {
    loop {
        let incoming = Cap::<Endpoint>::new(endpoint).receive(Cap::NULL);
        share(1, shared(1) + incoming.map_or(1000, |incoming| incoming.badge));
        tell();
    }
}

pub(super) fn bound_notifications_reach_receivers_elsewhere(world: &mut World) -> Outcome {
    share(1, 0);
    let (bound, endpoint, told) = (world.make::<Notification>()?, world.make::<Endpoint>()?, told(world)?);
    let badged = world.mint(bound, Rights::SEND, 8)?;
    let thread = world.thread(10, Cap::NULL, receive_bits, endpoint.slot())?;
    thread.bind_notification(bound)?;
    thread.resume()?;
    for round in 1..=20 {
        badged.signal()?;
        told.wait()?;
        check!(shared(1) == 8 * round);
    }
    Ok(())
}

extern "C" fn spin(_: u64) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

/// A thread elsewhere that uses up its budget is told of; stopped then, it runs no more.
pub(super) fn timeouts_reach_handlers_elsewhere(world: &mut World) -> Outcome {
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    let timeouts = world.mint(endpoint, Rights::SEND, 5)?;
    let thread = world.thread(10, Cap::NULL, spin, 0)?;
    // The last object that `thread` made is its scheduling context.
    let time: Cap<SchedContext> = Cap::new(world.slot() - 1);
    time.configure(&TimeLimit { budget_ns: 1_000_000, period_ns: 3_000_000, refills: 2, data: 77 })?;
    thread.set_timeout(timeouts)?;
    thread.resume()?;
    for _ in 0..5 {
        let incoming = endpoint.receive(reply)?;
        check!((incoming.badge, incoming.info) == (5, MessageInfo::new(fault::TIMEOUT, fault::TIMEOUT_WORDS)));
        check!(incoming.words[fault::WORD_DATA] == 77);
        reply.reply(MessageInfo::new(fault::RESUME, 0), &[0; 6])?;
    }
    endpoint.receive(reply)?;
    reply.reply(MessageInfo::new(1, 0), &[0; 6])?;
    check!(thread.read_registers()?.state == 0);
    Ok(())
}

extern "C" fn arm_and_wait(timer: u64) -> ! {
    let (timer, notification) = (Cap::<Timer>::new(timer), Cap::<Notification>::new(shared(1)));
    loop {
        let _ = timer.arm(now() + 10_000);
        let _ = notification.wait();
        tell();
    }
}

/// Timers of another processor expire there, and go with their object while they are armed.
pub(super) fn timers_signal_elsewhere(world: &mut World) -> Outcome {
    let (notification, timer, told) = (world.make::<Notification>()?, world.make::<Timer>()?, told(world)?);
    share(1, notification.slot());
    timer.bind(world.mint(notification, Rights::SEND, 1)?)?;
    world.thread(10, Cap::NULL, arm_and_wait, timer.slot())?.resume()?;
    for _ in 0..20 {
        told.wait()?;
    }
    world.table.delete(timer.slot())?;
    Ok(())
}

extern "C" fn wait_and_tell(notification: u64) -> ! {
    loop {
        let _ = Cap::<Notification>::new(notification).wait();
        tell();
    }
}

/// A device's interrupt wakes a thread that waits for it on another processor.
pub(super) fn interrupts_wake_threads_elsewhere(world: &mut World) -> Outcome {
    let edu = Edu::new(world)?;
    let memory = world.make_sized::<Memory>(PAGE_BYTES)?;
    edu.map(world, memory, 0, READ_WRITE)?;
    let (raised, irq, told) = (world.make::<Notification>()?, world.make::<Irq>()?, told(world)?);
    irq.bind(world.mint(raised, Rights::SEND, 1)?)?;
    edu.set_message(Cap::<IrqControl>::new(slot::IRQ_CONTROL).issue_msi(irq, edu.source)?)?;
    world.thread(10, Cap::NULL, wait_and_tell, raised.slot())?.resume()?;
    for _ in 0..2 {
        edu.write(world, 0, 64, Behind::Interrupt)?;
        told.wait()?;
    }
    Ok(())
}
