//! Places a program: an ELF file, position-independent or linked to its address, becomes segments to map or copy.
//!
//! Relocations are applied here, once, so that whoever starts the program needs to know nothing of ELF. Pages that only
//! relocation writes (RELRO) become read-only; no page is both writable and executable; no two segments share a page.

use anyhow::{Context, Result, bail};
use goblin::elf::dynamic::DT_TEXTREL;
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_GNU_RELRO, PT_INTERP, PT_LOAD, PT_TLS};
use goblin::elf::reloc::{R_X86_64_NONE, R_X86_64_RELATIVE};
use goblin::elf::{Elf, ProgramHeader, header};
use std::collections::BTreeMap;
use ukernel_abi::{PAGE_BYTES, Rights};

/// Most memory of a program, and so of what is allocated for a hostile one.
const MOST_BYTES: u64 = 256 << 20;
/// Compressed relative relocations; goblin has no name for the tag.
const DT_RELR: u64 = 36;

/// Where a program is to live.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    /// The address of its first page, when it is position-independent.
    pub base: u64,
}

/// A program at its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// First instruction.
    pub entry_point: u64,
    /// Its memory, ascending.
    pub segments: Vec<PlacedSegment>,
}

/// Pages with the same rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedSegment {
    /// First byte, page-aligned.
    pub address: u64,
    /// Contents; the rest is zero.
    pub bytes: Vec<u8>,
    /// Bytes in memory.
    pub memory_bytes: u64,
    /// READ with WRITE or EXECUTE.
    pub rights: Rights,
}

/// Places an ELF file.
///
/// # Errors
/// When it is no x86-64 program, damaged, too large, or needs what only a dynamic linker does.
pub fn place(bytes: &[u8], placement: Placement) -> Result<Placed> {
    let elf = Elf::parse(bytes).context("is not a well-formed ELF file")?;
    let base = check(&elf, placement)?;
    let mut memory = Memory::load(&elf, bytes, base)?;
    relocate(&elf, &mut memory, base)?;
    let mut rights = page_rights(&elf, base)?;
    seal(&elf, base, &mut rights);
    let entry_point = elf.entry.checked_add(base).context("its entry point is outside memory")?;
    if !rights.get(&(entry_point / PAGE_BYTES)).is_some_and(|rights| rights.contains(Rights::EXECUTE)) {
        bail!("its entry point {entry_point:#x} is not executable");
    }
    Ok(Placed { entry_point, segments: memory.split(&rights)? })
}

/// Checks the kind of file; what is to be added to its addresses.
fn check(elf: &Elf, placement: Placement) -> Result<u64> {
    if !elf.is_64 || !elf.little_endian || elf.header.e_machine != header::EM_X86_64 {
        bail!("is not for x86-64");
    }
    if elf.program_headers.iter().any(|header| header.p_type == PT_INTERP || header.p_type == PT_TLS) {
        bail!("needs a dynamic linker or thread-local storage");
    }
    match elf.header.e_type {
        header::ET_DYN => Ok(placement.base),
        header::ET_EXEC => Ok(0),
        other => bail!("is not a program (ELF type {other})"),
    }
}

/// The segments that are loaded and not empty.
fn loaded<'a>(elf: &'a Elf) -> impl Iterator<Item = &'a ProgramHeader> {
    elf.program_headers.iter().filter(|header| header.p_type == PT_LOAD && header.p_memsz > 0)
}

/// First and last page number of a part of the file's address space.
fn pages(start: u64, bytes: u64, base: u64) -> Result<(u64, u64)> {
    let first = start.checked_add(base).context("a segment is outside memory")?;
    let last = bytes.checked_sub(1).and_then(|more| first.checked_add(more)).context("a segment is outside memory")?;
    Ok((first / PAGE_BYTES, last / PAGE_BYTES))
}

/// The program's whole memory, from its first page to its last.
struct Memory {
    start: u64,
    bytes: Vec<u8>,
}

impl Memory {
    fn load(elf: &Elf, file: &[u8], base: u64) -> Result<Self> {
        let mut range: Option<(u64, u64)> = None;
        for segment in loaded(elf) {
            let (first, last) = pages(segment.p_vaddr, segment.p_memsz, base)?;
            range = Some(range.map_or((first, last), |(low, high)| (low.min(first), high.max(last))));
        }
        let (first, last) = range.context("has nothing to load")?;
        let bytes = (last - first + 1).checked_mul(PAGE_BYTES).filter(|bytes| *bytes <= MOST_BYTES);
        let bytes = bytes.with_context(|| format!("takes more than {MOST_BYTES} bytes of memory"))?;
        let bytes = vec![0; usize::try_from(bytes).expect("at most MOST_BYTES")];
        let mut memory = Self { start: first * PAGE_BYTES, bytes };
        for segment in loaded(elf) {
            let end = segment.p_offset.checked_add(segment.p_filesz).and_then(|end| usize::try_from(end).ok());
            let start = usize::try_from(segment.p_offset).ok();
            let content = start.zip(end).and_then(|(start, end)| file.get(start..end)).context("is cut short")?;
            if segment.p_filesz > segment.p_memsz {
                bail!("a segment has more bytes in the file than in memory");
            }
            memory.slice(base.wrapping_add(segment.p_vaddr), content.len())?.copy_from_slice(content);
        }
        Ok(memory)
    }

    fn slice(&mut self, address: u64, bytes: usize) -> Result<&mut [u8]> {
        let start = address.checked_sub(self.start).and_then(|start| usize::try_from(start).ok());
        let end = start.and_then(|start| start.checked_add(bytes));
        let slice = start.zip(end).and_then(|(start, end)| self.bytes.get_mut(start..end));
        slice.with_context(|| format!("{address:#x} is outside the program"))
    }

    /// Cuts the memory where rights change.
    fn split(&self, rights: &BTreeMap<u64, Rights>) -> Result<Vec<PlacedSegment>> {
        let mut segments: Vec<PlacedSegment> = Vec::new();
        for (&page, &rights) in rights {
            if rights.contains(Rights::WRITE.or(Rights::EXECUTE)) {
                bail!("the page at {:#x} is writable and executable", page * PAGE_BYTES);
            }
            let address = page * PAGE_BYTES;
            match segments.last_mut() {
                Some(last) if last.address + last.memory_bytes == address && last.rights == rights => {
                    last.memory_bytes += PAGE_BYTES;
                }
                _ => segments.push(PlacedSegment { address, bytes: Vec::new(), memory_bytes: PAGE_BYTES, rights }),
            }
        }
        for segment in &mut segments {
            let start = usize::try_from(segment.address - self.start).expect("within MOST_BYTES");
            let content = &self.bytes[start..][..usize::try_from(segment.memory_bytes).expect("within MOST_BYTES")];
            let used = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            segment.bytes = content[..used].to_vec();
        }
        Ok(segments)
    }
}

/// Applies the relocations that placing needs; there must be no others.
fn relocate(elf: &Elf, memory: &mut Memory, base: u64) -> Result<()> {
    let dynamic = elf.dynamic.iter().flat_map(|dynamic| &dynamic.dyns);
    if let Some(entry) = dynamic.into_iter().find(|entry| [DT_RELR, DT_TEXTREL].contains(&entry.d_tag)) {
        bail!("has relocations that are not supported (dynamic tag {:#x})", entry.d_tag);
    }
    if !elf.dynrels.is_empty() || !elf.pltrelocs.is_empty() {
        bail!("has relocations that only a dynamic linker applies");
    }
    for relocation in elf.dynrelas.iter() {
        match relocation.r_type {
            R_X86_64_NONE => {}
            R_X86_64_RELATIVE => {
                let value = base.wrapping_add_signed(relocation.r_addend.unwrap_or(0));
                let address = base.wrapping_add(relocation.r_offset);
                memory.slice(address, 8)?.copy_from_slice(&value.to_le_bytes());
            }
            other => bail!("has a relocation of type {other}; only R_X86_64_RELATIVE is applied"),
        }
    }
    Ok(())
}

/// What each page may be used for: all that the segments on it may.
fn page_rights(elf: &Elf, base: u64) -> Result<BTreeMap<u64, Rights>> {
    let mut rights = BTreeMap::new();
    for segment in loaded(elf) {
        let (first, last) = pages(segment.p_vaddr, segment.p_memsz, base)?;
        for page in first..=last {
            let all: &mut Rights = rights.entry(page).or_insert(Rights::NONE);
            for (flag, right) in [(PF_R, Rights::READ), (PF_W, Rights::WRITE), (PF_X, Rights::EXECUTE)] {
                if segment.p_flags & flag != 0 {
                    *all = all.or(right);
                }
            }
        }
    }
    Ok(rights)
}

/// Takes the right to write from the pages that lie within RELRO.
fn seal(elf: &Elf, base: u64, rights: &mut BTreeMap<u64, Rights>) {
    for relro in elf.program_headers.iter().filter(|header| header.p_type == PT_GNU_RELRO) {
        let start = base.saturating_add(relro.p_vaddr);
        let end = start.saturating_add(relro.p_memsz);
        let pages = start.div_ceil(PAGE_BYTES)..end / PAGE_BYTES;
        if pages.is_empty() {
            continue;
        }
        for rights in rights.range_mut(pages).map(|(_, rights)| rights) {
            *rights = rights.and(Rights::READ.or(Rights::EXECUTE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program: code at 0x1000, relocated data at 0x2000 (sealed), data and zeros from 0x3000 on.
    struct Sample {
        relocation: u64,
        code_flags: u32,
        entry: u64,
    }

    impl Default for Sample {
        fn default() -> Self {
            Self { relocation: 8, code_flags: PF_R | PF_X, entry: 0x1000 }
        }
    }

    impl Sample {
        fn bytes(&self) -> Vec<u8> {
            let mut file = vec![0; 0x4000];
            file[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
            let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
            put(16, &3u16.to_le_bytes());
            put(18, &62u16.to_le_bytes());
            put(20, &1u32.to_le_bytes());
            put(24, &self.entry.to_le_bytes());
            put(32, &64u64.to_le_bytes());
            put(52, &64u16.to_le_bytes());
            put(54, &56u16.to_le_bytes());
            put(56, &5u16.to_le_bytes());
            put(58, &64u16.to_le_bytes());
            let headers: [(u32, u32, u64, u64, u64); 5] = [
                (PT_LOAD, self.code_flags, 0x1000, 0x10, 0x10),
                (PT_LOAD, PF_R | PF_W, 0x2000, 0x1000, 0x1000),
                (PT_LOAD, PF_R | PF_W, 0x3000, 0x8, 0x2001),
                (PT_GNU_RELRO, PF_R, 0x2000, 0x1000, 0x1000),
                (2, PF_R | PF_W, 0x2100, 0x40, 0x40),
            ];
            for (index, (kind, flags, at, in_file, in_memory)) in headers.into_iter().enumerate() {
                let header = 64 + 56 * index;
                put(header, &kind.to_le_bytes());
                put(header + 4, &flags.to_le_bytes());
                for (slot, value) in [at, at, at, in_file, in_memory, 0x1000].into_iter().enumerate() {
                    put(header + 8 + 8 * slot, &value.to_le_bytes());
                }
            }
            put(0x1000, &[0x90; 16]);
            put(0x3000, b"initial!");
            // DT_RELA, DT_RELASZ, DT_RELAENT, DT_NULL; then one relocation at 0x2200.
            for (slot, value) in [7u64, 0x2200, 8, 24, 9, 24, 0, 0].into_iter().enumerate() {
                put(0x2100 + 8 * slot, &value.to_le_bytes());
            }
            for (slot, value) in [0x2008u64, self.relocation, 0x1004].into_iter().enumerate() {
                put(0x2200 + 8 * slot, &value.to_le_bytes());
            }
            file
        }
    }

    const HERE: Placement = Placement { base: 0x40_0000 };

    fn error(bytes: &[u8]) -> String {
        format!("{:#}", place(bytes, HERE).expect_err("the file is bad"))
    }

    #[test]
    fn segments_are_placed_relocated_and_sealed() {
        let placed = place(&Sample::default().bytes(), HERE).expect("the file is good");
        assert_eq!(placed.entry_point, 0x40_1000);
        let [code, sealed, data] = placed.segments.as_slice() else { panic!("{:?}", placed.segments) };
        assert_eq!((code.address, code.rights), (0x40_1000, Rights::READ.or(Rights::EXECUTE)));
        assert_eq!((sealed.address, sealed.rights), (0x40_2000, Rights::READ));
        assert_eq!(sealed.bytes[8..16], 0x40_1004u64.to_le_bytes());
        assert_eq!((data.address, data.bytes.as_slice(), data.memory_bytes), (0x40_3000, &b"initial!"[..], 0x3000));
        assert_eq!(data.rights, Rights::READ.or(Rights::WRITE));
    }

    #[test]
    fn other_relocations_are_refused() {
        let bytes = Sample { relocation: 6, ..Sample::default() }.bytes();
        assert!(error(&bytes).contains("relocation of type 6"));
    }

    #[test]
    fn writable_code_is_refused() {
        let bytes = Sample { code_flags: PF_R | PF_W | PF_X, ..Sample::default() }.bytes();
        assert!(error(&bytes).contains("writable and executable"));
    }

    #[test]
    fn entry_points_outside_the_code_are_refused() {
        for entry in [0, 0x3000, u64::MAX] {
            assert!(error(&Sample { entry, ..Sample::default() }.bytes()).contains("entry point"));
        }
    }

    #[test]
    fn damaged_files_are_errors_and_nothing_worse() {
        let good = Sample::default().bytes();
        for length in 0..good.len().min(0x400) {
            assert!(place(&good[..length], HERE).is_err());
        }
        assert!(place(&good[..0x2fff], HERE).is_err());
        for at in 0..0x158 {
            for value in [0, 0x7f, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                // Some changes do no harm; none may panic or take all memory.
                let _ = place(&bad, HERE);
            }
        }
    }
}
