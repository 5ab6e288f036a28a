//! What the superblock says about a file system and never changes while it is mounted.
//!
//! Offsets are those of `struct ext4_super_block`, as documented in Linux's "ext4 Data Structures and Algorithms", 4.1.

use interfaces::FsError;

use crate::Result;
use crate::bytes::{join, le16, le32};
use crate::checksum::crc32c;
use crate::files::PAGE;

/// Where the superblock starts on the disk, and its size.
pub(crate) const SUPERBLOCK_AT: u64 = 1024;
pub(crate) const SUPERBLOCK_BYTES: usize = 1024;
const MAGIC: u16 = 0xef53;
/// The format's largest blocks are of 64 KiB (the logarithm counts from 1 KiB).
const MOST_LOG_BLOCK: u32 = 6;

/// Offsets of fields that change.
pub(crate) mod field {
    pub(crate) const FREE_BLOCKS_LOW: usize = 0x0c;
    pub(crate) const FREE_INODES: usize = 0x10;
    pub(crate) const STATE: usize = 0x3a;
    pub(crate) const INCOMPATIBLE: usize = 0x60;
    pub(crate) const LAST_ORPHAN: usize = 0xe8;
    pub(crate) const FREE_BLOCKS_HIGH: usize = 0x158;
    /// Ours, in reserved bytes: a mark, and the number of the last change.
    pub(crate) const CHANGE_MARK: usize = 0x3e8;
    pub(crate) const CHANGE: usize = 0x3f0;
    pub(crate) const CHECKSUM: usize = 0x3fc;
}

/// Says that `field::CHANGE` is a change's number.
pub(crate) const CHANGE_MARK: u32 = 0x4e59_4e42;

/// Bits of the three feature words.
pub(crate) mod feature {
    pub(crate) const COMPAT_JOURNAL: u32 = 4;
    pub(crate) const COMPAT_SPARSE_SUPER2: u32 = 0x200;

    pub(crate) const INCOMPAT_FILETYPE: u32 = 2;
    pub(crate) const INCOMPAT_RECOVER: u32 = 4;
    pub(crate) const INCOMPAT_EXTENTS: u32 = 0x40;
    pub(crate) const INCOMPAT_64BIT: u32 = 0x80;
    pub(crate) const INCOMPAT_FLEX_BG: u32 = 0x200;
    pub(crate) const INCOMPAT_CSUM_SEED: u32 = 0x2000;
    pub(crate) const INCOMPAT_KNOWN: u32 = INCOMPAT_FILETYPE
        | INCOMPAT_RECOVER
        | INCOMPAT_EXTENTS
        | INCOMPAT_64BIT
        | INCOMPAT_FLEX_BG
        | INCOMPAT_CSUM_SEED;

    pub(crate) const RO_SPARSE_SUPER: u32 = 1;
    pub(crate) const RO_LARGE_FILE: u32 = 2;
    pub(crate) const RO_BTREE_DIR: u32 = 4;
    pub(crate) const RO_HUGE_FILE: u32 = 8;
    pub(crate) const RO_GDT_CSUM: u32 = 0x10;
    pub(crate) const RO_DIR_NLINK: u32 = 0x20;
    pub(crate) const RO_EXTRA_ISIZE: u32 = 0x40;
    pub(crate) const RO_BIGALLOC: u32 = 0x200;
    pub(crate) const RO_METADATA_CSUM: u32 = 0x400;
    pub(crate) const RO_KNOWN: u32 = RO_SPARSE_SUPER
        | RO_LARGE_FILE
        | RO_BTREE_DIR
        | RO_HUGE_FILE
        | RO_GDT_CSUM
        | RO_DIR_NLINK
        | RO_EXTRA_ISIZE
        | RO_METADATA_CSUM;
}

/// How metadata is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksums {
    /// Not at all.
    None,
    /// Group descriptors, by a CRC-16.
    Groups,
    /// Everything, by CRC-32C.
    All,
}

/// The shape of a file system.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    pub(crate) block_bytes: usize,
    pub(crate) blocks: u64,
    pub(crate) reserved_blocks: u64,
    pub(crate) inodes: u32,
    pub(crate) blocks_per_group: u32,
    pub(crate) inodes_per_group: u32,
    pub(crate) first_data_block: u64,
    pub(crate) first_inode: u32,
    pub(crate) inode_bytes: usize,
    pub(crate) descriptor_bytes: usize,
    pub(crate) reserved_descriptor_blocks: u32,
    pub(crate) groups: u32,
    /// Groups whose bitmaps and tables lie together.
    pub(crate) flex_groups: u32,
    pub(crate) checksums: Checksums,
    /// Where sums start.
    pub(crate) seed: u32,
    pub(crate) uuid: [u8; 16],
    pub(crate) extra_inode_bytes: u16,
    pub(crate) journal_inode: u32,
    pub(crate) compatible: u32,
    pub(crate) incompatible: u32,
    pub(crate) read_only_compatible: u32,
    backup_groups: [u32; 2],
}

impl Geometry {
    /// Reads it from a superblock, on a disk of so many bytes.
    ///
    /// # Errors
    /// `Corrupt`: it is none, or cannot be right. `Unsupported`: it has a feature that is not known here.
    pub(crate) fn parse(sb: &[u8], disk_bytes: u64) -> Result<Self> {
        if sb.len() != SUPERBLOCK_BYTES || le16(sb, 0x38) != MAGIC {
            return Err(FsError::Corrupt);
        }
        let incompatible = le32(sb, field::INCOMPATIBLE);
        let read_only_compatible = le32(sb, 0x64);
        let has_clusters = read_only_compatible & feature::RO_BIGALLOC != 0;
        if incompatible & !feature::INCOMPAT_KNOWN != 0 || has_clusters || le32(sb, 0x4c) == 0 {
            return Err(FsError::Unsupported);
        }
        let checksums = checksums(sb, read_only_compatible)?;
        let geometry = Self::fields(sb, checksums)?;
        geometry.check(le32(sb, 0x20), le32(sb, 0x24), disk_bytes)?;
        Ok(geometry)
    }

    fn fields(sb: &[u8], checksums: Checksums) -> Result<Self> {
        let incompatible = le32(sb, field::INCOMPATIBLE);
        let is_64bit = incompatible & feature::INCOMPAT_64BIT != 0;
        let high = |at| if is_64bit { le32(sb, at) } else { 0 };
        let log_block = le32(sb, 0x18);
        let blocks_per_group = le32(sb, 0x20);
        let (blocks, first_data_block) = (join(le32(sb, 4), high(0x150)), u64::from(le32(sb, 0x14)));
        if log_block > MOST_LOG_BLOCK || blocks_per_group == 0 || first_data_block >= blocks {
            return Err(FsError::Corrupt);
        }
        if 1024 << log_block > PAGE {
            return Err(FsError::Unsupported);
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(sb.get(0x68..0x78).ok_or(FsError::Corrupt)?);
        let has_seed = incompatible & feature::INCOMPAT_CSUM_SEED != 0;
        let groups = (blocks - first_data_block).div_ceil(u64::from(blocks_per_group));
        Ok(Self {
            block_bytes: 1024 << log_block,
            blocks,
            reserved_blocks: join(le32(sb, 8), high(0x154)),
            inodes: le32(sb, 0),
            blocks_per_group,
            inodes_per_group: le32(sb, 0x28),
            first_data_block,
            first_inode: le32(sb, 0x54),
            inode_bytes: usize::from(le16(sb, 0x58)),
            descriptor_bytes: if is_64bit { usize::from(le16(sb, 0xfe)) } else { 32 },
            reserved_descriptor_blocks: u32::from(le16(sb, 0xce)),
            groups: u32::try_from(groups).map_err(|_| FsError::Corrupt)?,
            flex_groups: flex_groups(sb, incompatible)?,
            checksums,
            seed: if has_seed { le32(sb, 0x270) } else { crc32c(!0, &uuid) },
            uuid,
            extra_inode_bytes: le16(sb, 0x15e).max(le16(sb, 0x15c)),
            journal_inode: le32(sb, 0xe0),
            compatible: le32(sb, 0x5c),
            incompatible,
            read_only_compatible: le32(sb, 0x64),
            backup_groups: [le32(sb, 0x24c), le32(sb, 0x250)],
        })
    }

    fn check(&self, blocks_per_group: u32, clusters_per_group: u32, disk_bytes: u64) -> Result<()> {
        let bits = self.block_bytes as u32 * 8;
        let inode_bytes = self.inode_bytes;
        let is_sound = blocks_per_group == clusters_per_group
            && blocks_per_group <= bits
            && blocks_per_group.is_multiple_of(8)
            && self.inodes_per_group <= bits
            && self.inodes_per_group >= 8
            && self.inodes_per_group.is_multiple_of(8)
            && inode_bytes >= 128
            && inode_bytes <= self.block_bytes
            && inode_bytes.is_power_of_two()
            && self.descriptor_bytes >= 32
            && self.descriptor_bytes <= self.block_bytes
            && self.descriptor_bytes.is_power_of_two()
            && self.first_data_block == u64::from(self.block_bytes == 1024)
            && self.first_inode >= 11
            && self.blocks.checked_mul(self.block_bytes as u64).is_some_and(|bytes| bytes <= disk_bytes)
            && u64::from(self.inodes) == u64::from(self.groups) * u64::from(self.inodes_per_group);
        if is_sound { Ok(()) } else { Err(FsError::Corrupt) }
    }

    /// Whether the bit of a `ro_compat` feature is set.
    pub(crate) const fn has_ro(&self, bit: u32) -> bool {
        self.read_only_compatible & bit != 0
    }

    /// Whether it may only be read, since it has a feature that is not known here, or lacks one that writing needs.
    pub(crate) const fn must_not_be_written(&self) -> bool {
        self.read_only_compatible & !feature::RO_KNOWN != 0
            || self.incompatible & feature::INCOMPAT_EXTENTS == 0
            || self.incompatible & feature::INCOMPAT_FILETYPE == 0
            || self.compatible & feature::COMPAT_JOURNAL == 0
    }

    /// Whether entry and extent blocks end with a sum.
    pub(crate) const fn has_block_sums(&self) -> bool {
        matches!(self.checksums, Checksums::All)
    }

    /// The block that holds the superblock, and where it starts there.
    pub(crate) const fn superblock(&self) -> (u64, usize) {
        let block = SUPERBLOCK_AT / self.block_bytes as u64;
        (block, SUPERBLOCK_AT as usize % self.block_bytes)
    }

    /// First block of a group.
    pub(crate) fn group_start(&self, group: u32) -> u64 {
        self.first_data_block + u64::from(group) * u64::from(self.blocks_per_group)
    }

    /// Blocks of a group: the last one may be short.
    pub(crate) fn group_blocks(&self, group: u32) -> u32 {
        let rest = self.blocks.saturating_sub(self.group_start(group));
        rest.min(u64::from(self.blocks_per_group)) as u32
    }

    /// Group and bit of a block.
    pub(crate) fn locate(&self, block: u64) -> Result<(u32, u32)> {
        let relative = block.checked_sub(self.first_data_block).filter(|_| block < self.blocks);
        let relative = relative.ok_or(FsError::Corrupt)?;
        let per_group = u64::from(self.blocks_per_group);
        Ok(((relative / per_group) as u32, (relative % per_group) as u32))
    }

    /// Blocks that all group descriptors take.
    pub(crate) const fn descriptor_blocks(&self) -> u64 {
        (self.groups as u64 * self.descriptor_bytes as u64).div_ceil(self.block_bytes as u64)
    }

    /// Blocks at a group's start that hold a copy of the superblock and of the descriptors.
    pub(crate) fn base_blocks(&self, group: u32) -> u64 {
        let holds_copy = if self.compatible & feature::COMPAT_SPARSE_SUPER2 != 0 {
            group == 0 || self.backup_groups.contains(&group)
        } else {
            !self.has_ro(feature::RO_SPARSE_SUPER) || group <= 1 || [3, 5, 7].iter().any(|base| is_power(group, *base))
        };
        if holds_copy { 1 + self.descriptor_blocks() + u64::from(self.reserved_descriptor_blocks) } else { 0 }
    }
}

fn checksums(sb: &[u8], read_only_compatible: u32) -> Result<Checksums> {
    if read_only_compatible & feature::RO_METADATA_CSUM != 0 {
        let is_sound = crc32c(!0, sb.get(..field::CHECKSUM).unwrap_or_default()) == le32(sb, field::CHECKSUM);
        return match sb.get(0x175) {
            Some(1) if is_sound => Ok(Checksums::All),
            Some(1) => Err(FsError::Corrupt),
            _ => Err(FsError::Unsupported),
        };
    }
    Ok(if read_only_compatible & feature::RO_GDT_CSUM != 0 { Checksums::Groups } else { Checksums::None })
}

fn flex_groups(sb: &[u8], incompatible: u32) -> Result<u32> {
    let log = if incompatible & feature::INCOMPAT_FLEX_BG == 0 { 0 } else { sb.get(0x174).copied().unwrap_or(0) };
    1u32.checked_shl(u32::from(log)).ok_or(FsError::Corrupt)
}

fn is_power(number: u32, base: u32) -> bool {
    let mut power = 1u64;
    while power < u64::from(number) {
        power *= u64::from(base);
    }
    power == u64::from(number)
}
