//! An urgent thread runs in the midst of what takes long: the operation is preempted, and the thread sees it half done.

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_abi::{Error, ObjectType, PAGE_BYTES, Rights};
use ukernel_user::object::{MapRange, PageRange, Retype};
use ukernel_user::{Attachment, Cap, CapTable, Memory, Notification, Timer, Untyped};

use crate::latency::Watch;
use crate::latency::operations::{IN_ONE, IN_PIECES};
use crate::machine::now;
use crate::world::{PLAYGROUND, World, say};
use crate::{Failure, Outcome, check};

/// Most instructions that interrupts are off: the bound that the kernel's manual states.
const BOUND: u64 = 6_000;
/// Moments that are tried.
const MOMENTS: u64 = 40;

/// Everything that takes long is interrupted within the bound, wherever the interrupt comes, and goes on later.
pub fn interrupts_wait_no_longer_than_the_bound(world: &mut World) -> Outcome {
    let watch = Watch::new(world)?;
    for (name, operation) in IN_PIECES.into_iter().chain(IN_ONE) {
        let seen = operation(world, watch, MOMENTS)?;
        say(format_args!("{name}: {seen:?}"));
        check!(seen.late < BOUND);
        check!(seen.within > MOMENTS / 4);
        check!(seen.preempted > MOMENTS / 4 || IN_ONE.iter().any(|(other, _)| *other == name));
    }
    Ok(())
}

/// What the urgent thread looks at: whether the first and the last part are done, and how often it found one of them done alone.
static HALVES: AtomicU64 = AtomicU64::new(0);
static RUNS: AtomicU64 = AtomicU64::new(0);
static LOOK: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// The page that another attachment maps, or not, to see whether something is there.
const WINDOW: u64 = PLAYGROUND + (1 << 32) + PAGE_BYTES;
const PAGES: u64 = 1000;

fn arguments() -> [u64; 3] {
    [0, 1, 2].map(|index| LOOK[index].load(Ordering::SeqCst))
}

fn note(first: bool, last: bool) {
    HALVES.fetch_add(u64::from(first != last), Ordering::SeqCst);
    RUNS.fetch_add(1, Ordering::SeqCst);
}

/// Looks whether there are capabilities in the first and in the last slot of a table.
extern "C" fn look_at_slots(notification: u64) -> ! {
    loop {
        let _ = Cap::<Notification>::new(notification).wait();
        let [table, last, scratch] = arguments();
        let table = Cap::<CapTable>::new(table);
        let own = Cap::<CapTable>::new(ukernel_abi::boot::slot::CAP_TABLE);
        let there = |slot| {
            let copied = own.copy(scratch, table, slot, Rights::ALL).is_ok();
            copied && own.delete(scratch).is_ok()
        };
        note(there(0), there(last));
    }
}

/// Looks whether the first and the last page of the window are mapped.
extern "C" fn look_at_pages(notification: u64) -> ! {
    loop {
        let _ = Cap::<Notification>::new(notification).wait();
        let probe = Cap::<Attachment>::new(arguments()[0]);
        let there = |page| {
            let address = WINDOW + page * PAGE_BYTES;
            let mapped = probe.map(&[MapRange::new(address, Rights::READ, 0, 1)]);
            mapped.is_err() || probe.unmap(&[PageRange { address, pages: 1 }]).is_err()
        };
        note(there(0), there(PAGES - 1));
    }
}

/// A timer that wakes the most urgent thread, which runs `look` with these arguments.
fn witness(world: &mut World, look: extern "C" fn(u64) -> !, arguments: [u64; 3]) -> Result<Cap<Timer>, Failure> {
    for (place, argument) in LOOK.iter().zip(arguments) {
        place.store(argument, Ordering::SeqCst);
    }
    HALVES.store(0, Ordering::SeqCst);
    let (notification, timer) = (world.make::<Notification>()?, world.make::<Timer>()?);
    timer.bind(world.mint(notification, Rights::SEND, 1)?)?;
    world.thread(255, Cap::NULL, look, notification.slot())?.resume()?;
    Ok(timer)
}

/// Interrupts an operation at many moments; at some of them it is half done.
fn half_done(
    timer: Cap<Timer>,
    mut prepare: impl FnMut() -> Result<(), Error>,
    mut operate: impl FnMut() -> Result<(), Error>,
) -> Outcome {
    prepare()?;
    let start = now();
    operate()?;
    let length = now() - start;
    for moment in 0..MOMENTS {
        prepare()?;
        let runs = RUNS.load(Ordering::SeqCst);
        timer.arm(now() + length * moment / MOMENTS)?;
        operate()?;
        while RUNS.load(Ordering::SeqCst) == runs {
            core::hint::spin_loop();
        }
    }
    let halves = HALVES.load(Ordering::SeqCst);
    say(format_args!("half done: {halves} of {MOMENTS} times"));
    check!(halves > MOMENTS / 2);
    Ok(())
}

pub fn an_urgent_thread_sees_a_revocation_half_done(world: &mut World) -> Outcome {
    const COUNT: u64 = 200;
    let (table, source) =
        (world.make_sized::<CapTable>(8)?, world.make_sized::<Untyped>((COUNT * 64).next_multiple_of(PAGE_BYTES))?);
    let (scratch, own) = (world.slot(), world.table);
    let timer = witness(world, look_at_slots, [table.slot(), COUNT - 1, scratch])?;
    let what = Retype { object: ObjectType::Notification, size: 0, count: COUNT, first_slot: 0, table };
    half_done(timer, || source.retype(&what), || own.revoke(source.slot()))
}

pub fn an_urgent_thread_sees_a_retype_half_done(world: &mut World) -> Outcome {
    const COUNT: u64 = 64;
    let (table, source) = (world.make_sized::<CapTable>(8)?, world.make_sized::<Untyped>(COUNT * 2048)?);
    let (scratch, own) = (world.slot(), world.table);
    let timer = witness(world, look_at_slots, [table.slot(), COUNT - 1, scratch])?;
    let what = Retype { object: ObjectType::Thread, size: 0, count: COUNT, first_slot: 0, table };
    half_done(timer, || own.revoke(source.slot()), || source.retype(&what))
}

pub fn an_urgent_thread_sees_a_detachment_half_done(world: &mut World) -> Outcome {
    let memory = world.make_sized::<Memory>(PAGES * PAGE_BYTES)?;
    let (attachment, probe) = (world.make::<Attachment>()?, world.make::<Attachment>()?);
    let vspace = world.vspace;
    memory.attach(vspace, WINDOW, PAGES * PAGE_BYTES, Rights::ALL, probe)?;
    let timer = witness(world, look_at_pages, [probe.slot(), 0, 0])?;
    let mapped = || {
        memory.attach(vspace, WINDOW, PAGES * PAGE_BYTES, Rights::ALL, attachment)?;
        Ok(attachment.map(&[MapRange::new(WINDOW, Rights::READ, 0, PAGES)])?)
    };
    half_done(timer, mapped, || attachment.detach())
}
