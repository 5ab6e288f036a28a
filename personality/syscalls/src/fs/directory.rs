//! Listing directories; working directory and root.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use guest_memory::write_bytes;
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::Task;
use vfs::{Access, Capability, DirectoryEntry, Path};

use super::{Actor, file};
use crate::{Args, SysResult};

/// Most bytes listed by one call.
const LISTING_LIMIT_BYTES: usize = 64 * 1024;

/// How an entry is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// `struct linux_dirent`: the type comes last.
    Old,
    /// `struct linux_dirent64`.
    New,
}

impl Layout {
    /// Returns the size of an entry with a name of `length` bytes.
    fn entry_bytes(self, length: usize) -> usize {
        match self {
            Layout::Old => (18 + length + 2).next_multiple_of(8),
            Layout::New => (19 + length + 1).next_multiple_of(8),
        }
    }

    fn put(self, buffer: &mut Vec<u8>, entry: &DirectoryEntry<'_>) {
        let start = buffer.len();
        let size = self.entry_bytes(entry.name.len());
        buffer.extend_from_slice(&entry.inode.to_le_bytes());
        buffer.extend_from_slice(&entry.next_cookie.to_le_bytes());
        buffer.extend_from_slice(&(size as u16).to_le_bytes());
        if self == Layout::New {
            buffer.push(entry.kind.directory_entry_type());
        }
        buffer.extend_from_slice(entry.name);
        buffer.resize(start + size, 0);
        if self == Layout::Old
            && let Some(last) = buffer.last_mut()
        {
            *last = entry.kind.directory_entry_type();
        }
    }
}

/// getdents(2)
pub fn sys_getdents(task: &Task, args: &Args) -> SysResult {
    list(task, args, Layout::Old)
}

/// getdents64(2)
pub fn sys_getdents64(task: &Task, args: &Args) -> SysResult {
    list(task, args, Layout::New)
}

/// Lists into a buffer of our own first: directories are locked meanwhile, and the process's memory may fault.
fn list(task: &Task, args: &Args, layout: Layout) -> SysResult {
    let file = file(task, args.int(0))?;
    let room = (args.uint(2) as usize).min(LISTING_LIMIT_BYTES);
    let mut buffer = Vec::new();
    let mut did_not_fit = false;
    file.read_directory(&mut |entry| {
        if buffer.len() + layout.entry_bytes(entry.name.len()) > room {
            did_not_fit = true;
            return ControlFlow::Break(());
        }
        layout.put(&mut buffer, &entry);
        ControlFlow::Continue(())
    })?;
    if buffer.is_empty() && did_not_fit {
        return Err(Errno::EINVAL);
    }
    write_bytes(args.addr(1), &buffer)?;
    Ok(buffer.len() as u64)
}

/// getcwd(2)
pub fn sys_getcwd(task: &Task, args: &Args) -> SysResult {
    let fs = task.fs();
    let text = fs.working_directory().text(&fs.root());
    if text.is_deleted {
        return Err(Errno::ENOENT);
    }
    let mut bytes = if text.is_unreachable { b"(unreachable)".to_vec() } else { Vec::new() };
    bytes.extend_from_slice(&text.bytes);
    bytes.push(0);
    if bytes.len() > args.size(1) {
        return Err(Errno::ERANGE);
    }
    write_bytes(args.addr(0), &bytes)?;
    Ok(bytes.len() as u64)
}

/// Checks that a path is a directory that the caller may search.
fn require_searchable(actor: &Actor, path: &Path) -> Result<()> {
    if !path.dentry.is_directory() {
        return Err(Errno::ENOTDIR);
    }
    actor.credentials.require(Access::EXECUTE, path.inode().ownership()?, true)
}

/// chdir(2)
pub fn sys_chdir(task: &Task, args: &Args) -> SysResult {
    let actor = Actor::of(task);
    let path = actor.path_at(raw::AT_FDCWD, args.addr(0), 0)?;
    require_searchable(&actor, &path)?;
    actor.fs.set_working_directory(path);
    Ok(0)
}

/// fchdir(2)
pub fn sys_fchdir(task: &Task, args: &Args) -> SysResult {
    let actor = Actor::of(task);
    let path = actor.files.get_any(args.int(0))?.path().clone();
    require_searchable(&actor, &path)?;
    actor.fs.set_working_directory(path);
    Ok(0)
}

/// chroot(2)
pub fn sys_chroot(task: &Task, args: &Args) -> SysResult {
    let actor = Actor::of(task);
    let path = actor.path_at(raw::AT_FDCWD, args.addr(0), 0)?;
    require_searchable(&actor, &path)?;
    if !actor.credentials.has(Capability::SysChroot) {
        return Err(Errno::EPERM);
    }
    actor.fs.set_root(path);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vfs::FileKind;

    fn entry(name: &[u8]) -> DirectoryEntry<'_> {
        DirectoryEntry { inode: 7, kind: FileKind::Directory, name, next_cookie: 9 }
    }

    #[test]
    fn entries_are_aligned_and_hold_their_type() {
        let mut new = Vec::new();
        Layout::New.put(&mut new, &entry(b"abcd"));
        assert_eq!((new.len(), new[16], new[18], &new[19..24]), (24, 24, 4, &b"abcd\0"[..]));
        let mut old = Vec::new();
        Layout::Old.put(&mut old, &entry(b"abcd"));
        assert_eq!((old.len(), old[23], &old[18..23]), (24, 4, &b"abcd\0"[..]));
    }
}
