//! Shared memory: Memory capabilities, and their mappings.

use alloc::vec::Vec;

use ukernel_user::object::{MapRange, Memory};
use ukernel_user::{Cap, Error, Rights};

use crate::memory::Placed;
use crate::sync::Mutex;
use crate::{cap, object, own};

const PAGE: u64 = ukernel_abi::PAGE_BYTES;

/// Memories that were given back, with their bytes: an Untyped takes nothing back before all of its objects are gone.
static IDLE: Mutex<Vec<(u64, Cap<Memory>)>> = Mutex::new(Vec::new());

/// A mapping.
#[derive(Debug)]
pub(crate) struct Mapped(Placed);

impl Mapped {
    pub(crate) fn start(&self) -> *mut u8 {
        self.0.address as *mut u8
    }

    pub(crate) fn unmap(self) {
        self.0.unmap();
    }
}

pub(crate) fn map(memory: Cap<Memory>, bytes: u64) -> Result<Mapped, Error> {
    let rights = Rights::READ.or(Rights::WRITE);
    Placed::map(memory, rights, MapRange::new(0, rights, 0, bytes.div_ceil(PAGE))).map(Mapped)
}

pub(crate) fn copy(memory: Cap<Memory>) -> Result<Cap<Memory>, Error> {
    memory.size()?;
    cap::copy(memory, Rights::ALL)
}

pub(crate) fn delete(memory: Cap<Memory>) {
    cap::delete(memory.slot());
}

pub(crate) fn size(memory: Cap<Memory>) -> Result<u64, Error> {
    memory.size()
}

pub(crate) fn physical(memory: Cap<Memory>) -> Result<(u64, u64), Error> {
    memory.physical()
}

pub(crate) fn create(bytes: u64) -> Result<Cap<Memory>, Error> {
    let idle = {
        let mut idle = IDLE.lock();
        idle.iter().position(|(size, _)| *size == bytes).map(|index| idle.swap_remove(index).1)
    };
    idle.map_or_else(|| object::create::<Memory>(bytes), Ok)
}

pub(crate) fn give_back(memory: Cap<Memory>, bytes: u64) {
    // Where that fails others may still have it, so it is not to be used again.
    if own::cap_table().revoke(memory.slot()).is_ok() {
        IDLE.lock().push((bytes, memory));
    }
}
