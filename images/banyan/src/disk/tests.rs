//! Disks are made with the real e2fsprogs, which the set-up installs; without them these tests cannot say anything.

use super::*;
use crate::root::{Kind, Node, Tree};
use crate::setup;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::Arc;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("banyan-disk-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("temporary folders can be made");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn e2fs() -> E2fs {
    E2fs::find().unwrap_or_else(|| {
        let _lock = crate::workspace::lock().expect("the build directory can be written");
        setup::ensure().expect("the set-up finds or installs everything").e2fs
    })
}

fn sample(word: &str) -> Contents {
    let mut tree = Tree::default();
    let owned = |kind, mode| Node { uid: 1000, gid: 70_000, changed: 77, ..Node::new(kind, mode) };
    tree.add_file("bin/tool", 0o4755, word).expect("fine");
    tree.add("bin/alias", Node::new(Kind::HardLink("bin/tool".into()), 0o4755)).expect("fine");
    tree.add("odd \"name\" <1>", owned(Kind::Folder, 0)).expect("fine");
    tree.add("pipe", owned(Kind::Fifo, 0o600)).expect("fine");
    tree.add_link("sh", "bin/tool").expect("fine");
    tree.add_link("long", "x".repeat(3000)).expect("fine");
    tree.add_file("large", 0o644, vec![7; 300_000]).expect("fine");
    Contents::Tree(Arc::new(tree))
}

/// What `debugfs` answers to a request.
fn asked(e2fs: &E2fs, disk: &Path, request: &str) -> String {
    let output = Command::new(&e2fs.debugfs).args(["-R", request]).arg(disk).output().expect("debugfs runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn is_clean(e2fs: &E2fs, disk: &Path) -> bool {
    Command::new(&e2fs.e2fsck).arg("-fn").arg(disk).output().expect("e2fsck runs").status.success()
}

#[test]
fn a_disk_has_what_the_tree_has() {
    let (e2fs, folder) = (e2fs(), Folder::new("tree"));
    let path = folder.0.join("disk");
    let drive = prepare(&Disk::Fresh, &sample("program"), &e2fs, &path).expect("the tree is sound");
    assert!(is_clean(&e2fs, drive.path()));
    let stat = |name: &str| asked(&e2fs, &path, &format!("stat {name}"));
    for (name, parts) in [
        ("/bin/tool", &["regular", "Mode:  04755", "User:     0", "Links: 2", "Size: 7"][..]),
        (
            "\"/odd \"\"name\"\" <1>\"",
            &["directory", "Mode:  0000", "User:  1000", "Group: 70000", "mtime: 0x0000004d"],
        ),
        ("/pipe", &["FIFO", "Mode:  0600", "User:  1000"]),
        ("/sh", &["symlink", "Fast link dest: \"bin/tool\""]),
        ("/long", &["symlink", "Size: 3000"]),
        ("/", &["directory", "Mode:  0755", "User:     0"]),
    ] {
        let text = stat(name);
        for part in parts {
            assert!(text.contains(part), "{part} in {name}:\n{text}");
        }
    }
    assert_eq!(asked(&e2fs, &path, "cat /bin/alias"), "program");
    assert_eq!(asked(&e2fs, &path, "cat /large").len(), 300_000);
}

#[test]
fn a_new_disk_is_mostly_holes_and_the_second_is_a_copy() {
    let (e2fs, folder) = (e2fs(), Folder::new("twice"));
    let (first, second) = (folder.0.join("1"), folder.0.join("2"));
    for path in [&first, &second] {
        prepare(&Disk::Fresh, &sample("twice"), &e2fs, path).expect("the tree is sound");
    }
    let data = first.metadata().expect("it was just made");
    assert!(data.len() > 256 << 20 && data.blocks() * 512 < 64 << 20, "{} {}", data.len(), data.blocks());
    assert_eq!(std::fs::read(&first).expect("it is there"), std::fs::read(&second).expect("it is there"));
}

#[test]
fn several_who_make_the_same_disk_do_not_meet() {
    let (e2fs, folder) = (e2fs(), Folder::new("several"));
    // One that nobody has made before.
    let sample = sample(&format!("{:?} {}", std::time::SystemTime::now(), std::process::id()));
    let make = &|number: u32| prepare(&Disk::Fresh, &sample, &e2fs, &folder.0.join(format!("disk-{number}")));
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..4).map(|number| scope.spawn(move || make(number).map(drop))).collect();
        for maker in makers {
            maker.join().expect("it does not panic").expect("the tree is sound");
        }
    });
    for number in 1..4 {
        let path = |number| folder.0.join(format!("disk-{number}"));
        assert!(std::fs::read(path(0)).expect("it is there") == std::fs::read(path(number)).expect("it is there"));
    }
}

#[test]
fn a_kept_disk_is_made_once_and_used_by_one_at_a_time() {
    let (e2fs, folder) = (e2fs(), Folder::new("kept"));
    let disk = Disk::Kept(folder.0.join("disk"));
    let nowhere = folder.0.join("fresh");
    let drive = prepare(&disk, &sample("kept"), &e2fs, &nowhere).expect("the tree is sound");
    let made = drive.path().metadata().expect("it was just made").ino();
    let refused = prepare(&disk, &sample("other"), &e2fs, &nowhere).expect_err("it is in use");
    assert!(format!("{refused:#}").ends_with("is in use by another run"), "{refused:#}");
    drop(drive);
    let drive = prepare(&disk, &sample("other"), &e2fs, &nowhere).expect("nobody uses it");
    assert_eq!(drive.path().metadata().expect("it is there").ino(), made);
    assert_eq!(asked(&e2fs, drive.path(), "cat /bin/tool"), "kept");
    assert!(!nowhere.exists());
}

#[test]
fn an_image_is_taken_as_it_is() {
    let (e2fs, folder) = (e2fs(), Folder::new("image"));
    let (image, copy) = (folder.0.join("image"), folder.0.join("copy"));
    prepare(&Disk::Fresh, &sample("image"), &e2fs, &image).expect("the tree is sound");
    prepare(&Disk::Fresh, &Contents::Image(image.clone()), &e2fs, &copy).expect("it is an image");
    assert_eq!(std::fs::read(image).expect("it is there"), std::fs::read(copy).expect("it is there"));
}

#[test]
fn what_is_no_disk_is_refused_and_left_alone() {
    let (e2fs, folder) = (e2fs(), Folder::new("bad"));
    let problem = |path: &Path| {
        let error = prepare(&Disk::Kept(path.into()), &sample("bad"), &e2fs, path).expect_err("it is no disk");
        format!("{error:#}")
    };
    let junk = folder.0.join("junk");
    std::fs::write(&junk, [1; 5000]).expect("temporary files can be made");
    assert!(problem(&junk).contains("is not an ext4 image"));
    assert_eq!(std::fs::read(&junk).expect("it is there"), [1; 5000]);
    assert!(problem(&folder.0).contains("is not a file"));
    assert!(problem(&folder.0.join("none/disk")).contains("cannot be opened"));
    let mut short = vec![0; 1500];
    short[0x438..0x43a].copy_from_slice(&MAGIC);
    std::fs::write(&junk, short).expect("temporary files can be made");
    assert!(problem(&junk).contains("whole number of sectors"));
}

/// An empty file system, made by `mke2fs` with these arguments.
fn formatted(e2fs: &E2fs, path: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(&e2fs.mke2fs);
    let output = command.args(["-q", "-F"]).args(arguments).arg(path).arg("16M").output().expect("mke2fs runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    check_image(&File::open(path).expect("it was just made"))
}

#[test]
fn what_cannot_be_mounted_or_written_is_said_to_be_so() {
    let (e2fs, folder) = (e2fs(), Folder::new("features"));
    let path = folder.0.join("image");
    let only_read = || Superblock::read(&File::open(&path).expect("it is there")).expect("it has one").only_read();
    for arguments in [&["-t", "ext4"][..], &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum"]] {
        formatted(&e2fs, &path, arguments).expect("it can be mounted");
        assert_eq!(only_read(), None, "{arguments:?}");
    }
    File::options().write(true).open(&path).expect("it is there").set_len(8 << 20).expect("it can be cut");
    let cut = check_image(&File::open(&path).expect("it is there")).expect_err("it is too short");
    assert_eq!(cut.to_string(), "has 8388608 bytes, and its file system 16777216: it was cut off");
    for (kind, missing) in [("ext2", "without has_journal,extents ("), ("ext3", "without extents (")] {
        formatted(&e2fs, &path, &["-t", kind]).expect("it can be mounted");
        assert!(only_read().is_some_and(|why| why.contains(missing)), "{kind}: {:?}", only_read());
    }
    formatted(&e2fs, &path, &["-t", "ext4", "-O", "quota"]).expect("it can be mounted");
    assert!(only_read().is_some_and(|why| why.ends_with("not known here: quota")), "{:?}", only_read());
    let problem = formatted(&e2fs, &path, &["-t", "ext4", "-O", "bigalloc,inline_data"]).expect_err("it cannot");
    assert!(problem.to_string().ends_with("not known here: inline_data, bigalloc"), "{problem}");
}

#[test]
fn names_with_line_breaks_are_refused_by_name() {
    let mut tree = Tree::default();
    tree.add_file("a\nb", 0o644, "").expect("a tree can have it");
    let (e2fs, folder) = (e2fs(), Folder::new("names"));
    let error = prepare(&Disk::Fresh, &Contents::Tree(Arc::new(tree)), &e2fs, &folder.0.join("disk"));
    assert!(format!("{:#}", error.expect_err("a disk cannot")).contains("line break"));
}
