//! Objects: made, copied, mapped, revoked, deleted.

use ukernel_abi::boot::slot;
use ukernel_abi::{Error, PAGE_BYTES, Rights};
use ukernel_user::object::{MapRange, Object, PageRange};
use ukernel_user::{Attachment, Cap, CapTable, Endpoint, Memory, Notification, Thread, Untyped, VSpace};

use super::meter::Meter;
use crate::machine::now;
use crate::world::{OWN_PRIORITY, PLAYGROUND, World};

/// Pages of the row with several, and copies that are revoked.
const SEVERAL: u64 = 16;

/// Pages come and go.
pub fn mapping(world: &mut World, meter: Meter) -> Result<(), Error> {
    let memory = world.make_sized::<Memory>(SEVERAL * PAGE_BYTES)?;
    let attachment = world.make::<Attachment>()?;
    memory.attach(world.vspace, PLAYGROUND, 1 << 30, Rights::ALL, attachment)?;
    for (name, pages) in [("page_map_unmap", 1), ("page_map_unmap_16", SEVERAL)] {
        meter.measure(name, || {
            attachment.map(&[MapRange::new(PLAYGROUND, Rights::READ, 0, pages)])?;
            Ok(attachment.unmap(&[PageRange { address: PLAYGROUND, pages }])?)
        })?;
    }
    let detached = world.make::<Attachment>()?;
    meter.measure("attach_detach", || {
        memory.attach(world.vspace, PLAYGROUND + (1 << 31), 1 << 30, Rights::ALL, detached)?;
        detached.detach()
    })
}

/// Capabilities come and go.
pub fn capabilities(world: &mut World, meter: Meter) -> Result<(), Error> {
    let (notification, table) = (world.make::<Notification>()?, world.table);
    let slots: [u64; SEVERAL as usize] = core::array::from_fn(|_| world.slot());
    let [slot, other, ..] = slots;
    meter.measure("capability_copy_delete", || {
        table.copy(slot, table, notification.slot(), Rights::ALL)?;
        table.delete(slot)
    })?;
    meter.measure("capability_mint_delete", || {
        table.mint(slot, table, notification.slot(), Rights::SEND, 1)?;
        table.delete(slot)
    })?;
    table.copy(slot, table, notification.slot(), Rights::ALL)?;
    meter.measure_half("capability_move", || {
        table.move_here(other, table, slot)?;
        table.move_here(slot, table, other)
    })?;
    table.delete(slot)?;
    let mut ticks = 0;
    for _ in 0..meter.rounds {
        for slot in slots {
            table.copy(slot, table, notification.slot(), Rights::ALL)?;
        }
        let start = now();
        table.revoke(notification.slot())?;
        ticks += now() - start;
    }
    meter.print_ticks("capability_revoke_16", ticks);
    Ok(())
}

/// Objects come and go; the last one makes the untyped start afresh.
pub fn retyping(world: &mut World, meter: Meter) -> Result<(), Error> {
    let slot = world.slot();
    let source = world.make_sized::<Untyped>(64 * PAGE_BYTES)?;
    let table = world.table;
    pair::<Endpoint>(meter, "retype_delete_endpoint", source, (0, slot), table)?;
    pair::<Thread>(meter, "retype_delete_thread", source, (0, slot), table)?;
    pair::<VSpace>(meter, "retype_delete_vspace", source, (0, slot), table)?;
    pair::<CapTable>(meter, "retype_delete_cap_table_16", source, (4, slot), table)?;
    pair::<Memory>(meter, "retype_delete_page", source, (PAGE_BYTES, slot), table)
}

fn pair<T: Object>(
    meter: Meter,
    name: &str,
    source: Cap<Untyped>,
    (size, slot): (u64, u64),
    table: Cap<CapTable>,
) -> Result<(), Error> {
    meter.measure(name, || {
        source.create::<T>(size, slot)?;
        table.delete(slot)
    })
}

/// What threads are told.
pub fn threads(_: &mut World, meter: Meter) -> Result<(), Error> {
    let own: Cap<Thread> = Cap::new(slot::THREAD);
    meter.measure("thread_set_priority_self", || own.set_priority(OWN_PRIORITY))?;
    meter.measure("thread_read_registers", || own.read_registers().map(drop))
}
