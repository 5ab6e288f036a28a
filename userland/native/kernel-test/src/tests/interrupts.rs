//! Irq objects, and real interrupts of the PC's interval timer (Intel 8254).

use ukernel_abi::boot::slot;
use ukernel_abi::invoke::irq_control;
use ukernel_abi::{Error, Rights};
use ukernel_user::object::IoControl;
use ukernel_user::{Cap, Endpoint, IoPorts, Irq, IrqControl, Notification};

use crate::master::sleep;
use crate::world::World;
use crate::{Outcome, check};

const CONTROL: Cap<IrqControl> = Cap::new(slot::IRQ_CONTROL);
/// A device that is not there.
const DEVICE: u16 = 0x10;
/// The interval timer's interrupt, IRQ 0, as an I/O APIC line on PCs.
const PIT_LINE: u64 = 2;
/// Channel 0, low and high byte, mode 0: one interrupt when the count has run down.
const PIT_ONE_SHOT: u32 = 0x30;
/// Ticks of 1.193 MHz.
const PIT_TICKS: [u32; 2] = [0, 4];

pub fn message_vectors_are_given_once(world: &mut World) -> Outcome {
    let (one, two) = (world.make::<Irq>()?, world.make::<Irq>()?);
    let (first, second) = (CONTROL.issue_msi(one, DEVICE)?, CONTROL.issue_msi(two, DEVICE)?);
    check!(first.address >> 20 == 0xfee && second.address >> 20 == 0xfee && first != second);
    // With an IOMMU the vector is in its table, and the message names the entry.
    let remapped = Cap::<IoControl>::new(slot::IO_CONTROL).stray_fault().is_ok();
    check!(remapped || first.data >= 32 && second.data >= 32);
    check!(CONTROL.issue_msi(one, DEVICE) == Err(Error::InvalidState));
    check!(CONTROL.issue_line(one, PIT_LINE, 0) == Err(Error::InvalidState));
    world.table.delete(one.slot())?;
    let three = world.make::<Irq>()?;
    check!(CONTROL.issue_msi(three, DEVICE)? == first);
    Ok(())
}

pub fn message_vectors_run_out_and_come_back(world: &mut World) -> Outcome {
    for _ in 0..2 {
        let mut issued = [Cap::<Irq>::NULL; 256];
        let mut count = 0;
        loop {
            let irq = world.make::<Irq>()?;
            issued[count] = irq;
            count += 1;
            match CONTROL.issue_msi(irq, DEVICE) {
                Ok(_) => check!(count < issued.len()),
                Err(error) => {
                    check!(error == Error::OutOfMemory);
                    break;
                }
            }
        }
        check!(count > 100);
        for irq in &issued[..count] {
            world.table.delete(irq.slot())?;
        }
    }
    Ok(())
}

pub fn interrupt_lines_have_one_owner(world: &mut World) -> Outcome {
    let (one, two) = (world.make::<Irq>()?, world.make::<Irq>()?);
    for line in [1000, u64::MAX] {
        check!(CONTROL.issue_line(one, line, 0) == Err(Error::InvalidArgument));
    }
    CONTROL.issue_line(one, 9, irq_control::LEVEL | irq_control::ACTIVE_LOW)?;
    check!(CONTROL.issue_line(two, 9, 0) == Err(Error::InvalidState));
    world.table.delete(one.slot())?;
    CONTROL.issue_line(two, 9, 0)?;
    Ok(())
}

pub fn interrupts_want_a_right_to_signal(world: &mut World) -> Outcome {
    let (irq, notification) = (world.make::<Irq>()?, world.make::<Notification>()?);
    let deaf = world.slot();
    world.table.copy(deaf, world.table, notification.slot(), Rights::RECEIVE)?;
    check!(irq.bind(Cap::new(deaf)) == Err(Error::InsufficientRights));
    let endpoint = world.make::<Endpoint>()?;
    check!(irq.bind(Cap::new(endpoint.slot())) == Err(Error::InvalidCapability));
    check!(CONTROL.issue_msi(Cap::new(endpoint.slot()), DEVICE) == Err(Error::InvalidCapability));
    Ok(())
}

/// One interrupt of the interval timer, in a millisecond.
fn start_pit() -> Result<(), Error> {
    let ports: Cap<IoPorts> = Cap::new(slot::IO_PORTS);
    ports.write(0x43, 1, PIT_ONE_SHOT)?;
    PIT_TICKS.iter().try_for_each(|byte| ports.write(0x40, 1, *byte))
}

pub fn interrupts_signal_until_unbound(world: &mut World) -> Outcome {
    let (irq, notification) = (world.make::<Irq>()?, world.make::<Notification>()?);
    let badged = world.mint(notification, Rights::SEND, 4)?;
    CONTROL.issue_line(irq, PIT_LINE, 0)?;
    irq.bind(badged)?;
    for _ in 0..3 {
        irq.acknowledge()?;
        start_pit()?;
        check!(notification.wait()? == 4);
    }
    irq.unbind()?;
    irq.acknowledge()?;
    start_pit()?;
    sleep(world, 3)?;
    check!(notification.poll() == Err(Error::WouldBlock));
    // A destroyed notification ends the binding as well.
    irq.bind(badged)?;
    world.table.revoke(notification.slot())?;
    world.table.delete(notification.slot())?;
    irq.acknowledge()?;
    start_pit()?;
    sleep(world, 3)
}
