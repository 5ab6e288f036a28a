//! Memory that is shared with a server, through which pages of files come and go.
//!
//! The server (or its device) may change the bytes at any time, so they are only ever copied.

use linux_abi::{Errno, Result};
use rt::memory::Shared;

use crate::{Frame, PAGE_BYTES, frames};

/// Whole pages, and the capability that the server is lent.
#[derive(Debug)]
pub struct Window(Shared);

impl Window {
    /// Zeroed memory of `pages` pages.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new(pages: usize) -> Result<Self> {
        Shared::allocate(pages as u64 * PAGE_BYTES).map(Self).map_err(|_| Errno::ENOMEM)
    }

    /// The slot of the capability.
    #[must_use]
    pub const fn capability(&self) -> u64 {
        self.0.memory().slot()
    }

    /// Its size.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.0.window().bytes()
    }

    /// Its size.
    #[must_use]
    pub const fn pages(&self) -> usize {
        self.bytes() / PAGE_BYTES as usize
    }

    /// A fresh frame with the bytes of the window's page `index`.
    ///
    /// # Errors
    /// `ENOMEM` if only the reserve is left.
    pub fn page_to_frame(&self, index: usize) -> Result<Frame> {
        let frame = frames::take(frames::Contents::Any)?;
        // SAFETY: a page of this window, mapped as long as it lives; `Frame::write` copies bytes and draws no conclusions from them.
        frame.write(0, unsafe { core::slice::from_raw_parts(self.page(index), PAGE_BYTES as usize) });
        Ok(frame)
    }

    /// Copies a frame to the window's page `index`.
    pub fn page_from_frame(&self, index: usize, frame: &Frame) {
        // SAFETY: a page of this window, mapped as long as it lives, writable; by the locks of this type's users nobody else here has
        // it at the moment, and `Frame::read` copies bytes.
        frame.read(0, unsafe { core::slice::from_raw_parts_mut(self.page(index), PAGE_BYTES as usize) });
    }

    /// Address of a page's first byte.
    fn page(&self, index: usize) -> *mut u8 {
        assert!(index < self.pages(), "page {index} outside of a window of {} pages", self.pages());
        self.0.window().address().wrapping_add(index * PAGE_BYTES as usize)
    }
}
