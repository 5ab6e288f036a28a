//! Shared anonymous memory: what `MAP_SHARED | MAP_ANONYMOUS` maps.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use guest_memory::{Frame, PAGE_BYTES, PageSource};
use linux_abi::{Errno, Result};
use rt::sync::Mutex;

use crate::area::MappedObject;

/// Pages of one piece of the page list; pieces appear when one of their pages is used.
const PIECE_PAGES: usize = 16;

type Piece = alloc::boxed::Box<[Option<Frame>; PIECE_PAGES]>;

/// Memory that belongs to no file; it goes with its last mapping.
pub struct SharedAnonymous {
    page_count: u64,
    pieces: Mutex<Vec<(u64, Piece)>>,
}

impl SharedAnonymous {
    /// Memory of so many pages, all zero.
    #[must_use]
    pub const fn new(page_count: u64) -> Self {
        Self { page_count, pieces: Mutex::new(Vec::new()) }
    }

    /// Memory of so many pages, as an object to be mapped. `/proc/PID/maps` shows it as Linux does.
    pub(crate) fn object(page_count: u64) -> Arc<MappedObject> {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        Arc::new(MappedObject {
            source: Arc::new(Self::new(page_count)),
            name: b"/dev/zero (deleted)".to_vec(),
            device: 1,
            inode: NUMBER.fetch_add(1, Ordering::Relaxed),
            keep: None,
        })
    }
}

impl PageSource for SharedAnonymous {
    fn page(&self, index: u64, _for_write: bool) -> Result<Frame> {
        if index >= self.page_count {
            return Err(Errno::EFAULT);
        }
        let mut pieces = self.pieces.lock();
        let key = index / PIECE_PAGES as u64;
        let found = pieces.binary_search_by_key(&key, |(key, _)| *key);
        let at = (index % PIECE_PAGES as u64) as usize;
        if let Ok(position) = found
            && let Some(Some(frame)) = pieces.get(position).and_then(|piece| piece.1.get(at))
        {
            return Ok(frame.clone());
        }
        let frame = Frame::alloc_zeroed()?;
        let position = found.unwrap_or_else(|position| {
            pieces.insert(position, (key, Piece::new([const { None }; PIECE_PAGES])));
            position
        });
        let slot = pieces.get_mut(position).and_then(|piece| piece.1.get_mut(at)).ok_or(Errno::EFAULT)?;
        Ok(slot.insert(frame).clone())
    }

    fn page_count(&self) -> u64 {
        self.page_count
    }
}

impl core::fmt::Debug for SharedAnonymous {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SharedAnonymous({} KiB)", self.page_count * PAGE_BYTES / 1024)
    }
}
