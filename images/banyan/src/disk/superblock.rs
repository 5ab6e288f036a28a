//! What an image's superblock says, in words, before a system starts with it.
//!
//! The file system (`native-servers/fs`, `geometry.rs`) decides what it mounts, and with which error. Here the person learns the same of the
//! image in hand, and what to do about it. Offsets and bits are those of `struct ext4_super_block`, as documented in Linux's "ext4 Data
//! Structures and Algorithms", 4.1.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Where the superblock is, and its size.
const AT: u64 = 1024;
const BYTES: usize = 1024;

/// Features without which it can only be read: where their bit is, and the name that `tune2fs -O` takes.
const NEEDED: [(usize, u32, &str); 3] = [(0x5c, 4, "has_journal"), (0x60, 0x40, "extents"), (0x60, 2, "filetype")];

/// A word of features; those of `ours` are known here, others have names or only a bit.
struct Word {
    at: usize,
    ours: u32,
    others: &'static [(u32, &'static str)],
}

/// One unknown feature of this word, and it cannot be mounted.
const INCOMPATIBLE: Word = Word {
    at: 0x60,
    ours: 0x22c6,
    others: &[
        (1, "compression"),
        (8, "journal_dev"),
        (0x10, "meta_bg"),
        (0x100, "mmp"),
        (0x400, "ea_inode"),
        (0x4000, "large_dir"),
        (0x8000, "inline_data"),
        (0x1_0000, "encrypt"),
        (0x2_0000, "casefold"),
    ],
};
/// One unknown feature of this word, and it can only be read.
const READ_ONLY: Word = Word {
    at: 0x64,
    ours: 0x47f | BIGALLOC,
    others: &[
        (0x100, "quota"),
        (0x1000, "read-only"),
        (0x2000, "project"),
        (0x4000, "shared_blocks"),
        (0x8000, "verity"),
        (0x1_0000, "orphan_present"),
    ],
};
/// Of the latter word, but not even to be read here: one bit in the maps stands for several blocks.
const BIGALLOC: u32 = 0x200;

/// The superblock of an image.
pub(super) struct Superblock([u8; BYTES]);

impl Superblock {
    /// Reads it.
    ///
    /// # Errors
    /// When the file cannot be read, or is too short to have one.
    pub(super) fn read(file: &File) -> Result<Self> {
        let mut bytes = [0; BYTES];
        file.read_exact_at(&mut bytes, AT).context("has no superblock: it was cut off")?;
        Ok(Self(bytes))
    }

    fn word(&self, at: usize) -> u32 {
        self.0.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    /// Bytes of the file system; `None`: that is nonsense.
    fn bytes(&self) -> Option<u64> {
        let is_64bit = self.word(INCOMPATIBLE.at) & 0x80 != 0;
        let high = if is_64bit { self.word(0x150) } else { 0 };
        let blocks = u64::from(high) << 32 | u64::from(self.word(4));
        blocks.checked_mul(1024u64.checked_shl(self.word(0x18))?)
    }

    /// Checks that it can be mounted, from a file of so many bytes.
    ///
    /// # Errors
    /// When it has a feature that is not known here, or the file is shorter than the file system.
    pub(super) fn check(&self, file_bytes: u64) -> Result<()> {
        let mut unknown = INCOMPATIBLE.unknown(self);
        if self.word(READ_ONLY.at) & BIGALLOC != 0 {
            unknown.push("bigalloc".into());
        }
        if !unknown.is_empty() {
            bail!("has features of ext4 that are not known here: {}", unknown.join(", "));
        }
        if self.word(0x18) > 2 {
            bail!("has blocks of another size than 1, 2 or 4 KiB");
        }
        let bytes = self.bytes().context("says that it is larger than can be")?;
        if bytes > file_bytes {
            bail!("has {file_bytes} bytes, and its file system {bytes}: it was cut off");
        }
        Ok(())
    }

    /// Why it can only be read, if that is so, and what would help.
    pub(super) fn only_read(&self) -> Option<String> {
        let missing = NEEDED.iter().filter(|(at, bit, _)| self.word(*at) & bit == 0).map(|(_, _, name)| *name);
        let (missing, unknown) = (missing.collect::<Vec<_>>(), READ_ONLY.unknown(self));
        if !missing.is_empty() {
            let names = missing.join(",");
            return Some(format!("it is an older ext2 or ext3, without {names} (tune2fs -O {names}, then e2fsck -f)"));
        }
        (!unknown.is_empty())
            .then(|| format!("it has features of ext4 that are not known here: {}", unknown.join(", ")))
    }
}

impl Word {
    /// The names of the features that are not ours.
    fn unknown(&self, superblock: &Superblock) -> Vec<String> {
        let bits = superblock.word(self.at) & !self.ours;
        let name = |bit: u32| self.others.iter().find(|(other, _)| *other == bit).map(|(_, name)| (*name).to_string());
        let set = (0..32).map(|shift| 1 << shift).filter(|bit| bits & bit != 0);
        set.map(|bit| name(bit).unwrap_or_else(|| format!("bit {bit:#x}"))).collect()
    }
}
