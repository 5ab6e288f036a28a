//! Memory that is shared with a server, through which pages of files come and go.
//!
//! The server (or its device) may change the bytes at any time, so they are only ever copied.

use core::ptr::NonNull;

use linux_abi::Result;

use crate::{Frame, PAGE_BYTES, frames, os};

/// Whole pages, mapped for good, with the capability that the server is given.
#[derive(Debug)]
pub struct Window {
    base: NonNull<u8>,
    bytes: usize,
    capability: u64,
}

// SAFETY: the memory belongs to no thread; all accesses copy bytes that others may change meanwhile anyway.
unsafe impl Send for Window {}
// SAFETY: as above.
unsafe impl Sync for Window {}

impl Window {
    /// Zeroed memory of `pages` pages.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(pages: usize) -> Result<Self> {
        let bytes = pages * PAGE_BYTES as usize;
        let (base, capability) = os::make_window(bytes)?;
        Ok(Self { base, bytes, capability })
    }

    /// The slot of the capability (on the host: a number for [`host`](crate::host)'s window functions).
    #[must_use]
    pub const fn capability(&self) -> u64 {
        self.capability
    }

    /// Its size.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its size.
    #[must_use]
    pub const fn pages(&self) -> usize {
        self.bytes / PAGE_BYTES as usize
    }

    /// A fresh frame with the bytes of the window's page `index`.
    ///
    /// # Errors
    /// `ENOMEM` if only the reserve is left.
    pub fn page_to_frame(&self, index: usize) -> Result<Frame> {
        let frame = frames::take(frames::Contents::Any)?;
        // SAFETY: a page of this window, mapped for good; `Frame::write` copies bytes and draws no conclusions from them.
        frame.write(0, unsafe { core::slice::from_raw_parts(self.page(index), PAGE_BYTES as usize) });
        Ok(frame)
    }

    /// Copies a frame to the window's page `index`.
    pub fn page_from_frame(&self, index: usize, frame: &Frame) {
        // SAFETY: a page of this window, mapped for good, writable; by the locks of this type's users nobody else here has
        // it at the moment, and `Frame::read` copies bytes.
        frame.read(0, unsafe { core::slice::from_raw_parts_mut(self.page(index), PAGE_BYTES as usize) });
    }

    /// Address of a page's first byte.
    fn page(&self, index: usize) -> *mut u8 {
        assert!(index < self.pages(), "page {index} outside of a window of {} pages", self.pages());
        self.base.as_ptr().wrapping_add(index * PAGE_BYTES as usize)
    }
}
