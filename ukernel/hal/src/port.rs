//! I/O ports. A wrong write can break the machine, not memory safety as the compiler sees it.

use core::arch::asm;

/// Read a port with a width of 1, 2 or 4 bytes.
pub fn read(port: u16, width: u8) -> u32 {
    match width {
        1 => {
            let byte: u8;
            // SAFETY: port input touches no memory.
            unsafe { asm!("in al, dx", in("dx") port, out("al") byte, options(nomem, nostack, preserves_flags)) };
            byte.into()
        }
        2 => {
            let word: u16;
            // SAFETY: as above.
            unsafe { asm!("in ax, dx", in("dx") port, out("ax") word, options(nomem, nostack, preserves_flags)) };
            word.into()
        }
        _ => {
            let value: u32;
            // SAFETY: as above.
            unsafe { asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack, preserves_flags)) };
            value
        }
    }
}

/// Write a port with a width of 1, 2 or 4 bytes.
#[expect(clippy::multiple_unsafe_ops_per_block, reason = "one of the three is executed")]
pub fn write(port: u16, width: u8, value: u32) {
    // SAFETY: port output touches no memory that Rust knows of; DMA is the business of those who hold device capabilities.
    unsafe {
        match width {
            1 => asm!("out dx, al", in("dx") port, in("al") value as u8, options(nostack, preserves_flags)),
            2 => asm!("out dx, ax", in("dx") port, in("ax") value as u16, options(nostack, preserves_flags)),
            _ => asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags)),
        }
    }
}
