//! Archives, honest and hostile.

use alloc::format;

use super::*;
use crate::{Options, Tmpfs};
use vfs::FileSystem;

struct Item<'a> {
    inode: u32,
    mode: u32,
    links: u32,
    name: &'a str,
    data: &'a [u8],
}

fn put(archive: &mut Vec<u8>, item: &Item<'_>) {
    let Item { inode, mode, links, name, data } = item;
    let (name_size, data_size) = (name.len() + 1, data.len());
    archive.extend_from_slice(
        format!(
            "070701{inode:08x}{mode:08x}{:08x}{:08x}{links:08x}{:08x}{data_size:08x}{:08x}{:08x}{:08x}{:08x}{name_size:08x}{:08x}",
            1000, 100, 12345, 0, 0, 1, 3, 0
        )
        .as_bytes(),
    );
    archive.extend_from_slice(name.as_bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend_from_slice(data);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

fn archive(items: &[Item<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    items.iter().for_each(|item| put(&mut bytes, item));
    put(&mut bytes, &Item { inode: 0, mode: 0, links: 1, name: "TRAILER!!!", data: b"" });
    bytes
}

pub(crate) fn sample() -> Vec<u8> {
    archive(&[
        Item { inode: 1, mode: 0o40755, links: 2, name: ".", data: b"" },
        Item { inode: 2, mode: 0o40711, links: 2, name: "bin", data: b"" },
        Item { inode: 3, mode: 0o100755, links: 2, name: "bin/one", data: b"" },
        Item { inode: 3, mode: 0o100755, links: 2, name: "./bin/two", data: b"text" },
        Item { inode: 4, mode: 0o120777, links: 1, name: "bin/link", data: b"/bin/one" },
        Item { inode: 5, mode: 0o20666, links: 1, name: "null", data: b"" },
    ])
}

fn unpack_new(bytes: &[u8]) -> (Arc<dyn Inode>, Result<usize, UnpackError>) {
    let root = Tmpfs::new(Options::for_ram()).expect("room").root();
    let result = unpack(&root, bytes);
    (root, result)
}

#[test]
fn everything_is_restored() {
    let (root, result) = unpack_new(&sample());
    assert_eq!(result, Ok(6));
    let bin = root.lookup(b"bin").expect("bin");
    let metadata = bin.metadata().expect("metadata");
    assert_eq!((metadata.permissions, metadata.uid, metadata.modified.seconds), (0o711, 1000, 12345));
    let one = bin.lookup(b"one").expect("one").metadata().expect("metadata");
    let two = bin.lookup(b"two").expect("two").metadata().expect("metadata");
    assert_eq!((one.inode, one.links, one.size), (two.inode, 2, 4));
    assert_eq!(bin.lookup(b"link").expect("link").read_link(), Ok(b"/bin/one".to_vec()));
    assert_eq!(root.lookup(b"null").expect("null").metadata().expect("metadata").rdev, DeviceNumber::new(1, 3));
}

#[test]
fn hostile_archives_are_refused_with_a_reason() {
    let reason = |items: &[Item<'_>]| unpack_new(&archive(items)).1.expect_err("hostile").reason;
    let file = |name| Item { inode: 1, mode: 0o100644, links: 1, name, data: b"x" };
    assert_eq!(reason(&[file("../etc/passwd")]), Reason::BadName);
    assert_eq!(reason(&[file("a/b")]), Reason::NoParent);
    let link = Item { inode: 2, mode: 0o120777, links: 1, name: "l", data: b"/" };
    assert_eq!(reason(&[link, file("l/f")]), Reason::NoParent);
    assert_eq!(reason(&[Item { mode: 0o644, ..file("f") }]), Reason::BadMode);
    assert_eq!(reason(&[Item { mode: 0o40755, ..file("d") }, file("d")]), Reason::Refused(Errno::EISDIR));
    let mut cut = sample();
    cut.truncate(cut.len() - 130);
    assert!(matches!(unpack_new(&cut).1, Err(UnpackError { reason: Reason::Truncated, .. })));
    let mut wrong = sample();
    wrong.splice(0..6, *b"070707");
    assert_eq!(unpack_new(&wrong).1, Err(UnpackError { offset: 0, reason: Reason::BadHeader }));
    let mut huge = sample();
    huge.splice(54..62, *b"ffffffff");
    assert!(unpack_new(&huge).1.is_err());
}
