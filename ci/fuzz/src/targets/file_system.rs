//! The file system: damaged images under sound messages, and damaged messages over a sound image.
//!
//! `native-servers/fs/tests/hostile.rs` damages images of other kinds (with sums, with a journal to replay) as a library.

#[path = "../../../../native-servers/fs/tests/support/disk.rs"]
#[expect(dead_code, reason = "power cuts are the file system's own tests' business")]
mod disk;
#[path = "../../../../native-servers/fs/tests/support/image.rs"]
#[expect(dead_code, reason = "what is checked with e2fsck is the file system's own tests' business")]
mod image;

use std::sync::{Arc, OnceLock};

use disk::Disk;
use fs_server::Ext4;
use interfaces::file_system::{Change, NewAttributes, NewNode, Orphans, Piece, Target as Rename, Time};
use interfaces::{FileSystem, FileSystemClient, FileSystemDispatcher, FsError};
use ipc::{Capability, List, Loopback, Transport};

use crate::targets::script::{self, Recorder};
use crate::{Answer, Target};

/// Messages in any order and of any content.
pub const MESSAGES: Target = Target { name: "ext4-messages", good: session, head: 1 << 16, inputs: 300, run: messages };
/// Images, as the blocks that hold anything.
pub const IMAGE: Target = Target { name: "ext4-image", good: blocks, head: 1 << 24, inputs: 150, run: image };

const KIB: u64 = 4 << 10;
const BLOCK: usize = 1024;
const ROOT: u64 = 2;
const REGION_BYTES: u64 = 64 << 10;
const MOST_MESSAGES: usize = 400;
/// Listings that a walk asks for: those of a damaged directory may have no end.
const MOST_LISTINGS: usize = 50;

type Served = Loopback<FileSystemDispatcher<ipc::Shared<Ext4>>>;

fn serve(bytes: Vec<u8>) -> Served {
    let fs = Arc::new(Ext4::new(Arc::new(Disk::new(bytes))));
    Loopback::new(FileSystemDispatcher(ipc::Shared(fs)), 1)
}

/// Memory that is lent with messages.
fn memory() -> &'static rt::memory::Shared {
    static MEMORY: OnceLock<rt::memory::Shared> = OnceLock::new();
    MEMORY.get_or_init(|| rt::memory::Shared::allocate(REGION_BYTES).expect("there is memory"))
}

/// An image with some of everything, without sums, which would hide what lies behind them.
fn sound() -> &'static Vec<u8> {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let disk = Arc::new(Disk::new(image::make(KIB, &["-b", "1024", "-O", "^metadata_csum"])));
        let fs = Loopback::new(FileSystemDispatcher(ipc::Shared(Arc::new(Ext4::new(disk.clone())))), 1);
        change(&FileSystemClient::new(fs)).expect("the image is sound");
        disk.bytes()
    })
}

fn change(fs: &impl FileSystem) -> Result<(), FsError> {
    let info = fs.begin(Orphans::Free)?;
    let region = fs.attach(Capability(memory().memory().slot()), REGION_BYTES)?;
    let mut number = info.committed;
    let mut next = || {
        number += 1;
        Change { number, now: Time { seconds: 1_750_000_000 + number, nanoseconds: 7 } }
    };
    let node = |mode| NewNode { mode, uid: 1, gid: 2, rdev: 0, inode: 0 };
    let folder = fs.create(next(), ROOT, b"folder", node(0o040_755), b"")?.attributes.inode;
    for name in 0..20 {
        fs.create(next(), folder, format!("a-file-with-a-long-name-{name}").as_bytes(), node(0o100_644), b"")?;
    }
    let file = fs.create(next(), ROOT, b"file", node(0o100_644), b"")?.attributes.inode;
    for page in 0..6 {
        fs.write(next(), file, List(vec![Piece { region, at: 0, offset: page * 8192, bytes: 4096 }]))?;
    }
    fs.create(next(), ROOT, b"short", node(0o120_777), b"file")?;
    fs.link(next(), file, ROOT, b"again")?;
    fs.unlink(next(), ROOT, b"again")?;
    fs.rename(next(), (folder, ROOT), b"a-file-with-a-long-name-3", b"moved", Rename::Replace)?;
    fs.set_attributes(
        next(),
        file,
        NewAttributes { set: interfaces::file_system::set::SIZE, size: 20_000, ..attributes() },
    )?;
    fs.punch_hole(next(), file, 0, 4096)?;
    fs.read(file, Piece { region, at: 0, offset: 8192, bytes: 8192 })?;
    let nameless = fs.create_unnamed(next(), node(0o100_600))?.attributes.inode;
    fs.forget(next(), nameless)?;
    fs.commit()?;
    walk(fs, region)?;
    fs.retire().map(drop)
}

fn attributes() -> NewAttributes {
    let never = || Time { seconds: 0, nanoseconds: 0 };
    NewAttributes { set: 0, mode: 0, uid: 0, gid: 0, size: 0, accessed: never(), modified: never() }
}

/// Looks at what can be found from the root.
fn walk(fs: &impl FileSystem, region: u64) -> Result<(), FsError> {
    fs.statistics()?;
    let (mut folders, mut listings) = (vec![ROOT], 0);
    while let Some(folder) = folders.pop() {
        let mut cookie = 0;
        while listings < MOST_LISTINGS {
            listings += 1;
            let Ok(listing) = fs.list(folder, cookie) else { break };
            let Some(last) = entries(&listing.entries, |inode| look(fs, region, inode, &mut folders)) else { break };
            cookie = last;
        }
    }
    Ok(())
}

/// Goes through a listing; the last entry's cookie.
fn entries(mut bytes: &[u8], mut each: impl FnMut(u64)) -> Option<u64> {
    let mut last = None;
    while let Some((head, rest)) = bytes.split_first_chunk::<18>() {
        let number = |at: usize| head[at..at + 8].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        each(number(0));
        last = Some(number(8));
        bytes = rest.get(usize::from(head[17])..).expect("the server's listings are whole");
    }
    last
}

fn look(fs: &impl FileSystem, region: u64, inode: u64, folders: &mut Vec<u64>) {
    let Ok(attributes) = fs.attributes(inode) else { return };
    match attributes.mode >> 12 {
        4 if folders.len() < MOST_LISTINGS && inode != ROOT => folders.push(inode),
        10 => drop(fs.read_link(inode)),
        _ => {
            let _ = fs.read(inode, Piece { region, at: 0, offset: 0, bytes: REGION_BYTES as u32 });
            let _ = (fs.seek(inode, 0, true), fs.seek(inode, 0, false), fs.lookup(inode, b"file"));
        }
    }
}

/// What a client asks in a session, on an empty file system.
fn session() -> Vec<u8> {
    let client = FileSystemClient::new(Recorder::new(serve(image::make(KIB, &["-b", "1024"]))));
    change(&client).expect("the image is sound");
    client.transport().script()
}

fn messages(bytes: &[u8]) -> Answer {
    static EMPTY: OnceLock<Vec<u8>> = OnceLock::new();
    let image = EMPTY.get_or_init(|| image::make(KIB, &["-b", "1024"]));
    let served = serve(image.clone());
    script::play(bytes, &served as &dyn Transport, memory().memory().slot(), MOST_MESSAGES);
    Answer::Understood
}

/// The numbers of the blocks that hold anything.
fn places() -> impl Iterator<Item = usize> {
    let sound = sound();
    (0..sound.len() / BLOCK).filter(|block| sound[block * BLOCK..][..BLOCK].iter().any(|byte| *byte != 0))
}

fn blocks() -> Vec<u8> {
    places().flat_map(|block| &sound()[block * BLOCK..][..BLOCK]).copied().collect()
}

fn image(bytes: &[u8]) -> Answer {
    let mut image = vec![0; sound().len()];
    for (block, content) in places().zip(bytes.chunks(BLOCK)) {
        image[block * BLOCK..][..content.len()].copy_from_slice(content);
    }
    let client = FileSystemClient::new(serve(image));
    // It is full of what was made before: the names are taken.
    let looked = client.begin(Orphans::Free).and_then(|_| {
        let region = client.attach(Capability(memory().memory().slot()), REGION_BYTES)?;
        walk(&client, region)
    });
    let _ = (client.unlink(some_day(&client), ROOT, b"moved"), client.unlink(some_day(&client), ROOT, b"short"));
    let _ = change(&client);
    Answer::of(looked)
}

/// The next change of a client that has lost count.
fn some_day(fs: &impl FileSystem) -> Change {
    let number = fs.begin(Orphans::Keep).and_then(|_| fs.commit()).unwrap_or(0).wrapping_add(1);
    Change { number, now: Time { seconds: 1_750_000_000, nanoseconds: 0 } }
}
