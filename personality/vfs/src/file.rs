//! What an open file does. One trait for regular files, directories, pipes, terminals and devices.
//!
//! A `File` knows nothing of descriptors and offsets: [`crate::OpenFile`] keeps flags and offset and passes them in.
//! Implementations must not hold a lock that a page fault may need while they touch a [`Sink`] or [`Source`].

use alloc::sync::Arc;
use core::any::Any;
use core::ops::ControlFlow;

use guest_memory::{PageSource, Sink, Source};
use linux_abi::{Errno, Result};

use crate::flags::OpenFlags;
use crate::metadata::FileKind;
use crate::poll::{PollEvents, PollTable};

/// Whether a file has positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positioning {
    /// Reads and writes happen at an offset; `lseek`, `pread` and `pwrite` work.
    Seekable,
    /// A stream: `lseek`, `pread` and `pwrite` fail with `ESPIPE`.
    Stream,
    /// A device that accepts positions and ignores them: `lseek` returns 0, `pread` and `pwrite` work.
    Ignored,
}

/// A directory entry, as listed.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryEntry<'a> {
    /// Inode number.
    pub inode: u64,
    /// Type.
    pub kind: FileKind,
    /// Name, without slash.
    pub name: &'a [u8],
    /// Where the listing goes on after this entry; at least [`FIRST_COOKIE`].
    pub next_cookie: u64,
}

/// The first cookie of a file system's own entries: 0 and 1 stand for `.` and `..`, which the VFS lists.
pub const FIRST_COOKIE: u64 = 2;

/// Takes a listing's entries, and tells whether it wants more; an entry answered with `Break` counts as not taken.
pub type EmitEntry<'a> = dyn FnMut(DirectoryEntry<'_>) -> ControlFlow<()> + 'a;

/// Where in the address of an `lseek` data or a hole is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekTarget {
    /// `SEEK_DATA`.
    Data,
    /// `SEEK_HOLE`.
    Hole,
}

/// How `fallocate` changes a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// Reserve, and grow the file if needed.
    Extend,
    /// Reserve, keep the size.
    KeepSize,
    /// Give the range back; it reads as zeroes.
    PunchHole,
    /// Make the range zero and grow the file if needed.
    Zero,
    /// Make the range zero, keep the size.
    ZeroKeepSize,
}

/// An open file.
#[expect(unused_variables, reason = "the default methods refuse without looking at their arguments")]
pub trait File: Any + Send + Sync {
    /// Tells whether the file has positions.
    fn positioning(&self) -> Positioning {
        Positioning::Stream
    }

    /// Reads into `sink`, at `offset` if the file has positions. Returns 0 at the end.
    ///
    /// # Errors
    /// `EAGAIN` if it would block and `flags` say `NONBLOCK`; `ERESTARTSYS` if a signal came first; `EFAULT` if the
    /// sink failed before the first byte.
    fn read(&self, offset: u64, sink: &mut dyn Sink, flags: OpenFlags) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Writes from `source`, at `offset` if the file has positions.
    ///
    /// # Errors
    /// As [`File::read`]; `EPIPE` if nobody reads (the caller raises `SIGPIPE`).
    fn write(&self, offset: u64, source: &mut dyn Source, flags: OpenFlags) -> Result<usize> {
        Err(Errno::EINVAL)
    }

    /// Writes at the end, atomically; returns the count and the offset after it.
    ///
    /// # Errors
    /// As [`File::write`].
    fn append(&self, source: &mut dyn Source, flags: OpenFlags) -> Result<(usize, u64)> {
        let size = self.size().unwrap_or(0);
        let count = self.write(size, source, flags)?;
        Ok((count, size.saturating_add(count as u64)))
    }

    /// Returns the size, where there is one.
    ///
    /// # Errors
    /// `EINVAL` if the file has no size.
    fn size(&self) -> Result<u64> {
        Err(Errno::EINVAL)
    }

    /// Registers at the queues that announce changes, then tells what the file is ready for.
    fn poll<'a>(&'a self, table: &mut PollTable<'a>) -> PollEvents {
        PollEvents::ALWAYS_READY
    }

    /// Performs a device-specific command.
    ///
    /// # Errors
    /// `ENOTTY` if the command is not known here.
    fn ioctl(&self, command: u32, argument: u64) -> Result<u64> {
        Err(Errno::ENOTTY)
    }

    /// Lists a directory from `cookie` on (at least [`FIRST_COOKIE`]).
    ///
    /// # Errors
    /// `ENOTDIR` if the file is no directory.
    fn read_directory(&self, cookie: u64, emit: &mut EmitEntry<'_>) -> Result<()> {
        Err(Errno::ENOTDIR)
    }

    /// Finds data or a hole at or after `offset`.
    ///
    /// # Errors
    /// `ENXIO` if there is none.
    fn seek_content(&self, offset: u64, target: SeekTarget) -> Result<u64> {
        let size = self.size()?;
        if offset >= size {
            return Err(Errno::ENXIO);
        }
        Ok(if target == SeekTarget::Data { offset } else { size })
    }

    /// Sets the size.
    ///
    /// # Errors
    /// `EINVAL` if the file has no size to set.
    fn truncate(&self, size: u64) -> Result<()> {
        Err(Errno::EINVAL)
    }

    /// Reserves or frees a range.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the file cannot.
    fn allocate(&self, how: Allocation, offset: u64, length: u64) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Writes what is cached to the device.
    ///
    /// # Errors
    /// `EINVAL` if the file has nothing like that.
    fn sync(&self) -> Result<()> {
        Err(Errno::EINVAL)
    }

    /// Returns the pages, for `mmap`.
    ///
    /// # Errors
    /// `ENODEV` if the file cannot be mapped.
    fn page_source(self: Arc<Self>) -> Result<Arc<dyn PageSource>> {
        Err(Errno::ENODEV)
    }

    /// Called at each `close` of a descriptor, before the file may live on in others.
    ///
    /// # Errors
    /// What `close` reports; the descriptor is gone in any case.
    fn flush(&self) -> Result<()> {
        Ok(())
    }

    /// Tells that the status flags changed by `fcntl(F_SETFL)`.
    ///
    /// # Errors
    /// `EINVAL` if the file does not support the flags.
    fn flags_changed(&self, flags: OpenFlags) -> Result<()> {
        Ok(())
    }
}
