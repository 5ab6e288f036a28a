//! The thread that writes what has been waiting long enough, and tells the server of files that are nobody's any more.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use linux_abi::{Errno, Result};

use crate::volume::Volume;

/// How often the worker looks.
const PERIOD_NS: u64 = 5_000_000_000;
/// How old what is not written may become.
const AGE_NS: u64 = 5_000_000_000;
const STACK_BYTES: usize = 64 << 10;

/// Starts the thread.
///
/// # Errors
/// `EAGAIN` if there is no memory for one.
pub(crate) fn start(volume: Arc<Volume>) -> Result<()> {
    let body = move || {
        while !volume.retired.load(Ordering::Acquire) {
            volume.wait_for_work(rt::time::now_ns() + PERIOD_NS);
            if !volume.retired.load(Ordering::Acquire) {
                volume.work(rt::time::now_ns().saturating_sub(AGE_NS));
            }
        }
    };
    rt::thread::spawn("write-back", STACK_BYTES, body).map(drop).map_err(|_| Errno::EAGAIN)
}

impl Volume {
    /// Does what is due: writes what has been waiting since before `before_ns`, then commits.
    pub(crate) fn work(&self, before_ns: u64) {
        let due = if self.has_too_many_dirty_for_worker() { u64::MAX } else { before_ns };
        if let Err(error) = self.write_since(due).and_then(|()| self.link.commit_all()).and_then(|()| self.forget_now())
        {
            log::warn!("write-back: {}", error.name());
        }
    }

    /// Writes what has been waiting since before `before_ns`.
    ///
    /// # Errors
    /// The first that was found; the rest was tried.
    pub(crate) fn write_since(&self, before_ns: u64) -> Result<()> {
        // What somebody else has taken off the list is written when he is done.
        let _writing = self.writing.lock();
        let mut result = self.forget_now();
        for node in self.take_dirty(before_ns) {
            let written = node.write_back();
            if node.is_mapped_for_writing() {
                // It may be written again at any moment, without notice.
                self.list_dirty(node);
            }
            result = result.and(written);
        }
        result
    }

    /// Writes everything and waits for the disk.
    ///
    /// # Errors
    /// As sync(2) would have, if it had errors.
    pub(crate) fn sync_all(&self) -> Result<()> {
        let written = self.write_since(u64::MAX);
        self.link.commit_all()?;
        written
    }
}
