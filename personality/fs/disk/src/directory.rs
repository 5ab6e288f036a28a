//! Names: what a directory does. The VFS holds the directory's own lock around changes and remembers what was found.

use alloc::sync::Arc;

use interfaces::file_system::{MAX_TARGET_BYTES, NewNode, Target};
use linux_abi::{Errno, Result};
use vfs::{DirectoryEntry, EmitEntry, FIRST_COOKIE, FileKind, NewInode, RenameMode, Renamed, clock};

use crate::link::Done;
use crate::log::Operation;
use crate::node::{Body, Node};

impl Node {
    pub(crate) fn find_name(&self, name: &[u8]) -> Result<Arc<Node>> {
        self.volume.find(|| self.volume.link.ask(|server| server.lookup(self.number(), name)))
    }

    pub(crate) fn create_name(&self, name: &[u8], new: &NewInode<'_>) -> Result<Arc<Node>> {
        // Wherever the server is now: it may be elsewhere when this is repeated.
        if new.target.len() > MAX_TARGET_BYTES {
            return Err(Errno::ENAMETOOLONG);
        }
        let now = clock::now();
        let operation = Operation::Create {
            directory: self.number(),
            name: name.into(),
            node: new_node(new),
            target: new.target.into(),
        };
        let (done, number) = self.volume.change(now, operation)?;
        self.note_names(now, number);
        let attributes = match done {
            Done::Answered(changed) => changed.attributes,
            Done::Unseen => self.volume.link.ask(|server| server.lookup(self.number(), name))?,
        };
        self.enter(&attributes, number, new)
    }

    pub(crate) fn create_without_name(&self, new: &NewInode<'_>) -> Result<Arc<Node>> {
        loop {
            let (done, number) = self.volume.change(clock::now(), Operation::CreateUnnamed { node: new_node(new) })?;
            // One whose number was lost stays on the disk's list of orphans and is freed at the next start.
            if let Done::Answered(changed) = done {
                return self.enter(&changed.attributes, number, new);
            }
        }
    }

    /// Enters what was just made.
    fn enter(
        &self,
        attributes: &interfaces::file_system::Attributes,
        number: u64,
        new: &NewInode<'_>,
    ) -> Result<Arc<Node>> {
        let node = self.volume.enter(attributes)?;
        node.known().last_change = number;
        if let Body::Link(target) = &node.body {
            // A fresh cell.
            let _ = target.set(new.target.into());
        }
        Ok(node)
    }

    pub(crate) fn link_name(&self, name: &[u8], target: &Node) -> Result<()> {
        let now = clock::now();
        let operation = Operation::Link { inode: target.number(), directory: self.number(), name: name.into() };
        let (done, number) = self.volume.change(now, operation)?;
        self.note_names(now, number);
        target.take_over(&done, number)?;
        target.known().note_shared_change(now);
        Ok(())
    }

    /// Removes a name of `victim` by `operation`.
    pub(crate) fn remove_name(&self, operation: Operation, victim: &Node) -> Result<()> {
        let now = clock::now();
        let (done, number) = self.volume.change(now, operation)?;
        self.note_names(now, number);
        victim.take_over(&done, number)?;
        victim.known().note_shared_change(now);
        Ok(())
    }

    pub(crate) fn rename_name(
        &self,
        name: &[u8],
        new_parent: &Node,
        new_name: &[u8],
        renamed: Renamed<'_>,
    ) -> Result<()> {
        let now = clock::now();
        let (source, target) = (self.sibling(renamed.source)?, renamed.target.map(|inode| self.sibling(inode)));
        let target = target.transpose()?;
        let operation = Operation::Rename {
            directories: (self.number(), new_parent.number()),
            name: name.into(),
            new_name: new_name.into(),
            target: if renamed.mode == RenameMode::Exchange { Target::Exchange } else { Target::Replace },
        };
        let (done, number) = self.volume.change(now, operation)?;
        self.note_names(now, number);
        new_parent.note_names(now, number);
        source.note_moved(now, number);
        match target {
            Some(target) if renamed.mode == RenameMode::Exchange => target.note_moved(now, number),
            Some(target) => {
                target.take_over(&done, number)?;
                target.known().note_shared_change(now);
            }
            None => {}
        }
        Ok(())
    }

    /// Notes that this was renamed.
    fn note_moved(&self, now: vfs::Timestamp, number: u64) {
        let mut known = self.known();
        known.note_shared_change(now);
        known.last_change = known.last_change.max(number);
        // Of a directory also the links, if it is another's child now.
        known.is_stale |= self.node_kind() == FileKind::Directory;
    }

    /// Lists the directory from the VFS's cookie on: the server's, plus the VFS's own two.
    pub(crate) fn list(&self, cookie: u64, emit: &mut EmitEntry<'_>) -> Result<()> {
        self.note_access();
        let mut at = cookie.saturating_sub(FIRST_COOKIE);
        loop {
            let listing = self.volume.link.ask(|server| server.list(self.number(), at))?;
            let mut rest = listing.entries.as_slice();
            if rest.is_empty() {
                return Ok(());
            }
            while !rest.is_empty() {
                let (entry, tail) = Entry::parse(rest).ok_or(Errno::EUCLEAN)?;
                let next_cookie = entry.cookie.checked_add(FIRST_COOKIE).ok_or(Errno::EUCLEAN)?;
                let kind = FileKind::from_mode(u32::from(entry.kind) << 12).unwrap_or(FileKind::Regular);
                if emit(DirectoryEntry { inode: entry.inode, kind, name: entry.name, next_cookie }).is_break() {
                    return Ok(());
                }
                (at, rest) = (entry.cookie, tail);
            }
        }
    }
}

fn new_node(new: &NewInode<'_>) -> NewNode {
    NewNode {
        mode: new.kind.mode_bits() | new.permissions & 0o7777,
        uid: new.uid,
        gid: new.gid,
        rdev: new.rdev.encoded(),
        inode: 0,
    }
}

/// An entry of a listing (`interfaces::file_system::Listing`).
struct Entry<'a> {
    inode: u64,
    cookie: u64,
    kind: u8,
    name: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The first entry and what follows it.
    fn parse(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (inode, rest) = bytes.split_first_chunk::<8>()?;
        let (cookie, rest) = rest.split_first_chunk::<8>()?;
        let (&[kind, length], rest) = rest.split_first_chunk::<2>()?;
        let (name, rest) = rest.split_at_checked(length.into())?;
        if name.is_empty() || name.contains(&b'/') || name.contains(&0) {
            return None;
        }
        Some((Self { inode: u64::from_le_bytes(*inode), cookie: u64::from_le_bytes(*cookie), kind, name }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_listings_are_refused() {
        let mut bytes = std::vec::Vec::new();
        bytes.extend(7u64.to_le_bytes());
        bytes.extend(9u64.to_le_bytes());
        bytes.extend([4, 3]);
        bytes.extend(b"abc");
        let (entry, rest) = Entry::parse(&bytes).expect("sound");
        assert_eq!((entry.inode, entry.cookie, entry.kind, entry.name, rest.len()), (7, 9, 4, &b"abc"[..], 0));
        for cut in 0..bytes.len() {
            assert!(Entry::parse(&bytes[..cut]).is_none(), "{cut}");
        }
        bytes[18] = b'/';
        assert!(Entry::parse(&bytes).is_none());
        bytes[17] = 0;
        assert!(Entry::parse(&bytes).is_none());
    }
}
