//! An open file description: what descriptors share after `dup` and `fork`.
//!
//! It adds status flags, offset and access checks to a [`File`]. The offset's lock is held during a read or write of a
//! file with positions, so that two processes sharing it never get the same bytes; streams do not take it.

use alloc::sync::Arc;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};

use guest_memory::{Sink, Source};
use linux_abi::{Errno, Result};
use rt::sync::Mutex;

use crate::file::{DirectoryEntry, EmitEntry, FIRST_COOKIE, File, Positioning, SeekTarget};
use crate::flags::OpenFlags;
use crate::inode::Inode;
use crate::metadata::{FileKind, Metadata};
use crate::path::Path;
use crate::poll::{PollEvents, PollTable};

/// Where an `lseek` counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekFrom {
    /// The start.
    Start(i64),
    /// The current offset.
    Current(i64),
    /// The end.
    End(i64),
    /// The next data.
    Data(i64),
    /// The next hole.
    Hole(i64),
}

/// An open file description.
pub struct OpenFile {
    file: Arc<dyn File>,
    path: Path,
    flags: AtomicU32,
    offset: Mutex<u64>,
    id: u64,
    /// Receiver of `SIGIO`, as `F_SETOWN` takes it.
    owner: AtomicI32,
    /// Signal instead of `SIGIO`, as `F_SETSIG` takes it.
    signal: AtomicU32,
    /// Whether this description may hold locks that end with it.
    pub(crate) may_hold_locks: AtomicBool,
}

/// Open files of the whole system, and how many there may be.
static OPEN_COUNT: AtomicU64 = AtomicU64::new(0);
static OPEN_LIMIT: AtomicU64 = AtomicU64::new(65536);

/// Sets how many files the whole system may have open (`/proc/sys/fs/file-max`).
pub fn set_open_limit(limit: u64) {
    OPEN_LIMIT.store(limit, Ordering::Relaxed);
}

/// Most descriptors that a table may ever have: Linux's own limit, or fewer where memory is short.
const TABLE_LIMIT: u64 = 1 << 20;

/// Returns how many descriptors a process may have at most, whatever its rights (`/proc/sys/fs/nr_open`): no more than
/// files can be open, since a table has a place for each number.
#[must_use]
pub fn table_limit() -> u64 {
    OPEN_LIMIT.load(Ordering::Relaxed).clamp(4096, TABLE_LIMIT)
}

/// Returns how many files the whole system has open.
#[must_use]
pub fn open_count() -> u64 {
    OPEN_COUNT.load(Ordering::Relaxed)
}

impl OpenFile {
    /// Makes a description at offset 0. Flags that matter only while opening are dropped.
    ///
    /// # Errors
    /// `ENFILE` if the whole system has too many files open.
    pub fn new(file: Arc<dyn File>, path: Path, flags: OpenFlags) -> Result<Arc<OpenFile>> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        if OPEN_COUNT.fetch_add(1, Ordering::Relaxed) >= OPEN_LIMIT.load(Ordering::Relaxed) {
            OPEN_COUNT.fetch_sub(1, Ordering::Relaxed);
            return Err(Errno::ENFILE);
        }
        let opening = OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::NOCTTY | OpenFlags::TRUNC | OpenFlags::CLOEXEC;
        Ok(Arc::new(OpenFile {
            file,
            path,
            flags: AtomicU32::new((flags - opening).bits()),
            offset: Mutex::new(0),
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            owner: AtomicI32::new(0),
            signal: AtomicU32::new(0),
            may_hold_locks: AtomicBool::new(false),
        }))
    }

    /// Returns what the description opens.
    #[must_use]
    pub fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// Returns the file as the type that implements it, if it is of that type.
    #[must_use]
    pub fn downcast<T: File>(&self) -> Option<&T> {
        let any: &dyn core::any::Any = &*self.file;
        any.downcast_ref()
    }

    /// As [`OpenFile::downcast`], to keep.
    #[must_use]
    pub fn file_as<T: File>(&self) -> Option<Arc<T>> {
        let any: Arc<dyn core::any::Any + Send + Sync> = self.file.clone();
        any.downcast().ok()
    }

    /// Returns the name by which it was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the inode.
    #[must_use]
    pub fn inode(&self) -> &Arc<dyn Inode> {
        self.path.inode()
    }

    /// Returns a number that no other description has or had.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns the status flags and access mode.
    #[must_use]
    pub fn flags(&self) -> OpenFlags {
        OpenFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    /// Changes the flags that can be changed.
    ///
    /// # Errors
    /// As [`File::flags_changed`].
    pub fn set_status_flags(&self, flags: OpenFlags) -> Result<()> {
        let new = (self.flags() - OpenFlags::SETTABLE) | (flags & OpenFlags::SETTABLE);
        self.file.flags_changed(new)?;
        self.flags.store(new.bits(), Ordering::Relaxed);
        Ok(())
    }

    /// Returns the owner, as `F_GETOWN` reports it (a group is negative).
    #[must_use]
    pub fn owner(&self) -> i32 {
        self.owner.load(Ordering::Relaxed)
    }

    /// Sets the owner.
    pub fn set_owner(&self, owner: i32) {
        self.owner.store(owner, Ordering::Relaxed);
    }

    /// Returns the signal that replaces `SIGIO`, or 0.
    #[must_use]
    pub fn signal(&self) -> u32 {
        self.signal.load(Ordering::Relaxed)
    }

    /// Sets the signal that replaces `SIGIO`.
    pub fn set_signal(&self, signal: u32) {
        self.signal.store(signal, Ordering::Relaxed);
    }

    /// Returns the inode's metadata.
    ///
    /// # Errors
    /// As [`Inode::metadata`].
    pub fn metadata(&self) -> Result<Metadata> {
        self.inode().metadata()
    }

    /// Checks that the description was opened for reading.
    ///
    /// # Errors
    /// `EBADF` if not.
    pub fn require_readable(&self) -> Result<()> {
        if self.flags().is_readable() { Ok(()) } else { Err(Errno::EBADF) }
    }

    /// Checks that the description was opened for writing.
    ///
    /// # Errors
    /// `EBADF` if not.
    pub fn require_writable(&self) -> Result<()> {
        if self.flags().is_writable() { Ok(()) } else { Err(Errno::EBADF) }
    }

    /// Reads at the offset and moves it.
    ///
    /// # Errors
    /// `EBADF` if not open for reading; as [`File::read`].
    pub fn read(&self, sink: &mut dyn Sink) -> Result<usize> {
        self.require_readable()?;
        if self.file.positioning() != Positioning::Seekable {
            return self.file.read(0, sink, self.flags());
        }
        let mut offset = self.offset.lock();
        let count = self.file.read(*offset, sink, self.flags())?;
        *offset = offset.saturating_add(count as u64);
        Ok(count)
    }

    /// Writes at the offset, or at the end if the file is open for appending, and moves the offset.
    ///
    /// # Errors
    /// `EBADF` if not open for writing; as [`File::write`].
    pub fn write(&self, source: &mut dyn Source) -> Result<usize> {
        self.require_writable()?;
        let flags = self.flags();
        if self.file.positioning() != Positioning::Seekable {
            return self.file.write(0, source, flags);
        }
        let mut offset = self.offset.lock();
        if flags.contains(OpenFlags::APPEND) {
            let (count, end) = self.file.append(source, flags)?;
            *offset = end;
            return Ok(count);
        }
        let count = self.file.write(*offset, source, flags)?;
        *offset = offset.saturating_add(count as u64);
        Ok(count)
    }

    /// Reads at a given offset.
    ///
    /// # Errors
    /// `ESPIPE` for streams; `EBADF` if not open for reading; as [`File::read`].
    pub fn read_at(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        self.require_positions()?;
        self.require_readable()?;
        self.file.read(offset, sink, self.flags())
    }

    /// Writes at a given offset; a file open for appending is appended to, as on Linux.
    ///
    /// # Errors
    /// `ESPIPE` for streams; `EBADF` if not open for writing; as [`File::write`].
    pub fn write_at(&self, offset: u64, source: &mut dyn Source) -> Result<usize> {
        self.require_positions()?;
        self.require_writable()?;
        let flags = self.flags();
        if flags.contains(OpenFlags::APPEND) {
            return self.file.append(source, flags).map(|(count, _)| count);
        }
        self.file.write(offset, source, flags)
    }

    fn require_positions(&self) -> Result<()> {
        if self.file.positioning() == Positioning::Stream { Err(Errno::ESPIPE) } else { Ok(()) }
    }

    /// Returns the offset.
    #[must_use]
    pub fn offset(&self) -> u64 {
        *self.offset.lock()
    }

    /// Moves the offset.
    ///
    /// # Errors
    /// `ESPIPE` for streams, `EINVAL` for a negative result, `ENXIO` if there is no such data or hole.
    pub fn seek(&self, from: SeekFrom) -> Result<u64> {
        self.require_positions()?;
        if self.file.positioning() == Positioning::Ignored {
            return Ok(0);
        }
        let mut offset = self.offset.lock();
        let target = match from {
            SeekFrom::Start(to) => Some(to),
            SeekFrom::Current(by) => (*offset as i64).checked_add(by),
            SeekFrom::End(by) => (self.file.size()? as i64).checked_add(by),
            SeekFrom::Data(at) => Some(self.find_content(at, SeekTarget::Data)?),
            SeekFrom::Hole(at) => Some(self.find_content(at, SeekTarget::Hole)?),
        };
        let target = target.ok_or(Errno::EOVERFLOW)?;
        *offset = u64::try_from(target).map_err(|_| Errno::EINVAL)?;
        Ok(*offset)
    }

    fn find_content(&self, at: i64, target: SeekTarget) -> Result<i64> {
        let at = u64::try_from(at).map_err(|_| Errno::ENXIO)?;
        self.file.seek_content(at, target).map(|found| found as i64)
    }

    /// Lists a directory from the offset on, `.` and `..` first, and moves the offset behind what was taken.
    ///
    /// # Errors
    /// `ENOTDIR` if it is no directory; as [`File::read_directory`].
    pub fn read_directory(&self, emit: &mut EmitEntry<'_>) -> Result<()> {
        if !self.path.dentry.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        let mut offset = self.offset.lock();
        if emit_dots(&self.path, &mut offset, emit)?.is_break() {
            return Ok(());
        }
        let mut next = *offset;
        let result = self.file.read_directory((*offset).max(FIRST_COOKIE), &mut |entry| {
            let taken = emit(entry);
            if taken.is_continue() {
                next = entry.next_cookie;
            }
            taken
        });
        *offset = next;
        result
    }

    /// Registers for changes and tells what the file is ready for.
    pub fn poll<'a>(&'a self, table: &mut PollTable<'a>) -> PollEvents {
        self.file.poll(table)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        OPEN_COUNT.fetch_sub(1, Ordering::Relaxed);
        if self.may_hold_locks.load(Ordering::Relaxed) {
            crate::locks::release_description(self);
        }
    }
}

/// Lists `.` and `..`, which every directory has first; moves `offset` behind what was taken.
fn emit_dots(path: &Path, offset: &mut u64, emit: &mut EmitEntry<'_>) -> Result<ControlFlow<()>> {
    for (cookie, name) in [(0, b".".as_slice()), (1, b"..")] {
        if *offset > cookie {
            continue;
        }
        let dentry = match cookie {
            0 => path.dentry.clone(),
            _ => path.dentry.parent().unwrap_or_else(|| path.dentry.clone()),
        };
        let inode = dentry.inode().metadata()?.inode;
        if emit(DirectoryEntry { inode, kind: FileKind::Directory, name, next_cookie: cookie + 1 }).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        *offset = cookie + 1;
    }
    Ok(ControlFlow::Continue(()))
}
