//! Windows: memory shared with the server, through which pages come and go.
//!
//! One is for changes, used by whoever holds the log; the others are for reading, each used by one thread at a time.

use alloc::vec::Vec;

use guest_memory::Window;
use linux_abi::Result;
use rt::sync::{Condvar, Mutex};

/// Pages of a window: the most that one call reads or writes.
pub(crate) const WINDOW_PAGES: usize = 64;
/// Windows for reading.
const READERS: usize = 3;

/// All windows of a volume. Their regions' numbers are in the session, in the same order.
pub(crate) struct Windows {
    all: Vec<Window>,
    free: Mutex<Vec<usize>>,
    returned: Condvar,
}

/// A window for reading that is in use.
pub(crate) struct Reader<'a> {
    windows: &'a Windows,
    index: usize,
}

impl Windows {
    /// Index of the window for changes.
    pub(crate) const CHANGES: usize = 0;

    /// Makes them.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let all = (0..=READERS).map(|_| Window::new(WINDOW_PAGES)).collect::<Result<Vec<_>>>()?;
        Ok(Self { all, free: Mutex::new((1..=READERS).collect()), returned: Condvar::new() })
    }

    /// All of them, in the order of the session's regions.
    pub(crate) fn all(&self) -> &[Window] {
        &self.all
    }

    /// The window for changes; only for who holds the log.
    pub(crate) fn changes(&self) -> &Window {
        &self.all[Self::CHANGES]
    }

    /// Takes a window for reading, waiting for one.
    pub(crate) fn reader(&self) -> Reader<'_> {
        let mut free = self.free.lock();
        loop {
            match free.pop() {
                Some(index) => return Reader { windows: self, index },
                None => free = self.returned.wait(free),
            }
        }
    }
}

impl Reader<'_> {
    /// Its place among all windows.
    pub(crate) const fn index(&self) -> usize {
        self.index
    }

    /// Its memory.
    pub(crate) fn window(&self) -> &Window {
        &self.windows.all[self.index]
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.windows.free.lock().push(self.index);
        self.windows.returned.notify_one();
    }
}
