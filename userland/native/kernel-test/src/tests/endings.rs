//! Revocation and deletion of what is in use.

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_abi::{Error, MessageInfo, PAGE_BYTES, Rights, boot};
use ukernel_user::object::StartRegisters;
use ukernel_user::{
    Cap, CapTable, Endpoint, Memory, Notification, Reply, SchedContext, Thread, Timer, Untyped, VSpace,
};

use crate::machine::{foreign_code, foreign_spin_offset, now, peek, poke};
use crate::master::sleep;
use crate::world::{PLAYGROUND, World, park};
use crate::{Failure, Outcome, check};

/// What the threads of a test need to know, and what they tell.
static SHARED: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

fn shared(index: usize) -> u64 {
    SHARED[index].load(Ordering::SeqCst)
}

fn share(index: usize, value: u64) {
    SHARED[index].store(value, Ordering::SeqCst);
}

/// Whether a slot of a table has a capability.
fn occupied(world: &mut World, table: Cap<CapTable>, slot: u64) -> Result<bool, Failure> {
    let probe = world.slot();
    match world.table.copy(probe, table, slot, Rights::ALL) {
        Ok(()) => {
            world.table.delete(probe)?;
            Ok(true)
        }
        Err(Error::InvalidCapability) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

extern "C" fn signal_on_and_on(slot: u64) -> ! {
    loop {
        match Cap::<Notification>::new(slot).signal() {
            Ok(()) => share(0, shared(0) + 1),
            Err(_) => share(1, shared(1) + 1),
        }
    }
}

pub fn a_thread_outlives_its_table(world: &mut World) -> Outcome {
    share(0, 0);
    share(1, 0);
    let table = world.make_sized::<CapTable>(4)?;
    let notification = world.make::<Notification>()?;
    table.mint(3, world.table, notification.slot(), Rights::SEND, 1)?;
    let thread = world.thread(10, Cap::NULL, signal_on_and_on, 3)?;
    thread.configure(table, world.vspace, Cap::NULL, Cap::NULL, 0)?;
    thread.resume()?;
    sleep(world, 10)?;
    check!(shared(0) > 0 && shared(1) == 0);
    world.table.revoke(table.slot())?;
    let before = shared(0);
    sleep(world, 10)?;
    // It may have been about to count its last success.
    check!(shared(0) <= before + 1 && shared(1) > 0);
    Ok(())
}

pub fn a_table_can_be_revoked_from_inside(world: &mut World) -> Outcome {
    let untyped = world.make_sized::<Untyped>(16 * PAGE_BYTES)?;
    let slot = world.slot();
    let table = untyped.create::<CapTable>(4, slot)?;
    // The untyped that the table is made of lies in the table.
    table.move_here(5, world.table, untyped.slot())?;
    table.revoke(5)?;
    check!(!occupied(world, world.table, slot)?);
    Ok(())
}

extern "C" fn call_and_count(endpoint: u64) -> ! {
    let answer = Cap::<Endpoint>::new(endpoint).call(MessageInfo::new(0, 0), &[0; 6]);
    share(0, shared(0) + u64::from(answer.is_ok()));
    park()
}

pub fn destroyed_threads_leave_an_endpoint(world: &mut World) -> Outcome {
    share(0, 0);
    let (endpoint, reply) = (world.make::<Endpoint>()?, world.make::<Reply>()?);
    let mut threads = [Cap::<Thread>::NULL; 3];
    for (index, thread) in threads.iter_mut().enumerate() {
        let badged = world.mint(endpoint, Rights::ALL, index as u64 + 1)?;
        *thread = world.thread(255, Cap::NULL, call_and_count, badged.slot())?;
        thread.resume()?;
    }
    world.table.delete(threads[0].slot())?;
    check!(endpoint.try_receive(reply)?.badge == 2);
    world.table.delete(threads[1].slot())?;
    check!(reply.reply(MessageInfo::new(0, 0), &[0; 6]) == Err(Error::InvalidState));
    check!(endpoint.try_receive(reply)?.badge == 3);
    reply.reply(MessageInfo::new(0, 0), &[0; 6])?;
    check!(shared(0) == 1);
    check!(endpoint.try_receive(reply) == Err(Error::WouldBlock));
    Ok(())
}

extern "C" fn wait_and_count(notification: u64) -> ! {
    loop {
        let bits = Cap::<Notification>::new(notification).wait().unwrap_or(0);
        share(0, shared(0) + bits);
    }
}

pub fn destroyed_threads_leave_a_notification(world: &mut World) -> Outcome {
    share(0, 0);
    let notification = world.make::<Notification>()?;
    let badged = world.mint(notification, Rights::SEND, 1)?;
    let mut threads = [Cap::<Thread>::NULL; 2];
    for thread in &mut threads {
        *thread = world.thread(255, Cap::NULL, wait_and_count, notification.slot())?;
        thread.resume()?;
    }
    world.table.delete(threads[0].slot())?;
    badged.signal()?;
    check!(shared(0) == 1);
    world.table.delete(threads[1].slot())?;
    badged.signal()?;
    check!(shared(0) == 1);
    check!(notification.poll()? == 1);
    Ok(())
}

extern "C" fn revoke_own_vspace(slot: u64) -> ! {
    let revoked = Cap::<CapTable>::new(boot::slot::CAP_TABLE).revoke(slot);
    share(0, 1 + u64::from(revoked.is_ok()));
    park()
}

pub fn a_thread_without_vspace_waits_for_one(world: &mut World) -> Outcome {
    share(0, 0);
    let copy = world.slot();
    world.table.copy(copy, world.table, world.vspace.slot(), Rights::ALL)?;
    let thread = world.thread(255, Cap::NULL, revoke_own_vspace, copy)?;
    thread.configure(world.table, Cap::new(copy), Cap::NULL, Cap::NULL, 0)?;
    // A thread is bound to a VSpace through one capability; the one that `World` used must go first.
    let other = world.vspace()?;
    thread.set_vspace(other)?;
    thread.set_vspace(Cap::new(copy))?;
    thread.resume()?;
    check!(shared(0) == 0);
    thread.set_vspace(world.vspace)?;
    check!(shared(0) == 2);
    // It is no child of the pot.
    world.table.delete(copy)?;
    Ok(())
}

/// A thread that spins in an address space of its own, both made of `part`.
pub(super) fn spinner_of(world: &mut World, part: Cap<Untyped>) -> Result<(Cap<Thread>, Cap<VSpace>), Failure> {
    let pot = core::mem::replace(&mut world.pot, part);
    let made = spinner(world);
    world.pot = pot;
    made
}

/// A thread that spins in an address space of its own.
fn spinner(world: &mut World) -> Result<(Cap<Thread>, Cap<VSpace>), Failure> {
    let vspace = world.vspace()?;
    world.load_code(vspace, foreign_code(), SPIN_CODE)?;
    let thread = world.make::<Thread>()?;
    thread.configure(world.table, vspace, Cap::NULL, Cap::NULL, 0)?;
    let rip = SPIN_CODE + foreign_spin_offset();
    thread.write_registers(&StartRegisters { rip, ..StartRegisters::default() })?;
    thread.set_priority(10)?;
    world.time()?.bind(thread)?;
    thread.resume()?;
    Ok((thread, vspace))
}

const SPIN_CODE: u64 = 0x40_0000;

pub fn destroyed_vspaces_stop_their_threads(world: &mut World) -> Outcome {
    for round in 0..10 {
        let (thread, vspace) = spinner(world)?;
        sleep(world, 2)?;
        check!(thread.read_registers()?.rip == SPIN_CODE + foreign_spin_offset());
        if round % 2 == 0 {
            world.table.revoke(vspace.slot())?;
        }
        world.table.delete(vspace.slot())?;
        sleep(world, 2)?;
        world.table.delete(thread.slot())?;
    }
    Ok(())
}

extern "C" fn delete_own_thread(slot: u64) -> ! {
    share(0, 1);
    let deleted = Cap::<CapTable>::new(boot::slot::CAP_TABLE).delete(slot);
    share(0, 2 + u64::from(deleted.is_ok()));
    park()
}

pub fn a_thread_can_delete_itself(world: &mut World) -> Outcome {
    for _ in 0..5 {
        share(0, 0);
        // `World::thread` puts memory, attachment, thread and time in consecutive slots.
        let first = world.slot() + 1;
        let thread = world.thread(255, Cap::NULL, delete_own_thread, first + 2)?;
        check!(thread.slot() == first + 2);
        thread.resume()?;
        check!(shared(0) == 1);
        check!(!occupied(world, world.table, thread.slot())?);
    }
    Ok(())
}

extern "C" fn look_whether_revocation_goes_on(notification: u64) -> ! {
    let table: Cap<CapTable> = Cap::new(shared(0));
    let _ = Cap::<Notification>::new(notification).wait();
    // The first of the chain goes first.
    let first = Cap::<CapTable>::new(boot::slot::CAP_TABLE).copy(shared(1), table, 1, Rights::ALL);
    let last = Cap::<CapTable>::new(boot::slot::CAP_TABLE).copy(shared(2), table, CHAIN - 1, Rights::ALL);
    share(3, u64::from(first == Err(Error::InvalidCapability) && last.is_ok()));
    park()
}

/// Capabilities in the long chain.
const CHAIN: u64 = 1024;

pub fn long_revocations_let_others_run(world: &mut World) -> Outcome {
    let table = world.make_sized::<CapTable>(10)?;
    let endpoint = world.make::<Endpoint>()?;
    table.copy(0, world.table, endpoint.slot(), Rights::ALL)?;
    for slot in 1..CHAIN {
        table.copy(slot, table, slot - 1, Rights::ALL)?;
    }
    let (notification, timer) = (world.make::<Notification>()?, world.make::<Timer>()?);
    share(0, table.slot());
    share(1, world.slot());
    share(2, world.slot());
    share(3, 77);
    world.thread(255, Cap::NULL, look_whether_revocation_goes_on, notification.slot())?.resume()?;
    timer.bind(world.mint(notification, Rights::SEND, 1)?)?;
    timer.arm(now() + world.tsc_hz / 20_000)?;
    table.revoke(0)?;
    for slot in [1, CHAIN / 2, CHAIN - 1] {
        check!(!occupied(world, table, slot)?);
    }
    check!(occupied(world, table, 0)?);
    sleep(world, 1)?;
    check!(shared(3) == 1);
    Ok(())
}

pub fn memory_is_reused_when_its_last_user_is_gone(world: &mut World) -> Outcome {
    let untyped = world.make_sized::<Untyped>(2 * PAGE_BYTES)?;
    let (one, two, both) = (world.slot(), world.slot(), world.slot());
    let first = untyped.create::<Memory>(PAGE_BYTES, one)?;
    untyped.create::<Memory>(PAGE_BYTES, two)?;
    world.map(world.vspace, first, PLAYGROUND, Rights::READ.or(Rights::WRITE))?;
    poke(PLAYGROUND, 99);
    // The attachment's capability goes to the untyped: it is a user of the memory still.
    world.table.delete(one)?;
    world.table.delete(two)?;
    check!(untyped.create::<Memory>(2 * PAGE_BYTES, both) == Err(Error::OutOfMemory));
    check!(peek(PLAYGROUND) == 99);
    world.table.revoke(untyped.slot())?;
    let fresh = untyped.create::<Memory>(2 * PAGE_BYTES, both)?;
    world.map(world.vspace, fresh, PLAYGROUND, Rights::READ.or(Rights::WRITE))?;
    check!(peek(PLAYGROUND) == 0);
    Ok(())
}

pub fn time_is_bound_once(world: &mut World) -> Outcome {
    share(0, 0);
    let notification = world.make::<Notification>()?;
    let badged = world.mint(notification, Rights::SEND, 1)?;
    let thread = world.thread(255, Cap::NULL, wait_and_count, notification.slot())?;
    // The last object that `thread` made is its scheduling context.
    let time: Cap<SchedContext> = Cap::new(world.slot() - 1);
    let (other, idle) = (world.make::<SchedContext>()?, world.make::<Thread>()?);
    check!(other.bind(thread) == Err(Error::InvalidState));
    check!(time.bind(idle) == Err(Error::InvalidState));
    thread.resume()?;
    world.table.delete(time.slot())?;
    badged.signal()?;
    check!(shared(0) == 0);
    other.bind(thread)?;
    check!(shared(0) == 1);
    Ok(())
}
