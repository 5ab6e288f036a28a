//! CapTables, derivation, retype.

use ukernel_abi::boot::slot;
use ukernel_abi::{Error, PAGE_BYTES, Rights};
use ukernel_user::object::Retype;
use ukernel_user::{Cap, Endpoint, IoPorts, Memory, Notification, ObjectType, Thread, Untyped};

use crate::world::World;
use crate::{Outcome, check};

pub fn retype_gives_objects_and_takes_memory(world: &mut World) -> Outcome {
    let untyped = world.make_sized::<Untyped>(16 * PAGE_BYTES)?;
    let (before, all) = untyped.info()?;
    check!(before == all);
    let slot = world.slot();
    untyped.create::<Memory>(PAGE_BYTES, slot)?;
    check!(untyped.info()?.0 == all - PAGE_BYTES);
    Ok(())
}

pub fn retype_refuses_what_does_not_fit(world: &mut World) -> Outcome {
    let untyped = world.make_sized::<Untyped>(2 * PAGE_BYTES)?;
    let slot = world.slot();
    check!(untyped.create::<Memory>(3 * PAGE_BYTES, slot) == Err(Error::OutOfMemory));
    check!(untyped.create::<Memory>(5, slot) == Err(Error::InvalidArgument));
    check!(untyped.create::<Memory>(PAGE_BYTES, 1) == Err(Error::SlotOccupied));
    check!(untyped.create::<Memory>(PAGE_BYTES, 1 << 40) == Err(Error::InvalidCapability));
    let many = Retype { object: ObjectType::Thread, size: 0, count: u64::MAX, first_slot: slot, table: Cap::NULL };
    check!(untyped.retype(&many) == Err(Error::InvalidArgument));
    let odd = Retype { object: ObjectType::IrqControl, size: 0, count: 1, first_slot: slot, table: Cap::NULL };
    check!(untyped.retype(&odd) == Err(Error::InvalidArgument));
    Ok(())
}

pub fn copies_have_no_more_rights(world: &mut World) -> Outcome {
    let notification = world.make::<Notification>()?;
    let (receive, again) = (world.slot(), world.slot());
    world.table.copy(receive, world.table, notification.slot(), Rights::RECEIVE)?;
    world.table.copy(again, world.table, receive, Rights::ALL)?;
    for slot in [receive, again] {
        check!(Cap::<Notification>::new(slot).signal() == Err(Error::InsufficientRights));
        check!(Cap::<Notification>::new(slot).poll() == Err(Error::WouldBlock));
    }
    Ok(())
}

pub fn table_operations_are_checked(world: &mut World) -> Outcome {
    let (endpoint, other) = (world.make::<Endpoint>()?, world.make::<Endpoint>()?);
    let (table, empty, far) = (world.table, world.slot(), 1 << 40);
    let untyped = world.make_sized::<Untyped>(PAGE_BYTES)?;
    check!(table.copy(other.slot(), table, endpoint.slot(), Rights::ALL) == Err(Error::SlotOccupied));
    check!(table.copy(empty, table, empty, Rights::ALL) == Err(Error::InvalidCapability));
    check!(table.copy(far, table, endpoint.slot(), Rights::ALL) == Err(Error::InvalidCapability));
    check!(table.copy(empty, table, far, Rights::ALL) == Err(Error::InvalidCapability));
    check!(table.copy(empty, Cap::new(endpoint.slot()), 1, Rights::ALL) == Err(Error::InvalidCapability));
    check!(table.copy(empty, table, untyped.slot(), Rights::ALL) == Err(Error::InvalidArgument));
    check!(table.mint(other.slot(), table, endpoint.slot(), Rights::ALL, 1) == Err(Error::SlotOccupied));
    check!(table.move_here(other.slot(), table, endpoint.slot()) == Err(Error::SlotOccupied));
    check!(table.move_here(empty, table, empty) == Err(Error::InvalidCapability));
    check!(table.move_here(far, table, endpoint.slot()) == Err(Error::InvalidCapability));
    check!(table.delete(far) == Err(Error::InvalidCapability) && table.revoke(far) == Err(Error::InvalidCapability));
    // All that is still as it was, and what can be done can be done.
    table.move_here(empty, table, endpoint.slot())?;
    table.copy(endpoint.slot(), table, empty, Rights::ALL)?;
    table.delete(empty)?;
    check!(Cap::<Endpoint>::new(endpoint.slot()).try_receive(Cap::NULL) == Err(Error::WouldBlock));
    Ok(())
}

pub fn badges_are_given_once(world: &mut World) -> Outcome {
    let notification = world.make::<Notification>()?;
    let one = world.mint(notification, Rights::ALL, 1)?;
    let slot = world.slot();
    check!(world.table.mint(slot, world.table, one.slot(), Rights::ALL, 2) == Err(Error::InvalidArgument));
    let thread = world.make::<Thread>()?;
    check!(world.table.mint(slot, world.table, thread.slot(), Rights::ALL, 2) == Err(Error::InvalidArgument));
    one.signal()?;
    check!(notification.poll()? == 1);
    Ok(())
}

pub fn revoke_removes_all_descendants(world: &mut World) -> Outcome {
    let endpoint = world.make::<Endpoint>()?;
    let child = world.mint(endpoint, Rights::ALL, 7)?;
    let grandchild = world.slot();
    world.table.copy(grandchild, world.table, child.slot(), Rights::ALL)?;
    world.table.revoke(endpoint.slot())?;
    let probe = world.slot();
    for gone in [child.slot(), grandchild] {
        check!(world.table.copy(probe, world.table, gone, Rights::ALL) == Err(Error::InvalidCapability));
    }
    world.table.copy(probe, world.table, endpoint.slot(), Rights::ALL)?;
    Ok(())
}

pub fn moved_capabilities_keep_their_children(world: &mut World) -> Outcome {
    let endpoint = world.make::<Endpoint>()?;
    let child = world.mint(endpoint, Rights::ALL, 7)?;
    let place = world.slot();
    world.table.move_here(place, world.table, endpoint.slot())?;
    let probe = world.slot();
    check!(world.table.copy(probe, world.table, endpoint.slot(), Rights::ALL) == Err(Error::InvalidCapability));
    world.table.revoke(place)?;
    check!(world.table.copy(probe, world.table, child.slot(), Rights::ALL) == Err(Error::InvalidCapability));
    Ok(())
}

pub fn untyped_is_reused_after_revoke(world: &mut World) -> Outcome {
    let untyped = world.make_sized::<Untyped>(64 * PAGE_BYTES)?;
    for _ in 0..20 {
        for object in [ObjectType::Thread, ObjectType::VSpace, ObjectType::Endpoint, ObjectType::Vcpu] {
            let first_slot = 2000;
            untyped.retype(&Retype { object, size: 0, count: 16, first_slot, table: Cap::NULL })?;
            world.table.revoke(untyped.slot())?;
        }
        check!(untyped.info()?.0 == 64 * PAGE_BYTES);
    }
    Ok(())
}

pub fn port_ranges_shrink_only(world: &mut World) -> Outcome {
    let all: Cap<IoPorts> = Cap::new(slot::IO_PORTS);
    let (some, less) = (world.slot(), world.slot());
    let some = all.sub(0x70, 0x71, some)?;
    check!(some.read(0x71, 1).is_ok());
    check!(some.read(0x71, 2) == Err(Error::InvalidArgument));
    check!(some.read(0x72, 1) == Err(Error::InvalidArgument));
    check!(some.sub(0x70, 0x72, less) == Err(Error::InvalidArgument));
    world.table.delete(some.slot())?;
    Ok(())
}
