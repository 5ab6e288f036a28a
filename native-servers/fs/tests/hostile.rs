//! Damaged images: whatever the bytes, the answer is a value or an error, and it comes.
//!
//! Without sums, since those would hide what lies behind them, and with a journal that is to be replayed. A failure names its
//! seed; `FS_TEST_FACTOR` makes more runs.

mod support;

use std::sync::Arc;

use interfaces::file_system::{Orphans, Target};
use interfaces::{FileSystem, FsError};
use support::client::{DIRECTORY, FILE, ROOT, SYMLINK, node};
use support::model::{Random, seeds};
use support::{Client, Disk, image};

/// Damaged images, at least, of each kind.
const SEEDS: u64 = 70;
/// Entries that a walk looks at: a damaged tree may be endless.
const MOST_ENTRIES: usize = 200;

/// An image with some of everything, which nobody has left in order.
fn good(options: &[&str]) -> Vec<u8> {
    let disk = Arc::new(Disk::new(image::make(6 << 10, options)));
    let mut client = Client::new(disk.clone());
    let folder = client.create(ROOT, "folder", DIRECTORY).expect("room").inode;
    for index in 0..40 {
        client.create(folder, &format!("a-file-with-a-long-name-{index}"), FILE).expect("room");
    }
    let file = client.create(ROOT, "file", FILE).expect("room").inode;
    for index in 0..120 {
        client.write(file, index * 8192, &[index as u8; 4096]).expect("room");
    }
    client.create_with(ROOT, "short", node(SYMLINK), b"file").expect("room");
    client.create_with(ROOT, "long", node(SYMLINK), &[b'l'; 200]).expect("room");
    client.create(ROOT, "gone", FILE).expect("room");
    client.unlink(ROOT, "gone").expect("it is there");
    client.fs.commit().expect("the disk works");
    disk.bytes()
}

/// The same from before there were extents, in part.
fn old() -> Vec<u8> {
    let folder = image::Folder::new();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("folder")).expect("room");
    (0..40).for_each(|index| {
        std::fs::write(path(&format!("folder/a-file-with-a-long-name-{index}")), [1; 2000]).expect("room");
    });
    std::fs::write(path("file"), vec![2; 600_000]).expect("room");
    std::os::unix::fs::symlink("l".repeat(200), path("long")).expect("room");
    let options = ["-b", "1024", "-O", "^extent,^64bit,^metadata_csum"];
    image::edit(&image::make_with(6 << 10, &options, Some(folder.path())), &["feature extent"])
}

/// Changes some numbers in blocks that hold something.
fn damage(good: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = good.to_vec();
    let blocks: Vec<usize> = (1..good.len() / 1024).filter(|block| good[block * 1024..][..64] != [0; 64]).collect();
    for _ in 0..1 + random.below(6) {
        // The superblock and the descriptors are few among many.
        let block = if random.below(4) == 0 { 1 + random.below(2) as usize } else { random.pick(&blocks) };
        let within = if random.below(2) == 0 { 128 } else { 1024 };
        let at = block * 1024 + random.below(within) as usize / 2 * 2;
        let any = random.next() as u16;
        let value = random.pick(&[0, 1, 2, 0x7f, 0xff, 0x7fff, 0x8000, 0xffff, any]);
        let length = random.pick(&[1, 2]);
        bytes[at..at + length].copy_from_slice(&value.to_le_bytes()[..length]);
    }
    bytes
}

/// Looks at everything, and changes some of it.
fn use_it(bytes: Vec<u8>) -> Result<(), FsError> {
    let mut client = Client::begin(Arc::new(Disk::new(bytes)), Orphans::Free)?;
    let (mut rest, mut seen) = (vec![ROOT], 0);
    while let Some(directory) = rest.pop() {
        let mut cookie = 0;
        while let Ok(listing) = client.fs.list(directory, cookie) {
            let entries = support::client::entries(&listing.entries);
            if entries.is_empty() || seen > MOST_ENTRIES {
                break;
            }
            for (name, inode, after, _) in entries {
                (seen, cookie) = (seen + 1, after);
                let Ok(found) = client.lookup(directory, &name) else { continue };
                match found.mode >> 12 {
                    4 => rest.push(inode),
                    8 if found.size < 4 << 20 => drop(client.read(inode)),
                    10 => drop(client.fs.read_link(inode)),
                    _ => {}
                }
                let _ = client.fs.seek(inode, 0, true);
            }
        }
    }
    let _ = client.fs.statistics();
    let file = client.walk("file").map_or(12, |found| found.inode);
    let folder = client.walk("folder").map_or(13, |found| found.inode);
    for step in 0..24u64 {
        let name = format!("new-{step}");
        let _ = match step % 8 {
            0 => client.create(folder, &name, DIRECTORY).map(drop),
            1 => client.write(file, step * 40_960, &[1; 9000]).map(drop),
            2 => client.rename((ROOT, "file"), (folder, "moved"), Target::Replace).map(drop),
            3 => client.unlink(folder, &format!("a-file-with-a-long-name-{step}")).map(drop),
            4 => client.resize(file, 1 << 18).map(drop),
            5 => client.rename((folder, "moved"), (ROOT, "short"), Target::Exchange).map(drop),
            6 => client.create_with(ROOT, &name, node(SYMLINK), &[b'x'; 300]).map(drop),
            _ => client.fs.commit().map(drop),
        };
    }
    let _ = client.unlink(ROOT, "file").map(|gone| client.forget(gone.inode));
    client.fs.retire().map(drop)
}

#[test]
fn damaged_images_are_no_harm() {
    let options = [["-b", "1024", "-O", "^metadata_csum"], ["-b", "1024", "-O", "metadata_csum"]];
    for (kind, good) in options.iter().map(|options| good(options)).chain([old()]).enumerate() {
        use_it(good.clone()).expect("undamaged it works");
        let mut worked = 0;
        for seed in 0..seeds(SEEDS) {
            let bytes = damage(&good, &mut Random::new(seed));
            let started = std::time::Instant::now();
            worked += u64::from(use_it(bytes).is_ok());
            assert!(started.elapsed().as_secs() < 30, "seed {seed} of kind {kind} takes too long");
        }
        println!("{worked} of {} images could be used", seeds(SEEDS));
    }
}
