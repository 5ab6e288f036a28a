//! Images as other implementations leave them: journals that are to be replayed, numbers that are old, older forms.

mod support;

use std::sync::Arc;

use interfaces::file_system::Orphans;
use interfaces::{FileSystem, FsError};
use support::client::{DIRECTORY, FILE, ROOT};
use support::{Client, Disk, image};

/// Leaves the disk, and checks it.
fn finish(client: &Client, disk: &Disk) -> Vec<u8> {
    client.fs.retire().expect("the disk works");
    let bytes = disk.bytes();
    image::check(&bytes);
    bytes
}

/// Blocks of a file, or numbers of what debugfs lists.
fn blocks_of(bytes: &[u8], file: &str) -> Vec<String> {
    let listed = String::from_utf8(image::debugfs(bytes, &format!("blocks {file}"))).expect("numbers");
    listed.split_whitespace().map(String::from).collect()
}

#[test]
fn journals_of_other_implementations_are_replayed_as_they_replay_them() {
    // Sums of each kind, numbers of blocks of each width.
    let kinds: [(&[&str], &str); 5] = [
        (&["-b", "1024"], "-c -v 3"),
        (&["-b", "1024"], "-c -v 2"),
        (&["-b", "1024", "-O", "^64bit"], "-c -v 2"),
        (&["-b", "4096", "-O", "^64bit"], "-c -v 3"),
        (&["-b", "1024", "-O", "^64bit,^metadata_csum"], ""),
    ];
    for (options, sums) in kinds {
        let made = image::make(24 << 10, options);
        let block_bytes = 1024_usize << made[1024 + 24];
        let disk = Arc::new(Disk::new(made));
        let mut client = Client::new(disk.clone());
        let file = client.create(ROOT, "file", FILE).expect("room").inode;
        client.write(file, 0, &vec![0x55; 200 * block_bytes]).expect("room");
        let made = finish(&client, &disk);
        // More blocks than a descriptor has tags; some start like blocks of the journal.
        let mut contents: Vec<u8> = (0..150 * block_bytes).map(|at| (at / block_bytes) as u8).collect();
        for index in [0, 7, 149] {
            contents[index * block_bytes..][..4].copy_from_slice(&[0xc0, 0x3b, 0x39, 0x98]);
        }
        let (folder, blocks) = (image::Folder::new(), blocks_of(&made, "/file"));
        let from = folder.path().join("contents");
        std::fs::write(&from, contents).expect("room");
        let write = |range: &[String]| format!("jw -b {} {}", range.join(","), from.display());
        let revoke = format!("jw -r {}", blocks[20..60].join(","));
        let open = format!("jo {sums}");
        let dirty = image::edit(&made, &[&open, &write(&blocks[..150]), &revoke, &write(&blocks[50..55]), "jc"]);
        let expected = image::debugfs(&image::replay(&dirty), "cat /file");
        assert_eq!((expected[block_bytes], expected[30 * block_bytes], expected[51 * block_bytes]), (1, 0x55, 1));
        let disk = Arc::new(Disk::new(dirty));
        let client = Client::begin(disk.clone(), Orphans::Free).expect("it is sound");
        assert!(client.read(file).expect("it is there") == expected, "{options:?} {sums}");
        finish(&client, &disk);
    }
}

#[test]
fn a_journal_with_the_oldest_sums_can_be_read_by_others_afterwards() {
    let mut made = image::make(16 << 10, &["-b", "1024", "-O", "^metadata_csum"]);
    let superblock = blocks_of(&made, "<8>")[0].parse::<usize>().expect("a number") * 1024;
    // The lowest bit of the features that may be ignored.
    made[superblock + 39] |= 1;
    image::check(&made);
    let disk = Arc::new(Disk::new(made));
    let mut client = Client::new(disk.clone());
    client.create(ROOT, "file", FILE).expect("room");
    finish(&client, &disk);
}

#[test]
fn old_numbers_of_free_blocks_and_inodes_are_put_right() {
    let made = image::make(16 << 10, &["-b", "1024"]);
    let expected = Client::new(Arc::new(Disk::new(made.clone()))).fs.statistics();
    for numbers in [(10, 3), (16_000, 4000), (100_000, 100_000)] {
        let (blocks, inodes) =
            (format!("ssv free_blocks_count {}", numbers.0), format!("ssv free_inodes_count {}", numbers.1));
        let disk = Arc::new(Disk::new(image::edit(&made, &[&blocks, &inodes])));
        let mut client = Client::new(disk.clone());
        assert_eq!(client.fs.statistics(), expected);
        for index in 0..20 {
            let file = client.create(ROOT, &format!("file{index}"), FILE).expect("room").inode;
            client.write(file, 0, &[1; 5000]).expect("room");
        }
        finish(&client, &disk);
    }
}

/// What an old file contains.
fn old_contents() -> Vec<u8> {
    (0..2_000_001).map(|at| (at / 1000 + 1) as u8).collect()
}

/// Where an old file with holes has pages: reached by one level of tables, two and three.
const OLD_PLACES: [usize; 4] = [0, 100 << 10, 400 << 10, 70 << 20];

/// A file system from before there were extents, on which they were allowed since.
fn old_image() -> Vec<u8> {
    let folder = image::Folder::new();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("file"), old_contents()).expect("room");
    let mut sparse = vec![0; (70 << 20) + 4096];
    OLD_PLACES.iter().for_each(|at| sparse[*at..at + 4096].fill(7));
    std::fs::write(path("sparse"), sparse).expect("room");
    std::os::unix::fs::symlink("y/".repeat(150), path("link")).expect("room");
    std::fs::create_dir(path("folder")).expect("room");
    let options = ["-b", "1024", "-O", "^extent,^64bit,^metadata_csum"];
    image::edit(&image::make_with(32 << 10, &options, Some(folder.path())), &["feature extent"])
}

#[test]
fn what_has_no_extents_is_changed_and_removed() {
    let made = old_image();
    image::check(&made);
    let disk = Arc::new(Disk::new(made));
    let mut client = Client::new(disk.clone());
    let file = client.walk("file").expect("it is there").inode;
    let mut expected = old_contents();
    assert_eq!(client.read(file), Ok(expected.clone()));
    // First what leaves the map as it is, then what does not.
    client.resize(file, 1_500_001).expect("it may shrink");
    client.resize(file, 1_600_001).expect("it may grow");
    expected[1_500_001..].fill(0);
    expected.truncate(1_600_001);
    assert_eq!(client.read(file), Ok(expected.clone()));
    let text = String::from_utf8_lossy(&image::debugfs(&finish(&client, &disk), "stat /file")).into_owned();
    assert!(text.contains("(DIND)"), "{text}");
    let mut client = Client::new(disk.clone());
    for at in [1 << 20, 8192, 1_597_440] {
        client.write(file, at as u64, &[9; 5000]).expect("room");
        expected.resize(expected.len().max(at + 5000), 0);
        expected[at..at + 5000].fill(9);
        assert_eq!(client.read(file), Ok(expected.clone()));
    }
    let sparse = client.walk("sparse").expect("it is there").inode;
    let change = client.next();
    client.fs.punch_hole(change, sparse, 400 << 10, 4096).expect("it may");
    assert_eq!(client.fs.seek(sparse, (100 << 10) + 4096, false), Ok(70 << 20));
    let folder = client.walk("folder").expect("it is there").inode;
    for index in 0..100 {
        client.create(folder, &format!("a-rather-long-name-{index}"), DIRECTORY).expect("room");
    }
    assert_eq!(image::debugfs(&finish(&client, &disk), "cat /file"), expected);
    remove_old(&disk);
    remove_old(&Arc::new(Disk::new(old_image())));
}

/// Removes what an old image has.
fn remove_old(disk: &Arc<Disk>) {
    let mut client = Client::new(disk.clone());
    for name in ["file", "sparse", "link"] {
        let gone = client.unlink(ROOT, name).expect("it is there").inode;
        client.forget(gone).expect("it has no name");
        assert_eq!(client.fs.attributes(gone), Err(FsError::NotFound));
    }
    finish(&client, disk);
}

#[test]
fn a_power_cut_with_old_files_on_the_list_of_orphans_is_no_harm() {
    let disk = Arc::new(Disk::new(old_image()));
    let mut client = Client::new(disk.clone());
    for name in ["file", "sparse", "link"] {
        client.unlink(ROOT, name).expect("it is there");
    }
    client.fs.commit().expect("the disk works");
    drop(client);
    let client = Client::new(disk.clone());
    let bytes = finish(&client, &disk);
    assert!(blocks_of(&bytes, "<12>").is_empty());
}

/// CRC-32C, bit by bit and without inversions.
fn crc32c(sum: u32, bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 };
    bytes.iter().fold(sum, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}

#[test]
fn hash_trees_that_linux_made_are_read_and_changed() {
    let folder = image::Folder::new();
    let name = |index: usize| format!("a-file-with-quite-a-long-name-{index}");
    (0..400).for_each(|index| std::fs::write(folder.path().join(name(index)), "text").expect("room"));
    for options in [["-b", "1024"], ["-b", "4096"]] {
        let mut bytes = image::index_directories(&image::make_with(16 << 10, &options, Some(folder.path())));
        let block_bytes = 1024_usize << bytes[1024 + 24];
        let mapped = String::from_utf8(image::debugfs(&bytes, "bmap <2> 0")).expect("a number");
        let root = mapped.trim().parse::<usize>().expect("a number") * block_bytes;
        // What became the tree's root was a plain block: its last entry, which holds the sum, is still there.
        let tail = root + block_bytes - 12;
        assert_eq!(bytes[tail..tail + 8], [0; 8]);
        bytes[tail + 4..tail + 8].copy_from_slice(&[12, 0, 0, 0xde]);
        let text = String::from_utf8(image::debugfs(&bytes, "stat <2>")).expect("text");
        let generation = text.split("Generation: ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let generation = generation.and_then(|text| text.parse::<u32>().ok()).expect("a number").to_le_bytes();
        let owner = [&bytes[1024 + 0x68..][..16], &2_u32.to_le_bytes(), &generation];
        let mut sum = owner.iter().fold(!0, |sum, part| crc32c(sum, part));
        // Entries in use, then four bytes that are reserved, then the sum itself as zero.
        let entries = usize::from(u16::from_le_bytes([bytes[root + 34], bytes[root + 35]]));
        for part in [&bytes[root..root + 32 + entries * 8], &bytes[tail + 4..tail + 8], &[0; 4]] {
            sum = crc32c(sum, part);
        }
        bytes[tail + 8..tail + 12].copy_from_slice(&sum.to_le_bytes());
        image::check(&bytes);
        let disk = Arc::new(Disk::new(bytes));
        let mut client = Client::new(disk.clone());
        assert_eq!(client.list(ROOT).expect("it is there").len(), 401);
        assert_eq!(client.lookup(ROOT, &name(399)).map(|found| found.size), Ok(4));
        client.create(ROOT, "new", FILE).expect("room");
        assert_eq!(client.list(ROOT).expect("it is there").len(), 402);
        finish(&client, &disk);
    }
}

#[test]
fn names_without_types_are_listed_with_them() {
    let folder = image::Folder::new();
    std::fs::create_dir(folder.path().join("folder")).expect("room");
    std::fs::write(folder.path().join("file"), "text").expect("room");
    let made = image::make_with(16 << 10, &["-O", "^filetype"], Some(folder.path()));
    let client = Client::new(Arc::new(Disk::new(made)));
    let listed = client.list(ROOT).expect("it is there");
    let kind = |wanted: &str| listed.iter().find(|(name, ..)| name == wanted).map(|(_, _, kind)| *kind);
    assert_eq!((kind("folder"), kind("file")), (Some(4), Some(8)));
}
