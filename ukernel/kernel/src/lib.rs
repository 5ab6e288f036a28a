//! What the kernel binary does before it runs tasks, as far as it is logic: reading firmware tables and the boot archive,
//! and planning the memory. It reads bytes that the firmware and the image tool wrote, through [`Physical`].
#![no_std]
#![forbid(unsafe_code)]

pub mod acpi;
pub mod archive;
pub mod dmar;
pub mod memory_plan;

/// Read access to physical memory.
pub trait Physical {
    /// The byte at this address, or `None` where there is no memory to read.
    fn byte(&self, address: u64) -> Option<u8>;

    /// A little-endian number of `N` bytes.
    fn bytes<const N: usize>(&self, address: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        for (offset, byte) in bytes.iter_mut().enumerate() {
            *byte = self.byte(address.checked_add(offset as u64)?)?;
        }
        Some(bytes)
    }

    /// A little-endian 32-bit number.
    fn u32(&self, address: u64) -> Option<u32> {
        self.bytes(address).map(u32::from_le_bytes)
    }

    /// A little-endian 64-bit number.
    fn u64(&self, address: u64) -> Option<u64> {
        self.bytes(address).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::Physical;

    impl Physical for &[u8] {
        fn byte(&self, address: u64) -> Option<u8> {
            self.get(usize::try_from(address).ok()?).copied()
        }
    }
}
