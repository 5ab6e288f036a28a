//! VSpaces, Memory, attachments.

use ukernel_abi::{Error, LARGE_PAGE_BYTES, PAGE_BYTES, Rights, USER_END};
use ukernel_user::object::{MapRange, PageRange};
use ukernel_user::{Attachment, Memory, Untyped, VSpace};

use crate::machine::{peek, poke};
use crate::world::{PLAYGROUND, World};
use crate::{Outcome, check};

const READ_WRITE: Rights = Rights::READ.or(Rights::WRITE);

pub fn mapped_memory_is_the_memory(world: &mut World) -> Outcome {
    let memory = world.make_sized::<Memory>(4 * PAGE_BYTES)?;
    world.map(world.vspace, memory, PLAYGROUND, READ_WRITE)?;
    world.map(world.vspace, memory, PLAYGROUND + (1 << 40), Rights::READ)?;
    for page in 0..4 {
        check!(peek(PLAYGROUND + page * PAGE_BYTES) == 0);
        poke(PLAYGROUND + page * PAGE_BYTES, page + 10);
        check!(peek(PLAYGROUND + (1 << 40) + page * PAGE_BYTES) == page + 10);
    }
    Ok(())
}

pub fn windows_are_kept(world: &mut World) -> Outcome {
    let memory = world.make_sized::<Memory>(2 * PAGE_BYTES)?;
    let attachment = world.make::<Attachment>()?;
    check!(
        memory.attach(world.vspace, USER_END - PAGE_BYTES, PAGE_BYTES, READ_WRITE, attachment)
            == Err(Error::InvalidArgument)
    );
    check!(
        memory.attach(world.vspace, u64::MAX - 4095, PAGE_BYTES, READ_WRITE, attachment) == Err(Error::InvalidArgument)
    );
    memory.attach(world.vspace, PLAYGROUND, 2 * PAGE_BYTES, READ_WRITE, attachment)?;
    let map =
        |address, page, pages| attachment.map(&[MapRange::new(address, READ_WRITE, page, pages)]).map_err(Error::from);
    check!(map(PLAYGROUND - PAGE_BYTES, 0, 1) == Err(Error::InvalidArgument));
    check!(map(PLAYGROUND + PAGE_BYTES, 0, 2) == Err(Error::InvalidArgument));
    check!(map(PLAYGROUND, 1, 2) == Err(Error::InvalidArgument));
    check!(map(PLAYGROUND + 8, 0, 1) == Err(Error::InvalidArgument));
    check!(map(PLAYGROUND, 0, 2) == Ok(()));
    Ok(())
}

pub fn write_and_execute_exclude_each_other(world: &mut World) -> Outcome {
    let memory = world.make_sized::<Memory>(PAGE_BYTES)?;
    let attachment = world.make::<Attachment>()?;
    memory.attach(world.vspace, PLAYGROUND, PAGE_BYTES, READ_WRITE, attachment)?;
    let map = |rights| attachment.map(&[MapRange::new(PLAYGROUND, rights, 0, 1)]).map_err(Error::from);
    check!(map(Rights::WRITE.or(Rights::EXECUTE)) == Err(Error::InvalidArgument));
    check!(map(Rights::READ.or(Rights::EXECUTE)) == Err(Error::InsufficientRights));
    check!(map(Rights::NONE) == Err(Error::InvalidArgument));
    check!(map(READ_WRITE) == Ok(()));
    Ok(())
}

pub fn other_attachments_pages_are_not_replaced(world: &mut World) -> Outcome {
    let (one, two) = (world.make_sized::<Memory>(PAGE_BYTES)?, world.make_sized::<Memory>(PAGE_BYTES)?);
    world.map(world.vspace, one, PLAYGROUND, READ_WRITE)?;
    poke(PLAYGROUND, 1);
    let second = world.make::<Attachment>()?;
    two.attach(world.vspace, PLAYGROUND, PAGE_BYTES, READ_WRITE, second)?;
    let range = [MapRange::new(PLAYGROUND, READ_WRITE, 0, 1)];
    check!(second.map(&range).map_err(Error::from) == Err(Error::AlreadyMapped));
    // Nor are they touched by the other's unmap.
    check!(second.unmap(&[PageRange { address: PLAYGROUND, pages: 1 }]) == Ok(()));
    check!(peek(PLAYGROUND) == 1);
    Ok(())
}

pub fn large_pages_are_whole(world: &mut World) -> Outcome {
    let memory = world.make_sized::<Memory>(2 * LARGE_PAGE_BYTES)?;
    let pages = 2 * LARGE_PAGE_BYTES / PAGE_BYTES;
    let pool = world.vspace.pool()?;
    let attachment = world.map(world.vspace, memory, PLAYGROUND, READ_WRITE)?;
    check!(pool - world.vspace.pool()? <= 2);
    poke(PLAYGROUND + 2 * LARGE_PAGE_BYTES - 8, 5);
    let part = attachment.unmap(&[PageRange { address: PLAYGROUND, pages: 1 }]);
    check!(part.map_err(Error::from) == Err(Error::InvalidArgument));
    check!(attachment.unmap(&[PageRange { address: PLAYGROUND, pages }]) == Ok(()));
    check!(world.vspace.pool()? == pool);
    Ok(())
}

pub fn tables_return_to_the_pool(world: &mut World) -> Outcome {
    let memory = world.make_sized::<Memory>(PAGE_BYTES)?;
    let vspace = world.vspace()?;
    let before = vspace.pool()?;
    let attachment = world.make::<Attachment>()?;
    memory.attach(vspace, PLAYGROUND, 1 << 40, READ_WRITE, attachment)?;
    for round in 0..50 {
        let address = PLAYGROUND + round * (1 << 34);
        attachment.map(&[MapRange::new(address, READ_WRITE, 0, 1)])?;
        check!(before - vspace.pool()? == 3);
        attachment.unmap(&[PageRange { address, pages: 1 }])?;
        check!(vspace.pool()? == before);
    }
    attachment.map(&[MapRange::new(PLAYGROUND, READ_WRITE, 0, 1)])?;
    attachment.unmap_all()?;
    check!(vspace.pool()? == before);
    Ok(())
}

pub fn out_of_tables_can_be_repeated(world: &mut World) -> Outcome {
    let memory = world.make_sized::<Memory>(PAGE_BYTES)?;
    let untyped = world.make_sized::<Untyped>(16 * PAGE_BYTES)?;
    let vspace = world.make::<VSpace>()?;
    vspace.donate(untyped, 2)?;
    let attachment = world.make::<Attachment>()?;
    memory.attach(vspace, PLAYGROUND, 1 << 40, READ_WRITE, attachment)?;
    let range = [MapRange::new(PLAYGROUND, READ_WRITE, 0, 1)];
    check!(attachment.map(&range).map_err(Error::from) == Err(Error::OutOfTables));
    vspace.donate(untyped, 2)?;
    check!(attachment.map(&range) == Ok(()));
    Ok(())
}

pub fn revoked_memory_is_unmapped(world: &mut World) -> Outcome {
    let memory = world.make_sized::<Memory>(2 * PAGE_BYTES)?;
    let vspace = world.vspace()?;
    let before = vspace.pool()?;
    let slot = world.slot();
    let part = memory.sub(PAGE_BYTES, PAGE_BYTES, slot, Rights::ALL)?;
    world.map(vspace, part, PLAYGROUND, READ_WRITE)?;
    check!(vspace.pool()? < before);
    world.table.revoke(memory.slot())?;
    check!(vspace.pool()? == before);
    Ok(())
}
