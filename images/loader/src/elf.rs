//! The kernel's ELF file: what must be loaded where, and the sections the loader looks at.
//!
//! Only what the kernel's link script produces is accepted: a static x86-64 executable whose segments lie in the top
//! 2 GiB, start on page boundaries, share no page, and are never writable and executable at once.

use crate::{Error, PAGE_BYTES};

/// Lowest address of a kernel segment.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

const MAX_SEGMENTS: usize = 8;
const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_TLS: u32 = 7;
const FLAG_EXECUTE: u32 = 1;
const FLAG_WRITE: u32 = 2;

/// A loadable segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Page-aligned address.
    pub address: u64,
    /// The bytes it starts with.
    pub data: &'a [u8],
    /// Bytes in memory, at least `data.len()`; the rest is zero.
    pub memory_bytes: u64,
    /// Whether it is written to.
    pub writable: bool,
    /// Whether it holds code.
    pub executable: bool,
}

/// A checked kernel.
#[derive(Clone, Debug)]
pub struct KernelElf<'a> {
    file: &'a [u8],
    /// Where it starts.
    pub entry: u64,
    segments: [Segment<'a>; MAX_SEGMENTS],
    segment_count: usize,
}

impl<'a> KernelElf<'a> {
    /// Checks the file and collects its segments.
    ///
    /// # Errors
    /// [`Error::Kernel`] says what cannot be loaded.
    pub fn parse(file: &'a [u8]) -> Result<Self, Error> {
        check_identity(file)?;
        let mut kernel =
            Self { file, entry: read_u64(file, 24)?, segments: [Segment::default(); MAX_SEGMENTS], segment_count: 0 };
        for header in table(file, read_u64(file, 32)?, read_u16(file, 54)?, read_u16(file, 56)?, 56)? {
            match read_u32(header, 0)? {
                PT_LOAD => kernel.push(parse_segment(file, header)?)?,
                PT_INTERP => return Err(Error::Kernel("needs a dynamic linker")),
                PT_TLS => return Err(Error::Kernel("has thread-local variables")),
                _ => {}
            }
        }
        let entry_is_code = kernel.segments().iter().any(|segment| {
            segment.executable && (segment.address..segment.address + segment.memory_bytes).contains(&kernel.entry)
        });
        if entry_is_code { Ok(kernel) } else { Err(Error::Kernel("entry point outside its code")) }
    }

    /// The segments, in ascending order of address.
    #[must_use]
    pub fn segments(&self) -> &[Segment<'a>] {
        &self.segments[..self.segment_count]
    }

    /// Finds a section's bytes by name.
    ///
    /// # Errors
    /// [`Error::Kernel`] when the section table is damaged or has no such section.
    pub fn section(&self, name: &str) -> Result<&'a [u8], Error> {
        let (offset, entry_bytes, count) =
            (read_u64(self.file, 40)?, read_u16(self.file, 58)?, read_u16(self.file, 60)?);
        let names_index = read_u16(self.file, 62)?;
        let mut headers = table(self.file, offset, entry_bytes, count, 64)?;
        let names_header = headers.clone().nth(names_index.into()).ok_or(Error::Kernel("has no section names"))?;
        let names = section_bytes(self.file, names_header)?;
        let header = headers.find(|header| section_name(names, header) == Some(name.as_bytes()));
        section_bytes(self.file, header.ok_or(Error::Kernel("has no .bootloader-config section"))?)
    }

    fn push(&mut self, segment: Segment<'a>) -> Result<(), Error> {
        if segment.memory_bytes == 0 {
            return Ok(());
        }
        let last = self.segments().last();
        let last_end = last.map_or(KERNEL_BASE, |last| (last.address + last.memory_bytes).next_multiple_of(PAGE_BYTES));
        if segment.address < last_end {
            return Err(Error::Kernel("segments out of order, sharing a page, or below the kernel's addresses"));
        }
        let place = self.segments.get_mut(self.segment_count).ok_or(Error::Kernel("has too many segments"))?;
        *place = segment;
        self.segment_count += 1;
        Ok(())
    }
}

fn check_identity(file: &[u8]) -> Result<(), Error> {
    // Magic number, 64-bit, little-endian, version 1.
    if file.get(..7) != Some(b"\x7fELF\x02\x01\x01") {
        return Err(Error::Kernel("is not a 64-bit little-endian ELF file"));
    }
    if (read_u16(file, 16)?, read_u16(file, 18)?) != (2, 62) {
        return Err(Error::Kernel("is not a static x86-64 executable (ET_EXEC, EM_X86_64)"));
    }
    Ok(())
}

fn parse_segment<'a>(file: &'a [u8], header: &[u8]) -> Result<Segment<'a>, Error> {
    let flags = read_u32(header, 4)?;
    let data = slice(file, read_u64(header, 8)?, read_u64(header, 32)?)?;
    let (address, memory_bytes) = (read_u64(header, 16)?, read_u64(header, 40)?);
    let (writable, executable) = (flags & FLAG_WRITE != 0, flags & FLAG_EXECUTE != 0);
    if writable && executable {
        return Err(Error::Kernel("a segment is writable and executable"));
    }
    if !address.is_multiple_of(PAGE_BYTES) {
        return Err(Error::Kernel("a segment does not start on a page boundary"));
    }
    // The last page of the address space stays free, so that ends do not overflow.
    if memory_bytes < data.len() as u64 || memory_bytes > (u64::MAX - address).saturating_sub(PAGE_BYTES) {
        return Err(Error::Kernel("a segment has an impossible size"));
    }
    Ok(Segment { address, data, memory_bytes, writable, executable })
}

/// The entries of a header table, each at least `least_bytes` long.
fn table(
    file: &[u8],
    offset: u64,
    entry_bytes: u16,
    count: u16,
    least_bytes: u16,
) -> Result<core::slice::ChunksExact<'_, u8>, Error> {
    if entry_bytes < least_bytes {
        return Err(Error::Kernel("a header table has entries of the wrong size"));
    }
    let bytes = slice(file, offset, u64::from(entry_bytes) * u64::from(count))?;
    Ok(bytes.chunks_exact(entry_bytes.into()))
}

fn section_name<'a>(names: &'a [u8], header: &[u8]) -> Option<&'a [u8]> {
    let rest = names.get(read_u32(header, 0).ok()? as usize..)?;
    rest.split(|byte| *byte == 0).next()
}

fn section_bytes<'a>(file: &'a [u8], header: &[u8]) -> Result<&'a [u8], Error> {
    slice(file, read_u64(header, 24)?, read_u64(header, 32)?)
}

fn slice(file: &[u8], offset: u64, bytes: u64) -> Result<&[u8], Error> {
    let end = offset.checked_add(bytes).and_then(|end| usize::try_from(end).ok());
    let range = end.and_then(|end| file.get(usize::try_from(offset).ok()?..end));
    range.ok_or(Error::Kernel("truncated"))
}

fn read_u16(bytes: &[u8], at: usize) -> Result<u16, Error> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(Error::Kernel("truncated"))?;
    Ok(u16::from_le_bytes(*field))
}

fn read_u32(bytes: &[u8], at: usize) -> Result<u32, Error> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(Error::Kernel("truncated"))?;
    Ok(u32::from_le_bytes(*field))
}

fn read_u64(bytes: &[u8], at: usize) -> Result<u64, Error> {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk()).ok_or(Error::Kernel("truncated"))?;
    Ok(u64::from_le_bytes(*field))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// A kernel with one code segment of 5,000 bytes in memory, and a `.bootloader-config` section.
    pub(crate) fn kernel_with(config: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 4096];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"\x7fELF\x02\x01\x01");
        put(16, &[2, 0, 62, 0, 1]);
        put(24, &(KERNEL_BASE + 8).to_le_bytes());
        put(32, &64_u64.to_le_bytes());
        put(40, &256_u64.to_le_bytes());
        put(54, &[56, 0, 1, 0, 64, 0, 2, 0, 1, 0]);
        put(64, &[1, 0, 0, 0, 5]);
        put(72, &1024_u64.to_le_bytes());
        put(80, &KERNEL_BASE.to_le_bytes());
        put(96, &1000_u64.to_le_bytes());
        put(104, &5000_u64.to_le_bytes());
        put(256, &1_u32.to_le_bytes());
        put(256 + 24, &2048_u64.to_le_bytes());
        put(256 + 32, &(config.len() as u64).to_le_bytes());
        put(320, &20_u32.to_le_bytes());
        put(320 + 24, &512_u64.to_le_bytes());
        put(320 + 32, &40_u64.to_le_bytes());
        put(512, b"\0.bootloader-config\0.shstrtab\0");
        put(1024, b"code");
        put(2048, config);
        file
    }

    #[test]
    fn a_kernel_is_read() {
        let file = kernel_with(b"config");
        let kernel = KernelElf::parse(&file).expect("well formed");
        let [segment] = kernel.segments() else { panic!("one segment") };
        assert_eq!((segment.address, segment.memory_bytes, segment.data.len()), (KERNEL_BASE, 5000, 1000));
        assert!(segment.executable && !segment.writable);
        assert_eq!(kernel.section(".bootloader-config"), Ok(&b"config"[..]));
        assert!(kernel.section(".none").is_err());
    }

    #[test]
    fn bad_kernels_are_refused() {
        let refuse = |at: usize, bytes: &[u8]| {
            let mut file = kernel_with(b"");
            file[at..at + bytes.len()].copy_from_slice(bytes);
            KernelElf::parse(&file).expect_err("refused")
        };
        assert_eq!(refuse(16, &[3]), Error::Kernel("is not a static x86-64 executable (ET_EXEC, EM_X86_64)"));
        assert_eq!(refuse(68, &[7]), Error::Kernel("a segment is writable and executable"));
        assert_eq!(refuse(80, &[1]), Error::Kernel("a segment does not start on a page boundary"));
        assert_eq!(refuse(104, &[0xff; 8]), Error::Kernel("a segment has an impossible size"));
        assert_eq!(refuse(24, &[0; 8]), Error::Kernel("entry point outside its code"));
        assert_eq!(refuse(72, &[0xff; 8]), Error::Kernel("truncated"));
    }

    #[test]
    fn every_truncation_and_every_changed_byte_is_survived() {
        let file = kernel_with(b"config");
        for length in 0..2000 {
            assert!(KernelElf::parse(&file[..length]).is_err());
        }
        for at in 0..600 {
            for flip in [0xff, 0x80, 1] {
                let mut damaged = file.clone();
                damaged[at] ^= flip;
                if let Ok(kernel) = KernelElf::parse(&damaged) {
                    let _ = kernel.section(".bootloader-config");
                }
            }
        }
    }
}
