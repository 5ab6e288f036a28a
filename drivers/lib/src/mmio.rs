//! Memory-mapped device registers.
//!
//! Owns the volatile accesses: a driver names its registers once as typed constants and reads and writes those.
//!
//! ```
//! use driver_lib::mmio::{Register, Registers};
//! const STATUS: Register<u8> = Register::at(0x14);
//! fn is_ready(registers: &impl Registers) -> bool {
//!     STATUS.read(registers) & 4 != 0
//! }
//! ```
//!
//! Invariant: an access lies inside the mapped range and is aligned to its width, or it panics (a driver's offsets are
//! its own; offsets that a device names are checked before, by [`Registers::contains`]).

use core::marker::PhantomData;
use core::ptr::NonNull;
use rt::memory::DeviceMapping;
use ukernel_user::object::Memory;
use ukernel_user::{Cap, Error};

/// A range of device registers, by byte offset. Reads and writes have side effects in the device.
pub trait Registers {
    /// Bytes of the range.
    fn bytes(&self) -> usize;
    /// Read the 8-bit register at `offset`.
    fn read_u8(&self, offset: usize) -> u8;
    /// Read the 16-bit register at `offset`.
    fn read_u16(&self, offset: usize) -> u16;
    /// Read the 32-bit register at `offset`.
    fn read_u32(&self, offset: usize) -> u32;
    /// Write the 8-bit register at `offset`.
    fn write_u8(&self, offset: usize, value: u8);
    /// Write the 16-bit register at `offset`.
    fn write_u16(&self, offset: usize, value: u16);
    /// Write the 32-bit register at `offset`.
    fn write_u32(&self, offset: usize, value: u32);

    /// Whether `bytes` bytes from `offset` on lie inside the range.
    fn contains(&self, offset: usize, bytes: usize) -> bool {
        offset.checked_add(bytes).is_some_and(|end| end <= self.bytes())
    }
}

/// A width that registers have: 8, 16 or 32 bits. 64-bit registers are two of 32 (virtio 1.2, 4.1.3.1).
pub trait Value: Sized {
    /// Read the register at `offset`.
    fn read_from(registers: &(impl Registers + ?Sized), offset: usize) -> Self;
    /// Write the register at `offset`.
    fn write_to(self, registers: &(impl Registers + ?Sized), offset: usize);
}

macro_rules! value {
    ($type:ty, $read:ident, $write:ident) => {
        impl Value for $type {
            fn read_from(registers: &(impl Registers + ?Sized), offset: usize) -> Self {
                registers.$read(offset)
            }
            fn write_to(self, registers: &(impl Registers + ?Sized), offset: usize) {
                registers.$write(offset, self);
            }
        }
    };
}

value!(u8, read_u8, write_u8);
value!(u16, read_u16, write_u16);
value!(u32, read_u32, write_u32);

/// The place and width of one register.
#[derive(Clone, Copy, Debug)]
pub struct Register<T> {
    offset: usize,
    width: PhantomData<T>,
}

impl<T: Value> Register<T> {
    /// The register at byte `offset`.
    pub const fn at(offset: usize) -> Self {
        Self { offset, width: PhantomData }
    }

    /// Read it.
    pub fn read(self, registers: &(impl Registers + ?Sized)) -> T {
        T::read_from(registers, self.offset)
    }

    /// Write it.
    pub fn write(self, registers: &(impl Registers + ?Sized), value: T) {
        value.write_to(registers, self.offset);
    }
}

/// Device registers mapped (uncached) into this address space, for as long as it lives.
#[derive(Debug)]
pub struct Mmio {
    base: NonNull<u8>,
    bytes: usize,
    /// What keeps them mapped, unless they are mapped for good.
    mapping: Option<DeviceMapping>,
}

// SAFETY: the registers belong to no thread; an `Mmio` is the one way to them (see `from_raw`).
unsafe impl Send for Mmio {}

impl Mmio {
    /// The registers mapped at `base`.
    ///
    /// # Safety
    /// `bytes` bytes from `base` on are mapped as device memory, readable and writable, for ever; they hold nothing
    /// that belongs to Rust; `base` is aligned to 8.
    pub const unsafe fn from_raw(base: NonNull<u8>, bytes: usize) -> Self {
        Self { base, bytes, mapping: None }
    }

    /// Map the `bytes` bytes of device memory that start `page_offset` bytes into `memory`, until this is dropped.
    ///
    /// Whoever handed the memory out can revoke it: an access after that is a fault of the task.
    ///
    /// # Errors
    /// As [`rt::memory::map_device`]; `InvalidArgument` where the offset is not aligned to 4.
    pub fn map(memory: Cap<Memory>, page_offset: usize, bytes: usize) -> Result<Self, Error> {
        let total = page_offset.checked_add(bytes).ok_or(Error::InvalidArgument)?;
        let mapping = rt::memory::map_device(memory, total as u64)?;
        let base = NonNull::new(mapping.address() as *mut u8).ok_or(Error::InvalidArgument)?;
        let whole = Self { base, bytes: total, mapping: Some(mapping) };
        whole.part(page_offset, bytes).ok_or(Error::InvalidArgument)
    }

    /// The part from `offset` on, of `bytes` bytes; `None` where it does not lie inside or is not aligned to 4.
    pub fn part(self, offset: usize, bytes: usize) -> Option<Self> {
        if !self.contains(offset, bytes) || !offset.is_multiple_of(4) {
            return None;
        }
        // SAFETY: `offset` is inside the mapping, as just checked.
        let base = unsafe { self.base.add(offset) };
        Some(Self { base, bytes, mapping: self.mapping })
    }

    fn pointer<T>(&self, offset: usize) -> *mut T {
        assert!(self.contains(offset, size_of::<T>()), "register {offset:#x} outside of {:#x} bytes", self.bytes);
        assert!(offset.is_multiple_of(size_of::<T>()), "register {offset:#x} not aligned");
        // SAFETY: inside the mapping, as just checked.
        let pointer = unsafe { self.base.add(offset) };
        pointer.cast().as_ptr()
    }

    fn read<T: Copy>(&self, offset: usize) -> T {
        let pointer = self.pointer::<T>(offset);
        // SAFETY: `pointer` checked bounds and alignment; device memory holds any bit pattern.
        unsafe { pointer.read_volatile() }
    }

    fn write<T: Copy>(&self, offset: usize, value: T) {
        let pointer = self.pointer::<T>(offset);
        // SAFETY: `pointer` checked bounds and alignment; nothing of Rust's lives there (see `from_raw`).
        unsafe { pointer.write_volatile(value) }
    }
}

impl Registers for Mmio {
    fn bytes(&self) -> usize {
        self.bytes
    }
    fn read_u8(&self, offset: usize) -> u8 {
        self.read(offset)
    }
    fn read_u16(&self, offset: usize) -> u16 {
        self.read(offset)
    }
    fn read_u32(&self, offset: usize) -> u32 {
        self.read(offset)
    }
    fn write_u8(&self, offset: usize, value: u8) {
        self.write(offset, value);
    }
    fn write_u16(&self, offset: usize, value: u16) {
        self.write(offset, value);
    }
    fn write_u32(&self, offset: usize, value: u32) {
        self.write(offset, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_of_each_width_reach_their_bytes() {
        let mut words = [0u64; 2];
        let base = NonNull::new(words.as_mut_ptr().cast::<u8>()).expect("an array has an address");
        // SAFETY: `words` outlives `mmio` and is not touched meanwhile.
        let mmio = unsafe { Mmio::from_raw(base, 16) };
        Register::<u32>::at(4).write(&mmio, 0x1122_3344);
        Register::<u8>::at(9).write(&mmio, 0x55);
        assert_eq!(Register::<u16>::at(6).read(&mmio), 0x1122);
        assert_eq!(Register::<u16>::at(8).read(&mmio), 0x5500);
        assert!(mmio.contains(12, 4));
        assert!(!mmio.contains(13, 4));
        assert!(!mmio.contains(usize::MAX, 2));
        assert!(mmio.part(8, 12).is_none());
    }
}
