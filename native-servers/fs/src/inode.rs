//! An inode's record, as `struct ext4_inode` lays it out ("ext4 Data Structures and Algorithms", 4.3).

use alloc::vec::Vec;

use interfaces::file_system::Time;

use crate::buffers::Owner;
use crate::bytes::{halves, high16, join, le16, le32, low16, put, put_le16, put_le32};

/// Types, as in the mode.
pub(crate) mod format {
    pub(crate) const MASK: u32 = 0o170_000;
    pub(crate) const FIFO: u32 = 0o010_000;
    pub(crate) const CHARACTER: u32 = 0o020_000;
    pub(crate) const DIRECTORY: u32 = 0o040_000;
    pub(crate) const BLOCK: u32 = 0o060_000;
    pub(crate) const FILE: u32 = 0o100_000;
    pub(crate) const SYMLINK: u32 = 0o120_000;
    pub(crate) const SOCKET: u32 = 0o140_000;
}

/// Flags.
pub(crate) mod flag {
    pub(crate) const INDEX: u32 = 0x1000;
    pub(crate) const HUGE_FILE: u32 = 0x4_0000;
    pub(crate) const EXTENTS: u32 = 0x8_0000;
    /// Contents in a form that is not known here: encrypted, in other inodes, inline, folded names.
    pub(crate) const UNKNOWN: u32 = 0x800 | 0x20_0000 | 0x1000_0000 | 0x4000_0000;
}

/// Where the block map (or a short link's target) is.
const MAP: usize = 0x28;
/// Its size.
pub(crate) const MAP_BYTES: usize = 60;
/// End of the oldest form.
const OLD_BYTES: usize = 128;
/// Highest number of names.
pub(crate) const MAX_LINKS: u32 = 65_000;

/// The times of an inode.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stamp {
    Accessed,
    Changed,
    Modified,
    Born,
}

impl Stamp {
    /// Offsets of the seconds and of what else there is.
    const fn offsets(self) -> (usize, usize) {
        match self {
            Self::Accessed => (0x08, 0x8c),
            Self::Changed => (0x0c, 0x84),
            Self::Modified => (0x10, 0x88),
            Self::Born => (0x90, 0x94),
        }
    }
}

/// An inode.
#[derive(Clone, Debug)]
pub(crate) struct Inode {
    pub(crate) number: u32,
    pub(crate) raw: Vec<u8>,
}

impl Inode {
    /// An empty record with room for `extra` bytes more than the oldest form has.
    pub(crate) fn new(number: u32, bytes: usize, extra: u16, generation: u32) -> Self {
        let mut inode = Self { number, raw: alloc::vec![0; bytes] };
        if bytes > OLD_BYTES {
            put_le16(&mut inode.raw, 0x80, extra.min((bytes - OLD_BYTES) as u16) / 4 * 4);
        }
        put_le32(&mut inode.raw, 0x64, generation);
        inode
    }

    /// What the sums of its blocks cover.
    pub(crate) fn owner(&self) -> Owner {
        Owner { inode: self.number, generation: le32(&self.raw, 0x64) }
    }

    pub(crate) fn mode(&self) -> u32 {
        u32::from(le16(&self.raw, 0))
    }

    pub(crate) fn set_mode(&mut self, mode: u32) {
        put_le16(&mut self.raw, 0, low16(mode));
    }

    pub(crate) fn format(&self) -> u32 {
        self.mode() & format::MASK
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.format() == format::DIRECTORY
    }

    pub(crate) fn is_file(&self) -> bool {
        self.format() == format::FILE
    }

    pub(crate) fn uid(&self) -> u32 {
        u32::from(le16(&self.raw, 2)) | u32::from(le16(&self.raw, 0x78)) << 16
    }

    pub(crate) fn set_uid(&mut self, uid: u32) {
        put_le16(&mut self.raw, 2, low16(uid));
        put_le16(&mut self.raw, 0x78, high16(uid));
    }

    pub(crate) fn gid(&self) -> u32 {
        u32::from(le16(&self.raw, 0x18)) | u32::from(le16(&self.raw, 0x7a)) << 16
    }

    pub(crate) fn set_gid(&mut self, gid: u32) {
        put_le16(&mut self.raw, 0x18, low16(gid));
        put_le16(&mut self.raw, 0x7a, high16(gid));
    }

    pub(crate) fn size(&self) -> u64 {
        join(le32(&self.raw, 4), le32(&self.raw, 0x6c))
    }

    pub(crate) fn set_size(&mut self, size: u64) {
        let (low, high) = halves(size);
        put_le32(&mut self.raw, 4, low);
        put_le32(&mut self.raw, 0x6c, high);
    }

    pub(crate) fn links(&self) -> u32 {
        u32::from(le16(&self.raw, 0x1a))
    }

    pub(crate) fn set_links(&mut self, links: u32) {
        put_le16(&mut self.raw, 0x1a, low16(links));
    }

    pub(crate) fn flags(&self) -> u32 {
        le32(&self.raw, 0x20)
    }

    pub(crate) fn set_flags(&mut self, flags: u32) {
        put_le32(&mut self.raw, 0x20, flags);
    }

    pub(crate) fn has_flag(&self, flag: u32) -> bool {
        self.flags() & flag != 0
    }

    /// The next inode on the list of those without names; elsewhere the time of its end.
    pub(crate) fn next_orphan(&self) -> u32 {
        le32(&self.raw, 0x14)
    }

    pub(crate) fn set_next_orphan(&mut self, next: u32) {
        put_le32(&mut self.raw, 0x14, next);
    }

    /// The block of its extended attributes, or 0.
    pub(crate) fn attribute_block(&self) -> u64 {
        join(le32(&self.raw, 0x68), u32::from(le16(&self.raw, 0x76)))
    }

    pub(crate) fn set_attribute_block(&mut self, block: u64) {
        let (low, high) = halves(block);
        put_le32(&mut self.raw, 0x68, low);
        put_le16(&mut self.raw, 0x76, low16(high));
    }

    /// Sectors in use, on a file system with blocks of so many bytes.
    pub(crate) fn sectors(&self, block_bytes: usize) -> u64 {
        let count = join(le32(&self.raw, 0x1c), u32::from(le16(&self.raw, 0x74)));
        if self.has_flag(flag::HUGE_FILE) { count.saturating_mul(block_bytes as u64 / 512) } else { count }
    }

    /// Sets the sectors in use; where they do not fit into 48 bits, blocks are counted.
    pub(crate) fn set_sectors(&mut self, sectors: u64, block_bytes: usize) {
        let fits = sectors < 1 << 48;
        let (low, high) = halves(if fits { sectors } else { sectors / (block_bytes as u64 / 512) });
        put_le32(&mut self.raw, 0x1c, low);
        put_le16(&mut self.raw, 0x74, low16(high));
        let flags = self.flags() & !flag::HUGE_FILE;
        self.set_flags(if fits { flags } else { flags | flag::HUGE_FILE });
    }

    /// The block map's root, or a short link's target.
    pub(crate) fn map(&self) -> &[u8] {
        self.raw.get(MAP..MAP + MAP_BYTES).unwrap_or_default()
    }

    pub(crate) fn map_mut(&mut self) -> &mut [u8] {
        self.raw.get_mut(MAP..MAP + MAP_BYTES).unwrap_or_default()
    }

    /// A time; zero if the record has no room for it.
    pub(crate) fn time(&self, stamp: Stamp) -> Time {
        let (seconds_at, extra_at) = stamp.offsets();
        let extra = if self.has_room(extra_at) { le32(&self.raw, extra_at) } else { 0 };
        let low = if self.has_room(seconds_at) { le32(&self.raw, seconds_at) } else { 0 };
        let seconds = i64::from(low.cast_signed()) + (i64::from(extra & 3) << 32);
        Time { seconds: seconds.cast_unsigned(), nanoseconds: (extra >> 2).min(999_999_999) }
    }

    /// Sets a time, as exactly as the record has room for: seconds from 1901 to 2446, or to 2038.
    pub(crate) fn set_time(&mut self, stamp: Stamp, time: &Time) {
        let (seconds_at, extra_at) = stamp.offsets();
        let has_extra = self.has_room(extra_at);
        let (least, most) = (i64::from(i32::MIN), i64::from(i32::MAX));
        let most = if has_extra { most + (3 << 32) } else { most };
        let seconds = time.seconds.cast_signed().clamp(least, most);
        let epoch = (seconds - i64::from(seconds as i32)) >> 32;
        if self.has_room(seconds_at) {
            put_le32(&mut self.raw, seconds_at, (seconds as i32).cast_unsigned());
        }
        if has_extra {
            put_le32(&mut self.raw, extra_at, time.nanoseconds.min(999_999_999) << 2 | epoch as u32 & 3);
        }
    }

    /// The low half of the seconds of its last change.
    pub(crate) fn time_of_change(&self) -> u32 {
        le32(&self.raw, Stamp::Changed.offsets().0)
    }

    /// Whether the field of four bytes at `at` is part of the record.
    fn has_room(&self, at: usize) -> bool {
        at + 4 <= OLD_BYTES || self.raw.len() > OLD_BYTES && at + 4 <= OLD_BYTES + usize::from(le16(&self.raw, 0x80))
    }

    /// Where the upper half of the sum is, if there is one.
    pub(crate) fn high_sum(&self) -> Option<usize> {
        self.has_room(0x80).then_some(0x82)
    }

    /// The device number of a device node, in Linux's 64-bit encoding.
    pub(crate) fn device(&self) -> u64 {
        let (old, new) = (u64::from(le32(self.map(), 0)), u64::from(le32(self.map(), 4)));
        let (major, minor) = if old != 0 { (old >> 8 & 0xff, old & 0xff) } else { split_new_device(new) };
        (major & 0xffff_f000) << 32 | (major & 0xfff) << 8 | (minor & 0xffff_ff00) << 12 | minor & 0xff
    }

    /// Sets it.
    pub(crate) fn set_device(&mut self, device: u64) {
        let major = device >> 8 & 0xfff | device >> 32 & 0xffff_f000;
        let minor = device & 0xff | device >> 12 & 0xffff_ff00;
        if major < 256 && minor < 256 {
            put_le32(self.map_mut(), 0, (major << 8 | minor) as u32);
        } else {
            put_le32(self.map_mut(), 4, (minor & 0xff | major << 8 | (minor & !0xff) << 12) as u32);
        }
    }

    /// Sets the map to `bytes`, and the rest of it to zero.
    pub(crate) fn set_map(&mut self, bytes: &[u8]) {
        self.map_mut().fill(0);
        put(self.map_mut(), 0, bytes);
    }
}

const fn split_new_device(new: u64) -> (u64, u64) {
    ((new & 0xf_ff00) >> 8, new & 0xff | new >> 12 & 0xf_ff00)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_outlive_2038_where_there_is_room() {
        let mut inode = Inode::new(12, 256, 32, 0);
        let mut old = Inode::new(12, 128, 32, 0);
        for seconds in [0, 1_700_000_000, i64::from(i32::MAX), 1 << 31, 15_032_385_535, -1, i64::from(i32::MIN)] {
            let time = Time { seconds: seconds.cast_unsigned(), nanoseconds: 123_456_789 };
            inode.set_time(Stamp::Modified, &time);
            assert_eq!(inode.time(Stamp::Modified), time);
            old.set_time(Stamp::Modified, &time);
            let expected = seconds.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
            assert_eq!(old.time(Stamp::Modified).seconds.cast_signed(), expected);
            assert_eq!(old.time(Stamp::Modified).nanoseconds, 0);
        }
    }

    #[test]
    fn device_numbers_are_kept_in_both_forms() {
        for (major, minor) in [(1, 3), (8, 255), (8, 256), (259, 7), (4095, 0xf_ffff)] {
            let mut inode = Inode::new(12, 256, 32, 0);
            let device = (major & 0xfff) << 8 | (minor & 0xffff_ff00) << 12 | minor & 0xff;
            inode.set_device(device);
            assert_eq!(inode.device(), device);
        }
    }
}
