//! One operation after the other, on images of all shapes, checked by e2fsck.

mod support;

use std::sync::Arc;

use interfaces::file_system::{MAX_TARGET_BYTES, Orphans, Target};
use interfaces::{BlockDevice, FileSystem, FsError};
use support::client::{DIRECTORY, FILE, ROOT, SYMLINK, node};
use support::{Client, Disk, image};

/// Shapes of file systems: options of mke2fs.
const SHAPES: [&[&str]; 6] = [
    &["-b", "4096"],
    &["-b", "2048"],
    &["-b", "1024"],
    &["-b", "4096", "-I", "128"],
    &["-b", "1024", "-O", "^metadata_csum,uninit_bg"],
    &["-b", "4096", "-O", "^64bit,^metadata_csum,^flex_bg"],
];

fn pattern(bytes: usize, seed: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index * 31 + index / 251 + seed) as u8).collect()
}

/// Leaves the disk, and checks it.
fn finish(client: &Client, disk: &Disk) -> Vec<u8> {
    assert_eq!(client.fs.retire(), Ok(client.number));
    assert_eq!(client.fs.attributes(ROOT), Err(FsError::Retired));
    let bytes = disk.bytes();
    image::check(&bytes);
    bytes
}

#[test]
fn files_directories_and_links_are_made_in_every_shape() {
    for shape in SHAPES {
        println!("{shape:?}");
        let disk = Arc::new(Disk::new(image::make(32 << 10, shape)));
        let mut client = Client::new(disk.clone());
        let folder = client.create(ROOT, "folder", DIRECTORY).expect("room").inode;
        let file = client.create(folder, "file", FILE).expect("room").inode;
        let contents = pattern(300_001, 1);
        client.write(file, 0, &contents).expect("room");
        let longer = "x".repeat(MAX_TARGET_BYTES + 1);
        let refused = client.create_with(folder, "longer", node(SYMLINK), longer.as_bytes());
        assert_eq!(refused, Err(FsError::NameTooLong), "no message could ask for it once more");
        client.number -= 1;
        let long = "x/".repeat(200);
        client.create_with(folder, "short", node(SYMLINK), b"file").expect("room");
        client.create_with(folder, "long", node(SYMLINK), long.as_bytes()).expect("room");
        let change = client.next();
        client.fs.link(change, file, ROOT, b"second").expect("room");
        for reader in [0, 1] {
            if reader == 1 {
                finish(&client, &disk);
                client = Client::new(disk.clone());
            }
            assert_eq!(client.read(file), Ok(contents.clone()));
            assert_eq!(client.walk("folder/file").map(|found| (found.inode, found.links)), Ok((file, 2)));
            assert_eq!(client.walk("second").map(|found| found.size), Ok(300_001));
            let link = |name: &str| client.lookup(folder, name).and_then(|found| client.fs.read_link(found.inode));
            assert_eq!(link("short"), Ok(b"file".to_vec()));
            assert_eq!(link("long"), Ok(long.clone().into_bytes()));
        }
        assert_eq!(image::debugfs(&finish(&client, &disk), "cat /folder/file"), contents);
    }
}

#[test]
fn a_change_that_is_repeated_happens_once() {
    let disk = Arc::new(Disk::new(image::make(16 << 10, SHAPES[0])));
    let mut client = Client::new(disk.clone());
    let change = client.next();
    let made = client.fs.create(change.clone(), ROOT, b"once", node(FILE), b"").expect("room");
    assert!(made.committed < change.number, "it is not on the disk yet");
    for _ in 0..2 {
        let again = client.fs.create(change.clone(), ROOT, b"once", node(FILE), b"");
        assert_eq!(again.map(drop), Err(FsError::AlreadyDone));
        client.fs.commit().expect("the disk works");
    }
    finish(&client, &disk);
}

#[test]
fn names_are_refused_as_the_contract_says() {
    let disk = Arc::new(Disk::new(image::make(16 << 10, SHAPES[0])));
    let mut client = Client::new(disk.clone());
    let folder = client.create(ROOT, "folder", DIRECTORY).expect("room").inode;
    let file = client.create(folder, "file", FILE).expect("room").inode;
    assert_eq!(client.create(folder, "file", FILE), Err(FsError::Exists));
    assert_eq!(client.create(folder, "a/b", FILE), Err(FsError::Invalid));
    assert_eq!(client.create(folder, "..", FILE), Err(FsError::Invalid));
    assert_eq!(client.create(folder, &"n".repeat(256), FILE), Err(FsError::NameTooLong));
    assert_eq!(client.create(file, "name", FILE), Err(FsError::NotDirectory));
    assert_eq!(client.create(9999, "name", FILE), Err(FsError::NotFound));
    assert_eq!(client.create(8, "name", FILE), Err(FsError::NotFound), "the journal is nobody's");
    assert_eq!(client.unlink(ROOT, "folder"), Err(FsError::IsDirectory));
    assert_eq!(client.unlink(ROOT, "nothing"), Err(FsError::NotFound));
    assert_eq!(client.remove_directory(folder, "file"), Err(FsError::NotDirectory));
    assert_eq!(client.remove_directory(ROOT, "folder"), Err(FsError::NotEmpty));
    let change = client.next();
    assert_eq!(client.fs.link(change, folder, ROOT, b"again"), Err(FsError::IsDirectory));
    client.number = 2;
    finish(&client, &disk);
}

#[test]
fn directories_move_with_their_links_and_never_into_themselves() {
    let disk = Arc::new(Disk::new(image::make(16 << 10, SHAPES[0])));
    let mut client = Client::new(disk.clone());
    let a = client.create(ROOT, "a", DIRECTORY).expect("room").inode;
    let b = client.create(a, "b", DIRECTORY).expect("room").inode;
    let c = client.create(b, "c", DIRECTORY).expect("room").inode;
    assert_eq!(client.rename((ROOT, "a"), (c, "d"), Target::Replace), Err(FsError::Loop));
    assert_eq!(client.rename((ROOT, "a"), (a, "d"), Target::Replace), Err(FsError::Loop));
    assert_eq!(client.rename((a, "b"), (ROOT, "a"), Target::Replace), Err(FsError::NotEmpty));
    assert_eq!(client.rename((ROOT, "a"), (b, "c"), Target::Exchange), Err(FsError::Loop));
    client.rename((a, "b"), (ROOT, "b"), Target::Replace).expect("it may move");
    assert_eq!(client.lookup(b, "..").map(|up| up.inode), Ok(ROOT));
    assert_eq!(client.fs.attributes(a).map(|found| found.links), Ok(2));
    assert_eq!(client.fs.attributes(ROOT).map(|found| found.links), Ok(5));
    let file = client.create(a, "file", FILE).expect("room").inode;
    assert_eq!(client.rename((ROOT, "b"), (a, "file"), Target::Replace), Err(FsError::NotDirectory));
    assert_eq!(client.rename((a, "file"), (ROOT, "b"), Target::Replace), Err(FsError::IsDirectory));
    assert_eq!(client.rename((ROOT, "a"), (ROOT, "b"), Target::Replace), Err(FsError::NotEmpty));
    client.rename((a, "file"), (b, "c"), Target::Exchange).expect("they swap");
    assert_eq!(client.walk("b/c").map(|found| found.inode), Ok(file));
    assert_eq!(client.walk("a/file").map(|found| found.inode), Ok(c));
    assert_eq!(client.lookup(c, "..").map(|up| up.inode), Ok(a));
    let empty = client.create(ROOT, "empty", DIRECTORY).expect("room").inode;
    let gone = client.rename((a, "file"), (ROOT, "empty"), Target::Replace).expect("it is empty");
    assert_eq!((gone.inode, gone.links), (empty, 0));
    client.forget(empty).expect("it has no name");
    let same = client.rename((b, "c"), (b, "c"), Target::Replace).expect("nothing happens");
    assert_eq!(same.inode, 0);
    finish(&client, &disk);
}

#[test]
fn files_without_names_live_until_they_are_forgotten_or_the_system_starts_again() {
    let disk = Arc::new(Disk::new(image::make(16 << 10, SHAPES[0])));
    let mut client = Client::new(disk.clone());
    let before = client.fs.statistics().expect("it has begun");
    let mut files = Vec::new();
    for name in ["a", "b", "c", "d"] {
        let file = client.create(ROOT, name, FILE).expect("room").inode;
        client.write(file, 0, &pattern(50_000, 3)).expect("room");
        assert_eq!(client.unlink(ROOT, name).map(|gone| (gone.inode, gone.links)), Ok((file, 0)));
        files.push(file);
    }
    assert_eq!(client.read(files[1]), Ok(pattern(50_000, 3)));
    client.forget(files[1]).expect("it has no name");
    assert_eq!(client.fs.attributes(files[1]), Err(FsError::NotFound));
    let change = client.next();
    client.fs.link(change, files[3], ROOT, b"again").expect("it may come back");
    client.fs.retire().expect("the disk works");
    let mut client = Client::begin(disk.clone(), Orphans::Keep).expect("it is sound");
    assert_eq!(client.read(files[0]), Ok(pattern(50_000, 3)));
    client.forget(files[0]).expect("it has no name");
    client.fs.commit().expect("the disk works");
    // As after a power cut: nobody has retired.
    image::replay(&disk.bytes());
    drop(client);
    let mut client = Client::begin(disk.clone(), Orphans::Free).expect("it is sound");
    assert_eq!(client.fs.attributes(files[2]), Err(FsError::NotFound));
    client.unlink(ROOT, "again").expect("it is there");
    client.forget(files[3]).expect("it has no name");
    assert_eq!(client.fs.statistics(), Ok(before));
    finish(&client, &disk);
}

#[test]
fn holes_read_as_zeros_and_are_found() {
    for shape in SHAPES {
        let disk = Arc::new(Disk::new(image::make(32 << 10, shape)));
        let mut client = Client::new(disk.clone());
        let file = client.create(ROOT, "file", FILE).expect("room").inode;
        client.write(file, 1 << 20, &pattern(10_000, 1)).expect("room");
        client.write(file, 4096, &pattern(4096, 2)).expect("room");
        client.resize(file, 3 << 20).expect("it may grow");
        let mut expected = vec![0; 3 << 20];
        expected[4096..8192].copy_from_slice(&pattern(4096, 2));
        expected[1 << 20..(1 << 20) + 10_000].copy_from_slice(&pattern(10_000, 1));
        assert_eq!(client.read(file), Ok(expected.clone()));
        let seek = |offset, hole| client.fs.seek(file, offset, hole);
        assert_eq!((seek(0, false), seek(0, true)), (Ok(4096), Ok(0)));
        assert_eq!((seek(5000, false), seek(5000, true)), (Ok(5000), Ok(8192)));
        assert_eq!(seek(8192, false), Ok(1 << 20));
        assert_eq!((seek(2 << 20, false), seek(2 << 20, true)), (Err(FsError::NotFound), Ok(2 << 20)));
        assert_eq!(seek(3 << 20, true), Err(FsError::NotFound));
        let change = client.next();
        client.fs.punch_hole(change, file, (1 << 20) + 100, 8000).expect("it may");
        expected[(1 << 20) + 100..(1 << 20) + 8100].fill(0);
        assert_eq!(client.read(file), Ok(expected.clone()));
        client.resize(file, (1 << 20) + 9000).expect("it may shrink");
        client.resize(file, (1 << 20) + 10_000).expect("it may grow");
        expected.truncate((1 << 20) + 10_000);
        expected[(1 << 20) + 9000..].fill(0);
        assert_eq!(client.read(file), Ok(expected));
        finish(&client, &disk);
    }
}

#[test]
fn nothing_old_is_left_behind_the_end_of_a_file() {
    for shape in SHAPES {
        let disk = Arc::new(Disk::new(image::make(16 << 10, shape)));
        let mut client = Client::new(disk.clone());
        let file = client.create(ROOT, "file", FILE).expect("room").inode;
        client.write(file, 0, &pattern(30_000, 1)).expect("room");
        client.fs.commit().expect("the disk works");
        client.resize(file, 20_001).expect("it may shrink");
        let gone = client.create(ROOT, "gone", FILE).expect("room").inode;
        client.write(gone, 0, &pattern(30_000, 2)).expect("room");
        client.resize(gone, 20_001).expect("it may shrink");
        client.unlink(ROOT, "gone").expect("it is there");
        client.forget(gone).expect("it has no name");
        // Whoever makes it larger without a look at what is there.
        let grown = image::edit(&finish(&client, &disk), &["set_inode_field file size 20480"]);
        let mut expected = pattern(20_001, 1);
        expected.resize(20_480, 0);
        assert!(image::debugfs(&grown, "cat file") == expected, "{shape:?}");
    }
}

#[test]
fn pieces_of_one_call_go_where_they_belong_all_or_none() {
    for shape in SHAPES {
        let disk = Arc::new(Disk::new(image::make(32 << 10, shape)));
        let mut client = Client::new(disk.clone());
        let file = client.create(ROOT, "file", FILE).expect("room").inode;
        client.write(file, 0, &pattern(50_000, 1)).expect("room");
        let mut expected = pattern(50_000, 1);
        let new = pattern(64 << 10, 2);
        client.memory.window().copy_in(0, &new).expect("it fits");
        // What is there, out of the region's order; across the old end, and its last block; behind a hole, not a whole page.
        let pieces = [(4096, 16_384, 4096), (12_288, 0, 8192), (49_152, 8192, 4096), (100 << 12, 24_576, 5000)];
        let change = client.next();
        let writes = disk.writes();
        client.write_pieces(change, file, &pieces).expect("room");
        expected.resize((100 << 12) + 5000, 0);
        for (offset, at, bytes) in pieces {
            expected[offset as usize..][..bytes].copy_from_slice(&new[at..][..bytes]);
        }
        assert_eq!(client.read(file), Ok(expected.clone()));
        assert!(disk.writes() >= writes + 4, "contents are written before the answer");
        for wrong in [
            &[(8192, 0, 4096), (4096, 4096, 4096)][..],
            &[(4096, 0, 8192), (8192, 8192, 4096)],
            &[(4096, 0, 100), (8192, 8192, 4096)],
            &[(4096, 0, 4096), (8192, client.memory.window().bytes(), 4096)],
            &[(4096, 0, 4096), (8200, 4096, 4096)],
        ] {
            let change = client.next();
            assert_eq!(client.write_pieces(change, file, wrong).map(|_| ()), Err(FsError::Invalid), "{wrong:?}");
        }
        let change = client.next();
        assert_eq!(client.write_pieces(change, file, &[]).map(|_| ()), Err(FsError::NoRegion), "of none");
        client.write(file, 0, &expected[..4096]).expect("the numbers in between are not missed");
        assert_eq!(client.read(file), Ok(expected));
        finish(&client, &disk);
    }
}

#[test]
fn files_are_as_large_as_their_blocks_can_be_numbered() {
    for shape in [SHAPES[0], SHAPES[2]] {
        let made = image::make(16 << 10, shape);
        let largest = u64::from(u32::MAX) << 10 << made[1024 + 24];
        let disk = Arc::new(Disk::new(made));
        let mut client = Client::new(disk.clone());
        let file = client.create(ROOT, "file", FILE).expect("room").inode;
        client.resize(file, largest).expect("it may grow");
        assert_eq!(client.resize(file, largest + 1).map(drop), Err(FsError::TooLarge));
        let last = (largest - 1) / 4096 * 4096;
        assert_eq!(client.write(file, last, &[1; 4097]).map(drop), Err(FsError::TooLarge));
        client.write(file, last, &pattern((largest - last) as usize, 1)).expect("room");
        assert_eq!((client.fs.seek(file, 0, false), client.fs.seek(file, last, true)), (Ok(last), Ok(largest)));
        finish(&client, &disk);
        let mut client = Client::new(disk.clone());
        client.resize(file, 1).expect("it may shrink");
        finish(&client, &disk);
    }
}

#[test]
fn extent_trees_grow_and_shrink() {
    let disk = Arc::new(Disk::new(image::make(64 << 10, &["-b", "1024"])));
    let mut client = Client::new(disk.clone());
    let before = client.fs.statistics().expect("it has begun");
    let file = client.create(ROOT, "file", FILE).expect("room").inode;
    // Every other page, in an order that splits nodes in the middle, at the start and at the end.
    let count = 3000;
    for index in 0..count {
        let page = 2 * (index * 1009 % count);
        client.write(file, page * 4096, &pattern(4096, page as usize)).expect("room");
    }
    let size = client.fs.attributes(file).expect("it is there").size;
    let contents = client.read(file).expect("it is there");
    for page in 0..size / 4096 {
        let expected = if page % 2 == 0 { pattern(4096, page as usize) } else { vec![0; 4096] };
        assert!(contents[page as usize * 4096..][..4096] == expected, "page {page}");
    }
    client.fs.commit().expect("the disk works");
    let text = image::debugfs(&image::replay(&disk.bytes()), "ex /file");
    assert!(String::from_utf8_lossy(&text).contains("2/ 2"), "the tree has two levels of index nodes");
    // Fill the gaps: extents join.
    for index in (0..count).rev() {
        let page = 2 * (index * 997 % count) + 1;
        client.write(file, page * 4096, &pattern(4096, page as usize)).expect("room");
    }
    for index in 0..1500 {
        let change = client.next();
        client.fs.punch_hole(change, file, index * 16_384, 4096).expect("it may");
    }
    client.unlink(ROOT, "file").expect("it is there");
    client.forget(file).expect("it has no name");
    assert_eq!(client.fs.statistics(), Ok(before));
    finish(&client, &disk);
}

#[test]
fn a_full_disk_is_said_to_be_full_and_nothing_is_lost() {
    let disk = Arc::new(Disk::new(image::make(8 << 10, &["-b", "1024"])));
    let mut client = Client::new(disk.clone());
    let file = client.create(ROOT, "file", FILE).expect("room").inode;
    client.fs.commit().expect("the disk works");
    let before = client.fs.statistics().expect("it has begun");
    let piece = pattern(1 << 20, 5);
    let mut pieces = 0;
    while client.write(file, pieces << 20, &piece).is_ok() {
        pieces += 1;
    }
    let contents = client.read(file).expect("it is there");
    assert!(pieces > 2 && contents == piece.repeat(pieces as usize));
    let name = |index| format!("a-rather-long-name-so-that-directories-grow-{index}");
    let made = (0..3000).take_while(|index| client.create(ROOT, &name(*index), FILE).is_ok()).count();
    assert!(made < 3000);
    // What was freed may be used again, at once.
    client.resize(file, 0).expect("it may shrink");
    client.write(file, 0, &piece).expect("there is room again");
    (0..made).for_each(|index| {
        let gone = client.unlink(ROOT, &name(index)).expect("it is there");
        client.forget(gone.inode).expect("it has no name");
    });
    client.resize(file, 0).expect("it may shrink");
    let after = client.fs.statistics().expect("it has begun");
    assert_eq!(after.free_inodes, before.free_inodes);
    assert!(before.free_blocks - after.free_blocks < 400, "the root directory has grown, that is all");
    client.create(ROOT, "last", FILE).expect("room");
    assert_eq!(client.fs.retire(), Ok(client.number));
    image::check(&disk.bytes());
}

#[test]
fn large_directories_lose_their_index_and_nothing_else() {
    let folder = image::Folder::new();
    for index in 0..600 {
        std::fs::write(folder.path().join(format!("a-file-with-quite-a-long-name-{index}")), index.to_string())
            .expect("room");
    }
    for shape in SHAPES {
        let made = image::make_with(32 << 10, shape, Some(folder.path()));
        let indexed = image::index_directories(&made);
        let flags = String::from_utf8_lossy(&image::debugfs(&indexed, "stat /")).into_owned();
        assert!(flags.contains("Flags: 0x81000"), "the root has an index: {flags}");
        let disk = Arc::new(Disk::new(indexed));
        let mut client = Client::new(disk.clone());
        let name = |index: usize| format!("a-file-with-quite-a-long-name-{index}");
        client.unlink(ROOT, &name(7)).map(|gone| client.forget(gone.inode)).expect("it is there").expect("it may go");
        client.create(ROOT, "new", FILE).expect("room");
        let mut names: Vec<_> = client.list(ROOT).expect("it is there").into_iter().map(|(name, ..)| name).collect();
        let mut expected: Vec<_> = (0..600).filter(|index| *index != 7).map(name).collect();
        expected.extend(["lost+found".into(), "new".into()]);
        names.sort();
        expected.sort();
        assert_eq!(names, expected);
        finish(&client, &disk);
    }
}

#[test]
fn the_next_incarnation_takes_over_without_a_write() {
    for shape in SHAPES {
        let disk = Arc::new(Disk::new(image::make(16 << 10, shape)));
        let mut client = Client::new(disk.clone());
        let file = client.create(ROOT, "file", FILE).expect("room").inode;
        client.write(file, 0, &pattern(50_000, 3)).expect("room");
        client.fs.settle().expect("the disk works");
        // Nobody has committed this one: the next incarnation is told of it.
        client.create(ROOT, "late", FILE).expect("room");
        let before = (disk.writes(), client.number);
        assert_eq!(client.fs.is_settled(), Ok(false));
        let left = client.fs.hand_over().expect("it serves");
        assert_eq!(
            (client.fs.hand_over().err(), client.fs.attributes(ROOT).err()),
            (Some(FsError::Retired), Some(FsError::Retired))
        );
        let next = fs_server::Ext4::new(disk.clone());
        assert_eq!((next.open(left.clone()), next.prepare()), (Ok(()), Ok(())));
        assert_eq!((next.statistics().err(), next.commit()), (Some(FsError::NotBegun), Err(FsError::NotBegun)));
        assert_eq!(next.begin(Orphans::Keep).map(|info| info.committed), Ok(before.1 - 1));
        assert_eq!(disk.writes(), before.0, "nothing was written meanwhile");
        assert_eq!(next.lookup(ROOT, b"late").err(), Some(FsError::NotFound));
        drop(next);
        image::replay(&disk.bytes());
        let mut client = Client::begin(disk.clone(), Orphans::Keep).expect("it is sound");
        client.create(ROOT, "late", FILE).expect("room");
        assert_eq!(client.read(file), Ok(pattern(50_000, 3)));
        finish(&client, &disk);
    }
}

#[test]
fn one_that_was_prepared_takes_over_without_a_look_at_the_disk() {
    for shape in SHAPES {
        let disk = Arc::new(Disk::new(image::make(16 << 10, shape)));
        let mut client = Client::new(disk.clone());
        client.create(ROOT, "first", FILE).expect("room");
        let next = fs_server::Ext4::new(disk.clone());
        assert_eq!((next.prepare(), next.statistics().err()), (Ok(()), Some(FsError::NotBegun)));
        // What happens after that is not known to it.
        for number in 0..40 {
            let file = client.create(ROOT, &format!("file{number}"), FILE).expect("room").inode;
            client.write(file, 0, &pattern(5000, number)).expect("room");
            client.fs.commit().expect("the disk works");
        }
        client.fs.settle().expect("the disk works");
        assert_eq!(client.fs.is_settled(), Ok(true));
        // This one is not committed: it is for the client to repeat.
        client.create(ROOT, "late", FILE).expect("room");
        let left = client.fs.hand_over().expect("it serves");
        let before = disk.requests();
        assert_eq!(next.open(left.clone()), Ok(()));
        assert_eq!(next.begin(Orphans::Keep).map(|info| info.committed), Ok(client.number - 1));
        assert_eq!(disk.requests(), before, "the disk was not asked");
        assert_eq!(next.lookup(ROOT, b"late").err(), Some(FsError::NotFound));
        assert_eq!(next.lookup(ROOT, b"file39").map(|found| found.size), Ok(5000));
        // One that was not prepared finds the same on the disk, and so does one after what this one commits.
        drop(next);
        let before = client.number - 1;
        let mut client = Client::begin(disk.clone(), Orphans::Keep).expect("it is sound");
        assert_eq!(client.info.committed, before);
        client.create(ROOT, "last", FILE).expect("room");
        client.fs.commit().expect("the disk works");
        client.fs.hand_over().expect("it serves");
        let client = Client::begin(disk.clone(), Orphans::Keep).expect("it is sound");
        assert!(client.walk("last").is_ok());
        finish(&client, &disk);
    }
}

#[test]
fn one_that_was_prepared_does_not_trust_what_is_not_settled() {
    let disk = Arc::new(Disk::new(image::make(16 << 10, SHAPES[0])));
    let mut client = Client::new(disk.clone());
    let next = fs_server::Ext4::new(disk.clone());
    assert_eq!(next.prepare(), Ok(()));
    client.create(ROOT, "kept", FILE).expect("room");
    client.fs.commit().expect("the disk works");
    // It is in the journal alone.
    assert_eq!(client.fs.is_settled(), Ok(false));
    let left = client.fs.hand_over().expect("it serves");
    assert_eq!((left.start, next.open(left)), (0, Ok(())));
    assert_eq!(next.begin(Orphans::Keep).map(|info| info.committed), Ok(client.number));
    assert!(next.lookup(ROOT, b"kept").is_ok());
}

#[test]
fn one_that_hands_over_with_something_in_its_journal_loses_nothing_of_it() {
    let disk = Arc::new(Disk::new(image::make(16 << 10, SHAPES[0])));
    let mut client = Client::new(disk.clone());
    let folder = client.create(ROOT, "folder", DIRECTORY).expect("room").inode;
    client.fs.commit().expect("the disk works");
    client.fs.hand_over().expect("it serves");
    let client = Client::begin(disk.clone(), Orphans::Keep).expect("it is sound");
    assert_eq!(client.walk("folder").map(|found| found.inode), Ok(folder));
    assert_eq!(client.info.committed, client.number);
    finish(&client, &disk);
}

#[test]
fn what_cannot_be_mounted_is_refused() {
    let begin = |bytes| Client::begin(Arc::new(Disk::new(bytes)), Orphans::Free).map(|client| client.info.read_only);
    assert_eq!(begin(vec![0; 1 << 20]).err(), Some(FsError::Corrupt));
    for feature in ["inline_data", "encrypt", "casefold", "meta_bg,^resize_inode", "ea_inode", "bigalloc"] {
        assert_eq!(begin(image::make(16 << 10, &["-O", feature])).err(), Some(FsError::Unsupported), "{feature}");
    }
    assert_eq!(begin(image::make(64 << 10, &["-b", "65536"])).err(), Some(FsError::Unsupported));
    for feature in ["^has_journal", "quota", "^extent,^64bit"] {
        assert_eq!(begin(image::make(64 << 10, &["-O", feature])), Ok(true), "{feature}");
    }
    let disk: Arc<dyn BlockDevice> = Arc::new(Disk::new(image::make(16 << 10, &["-O", "^has_journal"])));
    let mut client = Client::new(disk);
    assert_eq!(client.create(ROOT, "file", FILE), Err(FsError::ReadOnly));
    assert_eq!(client.fs.retire(), Ok(0));
}
