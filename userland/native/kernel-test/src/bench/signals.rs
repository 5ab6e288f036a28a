//! Notifications, and threads that take turns.

use core::cell::Cell;

use ukernel_abi::{Error, Rights};
use ukernel_user::{Cap, Notification};

use super::meter::Meter;
use crate::machine::{now, partner_code, peek, poke, yielder_code};
use crate::world::{OWN_PRIORITY, PLAYGROUND, World};

/// Where the waiter adds up how long signals take to reach it.
const ARRIVED: u64 = PLAYGROUND + 8;
/// When it waited last.
const WAITED: u64 = PLAYGROUND + 16;

/// What needs nobody else.
pub fn alone(world: &mut World, meter: Meter) -> Result<(), Error> {
    let notification = world.make::<Notification>()?;
    let badged = world.mint(notification, Rights::SEND, 1)?;
    meter.measure("signal_nobody_waits", || badged.signal())?;
    meter.measure("signal_poll", || {
        badged.signal()?;
        notification.poll().map(drop)
    })?;
    meter.measure("poll_nothing", || notification.poll().map(drop).or(Ok(())))?;
    meter.measure("null_call", || Cap::<Notification>::NULL.signal().or(Ok(())))?;
    meter.measure("yield_alone", || {
        ukernel_user::yield_now();
        Ok(())
    })
}

/// Somebody of higher priority, in another address space, waits for the signal: until it runs, and until it has let us go on.
pub fn waiter(world: &mut World, meter: Meter) -> Result<(), Error> {
    let shared = world.shared_page()?;
    let notification = world.waiter(255, shared)?;
    let badged = world.mint(notification, Rights::SEND, 1)?;
    let back_ticks = Cell::new(0);
    let mut round = || {
        poke(PLAYGROUND, now());
        badged.signal()?;
        back_ticks.set(back_ticks.get() + now() - peek(WAITED));
        Ok(())
    };
    let totals = meter.total(&mut round, || {
        poke(ARRIVED, 0);
        back_ticks.set(0);
    })?;
    let (there_ticks, back_ticks) = (peek(ARRIVED), back_ticks.get());
    let events = meter.events(&mut round)?;
    meter.print("signal_waiter", totals.half().taking(there_ticks), Some(events / 2));
    meter.print("wait_switch_back", totals.half().taking(back_ticks), None);
    Ok(())
}

/// Two of the same priority in two address spaces signal and wait in turn.
pub fn ping_pong(world: &mut World, meter: Meter) -> Result<(), Error> {
    let (theirs, ours) = (world.make::<Notification>()?, world.make::<Notification>()?);
    let (to_them, to_us) = (world.mint(theirs, Rights::SEND, 1)?, world.mint(ours, Rights::SEND, 1)?);
    let vspace = world.vspace()?;
    world.program(vspace, partner_code(), OWN_PRIORITY, [theirs.slot(), to_us.slot()])?;
    meter.measure("signal_wait_round_trip", || {
        to_them.signal()?;
        ours.wait().map(drop)
    })
}

/// Two of the same priority give way to each other: from one to the other.
pub fn turns(world: &mut World, meter: Meter) -> Result<(), Error> {
    let vspace = world.vspace()?;
    world.program(vspace, yielder_code(), OWN_PRIORITY, [0; 2])?;
    meter.measure_half("yield_switch", || {
        ukernel_user::yield_now();
        Ok(())
    })
}
