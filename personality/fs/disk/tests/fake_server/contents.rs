//! Files and names over a server that lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use guest_memory::{SliceSink, SliceSource};
use interfaces::file_system::{MAX_TARGET_BYTES, Orphans};
use interfaces::{FileSystem, FileSystemClient, FileSystemDispatcher};
use ipc::Loopback;
use linux_abi::Errno;
use vfs::{Allocation, OpenFlags, RenameRule, SeekTarget, WalkFlags};

use super::fake::Call;
use super::support::{World, contents, write_at};
use super::{Fake, Odds, quiet};

#[test]
fn files_come_back_after_a_new_mount() {
    let (fake, world) = quiet();
    world.mkdir("/d").expect("mkdir");
    let bytes: Vec<u8> = (0..300_000u32).map(|n| (n / 7) as u8).collect();
    world.put("/d/f", &bytes).expect("put");
    world.symlink("d/f", "/s").expect("symlink");
    assert_eq!(world.stat("/d/f").expect("stat").size, 300_000);
    world.disk.retire().expect("retire");
    fake.restart();
    let world = World::over(fake, Orphans::Free);
    assert_eq!(world.get("/s").expect("get"), bytes);
    assert_eq!(world.list("/"), [b"d".to_vec(), b"s".to_vec()]);
    let blocks = world.stat("/d/f").expect("stat").blocks;
    assert_eq!(blocks, 300_000u64.div_ceil(4096) * 8);
}

#[test]
fn holes_are_found_and_read_as_zeros() {
    let (_, world) = quiet();
    let file = world.create("/f").expect("create");
    write_at(&file, 5 * 4096 + 10, b"data").expect("write");
    assert_eq!(file.file().seek_content(0, SeekTarget::Data), Ok(5 * 4096));
    assert_eq!(file.file().seek_content(5 * 4096 + 3, SeekTarget::Hole), Ok(5 * 4096 + 14));
    assert_eq!(file.file().seek_content(3, SeekTarget::Hole), Ok(3));
    file.file().truncate(10 * 4096).expect("truncate");
    assert_eq!(file.file().seek_content(6 * 4096, SeekTarget::Data), Err(Errno::ENXIO));
    assert_eq!(file.file().seek_content(5 * 4096, SeekTarget::Hole), Ok(6 * 4096));
    assert!(contents(&file).expect("read").iter().take(5 * 4096 + 10).all(|byte| *byte == 0));
    file.file().allocate(Allocation::PunchHole, 5 * 4096, 4096).expect("punch");
    assert_eq!(file.file().seek_content(0, SeekTarget::Data), Err(Errno::ENXIO));
    file.file().allocate(Allocation::Extend, 4096 + 5, 20 * 4096).expect("allocate");
    assert_eq!(world.stat("/f").expect("stat").size, 21 * 4096 + 5);
    assert_eq!(file.file().seek_content(0, SeekTarget::Data), Ok(4096));
    assert_eq!(file.file().allocate(Allocation::Zero, 0, 10), Err(Errno::EOPNOTSUPP));
}

#[test]
fn a_file_without_a_name_lives_as_long_as_it_is_open() {
    let (fake, world) = quiet();
    world.put("/f", b"still here").expect("put");
    let file = world.open("/f", OpenFlags::RDWR).expect("open");
    world.unlink("/f").expect("unlink");
    assert_eq!(file.metadata().expect("metadata").links, 0);
    world.disk.work();
    assert_eq!(contents(&file).expect("read"), b"still here");
    assert_eq!(fake.committed().inodes.len(), 2);
    drop(file);
    world.disk.work();
    assert_eq!(fake.committed().inodes.len(), 1);
    assert_eq!(world.disk.counters().dirty_pages, 0);
}

#[test]
fn an_unnamed_file_can_get_a_name() {
    let (_, world) = quiet();
    let file = world.open("/", OpenFlags::RDWR | OpenFlags::TMPFILE_BIT | OpenFlags::DIRECTORY).expect("open");
    write_at(&file, 0, b"text").expect("write");
    world.caller().link(file.path(), None, b"/name").expect("link");
    drop(file);
    world.disk.work();
    assert_eq!(world.get("/name").expect("get"), b"text");
    assert_eq!(world.stat("/name").expect("stat").links, 1);
}

#[test]
fn a_file_that_lost_its_names_gets_no_new_one() {
    let (_, world) = quiet();
    world.put("/f", b"text").expect("put");
    let file = world.open("/f", OpenFlags::RDWR).expect("open");
    world.caller().link(file.path(), None, b"/g").expect("link");
    world.unlink("/f").expect("unlink");
    world.caller().link(file.path(), None, b"/h").expect("it has a name");
    world.unlink("/g").and(world.unlink("/h")).expect("unlink");
    assert_eq!(world.caller().link(file.path(), None, b"/name"), Err(Errno::ENOENT));
    let unnamed = OpenFlags::RDWR | OpenFlags::TMPFILE_BIT | OpenFlags::DIRECTORY;
    let file = world.open("/", unnamed | OpenFlags::EXCL).expect("open");
    assert_eq!(world.caller().link(file.path(), None, b"/name"), Err(Errno::ENOENT));
    let file = world.open("/", unnamed).expect("open");
    world.caller().link(file.path(), None, b"/name").expect("link");
    world.unlink("/name").expect("unlink");
    assert_eq!(world.caller().link(file.path(), None, b"/name"), Err(Errno::ENOENT));
}

#[test]
fn a_full_disk_is_told_at_once_and_loses_nothing_else() {
    let fake = Fake::new(1, Odds::default());
    fake.set_capacity(20);
    let world = World::over(fake, Orphans::Free);
    world.put("/small", &[7; 8 * 4096]).expect("there is room");
    let file = world.create("/large").expect("create");
    let written = write_at(&file, 0, &[8; 100 * 4096]);
    assert_eq!(written, Err(Errno::ENOSPC));
    assert_eq!(file.file().size(), Ok(0));
    assert_eq!(write_at(&file, 0, &[8; 12 * 4096]), Ok(12 * 4096));
    assert_eq!(write_at(&file, 12 * 4096, &[8; 1]), Err(Errno::ENOSPC));
    assert_eq!(contents(&file).expect("read"), [8; 12 * 4096]);
    file.file().sync().expect("sync");
    assert_eq!(world.get("/small").expect("get"), [7; 8 * 4096]);
    drop(file);
    world.unlink("/large").expect("unlink");
    world.put("/again", &[9; 12 * 4096]).expect("there is room again");
}

#[test]
fn pages_written_through_a_mapping_reach_the_disk_each_time() {
    let (fake, world) = quiet();
    let file = world.create("/f").expect("create");
    write_at(&file, 0, &[1; 5000]).expect("write");
    let source = file.file().clone().page_source().expect("mappable");
    let page = source.page(1, true).expect("page");
    let inode = file.inode().metadata().expect("metadata").inode;
    for round in 2..6 {
        page.write(10, &[round; 4]);
        file.file().sync().expect("sync");
        let on_disk = fake.committed().inodes[&inode].data.clone();
        assert_eq!((on_disk.len(), &on_disk[4106..4110]), (5000, &[round; 4][..]));
        let mut bytes = [0; 1];
        file.read_at(4106, &mut SliceSink::new(&mut bytes)).expect("read");
        assert_eq!(bytes, [round]);
    }
    page.write(2000, b"behind the end");
    drop(page);
    file.file().truncate(3 * 4096).expect("truncate");
    assert!(contents(&file).expect("read")[5000..].iter().all(|byte| *byte == 0));
    assert_eq!(source.page(3, true), Err(Errno::EFAULT));
}

#[test]
fn memory_is_given_back_and_read_again() {
    let (_, world) = quiet();
    let bytes: Vec<u8> = (0..200 * 4096u32).map(|n| (n / 4096 + n) as u8).collect();
    world.put("/f", &bytes).expect("put");
    let before = world.disk.counters();
    assert_eq!((before.cached_pages, before.dirty_pages), (200, 200));
    let other = world.create("/o").expect("create");
    write_at(&other, 0, b"dirty").expect("write");
    world.open("/f", OpenFlags::RDWR).expect("open").file().sync().expect("sync");
    world.disk.work();
    write_at(&other, 0, b"dirty again").expect("write");
    // Other tests' volumes are asked as well, and may take the pages' place.
    for _ in 0..100 {
        let _ = diskfs::reclaim(1000);
    }
    assert!(world.disk.counters().cached_pages < 100, "{:?}", world.disk.counters());
    assert_eq!(contents(&other).expect("read"), b"dirty again");
    assert_eq!(world.get("/f").expect("get"), bytes);
}

#[test]
fn what_is_being_written_is_not_given_back() {
    let (fake, world) = quiet();
    let file = world.create("/log").expect("create");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let _ = diskfs::reclaim(1000);
            }
        });
        let mut expected = Vec::new();
        for round in 0..2000u32 {
            // Clean before each line, as far as the last page goes.
            file.file().sync().expect("sync");
            let line = [round as u8; 100];
            file.file().append(&mut SliceSource::new(&line), OpenFlags::RDWR).expect("append");
            expected.extend_from_slice(&line);
        }
        file.file().sync().expect("sync");
        is_over.store(true, Ordering::Relaxed);
        let inode = file.inode().metadata().expect("metadata").inode;
        assert!(fake.committed().inodes[&inode].data == expected);
    });
}

#[test]
fn a_page_that_is_written_while_it_is_read_stays_written() {
    let (fake, world) = quiet();
    world.put("/f", &[1; 3 * 4096]).expect("put");
    world.disk.retire().expect("retire");
    fake.restart();
    let world = World::over(fake.clone(), Orphans::Free);
    for page in 0..2 {
        let (reader, writer) = (world.open("/f", OpenFlags::RDWR).expect("open"), world.create("/f").expect("open"));
        fake.during_next(Call::Read, move || assert_eq!(write_at(&writer, page * 4096, &[2; 4096]), Ok(4096)));
        reader.read_at(page * 4096, &mut SliceSink::new(&mut [0])).expect("read");
        reader.file().sync().expect("sync");
        let on_disk = fake.committed().inodes[&reader.inode().metadata().expect("metadata").inode].data.clone();
        assert!(on_disk == contents(&reader).expect("read"));
        assert!(on_disk[page as usize * 4096..][..4096] == [2; 4096], "page {page}");
        let _ = (0..10).map(|_| diskfs::reclaim(1000)).sum::<usize>();
    }
}

#[test]
fn sync_waits_for_what_somebody_else_is_writing() {
    const FILES: usize = 100;
    let (fake, world) = quiet();
    let world = Arc::new(world);
    for file in 0..FILES {
        world.put(&format!("/{file}"), &[7; 4096]).expect("put");
    }
    let (syncing, result) = std::sync::mpsc::channel();
    let (server, other) = (fake.clone(), world.clone());
    fake.during_next(Call::Write, move || {
        let thread = std::thread::spawn(move || {
            vfs::FileSystem::sync(&*other.disk).expect("sync");
            server.committed().inodes.values().filter(|inode| inode.data == [7; 4096]).count()
        });
        syncing.send(thread).expect("the test goes on");
        // The other has begun by then; where it has not the test only shows less.
        std::thread::sleep(std::time::Duration::from_millis(50));
    });
    world.disk.work();
    let thread = result.recv().expect("one file was written");
    assert_eq!(thread.join().expect("no panic"), FILES, "on the disk when sync has ended");
}

#[test]
fn a_symbolic_link_is_as_long_wherever_the_server_is() {
    let made = [false, true].map(|by_message| {
        let fake = Fake::new(1, Odds::default());
        let message = Loopback::new(FileSystemDispatcher(ipc::Shared(fake.clone())), 1);
        let server: Arc<dyn FileSystem> =
            if by_message { Arc::new(FileSystemClient::new(message)) } else { fake.clone() };
        let world = World::over(server.clone(), Orphans::Free);
        let lengths = [1, 100, 2000, MAX_TARGET_BYTES, MAX_TARGET_BYTES + 1, 4095];
        let paths = lengths.map(|length| (length, format!("/{length:n>255}")));
        let made = paths.clone().map(|(length, path)| world.symlink(&"t".repeat(length), &path));
        world.disk.retire().expect("retire");
        fake.restart();
        let world = World::over(server, Orphans::Free);
        for (length, path) in paths.iter().filter(|(length, _)| *length <= MAX_TARGET_BYTES) {
            let link = vfs::resolve(world.caller(), None, path.as_bytes(), WalkFlags::empty()).expect("made");
            assert_eq!(link.inode().read_link().expect("a link").len(), *length);
        }
        made
    });
    let long = Err(Errno::ENAMETOOLONG);
    assert_eq!(made, [[Ok(()), Ok(()), Ok(()), Ok(()), long, long]; 2]);
}

#[test]
fn times_and_modes_are_what_was_set() {
    let (fake, world) = quiet();
    world.put("/f", b"text").expect("put");
    let path = world.find("/f").expect("find");
    let then = vfs::Timestamp { seconds: -5, nanoseconds: 7 };
    world.caller().change_times(&path, vfs::NewTime::At(then), vfs::NewTime::At(then)).expect("utimes");
    world.caller().change_mode(&path, 0o4751).expect("chmod");
    world.disk.retire().expect("retire");
    fake.restart();
    let world = World::over(fake, Orphans::Free);
    let metadata = world.stat("/f").expect("stat");
    assert_eq!((metadata.accessed, metadata.modified, metadata.permissions), (then, then, 0o4751));
    let file = world.open("/f", OpenFlags::RDWR).expect("open");
    write_at(&file, 0, b"T").expect("write");
    assert_eq!(world.stat("/f").expect("stat").permissions, 0o751);
}

#[test]
fn a_directory_knows_its_children() {
    let (_, world) = quiet();
    world.mkdir("/a").expect("mkdir");
    world.mkdir("/a/b").expect("mkdir");
    world.mkdir("/c").expect("mkdir");
    assert_eq!(world.stat("/a").expect("stat").links, 3);
    world.rename("/a/b", "/c/b", RenameRule::Replace).expect("rename");
    assert_eq!((world.stat("/a").expect("stat").links, world.stat("/c").expect("stat").links), (2, 3));
    assert_eq!(world.rmdir("/c"), Err(Errno::ENOTEMPTY));
    for index in 0..20 {
        world.put(&format!("/c/{index}"), b"").expect("put");
    }
    assert_eq!(world.list("/c").len(), 21);
    world.put("/c/0", b"").expect("put");
    world.link("/c/0", "/c/again").expect("link");
    assert_eq!(world.stat("/c/0").expect("stat").links, 2);
    assert_eq!(world.stat("/c/0").expect("stat").inode, world.stat("/c/again").expect("stat").inode);
}
