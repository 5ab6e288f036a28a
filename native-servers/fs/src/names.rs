//! Making, linking and removing names.

use interfaces::FsError;
use interfaces::file_system::{MAX_NAME_BYTES, MAX_TARGET_BYTES, NewNode, Time};

use crate::Result;
use crate::buffers::Kind;
use crate::directory::entry;
use crate::extents::{Content, Extent, node};
use crate::geometry::feature;
use crate::inode::{Inode, MAP_BYTES, MAX_LINKS, Stamp, flag, format};
use crate::inodes::Purpose;
use crate::volume::Volume;

/// Whether something has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Directory,
    Other,
}

/// Checks a name that is to be made or removed.
///
/// # Errors
/// `NameTooLong`; `Invalid`: empty, `.`, `..`, or with a slash or a zero.
pub(crate) fn check_name(name: &[u8]) -> Result<()> {
    if name.len() > MAX_NAME_BYTES {
        return Err(FsError::NameTooLong);
    }
    let is_special = name.is_empty() || name == b"." || name == b"..";
    if is_special || name.iter().any(|byte| matches!(byte, b'/' | 0)) { Err(FsError::Invalid) } else { Ok(()) }
}

impl Volume {
    /// A directory that is not removed.
    ///
    /// # Errors
    /// `NotDirectory`, `NotFound`, `Unsupported`.
    pub(crate) fn directory(&mut self, number: u64) -> Result<Inode> {
        let inode = self.inode(number)?;
        if !inode.is_directory() {
            return Err(FsError::NotDirectory);
        }
        if inode.has_flag(flag::UNKNOWN) {
            return Err(FsError::Unsupported);
        }
        if inode.links() == 0 { Err(FsError::NotFound) } else { Ok(inode) }
    }

    /// Makes an inode with a name.
    pub(crate) fn create(
        &mut self,
        directory: u64,
        name: &[u8],
        new: &NewNode,
        target: &[u8],
        now: &Time,
    ) -> Result<Inode> {
        check_name(name)?;
        let mut parent = self.directory(directory)?;
        if self.find(&parent, name)?.is_some() {
            return Err(FsError::Exists);
        }
        let mut inode = self.make_inode(&parent, new, target, now)?;
        if inode.is_directory() {
            self.add_subdirectory(&mut parent)?;
        }
        inode.set_links(if inode.is_directory() { 2 } else { 1 });
        self.put_inode(&mut inode)?;
        self.add_entry(&mut parent, name, (inode.number, entry::kind_of(inode.mode())))?;
        self.touch(&mut parent, now)?;
        Ok(inode)
    }

    /// Makes a file without a name.
    pub(crate) fn create_unnamed(&mut self, new: &NewNode, now: &Time) -> Result<Inode> {
        if new.mode & format::MASK == format::DIRECTORY {
            return Err(FsError::Invalid);
        }
        let root = self.inode(u64::from(crate::inodes::ROOT))?;
        let mut inode = self.make_inode(&root, new, &[], now)?;
        inode.set_links(0);
        self.add_orphan(&mut inode)?;
        self.put_inode(&mut inode)?;
        Ok(inode)
    }

    fn make_inode(&mut self, parent: &Inode, new: &NewNode, target: &[u8], now: &Time) -> Result<Inode> {
        let kind = new.mode & format::MASK;
        if entry::kind_of(new.mode) == 0 || new.mode > 0o177_777 || target.is_empty() == (kind == format::SYMLINK) {
            return Err(FsError::Invalid);
        }
        let purpose = if kind == format::DIRECTORY { Purpose::Directory } else { Purpose::Other };
        let number = match new.inode {
            0 => self.allocate_inode(parent.number, purpose)?,
            number => self.take_inode(number, purpose)?,
        };
        let generation = (now.seconds as u32).rotate_left(16) ^ now.nanoseconds ^ number;
        let mut inode = Inode::new(number, self.geometry.inode_bytes, self.geometry.extra_inode_bytes, generation);
        inode.set_mode(new.mode);
        inode.set_uid(new.uid);
        inode.set_gid(new.gid);
        for stamp in [Stamp::Accessed, Stamp::Changed, Stamp::Modified, Stamp::Born] {
            inode.set_time(stamp, now);
        }
        match kind {
            format::FILE | format::DIRECTORY => {
                inode.set_flags(flag::EXTENTS);
                node::clear(inode.map_mut(), 0);
            }
            format::CHARACTER | format::BLOCK => inode.set_device(new.rdev),
            format::SYMLINK => self.put_target(&mut inode, target)?,
            _ => {}
        }
        if kind == format::DIRECTORY {
            self.make_directory_block(&mut inode, parent.number)?;
        }
        Ok(inode)
    }

    /// Puts a symbolic link's target into the inode, or into a block.
    fn put_target(&mut self, inode: &mut Inode, target: &[u8]) -> Result<()> {
        if target.len() < MAP_BYTES {
            inode.set_map(target);
        } else if target.len() < self.geometry.block_bytes && target.len() <= MAX_TARGET_BYTES {
            inode.set_flags(flag::EXTENTS);
            node::clear(inode.map_mut(), 0);
            let physical = self.allocate_metadata(self.geometry.group_start(self.group_of(inode.number)))?;
            let extent = Extent { logical: 0, physical, blocks: 1, content: Content::Written };
            self.insert_extent(inode, &extent)?;
            self.count_sectors(inode, 1)?;
            let mut data = target.to_vec();
            data.resize(self.geometry.block_bytes, 0);
            self.buffers.create(physical, data, Kind::Plain);
        } else {
            return Err(FsError::NameTooLong);
        }
        inode.set_size(target.len() as u64);
        Ok(())
    }

    /// Where a symbolic link leads.
    pub(crate) fn read_link(&mut self, number: u64) -> Result<alloc::vec::Vec<u8>> {
        let inode = self.inode(number)?;
        if inode.format() != format::SYMLINK {
            return Err(FsError::Invalid);
        }
        let length = usize::try_from(inode.size()).map_err(|_| FsError::Corrupt)?;
        let target = if length < MAP_BYTES && !inode.has_flag(flag::EXTENTS) {
            inode.map().get(..length).map(<[u8]>::to_vec)
        } else {
            let block = self.physical(&inode, 0)?.ok_or(FsError::Corrupt)?;
            self.block(block, Kind::Plain)?.get(..length).map(<[u8]>::to_vec)
        };
        target.ok_or(FsError::Corrupt)
    }

    /// Gives an inode one more name.
    pub(crate) fn link(&mut self, number: u64, directory: u64, name: &[u8], now: &Time) -> Result<Inode> {
        check_name(name)?;
        let mut parent = self.directory(directory)?;
        if self.find(&parent, name)?.is_some() {
            return Err(FsError::Exists);
        }
        let mut inode = self.inode(number)?;
        if inode.is_directory() {
            return Err(FsError::IsDirectory);
        }
        if inode.links() >= MAX_LINKS {
            return Err(FsError::TooManyLinks);
        }
        if inode.links() == 0 {
            self.remove_orphan(&mut inode)?;
        }
        inode.set_links(inode.links() + 1);
        inode.set_time(Stamp::Changed, now);
        self.put_inode(&mut inode)?;
        self.add_entry(&mut parent, name, (inode.number, entry::kind_of(inode.mode())))?;
        self.touch(&mut parent, now)?;
        Ok(inode)
    }

    /// Removes a name: the inode that lost it.
    pub(crate) fn remove_name(&mut self, directory: u64, name: &[u8], wanted: Wanted, now: &Time) -> Result<Inode> {
        check_name(name)?;
        let mut parent = self.directory(directory)?;
        let found = self.find_existing(&parent, name)?;
        let mut inode = self.inode(u64::from(found.inode)).map_err(|_| FsError::Corrupt)?;
        match (wanted, inode.is_directory()) {
            (Wanted::Directory, false) => return Err(FsError::NotDirectory),
            (Wanted::Other, true) => return Err(FsError::IsDirectory),
            _ => {}
        }
        self.remove_entry_of(&parent, &found)?;
        self.lose_name(&mut inode, &mut parent, now)?;
        self.touch(&mut parent, now)?;
        Ok(inode)
    }

    /// Takes one name off an inode's count; directories have to be empty. `parent`'s record is to be put back.
    pub(crate) fn lose_name(&mut self, inode: &mut Inode, parent: &mut Inode, now: &Time) -> Result<()> {
        if inode.is_directory() {
            if inode.number == crate::inodes::ROOT || !self.is_empty(inode)? {
                return Err(FsError::NotEmpty);
            }
            inode.set_links(0);
            remove_subdirectory(parent);
        } else {
            inode.set_links(inode.links().checked_sub(1).ok_or(FsError::Corrupt)?);
        }
        if inode.links() == 0 {
            self.add_orphan(inode)?;
        }
        inode.set_time(Stamp::Changed, now);
        self.put_inode(inode)
    }

    /// Counts the `..` of a new subdirectory.
    pub(crate) fn add_subdirectory(&self, parent: &mut Inode) -> Result<()> {
        let is_unlimited = self.geometry.has_ro(feature::RO_DIR_NLINK);
        match parent.links() {
            // 1: more than can be counted.
            1 => {}
            links if links < MAX_LINKS - 1 => parent.set_links(links + 1),
            _ if is_unlimited => parent.set_links(1),
            _ => return Err(FsError::TooManyLinks),
        }
        Ok(())
    }

    /// Notes that a directory's contents have changed, and puts its record back.
    pub(crate) fn touch(&mut self, directory: &mut Inode, now: &Time) -> Result<()> {
        directory.set_time(Stamp::Modified, now);
        directory.set_time(Stamp::Changed, now);
        self.put_inode(directory)
    }
}

/// No longer counts the `..` of a subdirectory.
pub(crate) fn remove_subdirectory(parent: &mut Inode) {
    if parent.links() > 2 {
        parent.set_links(parent.links() - 1);
    }
}
