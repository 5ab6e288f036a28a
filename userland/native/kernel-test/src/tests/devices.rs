//! A device behind the IOMMU: it reaches what its IoSpace maps and raises what it was given, and nothing else.

use ukernel_abi::boot::slot;
use ukernel_abi::{Error, PAGE_BYTES, Rights};
use ukernel_user::object::{Access, IoControl, IoFault, IoMapping, IoSpace};
use ukernel_user::{Cap, Irq, IrqControl, Memory, Notification};

use crate::edu::{Behind, Edu};
use crate::machine::{peek, poke};
use crate::master::sleep;
use crate::world::{PLAYGROUND, World};
use crate::{Failure, Outcome, check};

const READ_WRITE: Rights = Rights::READ.or(Rights::WRITE);
const IRQ_CONTROL: Cap<IrqControl> = Cap::new(slot::IRQ_CONTROL);
const IO_CONTROL: Cap<IoControl> = Cap::new(slot::IO_CONTROL);
/// Addresses of the device's view.
const HERE: u64 = 0x10_0000;
const THERE: u64 = 0x70_0000;
const NOWHERE: u64 = 0x50_0000;
const BYTES: u64 = 64;
const SECRET: u64 = 0x5ec2_e75e_c2e7;
/// A device that is not there.
const OTHER_DEVICE: u16 = 0x10;

/// A page of memory that the test sees at `at`.
fn page(world: &mut World, at: u64) -> Result<Cap<Memory>, Error> {
    let memory = world.make_sized::<Memory>(PAGE_BYTES)?;
    world.map(world.vspace, memory, at, READ_WRITE)?;
    Ok(memory)
}

fn fill(at: u64, value: u64) {
    (0..PAGE_BYTES / 8).for_each(|word| poke(at + word * 8, value.wrapping_add(word)));
}

/// Whether the first bytes at both addresses are the same.
fn same(one: u64, other: u64) -> bool {
    (0..BYTES / 8).all(|word| peek(one + word * 8) == peek(other + word * 8))
}

/// The fault that the device was told of.
fn fault(edu: &Edu) -> Result<IoFault, Failure> {
    check!(edu.faults.poll() == Ok(1));
    edu.space.fault()?.ok_or(Failure { what: "a fault was told, so there is one", line: line!() })
}

macro_rules! check_fault {
    ($edu:expr, $address:expr, $access:expr) => {
        let fault = fault($edu)?;
        check!(fault.address == $address && fault.access == $access);
    };
}

/// Where a refused interrupt is told as a fault, it says so. QEMU 7.2 drops such an interrupt and tells nobody (as of 9.0 it does).
fn check_interrupt_fault(edu: &Edu) -> Outcome {
    let told = edu.space.fault()?;
    check!(told.is_none_or(|fault| fault.access == Access::Interrupt));
    check!(told.is_some() == edu.faults.poll().is_ok());
    Ok(())
}

pub fn devices_reach_what_is_mapped(world: &mut World) -> Outcome {
    let edu = Edu::new(world)?;
    let (from, to) = (page(world, PLAYGROUND)?, page(world, PLAYGROUND + PAGE_BYTES)?);
    edu.map(world, from, HERE, Rights::READ)?;
    edu.map(world, to, THERE, Rights::WRITE)?;
    fill(PLAYGROUND, 0x0123_4567_89ab_cdef);
    edu.read(world, HERE, BYTES)?;
    edu.write(world, THERE, BYTES, Behind::Silence)?;
    check!(same(PLAYGROUND, PLAYGROUND + PAGE_BYTES));
    check!(edu.faults.poll() == Err(Error::WouldBlock) && edu.space.fault()?.is_none());
    Ok(())
}

pub fn devices_reach_nothing_else(world: &mut World) -> Outcome {
    let edu = Edu::new(world)?;
    let (secret, seen) = (page(world, PLAYGROUND)?, page(world, PLAYGROUND + PAGE_BYTES)?);
    let (physical, _) = secret.physical()?;
    fill(PLAYGROUND, SECRET);
    edu.map(world, seen, HERE, READ_WRITE)?;
    edu.read(world, HERE, BYTES)?;
    for outside in [physical, NOWHERE, HERE + PAGE_BYTES] {
        edu.write(world, outside, BYTES, Behind::Silence)?;
        // Nobody has looked, so it is not told again.
        edu.write(world, outside, BYTES, Behind::Silence)?;
        let told = fault(&edu)?;
        check!(told.count == 1 && told.address == outside && told.access == Access::Write);
        check!((0..PAGE_BYTES / 8).all(|word| peek(PLAYGROUND + word * 8) == SECRET + word));
        edu.read(world, outside, BYTES)?;
        check_fault!(&edu, outside, Access::Read);
    }
    edu.write(world, HERE, BYTES, Behind::Silence)?;
    check!(!same(PLAYGROUND, PLAYGROUND + PAGE_BYTES));
    // A device without IoSpace reaches nothing; its faults are counted.
    let before = IO_CONTROL.stray_fault()?.map_or(0, |(fault, _)| fault.count);
    let source = edu.source;
    world.table.delete(edu.space.slot())?;
    edu.write(world, HERE, BYTES, Behind::Silence)?;
    let (stray, whose) = IO_CONTROL.stray_fault()?.ok_or(Failure { what: "a fault is counted", line: line!() })?;
    check!(stray.count == before + 1 && whose == source && stray.address == HERE);
    Ok(())
}

pub fn devices_do_what_a_mapping_allows(world: &mut World) -> Outcome {
    let edu = Edu::new(world)?;
    let (readable, writable) = (page(world, PLAYGROUND)?, page(world, PLAYGROUND + PAGE_BYTES)?);
    fill(PLAYGROUND, SECRET);
    let deaf = world.slot();
    world.table.copy(deaf, world.table, readable.slot(), Rights::READ)?;
    let deaf: Cap<Memory> = Cap::new(deaf);
    let mapping = world.make::<IoMapping>()?;
    check!(edu.space.map(deaf, HERE, READ_WRITE, mapping) == Err(Error::InsufficientRights));
    edu.space.map(deaf, HERE, Rights::READ, mapping)?;
    check!(edu.space.map(deaf, THERE, Rights::READ, mapping) == Err(Error::InvalidState));
    edu.map(world, writable, THERE, Rights::WRITE)?;
    edu.write(world, HERE, BYTES, Behind::Silence)?;
    check_fault!(&edu, HERE, Access::Write);
    check!(peek(PLAYGROUND) == SECRET);
    edu.read(world, THERE, BYTES)?;
    check_fault!(&edu, THERE, Access::Read);
    for address in [HERE + 8, 0xfee0_0000, 1 << 52] {
        let mapping = world.make::<IoMapping>()?;
        check!(edu.space.map(writable, address, Rights::WRITE, mapping) == Err(Error::InvalidArgument));
    }
    Ok(())
}

pub fn revoked_memory_is_out_of_a_devices_reach(world: &mut World) -> Outcome {
    let edu = Edu::new(world)?;
    let memory = page(world, PLAYGROUND)?;
    let lent = world.slot();
    world.table.copy(lent, world.table, memory.slot(), READ_WRITE)?;
    let mapping = edu.map(world, Cap::new(lent), HERE, READ_WRITE)?;
    edu.write(world, HERE, BYTES, Behind::Silence)?;
    check!(edu.faults.poll() == Err(Error::WouldBlock));
    world.table.revoke(lent)?;
    fill(PLAYGROUND, SECRET);
    edu.write(world, HERE, BYTES, Behind::Silence)?;
    check!(peek(PLAYGROUND) == SECRET);
    check_fault!(&edu, HERE, Access::Write);
    check!(mapping.unmap() == Err(Error::InvalidState));
    // Once more, and now the memory of the tables goes.
    let tables = world.make_sized::<ukernel_user::Untyped>(8 * PAGE_BYTES)?;
    edu.space.clear()?;
    edu.space.donate(tables, 8)?;
    edu.space.map(Cap::new(lent), HERE, READ_WRITE, mapping)?;
    world.table.revoke(tables.slot())?;
    check!(mapping.unmap() == Err(Error::InvalidState));
    edu.write(world, HERE, BYTES, Behind::Silence)?;
    check!(peek(PLAYGROUND) == SECRET);
    Ok(())
}

pub fn a_device_has_one_io_space(world: &mut World) -> Outcome {
    let edu = Edu::new(world)?;
    let other = world.make::<IoSpace>()?;
    check!(IO_CONTROL.bind(other, edu.source) == Err(Error::InvalidState));
    check!(IO_CONTROL.bind(edu.space, OTHER_DEVICE) == Err(Error::InvalidState));
    IO_CONTROL.bind(other, OTHER_DEVICE)?;
    let memory = page(world, PLAYGROUND)?;
    let mapping = world.make::<IoMapping>()?;
    check!(other.map(memory, HERE, READ_WRITE, mapping) == Err(Error::OutOfTables));
    other.donate(world.pot, 1)?;
    check!(other.map(memory, HERE, READ_WRITE, mapping) == Err(Error::OutOfTables));
    other.donate(world.pot, 2)?;
    other.map(memory, HERE, READ_WRITE, mapping)?;
    check!(other.pool()?.0 == 0);
    // What the other device reaches is no use to this one.
    edu.write(world, HERE, BYTES, Behind::Silence)?;
    check_fault!(&edu, HERE, Access::Write);
    mapping.unmap()?;
    check!(other.pool()?.0 == 2);
    Ok(())
}

pub fn devices_raise_what_they_were_given(world: &mut World) -> Outcome {
    let edu = Edu::new(world)?;
    let memory = page(world, PLAYGROUND)?;
    edu.map(world, memory, HERE, READ_WRITE)?;
    let raised = world.make::<Notification>()?;
    let (own, others) = (world.make::<Irq>()?, world.make::<Irq>()?);
    for (irq, badge) in [(own, 1), (others, 2)] {
        let badged = world.mint(raised, Rights::SEND, badge)?;
        irq.bind(badged)?;
    }
    let given = IRQ_CONTROL.issue_msi(own, edu.source)?;
    let not_given = IRQ_CONTROL.issue_msi(others, OTHER_DEVICE)?;
    edu.set_message(given)?;
    edu.write(world, HERE, BYTES, Behind::Interrupt)?;
    sleep(world, 1)?;
    check!(raised.poll() == Ok(1));
    edu.set_message(not_given)?;
    edu.write(world, HERE, BYTES, Behind::Interrupt)?;
    sleep(world, 1)?;
    check!(raised.poll() == Err(Error::WouldBlock));
    check_interrupt_fault(&edu)?;
    // An interrupt is a write to memory: DMA makes one as well. (QEMU 7.2 does not tell whose DMA it was, and lets it pass
    // where the entry is another device's.)
    fill(PLAYGROUND, 0);
    poke(PLAYGROUND, u64::from(given.data));
    edu.read(world, HERE, BYTES)?;
    edu.write(world, given.address, 4, Behind::Silence)?;
    sleep(world, 1)?;
    check!(raised.poll() == Ok(1));
    // Without its object there is no interrupt any more, either way.
    edu.set_message(given)?;
    world.table.delete(own.slot())?;
    edu.write(world, HERE, BYTES, Behind::Interrupt)?;
    edu.write(world, given.address, 4, Behind::Silence)?;
    sleep(world, 1)?;
    check!(raised.poll() == Err(Error::WouldBlock));
    check_interrupt_fault(&edu)
}
