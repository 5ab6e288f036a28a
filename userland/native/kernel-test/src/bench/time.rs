//! Timers, and interrupts: the timer's is the one whose moment is known to the instruction.

use ukernel_abi::boot::slot;
use ukernel_abi::{Error, Rights};
use ukernel_user::{Cap, Irq, IrqControl, Notification, Timer};

use super::meter::Meter;
use crate::machine::{now, peek, poke};
use crate::world::{PLAYGROUND, World};

/// Where the waiter adds up how late it is, and counts how often it ran.
const LATE: u64 = PLAYGROUND + 8;
const RUNS: u64 = PLAYGROUND + 24;
/// Ticks until a deadline.
const SOON: u64 = 5000;
/// A deadline that is not reached.
const FAR: u64 = 1 << 50;
/// An I/O APIC line that no device of the machine uses.
const FREE_LINE: u64 = 9;

/// Deadlines that are set and forgotten, and one that interrupts us for somebody of higher priority.
pub fn timers(world: &mut World, meter: Meter) -> Result<(), Error> {
    let shared = world.shared_page()?;
    let notification = world.waiter(255, shared)?;
    let badged = world.mint(notification, Rights::SEND, 1)?;
    let timer = world.make::<Timer>()?;
    timer.bind(badged)?;
    meter.measure("timer_arm_cancel", || {
        timer.arm(FAR)?;
        timer.cancel()
    })?;
    acknowledgement(world, meter)?;
    let mut late = || {
        let (deadline, runs) = (now() + SOON, peek(RUNS));
        poke(PLAYGROUND, deadline);
        timer.arm(deadline)?;
        while peek(RUNS) == runs {
            core::hint::spin_loop();
        }
        Ok(())
    };
    let totals = meter.total(&mut late, || poke(LATE, 0))?;
    let ticks = peek(LATE);
    let events = meter.events(&mut late)?;
    // With setting the deadline, and the way back to the thread that was interrupted.
    meter.print("timer_to_waiter", totals.taking(ticks), Some(events));
    Ok(())
}

/// An interrupt's acknowledgement.
fn acknowledgement(world: &mut World, meter: Meter) -> Result<(), Error> {
    let irq = world.make::<Irq>()?;
    let target = world.make::<Notification>()?;
    Cap::<IrqControl>::new(slot::IRQ_CONTROL).issue_line(irq, FREE_LINE, 0)?;
    irq.bind(target)?;
    meter.measure("interrupt_acknowledge", || irq.acknowledge())
}
