//! Shared memory on the host: blocks of the heap, named by invented capability numbers and physical addresses.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_user::object::Memory;
use ukernel_user::{Cap, Error};

use crate::sync::Mutex;

const PAGE: u64 = ukernel_abi::PAGE_BYTES;
/// Where invented numbers start: nothing else on the host looks like them.
const FIRST_SLOT: u64 = 1 << 32;
const FIRST_PHYSICAL: u64 = 1 << 40;

static SLOTS: Mutex<BTreeMap<u64, Arc<Block>>> = Mutex::new(BTreeMap::new());
static NEXT_SLOT: AtomicU64 = AtomicU64::new(FIRST_SLOT);
static NEXT_PHYSICAL: AtomicU64 = AtomicU64::new(FIRST_PHYSICAL);

/// Pages that stand for a Memory.
#[derive(Debug)]
struct Block {
    words: Vec<AtomicU64>,
    physical: u64,
}

impl Block {
    fn bytes(&self) -> u64 {
        self.words.len() as u64 * 8
    }
}

/// A mapping: keeps the block alive.
#[derive(Debug)]
pub(crate) struct Mapped {
    block: Arc<Block>,
    offset: usize,
}

impl Mapped {
    pub(crate) fn start(&self) -> *mut u8 {
        self.block.words.as_ptr().cast_mut().cast::<u8>().wrapping_add(self.offset)
    }

    pub(crate) fn unmap(self) {}
}

fn block(memory: Cap<Memory>) -> Result<Arc<Block>, Error> {
    SLOTS.lock().get(&memory.slot()).cloned().ok_or(Error::InvalidCapability)
}

fn insert(block: Arc<Block>) -> Cap<Memory> {
    let slot = NEXT_SLOT.fetch_add(1, Ordering::Relaxed);
    SLOTS.lock().insert(slot, block);
    Cap::new(slot)
}

pub(crate) fn map(memory: Cap<Memory>, bytes: u64) -> Result<Mapped, Error> {
    let block = block(memory)?;
    if bytes > block.bytes() { Err(Error::InvalidArgument) } else { Ok(Mapped { block, offset: 0 }) }
}

pub(crate) fn copy(memory: Cap<Memory>) -> Result<Cap<Memory>, Error> {
    block(memory).map(insert)
}

pub(crate) fn delete(memory: Cap<Memory>) {
    SLOTS.lock().remove(&memory.slot());
}

pub(crate) fn size(memory: Cap<Memory>) -> Result<u64, Error> {
    block(memory).map(|block| block.bytes())
}

pub(crate) fn physical(memory: Cap<Memory>) -> Result<(u64, u64), Error> {
    block(memory).map(|block| (block.physical, block.bytes()))
}

pub(crate) fn create(bytes: u64) -> Result<Cap<Memory>, Error> {
    if bytes == 0 || !bytes.is_multiple_of(PAGE) {
        return Err(Error::InvalidArgument);
    }
    let words = (0..bytes / 8).map(|_| AtomicU64::new(0)).collect();
    // A gap behind each: a device that runs past the end is found out.
    let physical = NEXT_PHYSICAL.fetch_add(bytes + PAGE, Ordering::Relaxed);
    Ok(insert(Arc::new(Block { words, physical })))
}

pub(crate) fn give_back(memory: Cap<Memory>, _: u64) {
    if let Ok(gone) = block(memory) {
        SLOTS.lock().retain(|_, block| !Arc::ptr_eq(block, &gone));
    }
}

/// How many capabilities to memory there are, for tests that look for leaks.
pub(crate) fn count() -> usize {
    SLOTS.lock().len()
}

/// What a device reaches at a physical address.
pub(crate) fn at_physical(physical: u64, bytes: u64) -> Option<Mapped> {
    let slots = SLOTS.lock();
    slots.values().find_map(|block| {
        let offset = physical.checked_sub(block.physical)?;
        let is_inside = offset.checked_add(bytes)? <= block.bytes();
        is_inside.then(|| Mapped { block: block.clone(), offset: offset as usize })
    })
}
