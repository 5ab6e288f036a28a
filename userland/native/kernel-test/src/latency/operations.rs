//! What takes long: each operation on something large, with what comes before each time.

use ukernel_abi::boot::slot;
use ukernel_abi::{Error, MessageInfo, ObjectType, PAGE_BYTES, Rights};
use ukernel_user::message::load_words;
use ukernel_user::object::{IoControl, IoMapping, IoSpace, MapRange, PageRange, Retype};
use ukernel_user::{Attachment, Cap, CapTable, Memory, Notification, Timer, Untyped, VSpace};

use super::{Seen, Watch};
use crate::machine::now;
use crate::world::{PLAYGROUND, World};

/// Interrupts one operation at so many moments.
pub type Operation = fn(&mut World, Watch, u64) -> Result<Seen, Error>;

/// All that the kernel does in pieces, under the names of the rows of the benchmark.
pub const IN_PIECES: [(&str, Operation); 14] = [
    ("irqs_off_max_clear", clear),
    ("irqs_off_max_retype", retype),
    ("irqs_off_max_delete_table", delete_table),
    ("irqs_off_max_delete_parent", delete_parent),
    ("irqs_off_max_revoke", revoke),
    ("irqs_off_max_revoke_chain", revoke_chain),
    ("irqs_off_max_donate", donate),
    ("irqs_off_max_map", map),
    ("irqs_off_max_protect", protect),
    ("irqs_off_max_unmap", unmap),
    ("irqs_off_max_detach", detach),
    ("irqs_off_max_delete_vspace", delete_vspace),
    ("irqs_off_max_io_map", io_map),
    ("irqs_off_max_io_unmap", io_unmap),
];

/// What it does in one, and whose length is bounded: the longest message, and what works on one of many.
pub const IN_ONE: [(&str, Operation); 3] =
    [("irqs_off_max_message", message), ("irqs_off_max_move", move_parent), ("irqs_off_max_timer_arm", arm)];

/// log2 of the slots of tables, and how many objects are in them.
const TABLE_BITS: u64 = 10;
const OBJECTS: u64 = 256;
/// Pages that are mapped.
const PAGES: u64 = 1000;
/// Where; not aligned to anything but a page.
const WINDOW: u64 = PLAYGROUND + (1 << 32) + PAGE_BYTES;
/// Attachments of a VSpace.
const ATTACHMENTS: u64 = 64;
/// Where a device would see the pages; not aligned either.
const IO_ADDRESS: u64 = (1 << 30) + PAGE_BYTES;
/// Devices that are not there, by bus, device and function.
const SOURCES: [u16; 2] = [0xf0, 0xf1];
/// Words of the longest message.
const WORDS: usize = ukernel_abi::message::MAX_WORDS;

/// Objects without size in the first slots of a table.
fn fill(source: Cap<Untyped>, object: ObjectType, count: u64, table: Cap<CapTable>) -> Result<(), Error> {
    source.retype(&Retype { object, size: 0, count, first_slot: 0, table })
}

/// A table, and an untyped for what is in it.
fn table_and_source(world: &mut World) -> Result<(Cap<CapTable>, Cap<Untyped>), Error> {
    Ok((world.make_sized(TABLE_BITS)?, world.make_sized(OBJECTS * 2048 + PAGE_BYTES)?))
}

fn clear(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    const BYTES: u64 = 256 << 10;
    let (untyped, slot, table) = (world.make_sized::<Untyped>(BYTES)?, world.slot(), world.table);
    watch.interrupt(moments, || table.delete(slot), || untyped.create::<Memory>(BYTES, slot).map(drop))
}

fn retype(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let ((table, source), own) = (table_and_source(world)?, world.table);
    watch.interrupt(moments, || own.revoke(source.slot()), || fill(source, ObjectType::Thread, 64, table))
}

fn delete_table(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let (_, source) = table_and_source(world)?;
    let (untyped, slot, own) = (world.make_sized::<Untyped>(128 << 10)?, world.slot(), world.table);
    let full = || {
        let table = untyped.create::<CapTable>(TABLE_BITS, slot)?;
        fill(source, ObjectType::Notification, OBJECTS, table)
    };
    watch.interrupt(moments, full, || own.delete(slot))
}

fn delete_parent(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let ((table, source), own, slot) = (table_and_source(world)?, world.table, world.slot());
    let parent = || {
        own.revoke(source.slot())?;
        let parent = source.create::<Untyped>(OBJECTS * 64, slot)?;
        fill(parent, ObjectType::Notification, OBJECTS, table)
    };
    watch.interrupt(moments, parent, || own.delete(slot))
}

fn revoke(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let ((table, source), own) = (table_and_source(world)?, world.table);
    watch.interrupt(moments, || fill(source, ObjectType::Thread, OBJECTS, table), || own.revoke(source.slot()))
}

/// Each capability is derived from the one before.
fn revoke_chain(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let (table, own) = (world.make_sized::<CapTable>(TABLE_BITS)?, world.table);
    let first = world.make::<Notification>()?;
    let chain = || {
        table.copy(0, own, first.slot(), Rights::ALL)?;
        (1..OBJECTS).try_for_each(|slot| table.copy(slot, table, slot - 1, Rights::ALL))
    };
    watch.interrupt(moments, chain, || own.revoke(first.slot()))
}

fn donate(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    const TABLES: u64 = 64;
    let (slot, own) = (world.slot(), world.table);
    let (objects, source) =
        (world.make_sized::<Untyped>(PAGE_BYTES)?, world.make_sized::<Untyped>(TABLES * PAGE_BYTES)?);
    let fresh = || {
        own.delete(slot)?;
        objects.create::<VSpace>(0, slot).map(drop)
    };
    watch.interrupt(moments, fresh, || Cap::<VSpace>::new(slot).donate(source, TABLES))
}

/// Memory, and what attaches it.
fn large(world: &mut World) -> Result<(Cap<Memory>, Cap<Attachment>), Error> {
    let memory = world.make_sized::<Memory>(PAGES * PAGE_BYTES)?;
    let attachment = world.make::<Attachment>()?;
    memory.attach(world.vspace, WINDOW, PAGES * PAGE_BYTES, Rights::ALL, attachment)?;
    Ok((memory, attachment))
}

fn map_all(attachment: Cap<Attachment>) -> Result<(), Error> {
    Ok(attachment.map(&[MapRange::new(WINDOW, Rights::READ, 0, PAGES)])?)
}

fn map(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let (_, attachment) = large(world)?;
    let seen = watch.interrupt(moments, || attachment.unmap_all(), || map_all(attachment))?;
    attachment.detach()?;
    Ok(seen)
}

fn protect(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let (_, attachment) = large(world)?;
    map_all(attachment)?;
    let set = |rights| Ok(attachment.protect(&[PageRange { address: WINDOW, pages: PAGES }], rights)?);
    let seen = watch.interrupt(moments, || set(Rights::READ.or(Rights::WRITE)), || set(Rights::READ))?;
    attachment.detach()?;
    Ok(seen)
}

fn unmap(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let (_, attachment) = large(world)?;
    let all = [PageRange { address: WINDOW, pages: PAGES }];
    let seen = watch.interrupt(moments, || map_all(attachment), || Ok(attachment.unmap(&all)?))?;
    attachment.detach()?;
    Ok(seen)
}

fn detach(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let (memory, attachment) = large(world)?;
    let vspace = world.vspace;
    attachment.detach()?;
    let attached = || {
        memory.attach(vspace, WINDOW, PAGES * PAGE_BYTES, Rights::ALL, attachment)?;
        map_all(attachment)
    };
    watch.interrupt(moments, attached, || attachment.detach())
}

fn delete_vspace(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let ((table, source), own, slot) = (table_and_source(world)?, world.table, world.slot());
    let (objects, tables) = (world.make_sized::<Untyped>(PAGE_BYTES)?, world.make_sized::<Untyped>(8 * PAGE_BYTES)?);
    let memory = world.make_sized::<Memory>(PAGE_BYTES)?;
    fill(source, ObjectType::Attachment, ATTACHMENTS, table)?;
    // A capability is named by its slot in our own table.
    let names: [u64; ATTACHMENTS as usize] = core::array::from_fn(|_| world.slot());
    for (index, name) in names.into_iter().enumerate() {
        own.copy(name, table, index as u64, Rights::ALL)?;
    }
    let inhabited = || {
        let vspace = objects.create::<VSpace>(0, slot)?;
        vspace.donate(tables, 8)?;
        names.into_iter().zip(1..).try_for_each(|(name, page)| {
            memory.attach(vspace, page * PAGE_BYTES, PAGE_BYTES, Rights::ALL, Cap::new(name))
        })
    };
    watch.interrupt(moments, inhabited, || own.delete(slot))
}

/// An IoSpace with tables, a Memory and what maps it there.
type Device = (Cap<IoSpace>, Cap<Memory>, Cap<IoMapping>);

fn device(world: &mut World, source: u16) -> Result<Device, Error> {
    let space = world.make::<IoSpace>()?;
    Cap::<IoControl>::new(slot::IO_CONTROL).bind(space, source)?;
    space.donate(world.pot, 8)?;
    Ok((space, world.make_sized::<Memory>(PAGES * PAGE_BYTES)?, world.make::<IoMapping>()?))
}

fn io_map(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let (space, memory, mapping) = device(world, SOURCES[0])?;
    let unmapped = || match mapping.unmap() {
        Err(Error::InvalidState) => Ok(()),
        other => other,
    };
    watch.interrupt(moments, unmapped, || space.map(memory, IO_ADDRESS, Rights::READ, mapping))
}

fn io_unmap(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let (space, memory, mapping) = device(world, SOURCES[1])?;
    let mapped = || space.map(memory, IO_ADDRESS, Rights::READ, mapping);
    watch.interrupt(moments, mapped, || mapping.unmap())
}

fn message(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let endpoint = world.echo_server(100)?;
    let registers = load_words(&[1; WORDS]);
    watch.interrupt(moments, || Ok(()), || endpoint.call(MessageInfo::new(0, WORDS), &registers).map(drop))
}

/// A capability with many children.
fn move_parent(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    let ((table, source), own, other) = (table_and_source(world)?, world.table, world.slot());
    fill(source, ObjectType::Notification, OBJECTS, table)?;
    let move_to = |to: u64, from: u64| own.move_here(to, own, from);
    move_to(other, source.slot())?;
    watch.interrupt(moments, || move_to(source.slot(), other), || move_to(other, source.slot()))
}

/// One timer among many that are armed, due behind half of them.
fn arm(world: &mut World, watch: Watch, moments: u64) -> Result<Seen, Error> {
    const FAR: u64 = 1 << 40;
    let ((table, source), own, name) = (table_and_source(world)?, world.table, world.slot());
    let notification = world.make::<Notification>()?;
    fill(source, ObjectType::Timer, OBJECTS, table)?;
    let far = now() + FAR;
    for index in 0..OBJECTS {
        own.copy(name, table, index, Rights::ALL)?;
        Cap::<Timer>::new(name).bind(notification)?;
        Cap::<Timer>::new(name).arm(far + index * 2)?;
        own.delete(name)?;
    }
    let timer = world.make::<Timer>()?;
    timer.bind(notification)?;
    let seen = watch.interrupt(moments, || timer.cancel(), || timer.arm(far + OBJECTS))?;
    own.revoke(source.slot())?;
    Ok(seen)
}
