//! What is repeated after a death takes the same blocks, or on a full disk there might be too few.

mod support;

use std::sync::Arc;

use interfaces::FileSystem;
use interfaces::file_system::{NewNode, Orphans};
use support::client::{FILE, ROOT, node};
use support::{Client, Disk, image};

/// Whether the server dies before the last changes are committed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lives,
    Dies,
}

/// Writes a file after a commit, in a group with a hole before what was written last: where the file is.
fn blocks_of_last_file(fate: Fate) -> String {
    let disk = Arc::new(Disk::new(image::make(16 << 10, &[])));
    let mut client = Client::new(disk.clone());
    let hole = client.create(ROOT, "hole", FILE).expect("room").inode;
    client.write(hole, 0, &[1; 400_000]).expect("room");
    let before = client.create(ROOT, "before", FILE).expect("room").inode;
    client.write(before, 0, &[2; 40_000]).expect("room");
    client.unlink(ROOT, "hole").expect("it is there");
    client.forget(hole).expect("it has no name");
    client.fs.commit().expect("the disk works");
    let last = client.create(ROOT, "last", FILE).expect("room").inode;
    let written = client.write(last, 0, &[3; 40_000]).expect("room");
    if fate == Fate::Dies {
        assert!(written.committed < client.number - 1, "nothing of it is on the disk yet");
        client = Client::begin(disk.clone(), Orphans::Keep).expect("sound");
        let change = client.next();
        client.fs.create(change, ROOT, b"last", NewNode { inode: last, ..node(FILE) }, b"").expect("again");
        client.write(last, 0, &[3; 40_000]).expect("again");
    }
    client.fs.retire().expect("the disk works");
    image::check(&disk.bytes());
    String::from_utf8(image::debugfs(&disk.bytes(), "blocks /last")).expect("numbers")
}

#[test]
fn a_file_that_is_written_again_after_a_death_is_where_it_was() {
    let blocks = blocks_of_last_file(Fate::Lives);
    assert!(blocks.split_whitespace().count() >= 10, "{blocks}");
    assert_eq!(blocks_of_last_file(Fate::Dies), blocks);
}
