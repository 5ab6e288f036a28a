//! The flags of an open file, by Linux's own bits.

use linux_abi::raw::general as raw;

use crate::credentials::Access;

bitflags::bitflags! {
    /// `O_*` flags, access mode included.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct OpenFlags: u32 {
        /// Write only.
        const WRONLY = raw::O_WRONLY;
        /// Read and write.
        const RDWR = raw::O_RDWR;
        /// Create if absent.
        const CREAT = raw::O_CREAT;
        /// Fail if present.
        const EXCL = raw::O_EXCL;
        /// Do not acquire a controlling terminal.
        const NOCTTY = raw::O_NOCTTY;
        /// Cut to size 0.
        const TRUNC = raw::O_TRUNC;
        /// Each write goes to the end.
        const APPEND = raw::O_APPEND;
        /// Never block.
        const NONBLOCK = raw::O_NONBLOCK;
        /// Write data through.
        const DSYNC = raw::O_DSYNC;
        /// Signal on I/O.
        const ASYNC = raw::FASYNC;
        /// Bypass caches; packet mode for pipes.
        const DIRECT = raw::O_DIRECT;
        /// Ignored: every file may be large.
        const LARGEFILE = raw::O_LARGEFILE;
        /// Only a directory will do.
        const DIRECTORY = raw::O_DIRECTORY;
        /// Do not follow a final symbolic link.
        const NOFOLLOW = raw::O_NOFOLLOW;
        /// Do not touch the access time.
        const NOATIME = raw::O_NOATIME;
        /// Close on exec; belongs to the descriptor.
        const CLOEXEC = raw::O_CLOEXEC;
        /// The bit of `O_SYNC` that `O_DSYNC` has not.
        const SYNC_BIT = raw::O_SYNC & !raw::O_DSYNC;
        /// Only a name, no access.
        const PATH = raw::O_PATH;
        /// The bit of `O_TMPFILE` that `O_DIRECTORY` has not.
        const TMPFILE_BIT = raw::O_TMPFILE & !raw::O_DIRECTORY;
    }
}

impl OpenFlags {
    /// The flags that `fcntl(F_SETFL)` can change.
    pub const SETTABLE: OpenFlags = OpenFlags::APPEND
        .union(OpenFlags::NONBLOCK)
        .union(OpenFlags::ASYNC)
        .union(OpenFlags::DIRECT)
        .union(OpenFlags::NOATIME);

    /// Reads the flags of `open(2)`, which ignores unknown bits.
    #[must_use]
    pub const fn from_open(bits: u32) -> OpenFlags {
        OpenFlags::from_bits_truncate(bits)
    }

    /// Tells whether reads are allowed.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.bits() & raw::O_ACCMODE != raw::O_WRONLY && !self.contains(OpenFlags::PATH) && self.bits() & 3 != 3
    }

    /// Tells whether writes are allowed.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        matches!(self.bits() & raw::O_ACCMODE, raw::O_WRONLY | raw::O_RDWR) && !self.contains(OpenFlags::PATH)
    }

    /// Tells whether calls must not block.
    #[must_use]
    pub const fn is_nonblocking(self) -> bool {
        self.contains(OpenFlags::NONBLOCK)
    }

    /// Tells whether an unnamed file is asked for.
    #[must_use]
    pub const fn is_tmpfile(self) -> bool {
        self.contains(OpenFlags::TMPFILE_BIT)
    }

    /// Returns the permission that opening with these flags needs. Access mode 3 needs both and grants neither.
    #[must_use]
    pub fn required_access(self) -> Access {
        let mode = match self.bits() & raw::O_ACCMODE {
            raw::O_RDONLY => Access::READ,
            raw::O_WRONLY => Access::WRITE,
            _ => Access::READ | Access::WRITE,
        };
        if self.contains(OpenFlags::TRUNC) { mode | Access::WRITE } else { mode }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_modes_are_told_apart() {
        let read = OpenFlags::from_open(raw::O_RDONLY);
        assert!(read.is_readable() && !read.is_writable());
        let write = OpenFlags::from_open(raw::O_WRONLY);
        assert!(!write.is_readable() && write.is_writable());
        let neither = OpenFlags::from_open(3);
        assert!(!neither.is_readable() && !neither.is_writable());
        let path = OpenFlags::from_open(raw::O_PATH | raw::O_RDWR);
        assert!(!path.is_readable() && !path.is_writable());
    }
}
