//! Memory in the task's own address space, and memory that tasks share.
//!
//! * [`map`]: mapped for good; [`map_device`]: device memory; [`read`], [`write`]: copied through a mapping that is undone at once
//! * [`Owned`], [`Window`], [`Shared`]: a capability, a mapping, memory of the task's own for others; each ends when it is
//!   dropped, and leaves nothing behind
//! * [`attach`], [`map_range`]: the parts, for who manages addresses by itself
//!
//! Lock order: the lock of the free addresses is a leaf (it is held across nothing but an allocation).

mod addresses;
mod shared;

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_user::object::{MapRange, Memory};
use ukernel_user::{Attachment, Cap, Error, Rights};

use crate::sync::Mutex;
use crate::{layout, object, own};
use addresses::Addresses;

#[cfg(target_os = "linux")]
pub use shared::count;
pub use shared::{Owned, Shared, Window, physical};

const PAGE: u64 = ukernel_abi::PAGE_BYTES;
/// Page-table pages given to the VSpace when it has none left.
const TABLES_AT_ONCE: u64 = 8;

static ADDRESSES: Mutex<Addresses> = Mutex::new(Addresses::new(layout::MAPPINGS, layout::MAPPINGS_END));
static BASE: AtomicU64 = AtomicU64::new(0);

/// Memory that is mapped, for good.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    address: u64,
    bytes: u64,
    attachment: Cap<Attachment>,
}

impl Mapping {
    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// How long it is, as asked for.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What maps it.
    #[must_use]
    pub const fn attachment(&self) -> Cap<Attachment> {
        self.attachment
    }

    /// Its bytes; for memory that nobody writes while this task runs, such as an archive entry.
    #[must_use]
    pub fn as_slice(&self) -> &'static [u8] {
        // SAFETY: mapped for good, readable, and by this method's contract not written by anyone.
        unsafe { core::slice::from_raw_parts(self.address as *const u8, self.bytes as usize) }
    }
}

/// Maps the first `bytes` of `memory` at a free address.
///
/// # Errors
/// `OutOfMemory`: no more addresses, slots or page tables.
pub fn map(memory: Cap<Memory>, bytes: u64, rights: Rights) -> Result<Mapping, Error> {
    let pages = bytes.div_ceil(PAGE).max(1);
    let placed = Placed::map(memory, rights, MapRange::new(0, rights, 0, pages))?;
    Ok(Mapping { address: placed.address, bytes, attachment: placed.attachment })
}

/// Device memory that is mapped, uncached, until this is dropped.
#[derive(Debug)]
pub struct DeviceMapping(Option<Placed>);

impl DeviceMapping {
    /// Where it is.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.0.as_ref().map_or(0, |placed| placed.address)
    }
}

impl Drop for DeviceMapping {
    fn drop(&mut self) {
        if let Some(placed) = self.0.take() {
            placed.unmap();
        }
    }
}

/// Maps device memory, uncached.
///
/// # Errors
/// As [`map`].
pub fn map_device(memory: Cap<Memory>, bytes: u64) -> Result<DeviceMapping, Error> {
    let rights = Rights::READ.or(Rights::WRITE);
    let pages = bytes.div_ceil(PAGE).max(1);
    let range = MapRange { uncached: true, ..MapRange::new(0, rights, 0, pages) };
    Placed::map(memory, rights, range).map(|placed| DeviceMapping(Some(placed)))
}

/// Pages at addresses that were free.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) address: u64,
    pages: u64,
    attachment: Cap<Attachment>,
}

impl Placed {
    /// Maps `range` of `memory`, at addresses of our choice.
    pub(crate) fn map(memory: Cap<Memory>, rights: Rights, range: MapRange) -> Result<Self, Error> {
        let bytes = range.pages.checked_mul(PAGE).ok_or(Error::InvalidArgument)?;
        let address = reserve(bytes)?;
        let attachment = attach(memory, address, bytes, rights).inspect_err(|_| release(address, bytes))?;
        let placed = Self { address, pages: range.pages, attachment };
        match map_range(attachment, MapRange { address, ..range }) {
            Ok(()) => Ok(placed),
            Err(error) => {
                placed.unmap();
                Err(error)
            }
        }
    }

    /// Undoes it.
    pub(crate) fn unmap(self) {
        // An error says that whoever owns the memory has revoked it, so that nothing is attached any more.
        let _ = self.attachment.detach();
        object::recycle(self.attachment);
        release(self.address, self.pages * PAGE);
    }
}

/// Copies `bytes` to `memory` from byte `offset` on, through a mapping that is undone at once.
///
/// # Errors
/// As [`map`]; `InvalidArgument`: they do not fit.
pub fn write(memory: Cap<Memory>, offset: u64, bytes: &[u8]) -> Result<(), Error> {
    with_mapping(memory, offset, bytes.len(), Rights::READ.or(Rights::WRITE), |at| {
        // SAFETY: mapped writable for that many bytes, at an address that nobody else knows.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), at, bytes.len()) };
    })
}

/// Fills `bytes` from `memory`, from byte `offset` on, through a mapping that is undone at once.
///
/// # Errors
/// As [`map`]; `InvalidArgument`: there are not so many.
pub fn read(memory: Cap<Memory>, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
    with_mapping(memory, offset, bytes.len(), Rights::READ, |at| {
        // SAFETY: mapped readable for that many bytes; others may change them meanwhile, which a copy of bytes survives.
        unsafe { core::ptr::copy_nonoverlapping(at, bytes.as_mut_ptr(), bytes.len()) };
    })
}

fn with_mapping(
    memory: Cap<Memory>,
    offset: u64,
    bytes: usize,
    rights: Rights,
    use_it: impl FnOnce(*mut u8),
) -> Result<(), Error> {
    if bytes == 0 {
        return Ok(());
    }
    let (first, inside) = (offset / PAGE, offset % PAGE);
    let pages = (inside + bytes as u64).div_ceil(PAGE);
    let placed = Placed::map(memory, rights, MapRange::new(0, rights, first, pages))?;
    use_it((placed.address + inside) as *mut u8);
    placed.unmap();
    Ok(())
}

/// Attaches `memory` to the task's own VSpace.
///
/// # Errors
/// As `Memory::ATTACH`.
pub fn attach(memory: Cap<Memory>, address: u64, bytes: u64, rights: Rights) -> Result<Cap<Attachment>, Error> {
    let attachment = object::create::<Attachment>(0)?;
    match memory.attach(own::vspace(), address, bytes, rights, attachment) {
        Ok(()) => Ok(attachment),
        Err(error) => {
            object::recycle(attachment);
            Err(error)
        }
    }
}

/// Maps one range, paying for page tables from the task's Untyped where the VSpace has none left.
///
/// # Errors
/// As `Attachment::MAP`; `OutOfMemory`.
pub fn map_range(attachment: Cap<Attachment>, range: MapRange) -> Result<(), Error> {
    // Pages done before the tables ran out are simply mapped once more.
    while let Err(incomplete) = attachment.map(&[range]) {
        if incomplete.error != Error::OutOfTables {
            return Err(incomplete.error);
        }
        own::vspace().donate(own::untyped(), TABLES_AT_ONCE)?;
    }
    Ok(())
}

/// Takes addresses for a mapping, with an unmapped page behind it; large ones are aligned for large pages.
fn reserve(bytes: u64) -> Result<u64, Error> {
    let align = if bytes >= ukernel_abi::LARGE_PAGE_BYTES { ukernel_abi::LARGE_PAGE_BYTES } else { PAGE };
    let with_gap = bytes.checked_add(PAGE).ok_or(Error::OutOfMemory)?;
    let taken = ADDRESSES.lock().take(with_gap, align);
    Ok(base() + taken.ok_or(Error::OutOfMemory)?)
}

/// Gives back what [`reserve`] took.
fn release(address: u64, bytes: u64) {
    ADDRESSES.lock().give_back(address - base(), bytes + PAGE);
}

/// Base of the task's addresses.
#[must_use]
pub fn base() -> u64 {
    BASE.load(Ordering::Relaxed)
}

#[cfg_attr(target_os = "linux", expect(dead_code, reason = "there is no start-up on the host"))]
pub(crate) fn set_base(base: u64) {
    BASE.store(base, Ordering::Relaxed);
}
