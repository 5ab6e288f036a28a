//! An ELF file's headers, checked.

use alloc::vec::Vec;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::program_header::{PF_R, PF_W, PF_X, PT_GNU_STACK, PT_INTERP, PT_LOAD, PT_PHDR, ProgramHeader};
use goblin::elf64::header::{EI_CLASS, EI_DATA, ELFCLASS64, ELFDATA2LSB, ELFMAG, EM_X86_64, ET_DYN, ET_EXEC, Header};
use guest_memory::{PAGE_BYTES, USER_END};
use linux_abi::raw::general::PATH_MAX;
use linux_abi::{Errno, Result};
use mm::Protection;

use crate::prepare::ImageFile;

/// Bytes of the file's header.
const HEADER_BYTES: usize = 64;
/// Bytes of a program header.
const PROGRAM_HEADER_BYTES: usize = 56;
/// Most bytes of all program headers (Linux: 64 KiB).
const MAX_PROGRAM_HEADERS_BYTES: usize = 65_536;

/// Whether the file says where it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramKind {
    /// At its addresses (`ET_EXEC`).
    Fixed,
    /// Anywhere (`ET_DYN`).
    Relocatable,
}

/// A part of the file that belongs in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First address (before relocation), not necessarily page-aligned.
    pub address: u64,
    /// Offset in the file, congruent to the address.
    pub offset: u64,
    /// Bytes in the file.
    pub file_bytes: u64,
    /// Bytes in memory, at least `file_bytes`.
    pub memory_bytes: u64,
    /// What the program may do there.
    pub protection: Protection,
}

impl Segment {
    /// First page's address.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.address & !(PAGE_BYTES - 1)
    }

    /// End of what comes from the file.
    #[must_use]
    pub const fn file_end(&self) -> u64 {
        self.address + self.file_bytes
    }

    /// End.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.address + self.memory_bytes
    }

    /// End of the last page.
    #[must_use]
    pub const fn page_end(&self) -> u64 {
        page_up(self.end())
    }
}

/// Rounds up to pages what [`Program::parse`] has checked to be small enough.
pub(crate) const fn page_up(addr: u64) -> u64 {
    (addr + PAGE_BYTES - 1) & !(PAGE_BYTES - 1)
}

/// What must be known of an ELF file to start it. The segments are in ascending order, no two share a page, and all lie
/// in user space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where it may be.
    pub kind: ProgramKind,
    /// Entry point (before relocation).
    pub entry: u64,
    /// The segments; at least one.
    pub segments: Vec<Segment>,
    /// Path of the interpreter.
    pub interpreter: Option<Vec<u8>>,
    /// Address of the program headers (before relocation), or 0.
    pub headers_address: u64,
    /// Number of program headers.
    pub header_count: u64,
    /// The stack is to be executable.
    pub executable_stack: bool,
    /// Alignment that the segments ask for: a power of two, at least a page.
    pub alignment: u64,
}

impl Program {
    /// Reads and checks the headers.
    ///
    /// # Errors
    /// `ENOEXEC` if it is no program for this system, or its headers contradict themselves or the file's size; `EINVAL`
    /// if its segments cannot be mapped as they ask for; what reading reports.
    pub fn parse(file: &dyn ImageFile) -> Result<Self> {
        let header = read_header(file)?;
        let kind = match header.e_type {
            ET_EXEC => ProgramKind::Fixed,
            ET_DYN => ProgramKind::Relocatable,
            _ => return Err(Errno::ENOEXEC),
        };
        let headers = read_program_headers(file, &header)?;
        let mut program = Self {
            kind,
            entry: header.e_entry,
            segments: Vec::new(),
            interpreter: None,
            headers_address: 0,
            header_count: headers.len() as u64,
            executable_stack: false,
            alignment: PAGE_BYTES,
        };
        for header in &headers {
            program.take(header, file)?;
        }
        program.check()?;
        if program.headers_address == 0 {
            program.headers_address = program.address_of_offset(header.e_phoff).unwrap_or(0);
        }
        Ok(program)
    }

    fn take(&mut self, header: &ProgramHeader, file: &dyn ImageFile) -> Result<()> {
        match header.p_type {
            PT_LOAD if header.p_memsz > 0 => {
                self.segments.push(segment(header, file.size())?);
                if header.p_align.is_power_of_two() && header.p_align <= 1 << 30 {
                    self.alignment = self.alignment.max(header.p_align);
                }
            }
            PT_INTERP if self.interpreter.is_none() => self.interpreter = Some(read_interpreter(header, file)?),
            PT_PHDR => self.headers_address = header.p_vaddr,
            PT_GNU_STACK => self.executable_stack = header.p_flags & PF_X != 0,
            _ => {}
        }
        Ok(())
    }

    /// The segments' order and the addresses that must be in them.
    fn check(&self) -> Result<()> {
        if self.segments.is_empty() {
            return Err(Errno::ENOEXEC);
        }
        let ascending = self.segments.windows(2).all(|pair| match pair {
            [a, b] => a.page_end() <= b.start(),
            _ => true,
        });
        if !ascending { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// First and last page's addresses: the program's extent.
    #[must_use]
    pub fn extent(&self) -> (u64, u64) {
        let first = self.segments.first().map_or(0, Segment::start);
        (first, self.segments.last().map_or(first, Segment::page_end))
    }

    fn address_of_offset(&self, offset: u64) -> Option<u64> {
        let holds = |segment: &&Segment| offset >= segment.offset && offset - segment.offset < segment.file_bytes;
        self.segments.iter().find(holds).map(|segment| segment.address + (offset - segment.offset))
    }
}

fn read_header(file: &dyn ImageFile) -> Result<Header> {
    let mut bytes = [0; HEADER_BYTES];
    if file.read_at(0, &mut bytes)? < HEADER_BYTES {
        return Err(Errno::ENOEXEC);
    }
    if !bytes.starts_with(ELFMAG) {
        return Err(Errno::ENOEXEC);
    }
    let header = Header::parse(&bytes).map_err(|_| Errno::ENOEXEC)?;
    let ours = header.e_ident.get(EI_CLASS) == Some(&ELFCLASS64)
        && header.e_ident.get(EI_DATA) == Some(&ELFDATA2LSB)
        && header.e_machine == EM_X86_64
        && usize::from(header.e_phentsize) == PROGRAM_HEADER_BYTES
        && header.e_phnum > 0;
    if ours { Ok(header) } else { Err(Errno::ENOEXEC) }
}

fn read_program_headers(file: &dyn ImageFile, header: &Header) -> Result<Vec<ProgramHeader>> {
    let count = usize::from(header.e_phnum);
    let length = count * PROGRAM_HEADER_BYTES;
    if length > MAX_PROGRAM_HEADERS_BYTES {
        return Err(Errno::ENOEXEC);
    }
    let mut bytes = alloc::vec![0; length];
    if file.read_at(header.e_phoff, &mut bytes)? < length {
        return Err(Errno::ENOEXEC);
    }
    let format = Ctx::new(Container::Big, Endian::Little);
    ProgramHeader::parse(&bytes, 0, count, format).map_err(|_| Errno::ENOEXEC)
}

fn segment(header: &ProgramHeader, file_size: u64) -> Result<Segment> {
    let in_file = header.p_offset.checked_add(header.p_filesz).is_some_and(|end| end <= file_size);
    if header.p_filesz > 0 && !in_file {
        return Err(Errno::ENOEXEC);
    }
    let end = header.p_vaddr.checked_add(header.p_memsz);
    if header.p_filesz > header.p_memsz || end.is_none_or(|end| end > USER_END) {
        return Err(Errno::EINVAL);
    }
    let congruent = header.p_vaddr % PAGE_BYTES == header.p_offset % PAGE_BYTES;
    if header.p_filesz > 0 && !congruent {
        return Err(Errno::EINVAL);
    }
    let flag = |flag, protection| if header.p_flags & flag != 0 { protection } else { Protection::NONE };
    let protection = flag(PF_R, Protection::READ).or(flag(PF_W, Protection::WRITE)).or(flag(PF_X, Protection::EXECUTE));
    Ok(Segment {
        address: header.p_vaddr,
        offset: header.p_offset,
        file_bytes: header.p_filesz,
        memory_bytes: header.p_memsz,
        protection,
    })
}

fn read_interpreter(header: &ProgramHeader, file: &dyn ImageFile) -> Result<Vec<u8>> {
    let length = usize::try_from(header.p_filesz).map_err(|_| Errno::ENOEXEC)?;
    if !(2..=PATH_MAX as usize).contains(&length) {
        return Err(Errno::ENOEXEC);
    }
    let mut path = alloc::vec![0; length];
    if file.read_at(header.p_offset, &mut path)? < length || path.pop() != Some(0) {
        return Err(Errno::ENOEXEC);
    }
    let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
    path.truncate(end);
    Ok(path)
}
