//! The disk of a run: an ext4 image that starts as the root tree.
//!
//! * [`image`](mod@image): makes an image of a tree, and remembers it under the build directory
//! * [`copy`]: copies images without filling their holes
//! * [`superblock`]: what an image says of itself, and why it cannot be used or only be read
//! * [`kept`]: a file of the person's that stays between runs, used by one run at a time
//!
//! Nothing here needs a privilege: `mke2fs -d` copies from a folder in which everything belongs to the person, and
//! `debugfs` then sets owners, permissions and times as the tree has them.

mod copy;
mod image;
mod kept;
mod superblock;

use crate::progress::say;
use crate::root::Contents;
use crate::setup::E2fs;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use superblock::Superblock;

/// Where the magic number of ext4 is: `s_magic` at 0x38 of the superblock at 1024.
const MAGIC_AT: u64 = 1024 + 0x38;
const MAGIC: [u8; 2] = [0x53, 0xef];
/// Bytes of a sector; an image has whole ones.
const SECTOR_BYTES: u64 = 512;

/// Where the legacy root is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory: an archive that the personality unpacks at its start.
    Memory,
    /// On a disk.
    Disk(Disk),
}

/// Which disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    /// A copy of the root that is deleted at the end.
    Fresh,
    /// This file, made from the root when it is missing; it stays.
    Kept(PathBuf),
}

/// A disk in use by this run.
#[derive(Debug)]
pub struct Drive {
    path: PathBuf,
    /// Held so that no other run uses the same file.
    _lock: Option<File>,
}

impl Drive {
    /// The image's file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Prepares a disk with `contents`; a fresh one is made at `fresh`.
///
/// # Errors
/// When the image cannot be made or is none, the host's disk is full, or another run uses the file.
pub fn prepare(disk: &Disk, contents: &Contents, e2fs: &E2fs, fresh: &Path) -> Result<Drive> {
    match disk {
        Disk::Fresh => {
            let mut file = File::create_new(fresh).with_context(|| format!("cannot create {}", fresh.display()))?;
            fill(&mut file, contents, e2fs).with_context(|| format!("making the disk {}", fresh.display()))?;
            if let Contents::Image(path) = contents {
                warn(&file, path)?;
            }
            Ok(Drive { path: fresh.into(), _lock: None })
        }
        Disk::Kept(path) => {
            let file = kept::open(path, |file| fill(file, contents, e2fs))?;
            warn(&file, path)?;
            Ok(Drive { path: path.clone(), _lock: Some(file) })
        }
    }
}

/// Tells the person of a disk on which nothing can be changed.
fn warn(file: &File, path: &Path) -> Result<()> {
    if let Some(why) = Superblock::read(file)?.only_read() {
        say(&format!("{} can only be read: {why}", path.display()));
    }
    Ok(())
}

/// Fills an empty file with the root's image.
fn fill(file: &mut File, contents: &Contents, e2fs: &E2fs) -> Result<()> {
    let source = match contents {
        Contents::Tree(tree) => image::of_tree(tree, e2fs)?,
        Contents::Image(path) => File::open(path).with_context(|| format!("cannot read {}", path.display()))?,
    };
    copy::sparse(&source, file)?;
    // Delayed allocation would report a full disk when nobody listens any more.
    file.sync_data().map_err(copy::explain)
}

/// Makes the empty file `to` equal to `from`, holes included; the host may still lose it with its power.
///
/// # Errors
/// When one of them fails.
pub fn duplicate(from: &File, to: &mut File) -> Result<()> {
    copy::sparse(from, to)
}

/// Whether a file begins like an ext4 image.
///
/// # Errors
/// When it cannot be read.
pub fn is_image(mut file: &File) -> Result<bool> {
    let mut magic = [0; 2];
    file.seek(SeekFrom::Start(MAGIC_AT))?;
    let mut bytes = 0;
    while bytes < magic.len() {
        match file.read(&mut magic[bytes..])? {
            0 => break,
            count => bytes += count,
        }
    }
    file.rewind()?;
    Ok(magic == MAGIC)
}

/// Checks that a file can be a disk.
///
/// # Errors
/// When it holds no ext4 file system, or none that can be mounted, or is shorter than that, or has no whole sectors.
pub fn check_image(file: &File) -> Result<()> {
    if !is_image(file).context("cannot be read")? {
        bail!("is not an ext4 image");
    }
    let bytes = file.metadata().context("cannot be read")?.len();
    if !bytes.is_multiple_of(SECTOR_BYTES) {
        bail!("is not a whole number of sectors long: it was cut off");
    }
    Superblock::read(file)?.check(bytes)
}

#[cfg(test)]
mod tests;
