//! What all inodes of a tmpfs have: number, owner, permissions, times.

use alloc::sync::Arc;

use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use vfs::{AttributeChanges, DeviceNumber, FileKind, Inode, Metadata, NewInode, Ownership, Timestamp, clock};

use crate::directory::Directory;
use crate::regular::RegularFile;
use crate::special::Special;
use crate::volume::Volume;

/// Most hard links to one file.
const LINK_LIMIT: u32 = 1 << 30;

/// The part of an inode that does not depend on its type. While it lives it counts against the volume's inodes.
pub(crate) struct Common {
    pub(crate) volume: Arc<Volume>,
    number: u64,
    kind: FileKind,
    rdev: DeviceNumber,
    attributes: Mutex<Attributes>,
}

#[derive(Clone, Copy)]
struct Attributes {
    permissions: u32,
    uid: u32,
    gid: u32,
    links: u32,
    accessed: Timestamp,
    modified: Timestamp,
    changed: Timestamp,
    born: Timestamp,
}

impl Common {
    /// Makes a new inode's common part.
    ///
    /// # Errors
    /// `ENOSPC` if the volume has no inode left.
    pub(crate) fn new(volume: &Arc<Volume>, new: &NewInode<'_>) -> Result<Common> {
        volume.charge_inode()?;
        let now = clock::now();
        let links = if new.kind == FileKind::Directory { 2 } else { 1 };
        Ok(Common {
            volume: volume.clone(),
            number: volume.next_inode_number(),
            kind: new.kind,
            rdev: new.rdev,
            attributes: Mutex::new(Attributes {
                permissions: new.permissions & 0o7777,
                uid: new.uid,
                gid: new.gid,
                links,
                accessed: now,
                modified: now,
                changed: now,
                born: now,
            }),
        })
    }

    pub(crate) fn kind(&self) -> FileKind {
        self.kind
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the metadata, given what only the type knows.
    pub(crate) fn metadata(&self, size: u64, blocks: u64) -> Metadata {
        let attributes = *self.attributes.lock();
        Metadata {
            device: self.volume.device(),
            inode: self.number,
            kind: self.kind,
            permissions: attributes.permissions,
            links: attributes.links,
            uid: attributes.uid,
            gid: attributes.gid,
            rdev: self.rdev,
            size,
            blocks,
            block_size: 4096,
            accessed: attributes.accessed,
            modified: attributes.modified,
            changed: attributes.changed,
            born: Some(attributes.born),
        }
    }

    pub(crate) fn ownership(&self) -> Ownership {
        let attributes = self.attributes.lock();
        Ownership { permissions: attributes.permissions, uid: attributes.uid, gid: attributes.gid }
    }

    pub(crate) fn set_attributes(&self, changes: &AttributeChanges) {
        let now = clock::now();
        let mut attributes = self.attributes.lock();
        attributes.permissions = changes.permissions.unwrap_or(attributes.permissions);
        attributes.uid = changes.uid.unwrap_or(attributes.uid);
        attributes.gid = changes.gid.unwrap_or(attributes.gid);
        attributes.accessed = changes.accessed.unwrap_or(attributes.accessed);
        attributes.modified = changes.modified.unwrap_or(attributes.modified);
        attributes.changed = now;
    }

    /// Notes a read: the access time moves only if it is not later than the last change (relatime).
    pub(crate) fn note_access(&self) {
        let mut attributes = self.attributes.lock();
        if attributes.accessed <= attributes.modified || attributes.accessed <= attributes.changed {
            attributes.accessed = clock::now();
        }
    }

    /// Notes a change of contents. A file's set-id bits go when somebody writes it.
    pub(crate) fn note_modification(&self) {
        let now = clock::now();
        let mut attributes = self.attributes.lock();
        attributes.modified = now;
        attributes.changed = now;
        if self.kind == FileKind::Regular && attributes.permissions & 0o6000 != 0 {
            let group = if attributes.permissions & 0o010 == 0 { 0 } else { 0o2000 };
            attributes.permissions &= !(0o4000 | group);
        }
    }

    /// Notes a change of anything but the contents.
    pub(crate) fn note_change(&self) {
        self.attributes.lock().changed = clock::now();
    }

    pub(crate) fn links(&self) -> u32 {
        self.attributes.lock().links
    }

    /// Counts one more link.
    ///
    /// # Errors
    /// `EMLINK` if there are too many.
    pub(crate) fn add_link(&self) -> Result<()> {
        let mut attributes = self.attributes.lock();
        if attributes.links >= LINK_LIMIT {
            return Err(Errno::EMLINK);
        }
        attributes.links += 1;
        attributes.changed = clock::now();
        Ok(())
    }

    /// Counts one link less and returns how many are left.
    pub(crate) fn remove_link(&self) -> u32 {
        let mut attributes = self.attributes.lock();
        attributes.links = attributes.links.saturating_sub(1);
        attributes.changed = clock::now();
        attributes.links
    }

    pub(crate) fn clear_links(&self) {
        self.attributes.lock().links = 0;
    }
}

impl Drop for Common {
    fn drop(&mut self) {
        self.volume.release_inode();
    }
}

/// Returns the common part of an inode, if it is one of ours.
///
/// # Errors
/// `EXDEV` if it is another file system's.
pub(crate) fn common_of(inode: &dyn Inode) -> Result<&Common> {
    let any = inode.as_any();
    if let Some(file) = any.downcast_ref::<RegularFile>() {
        return Ok(file.common());
    }
    if let Some(directory) = any.downcast_ref::<Directory>() {
        return Ok(directory.common());
    }
    any.downcast_ref::<Special>().map(Special::common).ok_or(Errno::EXDEV)
}
