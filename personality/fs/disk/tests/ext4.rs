//! The same over the real file system, on an image that mke2fs made, with the library thrown away at random moments.

#[path = "../../../../native-servers/fs/tests/support/disk.rs"]
#[expect(dead_code, reason = "power cuts are the file system's own tests' business")]
mod disk;
#[expect(dead_code, reason = "the other test uses the rest")]
mod support;

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use disk::Disk;
use fs_server::Ext4;
use interfaces::file_system::*;
use interfaces::{FileSystem, FsError};
use ipc::{Capability, Failure};
use linux_abi::Errno;
use support::fake::Dice;
use support::{World, model, write_at};
use vfs::{Allocation, OpenFlags};

const DIED: FsError = FsError::Call(Failure::Kernel(ukernel_abi::Error::ServerDied));

/// The library over a disk, which dies when its dice say so.
struct Mortal {
    disk: Arc<Disk>,
    library: Mutex<Arc<Ext4>>,
    dice: Mutex<Dice>,
    /// Once in so many calls, 0 for never.
    odds: u64,
}

impl Mortal {
    fn new(disk: &Arc<Disk>, seed: u64, odds: u64) -> Arc<Self> {
        let library = Mutex::new(Arc::new(Ext4::new(disk.clone())));
        Arc::new(Self { disk: disk.clone(), library, dice: Mutex::new(Dice::new(seed)), odds })
    }

    fn dies(&self) -> bool {
        let dies = self.dice.lock().expect("no panic").one_in(self.odds);
        if dies {
            *self.library.lock().expect("no panic") = Arc::new(Ext4::new(self.disk.clone()));
        }
        dies
    }

    fn call<T>(&self, call: impl FnOnce(&Ext4) -> Result<T, FsError>) -> Result<T, FsError> {
        if self.dies() {
            return Err(DIED);
        }
        let library = self.library.lock().expect("no panic").clone();
        let result = call(&library);
        if self.dies() { Err(DIED) } else { result }
    }
}

macro_rules! pass_on {
    ($(fn $method:ident($($argument:ident: $type:ty),*) -> $ok:ty;)*) => {
        impl FileSystem for Mortal {
            $(fn $method(&self, $($argument: $type),*) -> Result<$ok, FsError> {
                self.call(|library| library.$method($($argument),*))
            })*
        }
    };
}

pass_on! {
    fn begin(orphans: Orphans) -> FsInfo;
    fn attach(memory: Capability, bytes: u64) -> u64;
    fn detach(region: u64) -> ();
    fn statistics() -> FsStatistics;
    fn lookup(directory: u64, name: &[u8]) -> Attributes;
    fn attributes(inode: u64) -> Attributes;
    fn list(directory: u64, cookie: u64) -> Listing;
    fn read_link(inode: u64) -> Vec<u8>;
    fn read(inode: u64, piece: Piece) -> u32;
    fn seek(inode: u64, offset: u64, hole: bool) -> u64;
    fn set_attributes(change: Change, inode: u64, new: NewAttributes) -> Changed;
    fn write(change: Change, inode: u64, pieces: Pieces) -> Changed;
    fn create(change: Change, directory: u64, name: &[u8], node: NewNode, target: &[u8]) -> Changed;
    fn create_unnamed(change: Change, node: NewNode) -> Changed;
    fn link(change: Change, inode: u64, directory: u64, name: &[u8]) -> Changed;
    fn unlink(change: Change, directory: u64, name: &[u8]) -> Changed;
    fn remove_directory(change: Change, directory: u64, name: &[u8]) -> Changed;
    fn rename(change: Change, directories: (u64, u64), name: &[u8], new_name: &[u8], target: Target) -> Changed;
    fn punch_hole(change: Change, inode: u64, offset: u64, bytes: u64) -> Changed;
    fn forget(change: Change, inode: u64) -> Changed;
    fn commit() -> u64;
    fn retire() -> u64;
    fn settle() -> ();
    fn hand_over() -> HandOver;
    fn open(left: HandOver) -> ();
    fn is_settled() -> bool;
    fn prepare() -> ();
}

/// A tool of e2fsprogs, wherever Debian puts it.
fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    command
}

fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn fresh_disk(name: &str, options: &[&str]) -> Arc<Disk> {
    fresh_disk_of(name, options, "32M")
}

fn fresh_disk_of(name: &str, options: &[&str], size: &str) -> Arc<Disk> {
    let path = scratch(name);
    // There may be one from an earlier run.
    let _ = std::fs::remove_file(&path);
    let made = tool("mke2fs").args(["-q", "-t", "ext4"]).args(options).arg(&path).arg(size).output();
    assert!(made.expect("mke2fs is there").status.success());
    Arc::new(Disk::new(std::fs::read(&path).expect("just made")))
}

fn check(disk: &Disk, name: &str) {
    let path = scratch(name);
    std::fs::write(&path, disk.bytes()).expect("there is room");
    let output = tool("e2fsck").args(["-fn"]).arg(&path).output().expect("e2fsck is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

fn run(seed: u64, odds: u64, options: &[&str]) {
    // e2fsck takes times of deletion of the first hours of 1970 for numbers of inodes.
    vfs::clock::set_realtime_ns(1_700_000_000_000_000_000);
    let name = format!("diskfs-{seed}.img");
    let disk = fresh_disk(&name, options);
    let model = model::run(seed, Mortal::new(&disk, seed, odds));
    check(&disk, &name);
    model::compare_anew(seed, &model, Mortal::new(&disk, seed, 0));
    check(&disk, &name);
    std::fs::remove_file(scratch(&name)).expect("it is there");
}

#[test]
fn a_tree_on_ext4_is_what_the_model_says() {
    (0..4).for_each(|seed| run(seed, 0, &[]));
    run(4, 0, &["-b", "1024"]);
}

#[test]
fn a_tree_on_ext4_is_what_the_model_says_although_the_library_dies() {
    (10..20).for_each(|seed| run(seed, 20, &[]));
    (20..23).for_each(|seed| run(seed, 15, &["-b", "1024", "-I", "128"]));
}

/// Times that inodes have no room for are rounded, and then all is written.
#[test]
fn times_that_the_disk_has_no_room_for_are_written_once() {
    vfs::clock::set_realtime_ns(1_700_000_000_123_456_789);
    for (options, year_3000) in [(&["-I", "128"][..], i64::from(i32::MAX)), (&["-I", "256"], 15_032_385_535)] {
        let name = format!("diskfs-times-{}.img", options[1]);
        let disk = fresh_disk(&name, options);
        let world = World::over(Mortal::new(&disk, 1, 0), Orphans::Free);
        world.put("/f", b"text").expect("room");
        let time = |seconds| Some(vfs::Timestamp { seconds, nanoseconds: 5 });
        let changes =
            vfs::AttributeChanges { modified: time(32_503_680_000), accessed: time(-1 << 40), ..Default::default() };
        world.find("/f").expect("it is there").inode().set_attributes(&changes).expect("it may");
        world.disk.work();
        let (before, seen) = (disk.writes(), world.stat("/f").expect("it is there"));
        for _ in 0..3 {
            world.disk.work();
        }
        assert_eq!(disk.writes(), before, "{options:?}: there is nothing to write");
        assert_eq!((seen.modified.seconds, seen.accessed.seconds), (year_3000, i64::from(i32::MIN)), "{options:?}");
        world.disk.retire().expect("the disk works");
        let anew = World::over(Mortal::new(&disk, 1, 0), Orphans::Free).stat("/f").expect("it is there");
        assert_eq!((anew.modified, anew.accessed, anew.changed), (seen.modified, seen.accessed, seen.changed));
        check(&disk, &name);
        std::fs::remove_file(scratch(&name)).expect("it is there");
    }
}

#[test]
fn a_file_does_not_become_larger_than_the_disk_can_say() {
    for (options, block_bytes) in [(&["-b", "1024"][..], 1024), (&["-b", "4096"], 4096)] {
        let name = format!("diskfs-large-{block_bytes}.img");
        let disk = fresh_disk(&name, options);
        let world = World::over(Mortal::new(&disk, 1, 0), Orphans::Free);
        let largest = u64::from(u32::MAX) * block_bytes;
        let file = world.create("/f").expect("room");
        assert_eq!(write_at(&file, largest, b"x"), Err(Errno::EFBIG));
        assert_eq!(write_at(&file, largest - 2, b"xyz"), Ok(2));
        assert_eq!(file.file().truncate(largest + 1), Err(Errno::EFBIG));
        file.file().sync().expect("what was taken can be written");
        assert_eq!(world.stat("/f").expect("it is there").size, largest);
        drop(file);
        world.disk.retire().expect("the disk works");
        check(&disk, &name);
        std::fs::remove_file(scratch(&name)).expect("it is there");
    }
}

#[test]
fn a_disk_that_can_only_be_read_says_so() {
    let (name, tree) = ("diskfs-read-only.img", scratch("diskfs-read-only"));
    std::fs::create_dir_all(&tree).expect("there is room");
    std::fs::write(tree.join("file"), "text").expect("there is room");
    let disk = fresh_disk(name, &["-O", "^has_journal", "-d", tree.to_str().expect("text")]);
    let world = World::over(Mortal::new(&disk, 1, 0), Orphans::Free);
    let found = world.find("/file").expect("it is there");
    assert_eq!(world.open("/file", vfs::OpenFlags::RDWR).err(), Some(Errno::EROFS));
    assert_eq!(world.get("/file").expect("it is there"), b"text");
    assert_eq!(found.mount.show_flags(), "ro,relatime");
    assert_eq!(world.create("/f").err(), Some(Errno::EROFS));
    assert_eq!(world.mkdir("/d"), Err(Errno::EROFS));
    let changed = world.caller().change_mode(&found, 0o777);
    assert_eq!(changed, Err(Errno::EROFS));
    let remounted = |flags| world.fs.namespace().remount(&world.find("/").expect("it is there"), flags, "");
    assert_eq!(remounted(vfs::MountFlags::RELATIME), Err(Errno::EROFS));
    assert_eq!(remounted(vfs::MountFlags::RDONLY), Ok(()));
    check(&disk, name);
    std::fs::remove_file(scratch(name)).expect("it is there");
}

/// Does something with one of a few small files with holes, so that they are in many pieces.
fn scribble(world: &World, dice: &mut Dice) -> Result<(), Errno> {
    let path = format!("/{}", dice.below(40));
    let open = || world.open(&path, OpenFlags::RDWR);
    match dice.below(12) {
        0 => world.unlink(&path),
        1 => open()?.file().truncate(dice.below(60) * 1000),
        2 => open()?.file().sync(),
        3 => world.rename(&path, &format!("/{}", dice.below(40)), vfs::RenameRule::Replace),
        4 => world.mkdir(&format!("/d{}{}", "n".repeat(200), dice.below(300))),
        5 => {
            world.disk.work();
            Ok(())
        }
        6 => open()?.file().allocate(Allocation::PunchHole, dice.below(60) * 1024, 9000),
        _ => {
            let file = world.create(&path)?;
            let (page, byte, bytes) = (dice.below(60), dice.below(256) as u8, 1 + dice.below(4999) as usize);
            write_at(&file, page * 8192, &vec![byte; bytes]).map(drop)
        }
    }
}

#[test]
fn nothing_is_lost_on_a_full_disk_although_the_library_dies() {
    vfs::clock::set_realtime_ns(1_700_000_000_000_000_000);
    for seed in 107..109 {
        let name = format!("diskfs-full-{seed}.img");
        let disk = fresh_disk_of(&name, &["-b", "1024", "-J", "size=1", "-m", "0"], "3M");
        let world = World::over(Mortal::new(&disk, seed, 25), Orphans::Free);
        let free = vfs::FileSystem::statistics(&*world.disk).free_blocks as usize;
        world.put("/filler", &vec![1; (free - 130) * 1024]).expect("there is room");
        world.disk.work();
        let (mut dice, mut full) = (Dice::new(seed * 7), 0);
        for step in 0..500 {
            match scribble(&world, &mut dice) {
                Ok(()) | Err(Errno::ENOENT | Errno::EEXIST) => {}
                Err(Errno::ENOSPC) => full += 1,
                // Where changes cannot be repeated.
                Err(error) => panic!("seed {seed}, step {step}: {}", error.name()),
            }
        }
        assert!(full > 20, "seed {seed}: full {full} times");
        world.disk.retire().expect("everything finds its place");
        check(&disk, &name);
        std::fs::remove_file(scratch(&name)).expect("it is there");
    }
}
