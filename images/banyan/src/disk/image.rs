//! Makes an ext4 image of a tree, once for each tree.
//!
//! `mke2fs -d` (the one of e2fsprogs 1.47.0 takes no tar file) copies a folder in which the tree is staged: everything in
//! it belongs to the person and is readable, so that no privilege is needed. Then `debugfs` sets owner, permissions and
//! times of every inode. Images are kept under a key of all that they depend on.

use super::SECTOR_BYTES;
use crate::root::{Content, Kind, Node, Tree};
use crate::setup::E2fs;
use crate::{progress, workspace};
use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, Mode};
use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

/// Changes when images of the same tree become different.
const VERSION: u32 = 1;
/// What a new disk has free, about.
const FREE_BYTES: u64 = 256 << 20;
/// Inodes that a new disk has free, at least.
const FREE_INODES: u64 = 32 << 10;
/// Bytes of a block of the file system.
const BLOCK_BYTES: u64 = 4096;
/// Bytes of an inode.
const INODE_BYTES: u64 = 256;
/// Bytes of the journal.
const JOURNAL_BYTES: u64 = 16 << 20;
/// ext4 as Debian 12 makes it, without room for growing the file system; named, so that it does not depend on the host.
const FEATURES: &str = "none,has_journal,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,\
                        huge_file,dir_nlink,extra_isize,metadata_csum";
/// Images that are kept.
const KEPT_IMAGES: usize = 6;
const LIMIT: Duration = Duration::from_secs(1800);

/// The image of a tree, made when it is not there yet.
///
/// # Errors
/// When a file of the tree cannot be read, a name cannot be carried, or a program of e2fsprogs fails.
pub(super) fn of_tree(tree: &Tree, e2fs: &E2fs) -> Result<File> {
    let folder = workspace::own("disks")?;
    let key = key(tree)?;
    let path = folder.join(format!("{key:016x}.ext4"));
    if let Ok(file) = File::open(&path) {
        // The time says which images are in use; without it, it is made anew some day.
        let _ = file.set_modified(SystemTime::now());
        return Ok(file);
    }
    // Others may be making the same, threads of this process among them.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let work = workspace::own("stage")?.join(format!("{key:016x}-{}-{number}", std::process::id()));
    let made = make(tree, e2fs, &work, key).context("making a disk of the root");
    // What is left costs only space.
    let staged = made.and_then(|image| Ok(fs::rename(image, &path)?));
    let _ = fs::remove_dir_all(&work);
    staged?;
    remove_old(&folder);
    File::open(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Everything that an image depends on; files of the host by identity and time of change.
fn key(tree: &Tree) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    (VERSION, FEATURES, FREE_BYTES).hash(&mut hasher);
    for (path, node) in tree.nodes() {
        (path, node.mode, node.uid, node.gid, node.changed).hash(&mut hasher);
        match &node.kind {
            Kind::Folder => 1.hash(&mut hasher),
            Kind::Fifo => 2.hash(&mut hasher),
            Kind::HardLink(target) => (3, target).hash(&mut hasher),
            Kind::SymbolicLink(target) => (4, target).hash(&mut hasher),
            Kind::File(Content::Bytes(bytes)) => (5, bytes).hash(&mut hasher),
            Kind::File(Content::Range { file, offset, bytes }) => {
                let data = file.metadata().with_context(|| format!("cannot read {}", file.display()))?;
                (6, offset, bytes, data.dev(), data.ino(), data.size()).hash(&mut hasher);
                (data.ctime(), data.ctime_nsec()).hash(&mut hasher);
            }
        }
    }
    Ok(hasher.finish())
}

fn make(tree: &Tree, e2fs: &E2fs, work: &Path, key: u64) -> Result<PathBuf> {
    let (root, image) = (work.join("root"), work.join("image"));
    stage(tree, &root)?;
    let size = Size::of(tree);
    let mut command = Command::new(&e2fs.mke2fs);
    command.args(["-q", "-F", "-t", "ext4", "-O", FEATURES, "-m", "0", "-L", "banyan"]);
    command.args(["-b", &BLOCK_BYTES.to_string(), "-I", &INODE_BYTES.to_string(), "-N", &size.inodes.to_string()]);
    command.args(["-J", &format!("size={}", JOURNAL_BYTES >> 20)]);
    // The same tree gives the same disk.
    let id = format!("{:08x}-{:04x}-4000-8000-{:012x}", key >> 32, key & 0xffff, key >> 16);
    command.args(["-U", &id, "-E", &format!("hash_seed={id},lazy_itable_init=0,root_owner=0:0")]);
    command.arg("-d").arg(&root).arg(&image).arg(format!("{}k", size.bytes >> 10));
    progress::run(&mut command, "making a disk of the root", LIMIT)?;
    let script = work.join("script");
    fs::write(&script, attributes(tree)?).with_context(|| format!("cannot write {}", script.display()))?;
    edit(&e2fs.debugfs, &script, &image)?;
    Ok(image)
}

/// How large a disk is.
struct Size {
    bytes: u64,
    inodes: u64,
}

impl Size {
    fn of(tree: &Tree) -> Self {
        let (mut blocks, mut nodes) = (0, 0);
        for (_, node) in tree.nodes() {
            nodes += 1;
            blocks += match &node.kind {
                // Extent blocks and directories that need more than one block are within the hundredth added below.
                Kind::File(content) => content.bytes().div_ceil(BLOCK_BYTES),
                Kind::HardLink(_) | Kind::Fifo => 0,
                Kind::Folder | Kind::SymbolicLink(_) => 1,
            };
        }
        let inodes = nodes + FREE_INODES;
        let taken = blocks + blocks / 100 + nodes / 32;
        let bytes = taken * BLOCK_BYTES + inodes * INODE_BYTES + JOURNAL_BYTES + FREE_BYTES;
        Self { bytes: bytes.next_multiple_of(1 << 20).next_multiple_of(SECTOR_BYTES), inodes }
    }
}

/// Puts the tree into a folder: names, contents, links; owners and permissions are this process's.
fn stage(tree: &Tree, root: &Path) -> Result<()> {
    for (path, node) in tree.nodes() {
        let place = root.join(path);
        stage_node(&place, node).with_context(|| format!("writing {}", place.display()))?;
    }
    // Last, since a file may come after its other names.
    for (path, node) in tree.nodes() {
        if let Kind::HardLink(target) = &node.kind {
            let (file, place) = (root.join(tree.file_behind(target)?), root.join(path));
            fs::hard_link(file, &place).with_context(|| format!("writing {}", place.display()))?;
        }
    }
    Ok(())
}

fn stage_node(place: &Path, node: &Node) -> Result<()> {
    match &node.kind {
        Kind::Folder => DirBuilder::new().recursive(true).mode(0o700).create(place)?,
        Kind::File(content) => content.write(&mut File::create_new(place)?)?,
        Kind::SymbolicLink(target) => symlink(target, place)?,
        Kind::Fifo => rustix::fs::mknodat(CWD, place, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?,
        Kind::HardLink(_) => {}
    }
    Ok(())
}

/// The script for `debugfs` that sets owner, permissions and times of every inode.
fn attributes(tree: &Tree) -> Result<Vec<u8>> {
    let mut script = Vec::new();
    for (path, node) in tree.nodes() {
        if matches!(node.kind, Kind::HardLink(_)) {
            continue;
        }
        let name = quoted(path)?;
        let Node { uid, gid, changed, .. } = node;
        let mut set = |field: &str, value: String| {
            script.extend([b"sif ", name.as_slice(), b" "].concat());
            script.extend(format!("{field} {value}\n").bytes());
        };
        set("mode", format!("0{:o}", kind_bits(&node.kind) | node.mode & 0o7777));
        set("uid", uid.to_string());
        set("gid", gid.to_string());
        for time in ["mtime", "atime", "ctime", "crtime"] {
            set(time, format!("@{changed}"));
        }
    }
    Ok(script)
}

/// The file type bits of a mode, as stat(2) has them.
fn kind_bits(kind: &Kind) -> u32 {
    match kind {
        Kind::Fifo => 0o010_000,
        Kind::Folder => 0o040_000,
        Kind::File(_) | Kind::HardLink(_) => 0o100_000,
        Kind::SymbolicLink(_) => 0o120_000,
    }
}

/// A path as `debugfs` reads it: in quotes, a quote doubled.
fn quoted(path: &Path) -> Result<Vec<u8>> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.contains(&b'\n') {
        bail!("{}: a name on a disk cannot have a line break", path.display());
    }
    let mut name = b"\"/".to_vec();
    for &byte in bytes {
        name.extend(if byte == b'"' { &b"\"\""[..] } else { std::slice::from_ref(&byte) });
    }
    name.push(b'"');
    Ok(name)
}

/// Runs a script of `debugfs`, which reports errors on standard error alone.
fn edit(debugfs: &Path, script: &Path, image: &Path) -> Result<()> {
    let mut command = Command::new(debugfs);
    command.arg("-w").arg("-f").arg(script).arg(image).stdin(Stdio::null());
    let output = command.output().with_context(|| format!("cannot run {}", debugfs.display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // The first line is its name and version.
    let errors: Vec<_> = errors.lines().filter(|line| !line.starts_with("debugfs ")).collect();
    if !output.status.success() || !errors.is_empty() {
        bail!("debugfs failed ({}):\n{}", output.status, progress::tail(&errors.join("\n")));
    }
    Ok(())
}

/// Removes the images that were not used for longest.
fn remove_old(folder: &Path) {
    let mut images: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if let Ok(time) = entry.metadata().and_then(|data| data.modified()) {
            images.push((time, entry.path()));
        }
    }
    images.sort();
    for (_, path) in images.iter().take(images.len().saturating_sub(KEPT_IMAGES)) {
        // Another run may have removed it; who copies from it has it open.
        let _ = fs::remove_file(path);
    }
}
