//! The disk over a device in memory.

extern crate std;

use alloc::vec;
use alloc::vec::Vec;
use std::sync::Mutex;
use std::thread;

use interfaces::block_device::{MAX_PIECES, SUPERVISOR, Sectors};
use interfaces::{BlockDevice, BlockError};
use ipc::{Capability, List};
use rt::memory::{Shared, count};

use super::DiskClient;
use super::fake::{FLUSH, Manners, READ_ONLY, Registers, SECTORS, disk};

const REGION_BYTES: u64 = 64 << 10;

/// The count of capabilities is the whole process's.
static ALONE: Mutex<()> = Mutex::new(());

fn attach(client: &DiskClient<Registers>, shared: &Shared) -> u64 {
    client.attach(Capability(shared.memory().slot()), REGION_BYTES).expect("it is memory")
}

fn bytes_of(shared: &Shared, at: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    shared.window().copy_out(at, &mut bytes).expect("inside");
    bytes
}

#[test]
fn sectors_are_read_and_written_where_they_belong() {
    let _alone = ALONE.lock();
    let (disk, device) = disk(FLUSH, [0, 0], Manners::Good);
    let (client, shared) = (disk.client(1), Shared::allocate(REGION_BYTES).expect("memory"));
    let region = attach(&client, &shared);
    assert_eq!(client.read(region, 1024, 5, 1024), Ok(()));
    assert_eq!(bytes_of(&shared, 1024, 1024), [[5; 512], [6; 512]].concat());
    assert_eq!(bytes_of(&shared, 0, 1024), [0; 1024]);
    assert_eq!(bytes_of(&shared, 2048, 512), [0; 512]);
    shared.window().copy_in(0, &[0xab; 512]).expect("inside");
    assert_eq!(client.write(region, 0, SECTORS - 1, 512), Ok(()));
    assert_eq!(
        device.lock().expect("no panic").bytes[(SECTORS as usize - 2) * 512..],
        [[254; 512], [0xab; 512]].concat()
    );
    assert_eq!((client.flush(), device.lock().expect("no panic").flushes), (Ok(()), 1));
    let info = client.info().expect("it is open");
    assert_eq!((info.sectors, info.max_bytes, info.read_only), (SECTORS, 1 << 20, false));
}

#[test]
fn a_dead_client_is_ended_when_its_requests_are_and_stays_out_until_it_is_admitted() {
    let _alone = ALONE.lock();
    let (disk, device) = disk(FLUSH, [0, 0], Manners::Good);
    device.lock().expect("no panic").hold = 2;
    let (dead, other) =
        (Shared::allocate(REGION_BYTES).expect("memory"), Shared::allocate(REGION_BYTES).expect("memory"));
    let regions = [attach(&disk.client(1), &dead), attach(&disk.client(2), &other)];
    let supervisor = disk.client(SUPERVISOR);
    assert_eq!(disk.client(1).end_client(2), Err(BlockError::Refused));
    assert_eq!(disk.client(1).admit_client(1), Err(BlockError::Refused));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| disk.client(1).read(regions[0], 0, 7, 512));
        while device.lock().expect("no panic").taken < 1 {
            std::thread::yield_now();
        }
        let ending = scope.spawn(|| supervisor.end_client(1));
        // Barred at once: what comes now is not begun. (The device holds the request until there are two.)
        while disk.client(1).attach(Capability(dead.memory().slot()), 512) != Err(BlockError::Stopped) {
            std::thread::yield_now();
        }
        assert_eq!(disk.client(1).read(regions[0], 0, 8, 512), Err(BlockError::NoRegion));
        assert!(!ending.is_finished() && !reader.is_finished(), "a request is under way");
        assert_eq!(disk.client(2).read(regions[1], 0, 9, 512), Ok(()), "others go on");
        assert_eq!(ending.join().expect("no panic"), Ok(()));
        dead.window().copy_in(0, &[0xab; 512]).expect("inside");
        assert_eq!(reader.join().expect("no panic"), Ok(()), "it was done before");
    });
    device.lock().expect("no panic").hold = 1;
    assert_eq!(disk.client(2).read(regions[1], 0, 10, 512), Ok(()));
    assert_eq!(bytes_of(&dead, 0, 512), [0xab; 512], "nothing was written to the memory after the answer");
    assert_eq!(supervisor.end_client(1), Ok(()), "once more does no harm");
    assert_eq!(supervisor.admit_client(1), Ok(()));
    let again = attach(&disk.client(1), &dead);
    assert_eq!(disk.client(1).read(again, 0, 5, 512), Ok(()));
    assert_eq!(disk.client(1).read(regions[0], 0, 5, 512), Err(BlockError::NoRegion), "that one is gone");
}

#[test]
fn large_requests_are_cut_into_segments() {
    let _alone = ALONE.lock();
    let (disk, _) = disk(0, [3000, 6], Manners::Good);
    let (client, shared) = (disk.client(1), Shared::allocate(REGION_BYTES).expect("memory"));
    let region = attach(&client, &shared);
    assert_eq!(client.info().map(|info| info.max_bytes), Ok(16384));
    assert_eq!(client.read(region, 512, 10, 16384), Ok(()));
    let expected: Vec<u8> = (10..42).flat_map(|sector| [sector; 512]).collect();
    assert_eq!(bytes_of(&shared, 512, 16384), expected);
    assert_eq!(client.read(region, 0, 0, 16384 + 512), Err(BlockError::OutOfRange));
    assert_eq!(client.flush(), Ok(()), "there is no cache");
}

#[test]
fn the_device_has_all_pieces_at_once() {
    let _alone = ALONE.lock();
    let (disk, device) = disk(FLUSH, [0, 0], Manners::Good);
    let (client, shared) = (disk.client(1), Shared::allocate(REGION_BYTES).expect("memory"));
    let region = attach(&client, &shared);
    let contents: Vec<u8> = (0..=255).flat_map(|sector: u8| [!sector; 512]).collect();
    shared.window().copy_in(0, &contents[..REGION_BYTES as usize]).expect("inside");
    let piece = |number: u64| Sectors { at: number * 512, sector: number * 3, bytes: 512 };
    // Nothing is answered before the device has as many as it has room for.
    device.lock().expect("no panic").hold = 10;
    assert_eq!(client.write_pieces(region, List((0..10).map(piece).collect())), Ok(()));
    let written = |number: u64| device.lock().expect("no panic").bytes[number as usize * 3 * 512] == !(number as u8);
    assert!((0..10).all(written));
    // More than it has room for; and of several clients, who have to wait for one another.
    device.lock().expect("no panic").hold = 0;
    std::thread::scope(|scope| {
        for badge in 2..6 {
            let (client, shared) = (disk.client(badge), &shared);
            scope.spawn(move || {
                let region = attach(&client, shared);
                let pieces = || List((0..MAX_PIECES as u64).map(piece).collect());
                (0..20).for_each(|_| assert_eq!(client.write_pieces(region, pieces()), Ok(())));
            });
        }
    });
    assert!((0..MAX_PIECES as u64).all(written));
    // One that is wrong: none is written.
    let wrong = |last| List(vec![Sectors { at: 0, sector: 1, bytes: 512 }, last]);
    let outside = [
        Sectors { at: 0, sector: SECTORS, bytes: 512 },
        Sectors { at: 0, sector: 2, bytes: 100 },
        Sectors { at: REGION_BYTES, sector: 2, bytes: 512 },
    ];
    for last in outside {
        assert_eq!(client.write_pieces(region, wrong(last)), Err(BlockError::OutOfRange));
    }
    assert_eq!(device.lock().expect("no panic").bytes[512], 1, "as it was");
    // One that the device refuses: an error, and the disk goes on.
    device.lock().expect("no panic").manners = Manners::BadSectors(99);
    let bad = Sectors { at: 0, sector: 100, bytes: 512 };
    assert_eq!(client.write_pieces(region, wrong(bad.clone())), Err(BlockError::Device));
    let many: Vec<_> = core::iter::once(bad).chain((0..33).map(piece)).collect();
    assert_eq!(client.write_pieces(region, List(many)), Err(BlockError::Device), "it is not lost among others");
    assert_eq!(client.write_pieces(region, List((0..10).map(piece).collect())), Ok(()));
    assert_eq!(client.write_pieces(region, List(vec![])), Ok(()));
}

#[test]
fn what_makes_no_sense_is_refused_before_the_device_sees_it() {
    let _alone = ALONE.lock();
    let (disk, device) = disk(READ_ONLY, [0, 0], Manners::Silent);
    let (client, shared) = (disk.client(1), Shared::allocate(REGION_BYTES).expect("memory"));
    let region = attach(&client, &shared);
    for (at, sector, bytes) in [
        (0, 0, 511),
        (0, SECTORS, 512),
        (0, SECTORS - 1, 1024),
        (0, u64::MAX, 512),
        (0, u64::MAX / 512, 1024),
        (REGION_BYTES, 0, 512),
        (REGION_BYTES - 511, 0, 512),
        (u64::MAX, 0, 512),
        (0, 0, 0xffff_fe00),
    ] {
        assert_eq!(client.read(region, at, sector, bytes), Err(BlockError::OutOfRange), "{at} {sector} {bytes}");
    }
    assert_eq!(client.write(region, 0, 0, 512), Err(BlockError::ReadOnly));
    assert_eq!(client.read(region + 1, 0, 0, 512), Err(BlockError::NoRegion));
    assert_eq!(disk.client(2).read(region, 0, 0, 512), Err(BlockError::NoRegion), "it is another client's");
    assert_eq!(disk.client(2).detach(region), Err(BlockError::NoRegion));
    assert_eq!(client.attach(Capability(3), 512), Err(BlockError::OutOfRange));
    let slot = Capability(shared.memory().slot());
    assert_eq!(client.attach(slot, REGION_BYTES + 1), Err(BlockError::OutOfRange));
    assert_eq!(client.read(region, 0, 0, 0), Ok(()), "nothing is read at once");
    assert_eq!(device.lock().expect("no panic").taken, 0);
    let many = (0..1_000).find(|_| client.attach(slot, 512).is_err()).expect("there is an end");
    assert_eq!((many, client.attach(slot, 512)), (255, Err(BlockError::Busy)));
    assert!(disk.client(2).attach(slot, 512).is_ok());
}

#[test]
fn many_threads_have_many_requests_under_way() {
    let _alone = ALONE.lock();
    let (disk, device) = disk(FLUSH, [0, 0], Manners::Good);
    device.lock().expect("no panic").hold = 8;
    let bodies = (0..8u64).map(|number| {
        let client = disk.client(number);
        move || {
            let shared = Shared::allocate(REGION_BYTES).expect("memory");
            let region = attach(&client, &shared);
            for round in 0..200 {
                let pattern = [(number * 31 + round) as u8; 1024];
                shared.window().copy_in(0, &pattern).expect("inside");
                assert_eq!(client.write(region, 0, number * 2, 1024), Ok(()));
                assert_eq!(client.read(region, 4096, number * 2, 1024), Ok(()));
                assert_eq!(bytes_of(&shared, 4096, 1024), pattern);
            }
            assert_eq!(client.detach(region), Ok(()));
        }
    });
    // All threads ask for equally many, so that each time eight are held, eight are there.
    bodies.map(thread::spawn).collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().expect("no panic"));
}

#[test]
fn more_requests_than_descriptors_wait_their_turn() {
    let _alone = ALONE.lock();
    let (disk, _) = disk(0, [0, 0], Manners::Good);
    let threads = (0..40u64).map(|number| {
        let client = disk.client(number);
        thread::spawn(move || {
            let shared = Shared::allocate(REGION_BYTES).expect("memory");
            let region = attach(&client, &shared);
            (0..50).for_each(|_| assert_eq!(client.read(region, 0, number, 512), Ok(())));
            assert_eq!(bytes_of(&shared, 0, 512), [number as u8; 512]);
        })
    });
    threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().expect("no panic"));
}

#[test]
fn errors_of_the_device_are_its_callers_and_of_no_one_else() {
    let _alone = ALONE.lock();
    let (disk, device) = disk(0, [0, 0], Manners::BadSectors(100));
    let (client, shared) = (disk.client(1), Shared::allocate(REGION_BYTES).expect("memory"));
    let region = attach(&client, &shared);
    assert_eq!(client.read(region, 0, 100, 512), Err(BlockError::Device));
    assert_eq!(client.read(region, 0, 99, 512), Ok(()));
    for manners in [Manners::Short, Manners::NoStatus] {
        device.lock().expect("no panic").manners = manners;
        assert_eq!(client.read(region, 0, 99, 512), Err(BlockError::Device), "{manners:?}");
    }
    device.lock().expect("no panic").manners = Manners::Good;
    assert_eq!(client.read(region, 0, 99, 512), Ok(()));
}

#[test]
fn a_device_that_breaks_the_rules_is_reset_before_anybody_learns_of_it() {
    let _alone = ALONE.lock();
    let (disk, device) = disk(0, [0, 0], Manners::WrongChain);
    let (client, shared) = (disk.client(1), Shared::allocate(REGION_BYTES).expect("memory"));
    let region = attach(&client, &shared);
    let before = device.lock().expect("no panic").resets;
    assert_eq!(client.read(region, 0, 1, 512), Err(BlockError::Device));
    assert_eq!(device.lock().expect("no panic").resets, before + 1);
    assert_eq!(client.read(region, 0, 1, 512), Err(BlockError::Device));
    assert_eq!((client.flush(), client.info().map(drop)), (Err(BlockError::Device), Err(BlockError::Device)));
    assert_eq!(disk.shut_down(), Ok(()));
}

#[test]
fn a_disk_that_is_shut_down_ends_what_is_under_way_and_takes_nothing_more() {
    let _alone = ALONE.lock();
    let before = count();
    let (disk, device) = disk(FLUSH, [0, 0], Manners::Good);
    device.lock().expect("no panic").hold = 4;
    let readers = (0..3u64).map(|number| {
        let client = disk.client(number);
        thread::spawn(move || {
            let shared = Shared::allocate(REGION_BYTES).expect("memory");
            let region = attach(&client, &shared);
            assert_eq!(client.read(region, 0, 7, 512), Err(BlockError::Stopped));
            assert_eq!(client.read(region, 0, 7, 512), Err(BlockError::Stopped));
        })
    });
    let readers: Vec<_> = readers.collect();
    while device.lock().expect("no panic").taken < 3 {
        thread::yield_now();
    }
    disk.wait_idle(rt::time::now_ns() + 1);
    assert!(!disk.is_idle());
    assert_eq!(disk.shut_down(), Ok(()), "it does not wait for a device that does nothing");
    assert_eq!(device.lock().expect("no panic").resets, 2, "one at the start, one at the end");
    readers.into_iter().for_each(|reader| reader.join().expect("no panic"));
    assert!(disk.is_idle());
    assert_eq!(disk.client(1).flush(), Err(BlockError::Stopped));
    drop(disk);
    assert_eq!(count(), before, "neither regions nor the driver's own memory are left");
}

#[test]
fn a_device_that_was_taken_away_is_not_touched() {
    let _alone = ALONE.lock();
    let before = count();
    let (disk, device) = disk(0, [0, 0], Manners::Silent);
    let reader = {
        let client = disk.client(1);
        thread::spawn(move || {
            let shared = Shared::allocate(REGION_BYTES).expect("memory");
            let region = attach(&client, &shared);
            client.read(region, 0, 7, 512)
        })
    };
    while device.lock().expect("no panic").taken < 1 {
        thread::yield_now();
    }
    let resets = device.lock().expect("no panic").resets;
    disk.on_loss();
    assert_eq!(reader.join().expect("no panic"), Err(BlockError::Stopped));
    assert_eq!((disk.shut_down(), device.lock().expect("no panic").resets), (Ok(()), resets));
    assert_eq!((disk.client(1).flush(), count()), (Err(BlockError::Stopped), before));
}

#[test]
fn a_device_that_never_resets_keeps_the_memory_that_it_may_write_to() {
    let _alone = ALONE.lock();
    let before = count();
    let (disk, _) = disk(0, [0, 0], Manners::Dead);
    let client = disk.client(1);
    let shared = Shared::allocate(REGION_BYTES).expect("memory");
    attach(&client, &shared);
    assert_eq!(disk.shut_down(), Err(driver_lib::virtio::Error::NoReset));
    // The region (and what it is of) and the two memories of the driver's own.
    assert_eq!(count(), before + 4);
    assert_eq!(client.info().map(drop), Err(BlockError::Stopped));
}

#[test]
fn a_region_ends_when_its_requests_have() {
    let _alone = ALONE.lock();
    let (disk, device) = disk(0, [0, 0], Manners::Good);
    device.lock().expect("no panic").hold = 2;
    let (client, shared) = (disk.client(1), Shared::allocate(REGION_BYTES).expect("memory"));
    let region = attach(&client, &shared);
    let (reader, detacher) = (client.clone(), client.clone());
    let reader = thread::spawn(move || reader.read(region, 0, 9, 512));
    while device.lock().expect("no panic").taken < 1 {
        thread::yield_now();
    }
    let detacher = thread::spawn(move || detacher.detach(region));
    while client.read(region, 0, 0, 0) != Err(BlockError::NoRegion) {
        thread::yield_now();
    }
    assert!(!detacher.is_finished());
    let other = attach(&client, &shared);
    assert_eq!(client.read(other, 512, 3, 512), Ok(()), "the second request lets both go");
    assert_eq!((reader.join().expect("no panic"), detacher.join().expect("no panic")), (Ok(()), Ok(())));
    assert_eq!(bytes_of(&shared, 0, 512), [9; 512]);
}

#[test]
fn regions_and_incarnations_are_numbered_once_and_for_all() {
    let _alone = ALONE.lock();
    let shared = Shared::allocate(REGION_BYTES).expect("memory");
    let mut numbers = Vec::new();
    for _ in 0..20 {
        let (disk, _) = disk(0, [0, 0], Manners::Good);
        let client = disk.client(1);
        numbers.push(client.info().expect("it is open").incarnation);
        numbers.extend([attach(&client, &shared), attach(&client, &shared)]);
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}
