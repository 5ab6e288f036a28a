//! Changes, counted: each is asked for by number, in order, and happens once.
//!
//! A number that this incarnation has done, or that is on the disk, is answered with `AlreadyDone`. A change that fails takes
//! no number: the next may have its number or a higher one.

use interfaces::FsError;
use interfaces::file_system::{Attributes, Change, Changed, Time};

use crate::Result;
use crate::inode::Inode;
use crate::service::Ext4;
use crate::volume::Volume;

impl Ext4 {
    /// Does a change that consists of one operation.
    pub(crate) fn change(&self, change: &Change, operation: impl Fn(&mut Volume) -> Result<Inode>) -> Result<Changed> {
        self.change_in_steps(change, |volume| volume.operation(&operation).map(Some))
    }

    /// Does a change that may consist of several operations, and may concern no inode.
    pub(crate) fn change_in_steps(
        &self,
        change: &Change,
        steps: impl FnOnce(&mut Volume) -> Result<Option<Inode>>,
    ) -> Result<Changed> {
        self.with_volume(|volume| {
            volume.admit(change)?;
            let inode = steps(volume)?;
            volume.last = change.number;
            volume.commit_if_large()?;
            let attributes = inode.map_or_else(none, |inode| volume.attributes_of(&inode));
            Ok(Changed { attributes, committed: volume.committed })
        })
    }
}

impl Volume {
    /// Checks whether a change may happen now.
    fn admit(&self, change: &Change) -> Result<()> {
        if self.journal.is_none() {
            return Err(FsError::ReadOnly);
        }
        if change.number <= self.last {
            return Err(FsError::AlreadyDone);
        }
        if change.now.nanoseconds >= 1_000_000_000 {
            return Err(FsError::Invalid);
        }
        Ok(())
    }
}

/// The attributes of no inode.
fn none() -> Attributes {
    let zero = || Time { seconds: 0, nanoseconds: 0 };
    Attributes {
        inode: 0,
        mode: 0,
        links: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        size: 0,
        sectors: 0,
        accessed: zero(),
        modified: zero(),
        changed: zero(),
        born: zero(),
    }
}
