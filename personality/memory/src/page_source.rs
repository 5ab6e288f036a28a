//! What can be mapped into an address space.

use core::ops::Range;

use linux_abi::Result;
use rt::sync::OnceCell;

use crate::Frame;

/// Whatever has pages of sources mapped.
pub trait Mappings: Sync {
    /// Takes write access to a source's pages from all shared mappings: the next write of each page asks the source again.
    /// Called without a lock that a page fault needs.
    fn write_protect(&self, source: &dyn PageSource);

    /// Takes a range of a source's pages out of mappings: they are not the source's any more. Called without a lock that a
    /// page fault needs.
    fn cut_off(&self, source: &dyn PageSource, pages: Range<u64>, from: CutOff);
}

/// Out of which mappings pages are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutOff {
    /// Shared ones: there is a hole now.
    Shared,
    /// All, private copies included: the file ends before them.
    All,
}

static MAPPINGS: OnceCell<&'static dyn Mappings> = OnceCell::new();

/// Says who has pages mapped. Once; later calls are ignored.
pub fn set_mappings(mappings: &'static dyn Mappings) {
    // The first one stays.
    let _ = MAPPINGS.set(mappings);
}

/// Who has pages mapped, if anybody can.
#[must_use]
pub fn mappings() -> Option<&'static dyn Mappings> {
    MAPPINGS.get().copied()
}

/// Pages that can be mapped: a file's cache, shared anonymous memory, a device.
///
/// Called with the address space locked: an implementation may sleep for its own locks and devices, but must not touch
/// user memory nor call back into an address space.
pub trait PageSource: Send + Sync {
    /// The page with this index, brought in if need be.
    ///
    /// With `for_write` the frame must be the source's own (a hole is filled first), because the process will write
    /// to it and all others must see that. Without, a shared zero page may stand for a hole. Shared mappings always ask
    /// with `for_write` (but see [`tracks_writes`](Self::tracks_writes)), private ones never (their writes go to copies).
    ///
    /// # Errors
    /// `EFAULT` past the end (the process gets `SIGBUS`); `ENOSPC`, `ENOMEM`, `EIO`.
    fn page(&self, index: u64, for_write: bool) -> Result<Frame>;

    /// Whether the source has to know which pages are written. Then a shared mapping has a page writable only after it
    /// asked for it with `for_write`, and asks without for those that it only reads; all frames are the source's own.
    fn tracks_writes(&self) -> bool {
        false
    }

    /// Puts those pages from `first` on that need no waiting and no allocation into `out` (pages around a fault):
    /// the source's own frames, never a stand-in for a hole.
    fn cached_pages(&self, first: u64, out: &mut [Option<Frame>]) {
        let _ = (first, out);
    }

    /// Number of pages, the last perhaps partly used. Only a hint: it may change at any time.
    fn page_count(&self) -> u64;

    /// Writes everything to where it is kept, for `msync(MS_SYNC)`. Called without an address space's lock.
    ///
    /// # Errors
    /// `EIO`, `ENOSPC`: something could not be written.
    fn sync(&self) -> Result<()> {
        Ok(())
    }
}
