//! Files without a name, for `memfd_create(2)` and shared anonymous memory.

use alloc::sync::Arc;

use linux_abi::Result;
use rt::sync::OnceCell;
use vfs::{Caller, Dentry, FileKind, FileSystem, Inode, Mount, NewInode, OpenFile, OpenFlags, Path};

use crate::options::Options;
use crate::regular::RegularFile;
use crate::volume::Tmpfs;

/// The instance behind all such files, mounted nowhere.
struct Hidden {
    tmpfs: Arc<Tmpfs>,
    mount: Arc<Mount>,
}

fn hidden() -> Result<&'static Hidden> {
    static HIDDEN: OnceCell<Result<Hidden>> = OnceCell::new();
    let made = HIDDEN.get_or_init(|| {
        let tmpfs = Tmpfs::new(Options::for_ram())?;
        let mount = Arc::new(Mount::internal(tmpfs.clone() as Arc<dyn FileSystem>));
        Ok(Hidden { tmpfs, mount })
    });
    made.as_ref().map_err(|error| *error)
}

/// Makes and opens a file that has no name; `/proc/PID/fd` shows `name`.
///
/// # Errors
/// `ENOSPC`, `ENFILE`.
pub fn create(caller: Caller<'_>, name: &[u8], permissions: u32) -> Result<Arc<OpenFile>> {
    let hidden = hidden()?;
    let mut new = NewInode::new(FileKind::Regular, permissions);
    (new.uid, new.gid) = (caller.credentials.fsuid, caller.credentials.fsgid);
    let inode = Arc::new(RegularFile::new(hidden.tmpfs.volume(), &new)?);
    inode.common().clear_links();
    let mut shown = alloc::vec::Vec::from(b"/memfd:".as_slice());
    shown.extend_from_slice(name);
    shown.extend_from_slice(b" (deleted)");
    let dentry = Dentry::new_root(inode.clone() as Arc<dyn Inode>, &shown);
    OpenFile::new(inode, Path { mount: hidden.mount.clone(), dentry }, OpenFlags::RDWR | OpenFlags::LARGEFILE)
}
