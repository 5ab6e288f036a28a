//! What stat(2) tells, and changing it.

use interfaces::FsError;
use interfaces::file_system::{Attributes, NewAttributes, Time, set};

use crate::Result;
use crate::inode::{Inode, Stamp, format};
use crate::volume::Volume;

/// The mode's permission bits.
const PERMISSIONS: u32 = 0o7777;

impl Volume {
    /// What stat(2) tells of an inode.
    pub(crate) fn attributes_of(&self, inode: &Inode) -> Attributes {
        let is_device = matches!(inode.format(), format::CHARACTER | format::BLOCK);
        Attributes {
            inode: u64::from(inode.number),
            mode: inode.mode(),
            links: inode.links(),
            uid: inode.uid(),
            gid: inode.gid(),
            rdev: if is_device { inode.device() } else { 0 },
            size: inode.size(),
            sectors: inode.sectors(self.geometry.block_bytes),
            accessed: inode.time(Stamp::Accessed),
            modified: inode.time(Stamp::Modified),
            changed: inode.time(Stamp::Changed),
            born: inode.time(Stamp::Born),
        }
    }

    /// The largest size of a file: the number of blocks has 32 bits.
    pub(crate) const fn size_limit(&self) -> u64 {
        u32::MAX as u64 * self.geometry.block_bytes as u64
    }

    /// Changes attributes; where a file becomes shorter, its blocks go.
    pub(crate) fn set_attributes(&mut self, number: u64, new: &NewAttributes, now: &Time) -> Result<Inode> {
        let inode = self.inode(number)?;
        if new.set & set::SIZE == 0 || new.size == inode.size() && inode.is_file() {
            self.operation(|volume| {
                let mut inode = volume.inode(number)?;
                apply(&mut inode, new, now);
                volume.put_inode(&mut inode)
            })?;
            return self.inode(number);
        }
        if inode.is_directory() {
            return Err(FsError::IsDirectory);
        }
        if !inode.is_file() {
            return Err(FsError::Invalid);
        }
        if new.size > self.size_limit() {
            return Err(FsError::TooLarge);
        }
        if new.size < inode.size() {
            self.cut(inode.number, new.size, |inode| apply(inode, new, now))?;
        } else {
            self.operation(|volume| {
                let mut inode = volume.inode(number)?;
                volume.zero_end(&mut inode)?;
                inode.set_size(new.size);
                apply(&mut inode, new, now);
                volume.put_inode(&mut inode)
            })?;
        }
        self.inode(number)
    }
}

/// Applies all but the size, which the caller has set.
fn apply(inode: &mut Inode, new: &NewAttributes, now: &Time) {
    let has = |bit| new.set & bit != 0;
    if has(set::MODE) {
        inode.set_mode(inode.format() | new.mode & PERMISSIONS);
    }
    if has(set::UID) {
        inode.set_uid(new.uid);
    }
    if has(set::GID) {
        inode.set_gid(new.gid);
    }
    if has(set::ACCESSED) {
        inode.set_time(Stamp::Accessed, &new.accessed);
    }
    if has(set::MODIFIED) {
        inode.set_time(Stamp::Modified, &new.modified);
    } else if has(set::SIZE) {
        inode.set_time(Stamp::Modified, now);
    }
    inode.set_time(Stamp::Changed, now);
}
