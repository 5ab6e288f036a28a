//! How many requests the disk gets: what streaming and many small files cost on a real one.

mod support;

use std::sync::Arc;

use interfaces::FileSystem;
use interfaces::file_system::Orphans;
use support::client::{DIRECTORY, FILE, ROOT};
use support::{Client, Disk, image};

/// Bytes of the disk's largest request.
const LARGEST: u64 = 64 << 10;

#[test]
fn a_file_that_is_written_and_read_in_order_takes_few_requests() {
    let disk = Arc::new(Disk::new(image::make(64 << 10, &["-b", "4096"])));
    let mut client = Client::new(disk.clone());
    let file = client.create(ROOT, "file", FILE).expect("room").inode;
    let (mebibytes, start) = (24, disk.requests());
    for index in 0..mebibytes {
        client.write(file, index << 20, &vec![index as u8; 1 << 20]).expect("room");
    }
    let least = (mebibytes << 20) / LARGEST;
    let written = disk.requests() - start;
    assert!(written < least + least / 8, "{written} requests for writing, {least} at least");
    let start = disk.requests();
    client.read(file).expect("it is there");
    let read = disk.requests() - start;
    assert!(read < least + least / 8, "{read} requests for reading, {least} at least");
}

#[test]
fn two_thousand_small_files_take_little_more_than_a_request_each() {
    let disk = Arc::new(Disk::new(image::make(64 << 10, &["-b", "4096"])));
    let mut client = Client::new(disk.clone());
    let start = disk.requests();
    for folder in 0..20 {
        let folder = client.create(ROOT, &format!("folder-{folder}"), DIRECTORY).expect("room").inode;
        for index in 0..100 {
            let file = client.create(folder, &format!("file-{index}"), FILE).expect("room").inode;
            client.write(file, 0, &vec![index as u8; 3000]).expect("room");
        }
    }
    client.fs.commit().expect("the disk works");
    let requests = disk.requests() - start;
    assert!(requests < 2500, "{requests} requests");
    client.fs.retire().expect("the disk works");
    image::check(&disk.bytes());
}

#[test]
fn inodes_are_read_with_their_neighbours() {
    let disk = Arc::new(Disk::new(image::make(64 << 10, &["-b", "4096", "-I", "256"])));
    let mut client = Client::new(disk.clone());
    let make = |index| client.create(ROOT, &format!("file-{index}"), FILE).expect("room").inode;
    let inodes: Vec<_> = (0..2000).map(make).collect();
    client.fs.retire().expect("the disk works");
    let client = Client::begin(disk.clone(), Orphans::Free).expect("it is sound");
    let start = disk.requests();
    for inode in inodes {
        assert_eq!(client.fs.attributes(inode).expect("it is there").inode, inode);
    }
    let requests = disk.requests() - start;
    assert!(requests < 2000 / 16 / 4, "{requests} requests for 2,000 inodes of 256 bytes");
}
