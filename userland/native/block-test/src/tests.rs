//! The tests.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use interfaces::block_device::SUPERVISOR;
use interfaces::pci_bus::badge;
use interfaces::{BlockDevice, BlockError, PciBus, PciError, Reattaching};
use ipc::Capability;
use rt::memory::{Owned, Shared};
use rt::thread;
use ukernel_user::object::MapRange;
use ukernel_user::{Cap, Error, Irq, Memory, Notification, Rights};
use virtio_blk_driver::driver::Failure;
use virtio_blk_driver::{Driver, Injection};

use crate::fixture::{Door, MILLISECOND, STACK_BYTES, Threads, open, serve, shut_down};
use crate::load::{Client, Numbers};
use crate::resources::Resources;
use crate::{Buses, bench};

type Test = fn(&Buses) -> Result<(), String>;

/// All of them, in order.
pub const TESTS: [(&str, Test); 10] = [
    ("a_disk_is_opened_and_told_of", a_disk_is_opened_and_told_of),
    ("threads_find_what_they_wrote", threads_find_what_they_wrote),
    ("a_shutdown_ends_what_is_under_way", a_shutdown_ends_what_is_under_way),
    ("what_was_handed_out_is_gone_when_the_device_is_given_back", what_was_handed_out_is_gone),
    ("two_drivers_take_turns", two_drivers_take_turns),
    ("an_evicted_device_writes_nothing_any_more", an_evicted_device_writes_nothing),
    ("a_dead_clients_memory_is_written_no_more", a_dead_clients_memory_is_written_no_more),
    ("clients_notice_nothing_while_the_service_starts_again", clients_notice_nothing),
    ("a_thousand_starts_leave_nothing_behind", a_thousand_starts_leave_nothing_behind),
    ("requests_are_measured", requests_are_measured),
];

fn a_disk_is_opened_and_told_of(buses: &Buses) -> Result<(), String> {
    let [bus, _] = buses.disk;
    let driver = open(bus)?;
    let info = driver.client(1).info().map_err(|error| format!("{error:?}"))?;
    if info.sectors != 16 << 11 || info.read_only || info.max_bytes < 4096 {
        return Err(format!("{info:?}"));
    }
    drop(driver);
    shut_down(open(bus)?)
}

fn threads_find_what_they_wrote(buses: &Buses) -> Result<(), String> {
    let [bus, _] = buses.disk;
    let driver = open(bus)?;
    let mut threads = Threads::new();
    for number in 0..6 {
        let device = driver.client(number);
        threads.start(move || {
            let mut client = Client::new(device, number)?;
            (0..150).try_for_each(|_| client.round())?;
            client.compare_all()?;
            client.finish()
        })?;
    }
    threads.join()?;
    shut_down(driver)
}

fn a_shutdown_ends_what_is_under_way(buses: &Buses) -> Result<(), String> {
    let [bus, _] = buses.disk;
    for round in 0..50 {
        let driver = open(bus)?;
        let mut threads = Threads::new();
        let reads = Arc::new(AtomicU64::new(0));
        for number in 0..4 {
            let (device, reads) = (driver.client(number), reads.clone());
            threads.start(move || {
                let memory = Shared::allocate(64 << 10).map_err(|error| format!("memory: {error:?}"))?;
                let region = match device.attach(Capability(memory.memory().slot()), 64 << 10) {
                    Ok(region) => region,
                    // The others had read enough before it began.
                    Err(BlockError::Stopped) => return Ok(()),
                    Err(error) => return Err(format!("attaching: {error:?}")),
                };
                loop {
                    match device.read(region, 0, number * 128, 64 << 10) {
                        Ok(()) => reads.fetch_add(1, Ordering::Relaxed),
                        Err(BlockError::Stopped) => return Ok(()),
                        Err(error) => return Err(format!("reading: {error:?}")),
                    };
                }
            })?;
        }
        while reads.load(Ordering::Relaxed) < 8 + round {
            thread::sleep_until(rt::time::now_ns() + MILLISECOND / 10);
        }
        shut_down(driver)?;
        threads.join()?;
    }
    Ok(())
}

fn what_was_handed_out_is_gone(buses: &Buses) -> Result<(), String> {
    let [bus, _] = buses.disk;
    let asked = |error| format!("asking for the device: {error}");
    bus.enable().map_err(asked)?;
    let bar = bus.bar(4).map_err(asked)?;
    let memory = Owned::adopt(bar.memory.0);
    let irq: Cap<Irq> = Cap::new(bus.interrupt(0).map_err(asked)?.0);
    let refused = |error: Error| format!("the kernel refused: {error:?}");
    let notification: Cap<Notification> = rt::object::create(0).map_err(refused)?;
    irq.bind(notification).map_err(refused)?;
    // Mapped by hand, so that what maps it can be asked.
    let (address, rights) = (rt::memory::base() + rt::layout::OWN, Rights::READ.or(Rights::WRITE));
    let attachment = rt::memory::attach(memory.memory(), address, 4096, rights).map_err(refused)?;
    let page = MapRange { uncached: true, ..MapRange::new(address, rights, 0, 1) };
    rt::memory::map_range(attachment, page).map_err(refused)?;

    bus.release().map_err(asked)?;
    let after = [
        memory.bytes().err(),
        Cap::<Memory>::new(bar.memory.0).attach(rt::own::vspace(), address, 4096, rights, attachment).err(),
        irq.bind(notification).err(),
        irq.acknowledge().err(),
    ];
    if after != [Some(Error::InvalidCapability); 4] {
        return Err(format!("something is still there: {after:?}"));
    }
    if rt::memory::map_range(attachment, page) != Err(Error::InvalidState) || attachment.detach().is_ok() {
        return Err("its registers are still mapped".into());
    }
    rt::object::recycle(attachment);
    rt::object::recycle(notification);
    rt::cap::free_slot(irq.slot());
    // It goes to the next driver as if nothing had been.
    shut_down(open(bus)?)
}

fn two_drivers_take_turns(buses: &Buses) -> Result<(), String> {
    let [one, other] = buses.disk;
    for round in 0..20 {
        let driver = open(one)?;
        let refused = Driver::open(other, Injection::NONE).map(drop);
        if refused != Err(Failure::Bus(PciError::Held)) {
            return Err(format!("the second driver while the first has the device: {refused:?}"));
        }
        if one.evict(0).err() != Some(PciError::Refused) {
            return Err("a driver may evict".into());
        }
        Client::new(driver.client(1), round % 8)?.round()?;
        shut_down(driver)?;
        let driver = open(other)?;
        Client::new(driver.client(1), round % 8)?.round()?;
        shut_down(driver)?;
    }
    Ok(())
}

/// A driver dies with reads under way, and what was its memory is used again.
fn an_evicted_device_writes_nothing(buses: &Buses) -> Result<(), String> {
    const POISON: [u8; 4096] = [0xa5; 4096];
    let [dead, next] = buses.slow;
    let memory = Arc::new(Shared::allocate(4 * 4096).map_err(|error| format!("memory: {error:?}"))?);
    let driver = open(dead)?;
    let attached = driver.client(1).attach(Capability(memory.memory().slot()), 4 * 4096);
    let region = attached.map_err(|error| format!("attaching: {error:?}"))?;
    let asked = Arc::new(AtomicU64::new(0));
    for number in 0..4 {
        let (device, asked) = (driver.client(1), asked.clone());
        // It may wait for ever: nobody has to tell it that its device is gone.
        let reader = thread::spawn("reader", STACK_BYTES, move || {
            asked.fetch_add(1, Ordering::SeqCst);
            let _ = device.read(region, number * 4096, number * 8, 4096);
        });
        reader.map_err(|error| format!("a thread: {error:?}"))?;
    }
    while asked.load(Ordering::SeqCst) < 4 {
        thread::yield_now();
    }
    // Each of them has given the device its request before it lets another thread run, or soon after.
    thread::sleep_until(rt::time::now_ns() + MILLISECOND);
    core::mem::forget(driver);
    buses.supervisor.evict(badge_of(1)).map_err(|error| format!("evicting: {error}"))?;

    let touching = |error: Error| format!("touching memory: {error:?}");
    (0..4).try_for_each(|page| memory.window().copy_in(page * 4096, &POISON)).map_err(touching)?;
    // The next driver's requests take longer than anything that the device could still be doing.
    let driver = open(next)?;
    let mut client = Client::new(driver.client(1), 0)?;
    client.compare_all()?;
    drop(client);
    shut_down(driver)?;
    for page in 0..4 {
        let mut found = [0; 4096];
        memory.window().copy_out(page * 4096, &mut found).map_err(touching)?;
        if found != POISON {
            return Err(format!("page {page} was written after the device was taken away"));
        }
    }
    Ok(())
}

/// A client dies with reads under way, the driver goes on, and what was the client's memory is used again.
fn a_dead_clients_memory_is_written_no_more(buses: &Buses) -> Result<(), String> {
    const POISON: [u8; 4096] = [0x5a; 4096];
    let [bus, _] = buses.slow;
    let memory = Arc::new(Shared::allocate(4 * 4096).map_err(|error| format!("memory: {error:?}"))?);
    let slot = Capability(memory.memory().slot());
    let driver = open(bus)?;
    let failed = |error: BlockError| format!("the disk: {error}");
    let region = driver.client(1).attach(slot, 4 * 4096).map_err(failed)?;
    let asked = Arc::new(AtomicU64::new(0));
    let mut readers = Threads::new();
    for number in 0..4 {
        let (device, asked) = (driver.client(1), asked.clone());
        readers.start(move || {
            asked.fetch_add(1, Ordering::SeqCst);
            match device.read(region, number * 4096, number * 8, 4096) {
                // Those that came too late.
                Ok(()) | Err(BlockError::NoRegion) => Ok(()),
                Err(error) => Err(format!("reading: {error}")),
            }
        })?;
    }
    while asked.load(Ordering::SeqCst) < 4 {
        thread::yield_now();
    }
    thread::sleep_until(rt::time::now_ns() + MILLISECOND);
    let supervisor = driver.client(SUPERVISOR);
    supervisor.end_client(1).map_err(failed)?;
    let touching = |error: Error| format!("touching memory: {error:?}");
    (0..4).try_for_each(|page| memory.window().copy_in(page * 4096, &POISON)).map_err(touching)?;
    if driver.client(1).attach(slot, 4096) != Err(BlockError::Stopped) {
        return Err("a dead client got a region".into());
    }
    // Another client's requests take longer than anything that the device could still be doing.
    let mut client = Client::new(driver.client(2), 0)?;
    client.compare_all()?;
    drop(client);
    readers.join()?;
    supervisor.admit_client(1).map_err(failed)?;
    driver.client(1).attach(slot, 4096).map_err(failed)?;
    shut_down(driver)?;
    for page in 0..4 {
        let mut found = [0; 4096];
        memory.window().copy_out(page * 4096, &mut found).map_err(touching)?;
        if found != POISON {
            return Err(format!("page {page} was written after the client's end"));
        }
    }
    Ok(())
}

/// The badge of the slow disk's driver with this holder number.
fn badge_of(holder: u8) -> u64 {
    badge(holder, crate::VENDOR, crate::DEVICE, 1)
}

/// The service starts, stops and starts again, in every way, while clients use it.
fn clients_notice_nothing(buses: &Buses) -> Result<(), String> {
    let [bus, _] = buses.disk;
    let door = Door::new()?;
    let stop = Arc::new(AtomicBool::new(false));
    let rounds = Arc::new(AtomicU64::new(0));
    let mut threads = Threads::new();
    for number in 0..4 {
        let (device, stop, rounds) = (Reattaching::new(door.client(number + 1)?), stop.clone(), rounds.clone());
        threads.start(move || {
            let mut client = Client::new(device, number)?;
            while !stop.load(Ordering::SeqCst) {
                client.round()?;
                rounds.fetch_add(1, Ordering::Relaxed);
            }
            client.compare_all()?;
            client.finish()
        })?;
    }
    let mut numbers = Numbers::new(77);
    for _ in 0..200 {
        let driver = open(bus)?;
        let pool = serve(&driver, door.endpoint)?;
        thread::sleep_until(rt::time::now_ns() + numbers.below(3 * MILLISECOND));
        if numbers.below(2) == 0 {
            pool.stop();
            shut_down(driver)?;
        } else {
            // Calls that were received are answered with `Stopped`.
            shut_down(driver)?;
            pool.stop();
        }
    }
    let driver = open(bus)?;
    let pool = serve(&driver, door.endpoint)?;
    stop.store(true, Ordering::SeqCst);
    threads.join()?;
    pool.stop();
    log::info!("bench rounds of clients during 200 restarts {}", rounds.load(Ordering::Relaxed));
    if rounds.load(Ordering::Relaxed) < 50 {
        return Err("the clients got nothing done".into());
    }
    shut_down(driver)
}

fn a_thousand_starts_leave_nothing_behind(buses: &Buses) -> Result<(), String> {
    let [bus, _] = buses.disk;
    let door = Door::new()?;
    let device = Reattaching::new(door.client(1)?);
    let cycle = |number: u64| {
        let driver = open(bus)?;
        let pool = serve(&driver, door.endpoint)?;
        let mut client = Client::new(&device, number % 8)?;
        client.round()?;
        client.finish()?;
        pool.stop();
        shut_down(driver)
    };
    (0..10).try_for_each(cycle)?;
    let before = Resources::now()?;
    (0..1_000).try_for_each(cycle)?;
    Resources::now()?.same_as(before)
}

fn requests_are_measured(buses: &Buses) -> Result<(), String> {
    let [bus, _] = buses.disk;
    let door = Door::new()?;
    let driver = open(bus)?;
    let pool = serve(&driver, door.endpoint)?;
    bench::empty_reads("by a function call", &driver.client(1))?;
    bench::empty_reads("by a message", &door.client(1)?)?;
    pool.stop();
    shut_down(driver)
}
