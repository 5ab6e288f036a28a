//! The tests, in order: the device held, given up, tried for in every way, and had again after it was moved back.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use interfaces::pci_bus::badge;
use interfaces::supervisor::Placement;
use interfaces::{BlockDevice, BlockError, PciBus, PciError, Supervisor, SupervisorError};
use ipc::Capability;
use rt::memory::Shared;
use ukernel_user::object::MapRange;
use ukernel_user::{Cap, Error, Irq, Memory, Rights};
use virtio_blk_driver::{Driver, Injection};

use crate::held::{Held, PAGE, READ_WRITE, Refusal, page_at};
use crate::probe::{Happened, Try};
use crate::slots::{self, Found, Known};
use crate::world::{Outcome, World, expect, read_page};

type Test = fn(&mut World) -> Outcome;

/// All of them, in order.
pub const TESTS: [(&str, Test); 14] = [
    ("inside_a_personality_the_disk_is_driven", the_disk_is_driven),
    ("while_it_is_held_its_registers_are_reached", its_registers_are_reached),
    ("given_up_it_is_driven_by_the_native_task", it_is_driven_by_the_native_task),
    ("capabilities_to_its_registers_are_gone", capabilities_are_gone),
    ("mappings_of_its_registers_fault", mappings_fault),
    ("its_interrupt_is_gone", its_interrupt_is_gone),
    ("it_cannot_be_claimed", it_cannot_be_claimed),
    ("it_cannot_be_taken_away_from_its_driver", it_cannot_be_taken_away),
    ("the_supervisor_does_not_touch_what_others_look_after", the_supervisor_refuses),
    ("no_slot_holds_a_way_to_a_device", no_slot_holds_a_way),
    ("ports_and_addresses_of_devices_fault", ports_and_addresses_fault),
    ("own_memory_does_not_stretch_to_a_device", own_memory_does_not_stretch),
    ("the_service_writes_only_to_memory_that_was_lent", the_service_writes_only_there),
    ("moved_back_it_is_reached_again", moved_back_it_is_reached_again),
];

fn the_disk_is_driven(world: &mut World) -> Outcome {
    let driver = Driver::open(world.pci, Injection::NONE).map_err(|failure| format!("opening: {failure:?}"))?;
    read_page(&driver.client(1))?;
    driver.shut_down().map_err(|failure| format!("shutting down: {failure:?}"))
}

/// Without this, the faults later would say nothing.
fn its_registers_are_reached(world: &mut World) -> Outcome {
    let held = *world.held.insert(Held::take(&world.pci).map_err(|refusal| format!("{refusal:?}"))?);
    for window in held.windows {
        same(&format!("reading at {window:#x}"), world.probe.run(Try::Read(window)), Ok(Happened::Done))?;
    }
    let sizes: Vec<_> = held.registers.iter().map(|memory| memory.size().is_ok()).collect();
    same("sizes", sizes, alloc::vec![true; 4])?;
    let acknowledged: Vec<_> = held.irqs.iter().map(|irq| irq.acknowledge()).collect();
    same("acknowledging", acknowledged, alloc::vec![Ok(()); 2])?;
    slots_tell(world, &held)
}

fn it_is_driven_by_the_native_task(world: &mut World) -> Outcome {
    world.pci.release().map_err(|error| format!("releasing: {error}"))?;
    world.supervisor.start("block").map_err(|error| format!("starting: {error}"))?;
    world.supervisor.placed("block", Placement::Native).map_err(|error| format!("placing: {error}"))?;
    world.read_by_service()
}

fn capabilities_are_gone(world: &mut World) -> Outcome {
    let held = *world.held()?;
    let gone = Some(Error::InvalidCapability);
    // What a copy of nothing fails with says nothing: it has to fail.
    for (number, memory) in held.registers.iter().enumerate() {
        let tries = [
            ("size", memory.size().err()),
            ("physical", memory.physical().err()),
            ("attach", rt::memory::attach(*memory, held.windows[0], PAGE, READ_WRITE).err()),
            ("sub", rt::cap::in_free_slot::<Memory>(|slot| memory.sub(0, PAGE, slot, READ_WRITE).map(drop)).err()),
            ("copy", rt::cap::copy(*memory, Rights::ALL).err().map(|_| Error::InvalidCapability)),
        ];
        for (what, result) in tries {
            same(&format!("{what} of capability {number}"), result, gone)?;
        }
    }
    Ok(())
}

fn mappings_fault(world: &mut World) -> Outcome {
    let held = *world.held()?;
    for (window, attachment) in held.windows.into_iter().zip(held.attachments) {
        same("reading", world.probe.run(Try::Read(window)), Ok(Happened::Fault(window)))?;
        same("writing", world.probe.run(Try::Write(window)), Ok(Happened::Fault(window)))?;
        same("mapping again", rt::memory::map_range(attachment, page_at(window)), Err(Error::InvalidState))?;
        same("reading", world.probe.run(Try::Read(window)), Ok(Happened::Fault(window)))?;
    }
    Ok(())
}

fn its_interrupt_is_gone(world: &mut World) -> Outcome {
    let held = *world.held()?;
    for irq in held.irqs {
        let results = [irq.bind(held.notification), irq.acknowledge(), irq.unbind()];
        same("bind, acknowledge, unbind", results, [Err(Error::InvalidCapability); 3])?;
    }
    // It may have been signalled while it was held.
    let _ = held.notification.poll();
    // The disk interrupts its driver, and nobody else.
    (0..10).try_for_each(|_| world.read_by_service())?;
    same("a signal", held.notification.poll(), Err(Error::WouldBlock))
}

fn it_cannot_be_claimed(world: &mut World) -> Outcome {
    for _ in 0..3 {
        same("enable", world.pci.enable().err(), Some(PciError::Held))?;
        for index in 0..=u8::MAX {
            let bar = world.pci.bar(index).map(drop);
            same(&format!("range {index}"), bar, Err(PciError::Held))?;
        }
        for vector in [0, 1, 2, u16::MAX] {
            same("interrupt", world.pci.interrupt(vector).map(drop), Err(PciError::Held))?;
        }
    }
    same("all of it", Held::take(&world.pci).map(drop), Err(Refusal::Bus(PciError::Held)))?;
    let opened = Driver::open(world.pci, Injection::NONE).map(drop).is_err();
    expect(opened.then_some(()), || "its driver opens it here as well".into())?;
    world.read_by_service()
}

fn it_cannot_be_taken_away(world: &mut World) -> Outcome {
    same("release", world.pci.release().err(), Some(PciError::Held))?;
    for holder in 0..=u8::MAX {
        let evicted = world.pci.evict(badge(holder, 0x1af4, 0x1042, 0));
        same(&format!("evict holder {holder}"), evicted.err(), Some(PciError::Refused))?;
    }
    world.read_by_service()
}

fn the_supervisor_refuses(world: &mut World) -> Outcome {
    let supervisor = &world.supervisor;
    for task in ["pci", "serial", "virtio-serial", "rtc", "console", "host-channel"] {
        let results = [supervisor.start(task), supervisor.stop(task), supervisor.kill(task)];
        let refused = results.iter().all(|result| result == &Err(SupervisorError::Refused));
        expect(refused.then_some(()), || format!("task {task}: {results:?}"))?;
    }
    let unknown = supervisor.start("root").err();
    same("a task that is none", unknown, Some(SupervisorError::Unknown))?;
    same("a second driver", supervisor.start("block").err(), Some(SupervisorError::State))?;
    world.read_by_service()
}

fn no_slot_holds_a_way(world: &mut World) -> Outcome {
    let (known, mut found) = (known(world)?, Found::default());
    // Numbers past the table's end, and any number.
    let beyond = (0..64).map(|bit| 1_u64 << bit).filter(|slot| *slot >= slots::SLOTS);
    let mut number = 0x9e37_79b9_7f4a_7c15_u64;
    let random = (0..4096).map(|_| {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        number | slots::SLOTS
    });
    (0..slots::SLOTS).chain(beyond).chain(random).try_for_each(|slot| slots::ask(slot, &known, &mut found))?;
    log::info!("of {} slots, {} hold memory, {} with its address", slots::SLOTS, found.memories, found.with_address);
    // It does find what is there: RAM, the archive, and what was made of own memory.
    expect((found.with_address > 1 && found.memories > found.with_address).then_some(()), || format!("{found:?}"))
}

fn known(world: &World) -> Result<Known, String> {
    let spare = rt::object::create::<Irq>(0).map_err(|error| format!("an interrupt: {error:?}"))?;
    Ok(Known { spare, archive: world.read_only, ram_end: 0xc000_0000 })
}

/// While the device is held, its capabilities are found out.
fn slots_tell(world: &World, held: &Held) -> Outcome {
    let known = known(world)?;
    let memories = held.registers.iter().map(|memory| memory.slot());
    for slot in memories.chain(held.irqs.iter().map(|irq| irq.slot())) {
        let told = slots::ask(slot, &known, &mut Found::default()).is_err();
        expect(told.then_some(()), || format!("slot {slot:#x} does not look like a device's"))?;
    }
    rt::object::recycle(known.spare);
    Ok(())
}

fn ports_and_addresses_fault(world: &mut World) -> Outcome {
    for port in [0xcf8, 0xcfc, 0x3f8, 0x70, 0x604, 0xf4] {
        same("in", world.probe.run(Try::In(port)), Ok(Happened::Protected))?;
        same("out", world.probe.run(Try::Out(port)), Ok(Happened::Protected))?;
    }
    let physical = world.held()?.physical.0;
    // As the address itself, and where kernels like to map all that is physical.
    for address in [physical, 0xffff_8000_0000_0000 + physical % (1 << 46), 0xffff_ffff_8000_0000, 0xfee0_0000] {
        for what in [Try::Read(address), Try::Write(address)] {
            same(&format!("{what:x?}"), world.probe.run(what), Ok(Happened::Fault(address)))?;
        }
    }
    Ok(())
}

fn own_memory_does_not_stretch(world: &mut World) -> Outcome {
    let refused = |error: Error| format!("the kernel refused: {error:?}");
    let memory = Shared::allocate(PAGE).map_err(refused)?;
    let own = memory.physical().map_err(refused)?;
    let (target, window) = (world.held()?.physical.0, world.held()?.windows[0]);
    let offset = target.wrapping_sub(own);
    let part = rt::cap::in_free_slot::<Memory>(|slot| memory.memory().sub(offset, PAGE, slot, READ_WRITE).map(drop));
    same("a part beyond the end", part.map(drop), Err(Error::InvalidArgument))?;
    let attachment = rt::memory::attach(memory.memory(), window, PAGE, READ_WRITE).map_err(refused)?;
    for page in [1, offset / PAGE, (1 << 40) - 1] {
        let mapped = rt::memory::map_range(attachment, MapRange::new(window, READ_WRITE, page, 1));
        same(&format!("page {page}"), mapped, Err(Error::InvalidArgument))?;
        same("reading", world.probe.run(Try::Read(window)), Ok(Happened::Fault(window)))?;
    }
    attachment.detach().map_err(refused)?;
    rt::object::recycle(attachment);
    Ok(())
}

fn the_service_writes_only_there(world: &mut World) -> Outcome {
    let refused = |error: Error| format!("the kernel refused: {error:?}");
    let memory = Shared::allocate(3 * PAGE).map_err(refused)?;
    memory.window().copy_in(0, &[0xa5; 3 * 4096]).map_err(refused)?;
    no_other_memory_is_lent(world, &memory)?;
    let middle = rt::cap::in_free_slot::<Memory>(|slot| memory.memory().sub(PAGE, PAGE, slot, Rights::ALL).map(drop));
    let middle = middle.map_err(refused)?;
    let region = world.block.attach(Capability(middle.slot()), PAGE).map_err(|error| format!("{error:?}"))?;
    for at in [PAGE - 511, PAGE, 2 * PAGE, 1 << 40, 0_u64.wrapping_sub(PAGE), u64::MAX, u64::MAX - 511] {
        same(&format!("at {at:#x}"), world.block.read(region, at, 0, 512), Err(BlockError::OutOfRange))?;
    }
    for bytes in [2 * 4096, 4096 + 512, 513, u32::MAX, u32::MAX - 511] {
        same(&format!("{bytes} bytes"), world.block.read(region, 0, 0, bytes), Err(BlockError::OutOfRange))?;
    }
    for other in (1..200).flat_map(|by| [region.wrapping_sub(by), region + by, by]) {
        same(&format!("region {other}"), world.block.read(other, 0, 0, 512), Err(BlockError::NoRegion))?;
    }
    world.block.read(region, 0, 0, PAGE as u32).map_err(|error| format!("the page lent: {error:?}"))?;
    world.block.detach(region).map_err(|error| format!("{error:?}"))?;
    same("a region that has ended", world.block.read(region, 0, 0, 512), Err(BlockError::NoRegion))?;
    let mut found = [0; 3 * 4096];
    memory.window().copy_out(0, &mut found).map_err(refused)?;
    let pages: Vec<_> = found.chunks(4096).map(|page| (page[0], page.iter().all(|byte| *byte == page[0]))).collect();
    same("pages", pages, alloc::vec![(0xa5, true), (0, true), (0xa5, true)])?;
    rt::cap::delete(middle.slot());
    Ok(())
}

/// Memory that is none, that was revoked, that may not be written, whose address may not be asked for, that is too short.
fn no_other_memory_is_lent(world: &World, memory: &Shared) -> Outcome {
    let limited = |rights| rt::cap::copy(memory.memory(), rights).map_err(|error| format!("a copy: {error:?}"));
    let (unaddressed, unwritable) = (limited(READ_WRITE.or(Rights::GRANT))?, limited(without_write())?);
    let held = world.held()?;
    let tries = [
        ("nothing", 0, PAGE),
        ("an endpoint", world.endpoint.slot(), PAGE),
        ("a CapTable", rt::own::cap_table().slot(), PAGE),
        ("the registers, revoked", held.registers[0].slot(), PAGE),
        ("the archive", world.read_only.slot(), PAGE),
        ("memory without its address", unaddressed.slot(), PAGE),
        ("memory that may not be written", unwritable.slot(), PAGE),
        ("more than there is", memory.memory().slot(), 4 * PAGE),
        ("nothing of it", memory.memory().slot(), 0),
        ("all there could be", memory.memory().slot(), u64::MAX),
    ];
    for (what, slot, bytes) in tries {
        let attached = world.block.attach(Capability(slot), bytes);
        expect(attached.is_err().then_some(()), || format!("{what} was attached: {attached:?}"))?;
    }
    rt::cap::delete(unaddressed.slot());
    rt::cap::delete(unwritable.slot());
    world.read_by_service()
}

const fn without_write() -> Rights {
    Rights::READ.or(Rights::PHYSICAL).or(Rights::GRANT)
}

/// The other way round it is given, by the same calls: so they were not refused for another reason.
fn moved_back_it_is_reached_again(world: &mut World) -> Outcome {
    world.supervisor.stop("block").map_err(|error| format!("stopping: {error}"))?;
    world.supervisor.placed("block", Placement::Personality).map_err(|error| format!("placing: {error}"))?;
    let bar = world.pci.bar(4).map_err(|error| format!("its registers: {error}"))?;
    same("their size", Cap::<Memory>::new(bar.memory.0).size().is_ok(), true)?;
    world.pci.release().map_err(|error| format!("releasing: {error}"))?;
    the_disk_is_driven(world)
}

fn same<T: PartialEq + core::fmt::Debug>(what: &str, is: T, must_be: T) -> Result<(), String> {
    if is == must_be { Ok(()) } else { Err(format!("{what}: {is:x?}, not {must_be:x?}")) }
}
