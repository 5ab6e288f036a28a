//! Pages that only save time are given back when there is no memory for others.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use rt::sync::Mutex;

use crate::node::Body;
use crate::volume::Volume;

/// Inodes that are looked at together.
const INODES_AT_ONCE: usize = 64;

static VOLUMES: Mutex<Vec<Weak<Volume>>> = Mutex::new(Vec::new());

/// Makes a volume's pages reclaimable.
pub(crate) fn register(volume: &Arc<Volume>) {
    let mut volumes = VOLUMES.lock();
    volumes.retain(|volume| volume.strong_count() > 0);
    volumes.push(Arc::downgrade(volume));
}

/// Gives back about `wanted` frames of files that are on the disk as well; how many. Never waits, so that whoever
/// allocates a frame may call it with its locks held.
#[must_use]
pub fn reclaim(wanted: usize) -> usize {
    let Some(volumes) = VOLUMES.try_lock() else { return 0 };
    let volumes: Vec<Arc<Volume>> = volumes.iter().filter_map(Weak::upgrade).collect();
    let mut given = 0;
    for volume in volumes {
        // Twice around: the first time pages may only lose their second chance.
        let mut rounds = 0;
        while given < wanted && rounds < 3 {
            let from = volume.hand.load(Ordering::Relaxed);
            let nodes = volume.table.try_some(from, INODES_AT_ONCE);
            let is_end = nodes.len() < INODES_AT_ONCE;
            rounds += usize::from(is_end);
            for node in &nodes {
                if let Body::Regular(regular) = &node.body
                    && let Some(mut content) = node.try_content(regular)
                    && given < wanted
                {
                    given += content.pages.give_back(wanted - given);
                }
            }
            volume.hand.store(if is_end { 0 } else { from + INODES_AT_ONCE }, Ordering::Relaxed);
        }
    }
    given
}

/// Makes room by writing what is only in memory, for somebody who can wait; whether there is room now.
#[must_use]
pub fn relieve() -> bool {
    let volumes: Vec<Arc<Volume>> = VOLUMES.lock().iter().filter_map(Weak::upgrade).collect();
    for volume in volumes {
        if volume.dirty_pages.load(Ordering::Relaxed) > 0
            && let Err(error) = volume.sync_all()
        {
            log::warn!("write-back: {}", error.name());
        }
    }
    reclaim(INODES_AT_ONCE) > 0
}

/// Pages of files on disks that are in memory.
#[must_use]
pub fn cached_pages() -> u64 {
    let volumes = VOLUMES.lock();
    volumes.iter().filter_map(Weak::upgrade).map(|volume| volume.cached_pages.load(Ordering::Relaxed)).sum()
}
