//! What the kernel asks for in its `.bootloader-config` section, against what this loader does.
//!
//! Honoured: stack size, and addresses of the stack, of the boot information and of the map of physical memory.
//! Everything else that is not the default is refused by name rather than ignored.

use bootloader_api::BootloaderConfig;
use bootloader_api::config::Mapping;

use crate::{Error, PAGE_BYTES};

/// Where the whole of physical memory is mapped, unless the kernel says otherwise: slot 384 of the root table.
pub const PHYSICAL_MEMORY: u64 = 0xffff_c000_0000_0000;
/// Where the boot information lies, unless the kernel says otherwise: slot 385.
pub const BOOT_INFO: u64 = 0xffff_c080_0000_0000;
/// The lowest address of the boot stack, unless the kernel says otherwise; the page below is not mapped.
pub const STACK: u64 = 0xffff_c080_4000_0000;

const MAX_STACK_BYTES: u64 = 16 << 20;
const GIANT_PAGE_BYTES: u64 = 1 << 30;

/// Where things go in the kernel's address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Address of physical address 0.
    pub physical_memory: u64,
    /// Address of the boot information.
    pub boot_info: u64,
    /// Lowest address of the boot stack.
    pub stack: u64,
    /// Bytes of the boot stack, whole pages.
    pub stack_bytes: u64,
}

impl Layout {
    /// Reads the section's contents.
    ///
    /// # Errors
    /// [`Error::Config`] when the section cannot be read or asks for what is not supported.
    pub fn parse(section: &[u8]) -> Result<Self, Error> {
        Self::from_config(&BootloaderConfig::deserialize(section).map_err(Error::Config)?)
    }

    fn from_config(config: &BootloaderConfig) -> Result<Self, Error> {
        let mappings = &config.mappings;
        require(mappings.kernel_base == Mapping::Dynamic, "kernel_base: the kernel is loaded where it is linked")?;
        require(mappings.framebuffer == Mapping::Dynamic, "framebuffer: there is none")?;
        require(mappings.page_table_recursive.is_none(), "page_table_recursive is not supported")?;
        require(!mappings.aslr, "aslr is not supported")?;
        require(mappings.dynamic_range_start.is_none(), "dynamic_range_start is not supported")?;
        require(mappings.dynamic_range_end.is_none(), "dynamic_range_end is not supported")?;
        require(mappings.ramdisk_memory == Mapping::Dynamic, "ramdisk_memory: it lies in the map of physical memory")?;
        let physical = mappings.physical_memory.ok_or(Error::Config("physical_memory must be asked for"))?;
        let stack_bytes = config.kernel_stack_size.checked_next_multiple_of(PAGE_BYTES).unwrap_or(0);
        require((1..=MAX_STACK_BYTES).contains(&stack_bytes), "kernel_stack_size is 0 or above 16 MiB")?;
        Ok(Self {
            physical_memory: place(physical, PHYSICAL_MEMORY, GIANT_PAGE_BYTES)?,
            boot_info: place(mappings.boot_info, BOOT_INFO, PAGE_BYTES)?,
            stack: place(mappings.kernel_stack, STACK, PAGE_BYTES)?,
            stack_bytes,
        })
    }
}

fn require(condition: bool, message: &'static str) -> Result<(), Error> {
    if condition { Ok(()) } else { Err(Error::Config(message)) }
}

/// Fixed addresses must be aligned and in the upper half, between the shared slot 256 and the kernel's top 2 GiB.
fn place(mapping: Mapping, default: u64, alignment: u64) -> Result<u64, Error> {
    let Mapping::FixedAddress(address) = mapping else { return Ok(default) };
    let inside = (0xffff_8080_0000_0000..0xffff_ff80_0000_0000).contains(&address);
    require(inside && address.is_multiple_of(alignment), "a fixed address is unaligned or outside slots 257 to 510")?;
    Ok(address)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn good() -> BootloaderConfig {
        let mut config = BootloaderConfig::new_default();
        config.mappings.physical_memory = Some(Mapping::Dynamic);
        config
    }

    #[test]
    fn defaults_are_placed() {
        let layout = Layout::parse(&good().serialize()).expect("supported");
        assert_eq!((layout.physical_memory, layout.stack_bytes), (PHYSICAL_MEMORY, 80 << 10));
    }

    #[test]
    fn unsupported_wishes_are_refused() {
        let changes: [fn(&mut BootloaderConfig); 5] = [
            |config| config.mappings.aslr = true,
            |config| config.mappings.physical_memory = None,
            |config| config.mappings.page_table_recursive = Some(Mapping::Dynamic),
            |config| config.mappings.physical_memory = Some(Mapping::FixedAddress(0x1000)),
            |config| config.kernel_stack_size = 0,
        ];
        for change in changes {
            let mut config = good();
            change(&mut config);
            assert!(matches!(Layout::from_config(&config), Err(Error::Config(_))));
        }
        assert!(Layout::parse(b"short").is_err());
    }
}
