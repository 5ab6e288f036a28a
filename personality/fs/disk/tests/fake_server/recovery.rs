//! What is left when the server dies at the worst moments.

use std::sync::Arc;

use guest_memory::SliceSource;
use interfaces::file_system::Orphans;
use vfs::{OpenFlags, RenameRule, SeekTarget};

use super::support::{World, contents, write_at};
use super::{Fake, Odds, fake, quiet};

#[test]
fn everything_acknowledged_survives_a_death() {
    let (fake, world) = quiet();
    world.mkdir("/d").expect("mkdir");
    world.put("/d/f", &[5; 10_000]).expect("put");
    let open = world.create("/gone").expect("create");
    write_at(&open, 0, b"unnamed").expect("write");
    world.unlink("/gone").expect("unlink");
    let file = world.open("/d/f", OpenFlags::RDWR).expect("open");
    assert_eq!(file.file().seek_content(0, SeekTarget::Data), Ok(0), "which sends the pages, but commits nothing");
    fake.die();
    assert_eq!(world.stat("/d/f").expect("stat").size, 10_000);
    world.rename("/d", "/e", RenameRule::Replace).expect("rename");
    file.file().sync().expect("sync");
    assert_eq!(world.disk.counters().recoveries, 1);
    fake.die();
    assert_eq!(world.get("/e/f").expect("get"), [5; 10_000]);
    assert_eq!(contents(&open).expect("read"), b"unnamed");
    world.disk.retire().expect("retire");
    let disk = fake.committed();
    let names: Vec<_> = disk.inodes[&fake::ROOT].entries.keys().cloned().collect();
    assert_eq!(names, [b"e".to_vec()]);
}

#[test]
fn a_change_may_be_the_first_that_the_next_incarnation_hears() {
    let (fake, world) = quiet();
    world.put("/a", &[1; 5000]).expect("put");
    for round in 0..3u8 {
        fake.move_on();
        // It names no window, so it does not tell that the server is another one; the pages do.
        let directory = format!("/{round}");
        world.mkdir(&directory).expect("mkdir");
        world.put(&format!("{directory}/f"), &[round; 9000]).expect("put");
        let file = world.open("/a", OpenFlags::RDWR).expect("open");
        file.file().sync().expect("sync");
        assert_eq!(world.get(&format!("{directory}/f")).expect("get"), [round; 9000]);
    }
    world.disk.retire().expect("retire");
    assert_eq!(fake.committed().inodes[&fake::ROOT].entries.len(), 4);
}

#[test]
fn what_was_synced_is_on_the_disk_whatever_follows() {
    for seed in 0..20 {
        let fake = Fake::new(seed, Odds { death: 15, commit: 30 });
        let world = World::over(fake.clone(), Orphans::Free);
        let file = world.create("/log").expect("create");
        let mut expected = Vec::new();
        for round in 0..30u8 {
            let line = [round; 700];
            file.file().append(&mut SliceSource::new(&line), OpenFlags::RDWR).expect("append");
            expected.extend_from_slice(&line);
            file.file().sync().expect("sync");
            let disk = fake.committed();
            let (inode, _) = disk.inodes[&fake::ROOT].entries[&b"log".to_vec()];
            assert_eq!(disk.inodes[&inode].data, expected, "seed {seed}, round {round}");
        }
        assert!(fake.deaths() > 0);
    }
}

#[test]
fn several_threads_see_no_death() {
    let fake = Fake::new(3, Odds { death: 40, commit: 20 });
    let world = Arc::new(World::over(fake.clone(), Orphans::Free));
    let threads: Vec<_> = (0..4u8)
        .map(|thread| {
            let world = world.clone();
            std::thread::spawn(move || {
                let directory = format!("/{thread}");
                world.mkdir(&directory).expect("mkdir");
                for round in 0..25u8 {
                    let path = format!("{directory}/{}", round % 5);
                    world.put(&path, &[thread * 16 + round; 9000]).expect("put");
                    assert_eq!(world.get(&path).expect("get"), [thread * 16 + round; 9000]);
                    if round % 7 == 0 {
                        world.disk.work();
                        let _ = diskfs::reclaim(100);
                    }
                    if round % 3 == 0 {
                        world.unlink(&path).expect("unlink");
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no thread fails"));
    assert!(fake.deaths() > 10, "{}", fake.deaths());
    fake.set_odds(Odds::default());
    world.disk.retire().expect("retire");
    assert_eq!(world.disk.counters().dirty_pages, 0);
}

#[test]
fn a_client_that_starts_anew_goes_on_after_the_numbers_of_the_last_one() {
    let (fake, world) = quiet();
    world.put("/first", b"one").expect("put");
    world.mkdir("/d").expect("mkdir");
    drop(world);
    let world = World::over(fake, Orphans::Free);
    world.put("/second", b"two").expect("put");
    assert_eq!(world.list("/"), [b"d".to_vec(), b"first".to_vec(), b"second".to_vec()]);
}
