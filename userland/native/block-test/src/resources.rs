//! What a task has of everything, to see whether it is less afterwards.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resources {
    /// Bytes of its Untyped.
    untyped: u64,
    /// Slots of its CapTable.
    slots: usize,
    /// Page tables in its VSpace's pool.
    tables: u64,
}

impl Resources {
    pub fn now() -> Result<Self, String> {
        let refused = |error| format!("the kernel does not tell what is left: {error:?}");
        let (untyped, _) = rt::own::untyped().info().map_err(refused)?;
        let tables = rt::own::vspace().pool().map_err(refused)?;
        let slots: Vec<u64> = core::iter::from_fn(|| rt::cap::allocate_slot().ok()).collect();
        slots.iter().for_each(|slot| rt::cap::free_slot(*slot));
        Ok(Self { untyped, slots: slots.len(), tables })
    }

    /// Compares with what was there before.
    pub fn same_as(self, before: Self) -> Result<(), String> {
        if self == before { Ok(()) } else { Err(format!("before: {before:?}, now: {self:?}")) }
    }
}
