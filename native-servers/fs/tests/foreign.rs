//! Images as other implementations leave them: journals that are to be replayed, numbers that are old, older forms.

mod support;

use std::sync::Arc;

use interfaces::file_system::Orphans;
use interfaces::FileSystem;
use support::client::{FILE, ROOT};
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
