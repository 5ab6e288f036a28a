//! What a device reaches of memory, and at which addresses.
//!
//! Behind an IOMMU a device has an IoSpace, which the pci server hands out with it: memory has to be mapped there, and the
//! device finds it at an address that is chosen here. Without one it finds all memory at its physical address.
//!
//! Tables of an IoSpace are made of the task's own memory, in pieces that are kept for the next device: when a device is
//! given back, its IoSpace lets go of them.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use interfaces::{PciBus, PciError};
use rt::sync::Mutex;
use ukernel_user::object::{IoMapping, IoSpace};
use ukernel_user::{Cap, Error, Memory, Rights, Untyped};

const PAGE: u64 = 4096;
const LARGE_PAGE: u64 = 2 << 20;
/// I/O addresses that are used: above all that means something else, and within 39 bits, which every IOMMU has.
const START: u64 = 1 << 32;
const END: u64 = 1 << 38;
/// Pages of the pieces that tables are made of, one after the other.
const TABLE_PAGES: [u64; 4] = [16, 64, 256, 1024];

/// Pieces that no IoSpace has now, by their place in [`TABLE_PAGES`].
static IDLE: Mutex<Vec<(usize, Cap<Untyped>)>> = Mutex::new(Vec::new());

/// How a device reaches memory.
#[derive(Clone, Debug)]
pub struct DmaSpace(Option<Arc<Behind>>);

impl DmaSpace {
    /// A device without IOMMU.
    #[must_use]
    pub const fn physical() -> Self {
        Self(None)
    }

    /// How the driver's own device reaches memory.
    ///
    /// # Errors
    /// The pci server's.
    pub fn of(bus: &impl PciBus) -> Result<Self, PciError> {
        match bus.io_space() {
            Ok(space) => {
                let inner = Mutex::new(Inner { addresses: BTreeMap::new(), tables: Vec::new() });
                Ok(Self(Some(Arc::new(Behind { space: Cap::new(space.0), inner }))))
            }
            Err(PciError::NoIoSpace) => Ok(Self::physical()),
            Err(error) => Err(error),
        }
    }

    /// Whether the device reaches only what is mapped for it.
    #[must_use]
    pub const fn is_isolated(&self) -> bool {
        self.0.is_some()
    }

    /// Lets the device read and write `memory`, until the result is dropped.
    ///
    /// # Errors
    /// `InsufficientRights`: it may not be read and written, or, without IOMMU, its address not be known. `OutOfMemory`.
    pub fn reach(&self, memory: Cap<Memory>) -> Result<Reached, Error> {
        match &self.0 {
            None => Ok(Reached { address: memory_address(memory)?, mapped: None }),
            Some(behind) => behind.clone().map(memory),
        }
    }
}

/// Memory that a device reaches.
#[derive(Debug)]
pub struct Reached {
    address: u64,
    mapped: Option<(Arc<Behind>, Cap<IoMapping>)>,
}

impl Reached {
    /// Where the device finds it.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        if let Some((behind, mapping)) = self.mapped.take() {
            // It has ended already where the memory was revoked, or the device taken away.
            let _ = mapping.unmap();
            rt::object::recycle(mapping);
            behind.inner.lock().addresses.remove(&self.address);
        }
    }
}

/// An IoSpace.
#[derive(Debug)]
struct Behind {
    space: Cap<IoSpace>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Starts and bytes of what is mapped.
    addresses: BTreeMap<u64, u64>,
    tables: Vec<(usize, Cap<Untyped>)>,
}

impl Behind {
    fn map(self: Arc<Self>, memory: Cap<Memory>) -> Result<Reached, Error> {
        let bytes = memory.size()?;
        let mapping = rt::object::create::<IoMapping>(0)?;
        let mut inner = self.inner.lock();
        let mapped = find_room(&inner.addresses, bytes)
            .ok_or(Error::OutOfMemory)
            .and_then(|address| self.map_at(&mut inner, memory, address, mapping).map(|()| address));
        let address = match mapped {
            Ok(address) => address,
            Err(error) => {
                rt::object::recycle(mapping);
                return Err(error);
            }
        };
        inner.addresses.insert(address, bytes);
        drop(inner);
        Ok(Reached { address, mapped: Some((self, mapping)) })
    }

    fn map_at(
        &self,
        inner: &mut Inner,
        memory: Cap<Memory>,
        address: u64,
        mapping: Cap<IoMapping>,
    ) -> Result<(), Error> {
        loop {
            match self.space.map(memory, address, Rights::READ.or(Rights::WRITE), mapping) {
                Err(Error::OutOfTables) => self.add_tables(inner)?,
                result => return result,
            }
        }
    }

    fn add_tables(&self, inner: &mut Inner) -> Result<(), Error> {
        let number = inner.tables.len();
        let pages = *TABLE_PAGES.get(number).ok_or(Error::OutOfMemory)?;
        let idle = {
            let mut idle = IDLE.lock();
            idle.iter().position(|(other, _)| *other == number).map(|place| idle.swap_remove(place).1)
        };
        let piece = idle.map_or_else(|| rt::object::create::<Untyped>(pages * PAGE), Ok)?;
        inner.tables.push((number, piece));
        self.space.donate(piece, pages)
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        // Nothing is mapped any more, since that would keep this. Where the device was given back, the IoSpace is the next one's.
        rt::cap::delete(self.space.slot());
        for (number, piece) in self.inner.lock().tables.drain(..) {
            // The tables go, and nothing else was made of it.
            if rt::own::cap_table().revoke(piece.slot()).is_ok() {
                IDLE.lock().push((number, piece));
            }
        }
    }
}

/// The lowest address with room for so many bytes; large memory at a multiple of a large page, for large entries.
fn find_room(taken: &BTreeMap<u64, u64>, bytes: u64) -> Option<u64> {
    let align = if bytes >= LARGE_PAGE { LARGE_PAGE } else { PAGE };
    let mut at = START;
    for (start, length) in taken {
        if at.checked_add(bytes)? <= *start {
            break;
        }
        at = start.checked_add(*length)?.checked_next_multiple_of(align)?;
    }
    at.checked_add(bytes).filter(|end| *end <= END).map(|_| at)
}

fn memory_address(memory: Cap<Memory>) -> Result<u64, Error> {
    rt::memory::physical(memory).map(|(physical, _)| physical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_from_below() {
        let mut taken = BTreeMap::new();
        for (bytes, expected) in [(PAGE, 0), (3 * PAGE, PAGE), (LARGE_PAGE, LARGE_PAGE), (PAGE, 4 * PAGE)] {
            let at = find_room(&taken, bytes).expect("there is room");
            assert_eq!(at - START, expected);
            taken.insert(at, bytes);
        }
        taken.remove(&(START + PAGE));
        assert_eq!(find_room(&taken, 4 * PAGE), Some(START + 5 * PAGE));
        assert_eq!(find_room(&taken, 2 * PAGE), Some(START + PAGE));
        assert_eq!(find_room(&taken, END - START), None);
        assert_eq!(find_room(&taken, u64::MAX), None);
    }

    #[test]
    fn without_an_iommu_memory_is_where_it_is() {
        let memory = rt::memory::Shared::allocate(PAGE).expect("there is memory");
        let space = DmaSpace::physical();
        let reached = space.reach(memory.memory()).expect("its address may be known");
        assert!(!space.is_isolated());
        assert_eq!(Ok(reached.address()), memory.physical());
    }
}
