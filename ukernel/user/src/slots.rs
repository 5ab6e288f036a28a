//! Which slots of the task's CapTable are free.
//!
//! One bit a slot, set while it is free; lock-free, so that any thread may ask at any time. Nothing is free until
//! [`add_free`] was called at start-up.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ukernel_abi::Error;

/// Slots of the largest CapTable.
const MAX_SLOTS: usize = 1 << 16;
const WORDS: usize = MAX_SLOTS / 64;

static FREE: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];
/// Where the last search ended; only a hint.
static HINT: AtomicUsize = AtomicUsize::new(0);

/// Declares `count` slots from `first` on free.
pub fn add_free(first: u64, count: u64) {
    for slot in first..first.saturating_add(count) {
        free(slot);
    }
}

/// Takes a free slot.
///
/// # Errors
/// [`Error::OutOfMemory`]: all are taken.
pub fn allocate() -> Result<u64, Error> {
    let start = HINT.load(Ordering::Relaxed);
    for step in 0..WORDS {
        let word = (start + step) % WORDS;
        while let Some(bit) = lowest_bit(FREE[word].load(Ordering::Relaxed)) {
            if FREE[word].fetch_and(!(1 << bit), Ordering::AcqRel) & 1 << bit != 0 {
                HINT.store(word, Ordering::Relaxed);
                return Ok((word * 64 + bit) as u64);
            }
        }
    }
    Err(Error::OutOfMemory)
}

/// Gives a slot back; it must be empty (or be emptied before it is used). Slot 0 and slots past the largest table are
/// ignored.
pub fn free(slot: u64) {
    if slot == 0 || slot >= MAX_SLOTS as u64 {
        return;
    }
    FREE[slot as usize / 64].fetch_or(1 << (slot % 64), Ordering::AcqRel);
}

fn lowest_bit(word: u64) -> Option<usize> {
    (word != 0).then(|| word.trailing_zeros() as usize)
}
