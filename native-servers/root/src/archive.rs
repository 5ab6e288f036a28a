//! The boot archive, read with bounds checks (layout: [`ukernel_abi::boot`]).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ukernel_abi::boot::{KIND_DATA, KIND_PROGRAM, MAGIC, MAX_SEGMENTS, Segment};
use ukernel_abi::{PAGE_BYTES, Rights};

/// Bytes of the header and of an entry.
const HEADER_BYTES: usize = 32;
const ENTRY_BYTES: usize = 512;
const NAME_BYTES: usize = 48;

/// An archive that was found well-formed.
#[derive(Clone, Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    offset: u64,
    bytes: u64,
    program: Option<Program>,
}

/// A program, placed and relocated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Entry point.
    pub entry_point: u64,
    /// Its segments, in ascending order, none sharing a page.
    pub segments: Vec<PlacedSegment>,
}

/// A segment of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacedSegment {
    /// Page-aligned address.
    pub address: u64,
    /// Page-aligned offset of its bytes in the archive.
    pub offset: u64,
    /// Bytes in the archive.
    pub file_bytes: u64,
    /// Pages in memory.
    pub pages: u64,
    /// READ, WRITE, EXECUTE; never WRITE and EXECUTE together.
    pub rights: Rights,
}

/// A piece of data: where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data {
    /// Page-aligned offset in the archive.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What is wrong with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadArchive(pub &'static str);

impl fmt::Display for BadArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the boot archive is bad: {}", self.0)
    }
}

impl<'a> Archive<'a> {
    /// Reads an archive.
    ///
    /// # Errors
    /// Something in it is not as it must be.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BadArchive> {
        if bytes.get(..8) != Some(&MAGIC[..]) {
            return Err(BadArchive("no magic number"));
        }
        let total = word(bytes, 8)?;
        if total > bytes.len() as u64 {
            return Err(BadArchive("longer than its memory"));
        }
        let count = usize::try_from(word(bytes, 16)?).map_err(|_| BadArchive("too many entries"))?;
        if count > bytes.len() / ENTRY_BYTES {
            return Err(BadArchive("too many entries"));
        }
        let entries = (0..count).map(|index| {
            let start = HEADER_BYTES + index * ENTRY_BYTES;
            let entry = bytes.get(start..start + ENTRY_BYTES).ok_or(BadArchive("an entry is cut off"))?;
            parse_entry(entry, total)
        });
        let entries = entries.collect::<Result<_, _>>()?;
        Ok(Self { bytes, entries })
    }

    /// The program of that name.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&Program> {
        self.entry(name)?.program.as_ref()
    }

    /// Where the data of that name lies.
    #[must_use]
    pub fn data(&self, name: &str) -> Option<Data> {
        let entry = self.entry(name).filter(|entry| entry.program.is_none())?;
        Some(Data { offset: entry.offset, bytes: entry.bytes })
    }

    /// The bytes of the data of that name.
    #[must_use]
    pub fn contents(&self, name: &str) -> Option<&'a [u8]> {
        let data = self.data(name)?;
        self.range(data.offset, data.bytes)
    }

    /// The bytes that a segment starts with.
    #[must_use]
    pub fn segment(&self, segment: &PlacedSegment) -> Option<&'a [u8]> {
        self.range(segment.offset, segment.file_bytes)
    }

    fn range(&self, offset: u64, bytes: u64) -> Option<&'a [u8]> {
        let start = usize::try_from(offset).ok()?;
        self.bytes.get(start..start.checked_add(usize::try_from(bytes).ok()?)?)
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

fn parse_entry(entry: &[u8], total: u64) -> Result<Entry, BadArchive> {
    let name = &entry[..NAME_BYTES];
    let name = &name[..name.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES)];
    let name = core::str::from_utf8(name).map_err(|_| BadArchive("a name is not UTF-8"))?;
    let [kind, offset, bytes, entry_point, segment_count] = words(entry, NAME_BYTES)?;
    if offset % PAGE_BYTES != 0 || !fits(offset, bytes, total) {
        return Err(BadArchive("data is outside the archive"));
    }
    let program = match kind {
        KIND_PROGRAM => Some(Program { entry_point, segments: parse_segments(entry, segment_count, total)? }),
        KIND_DATA => None,
        _ => return Err(BadArchive("an entry is of unknown kind")),
    };
    Ok(Entry { name: name.into(), offset, bytes, program })
}

fn parse_segments(entry: &[u8], count: u64, total: u64) -> Result<Vec<PlacedSegment>, BadArchive> {
    let count = usize::try_from(count).ok().filter(|count| (1..=MAX_SEGMENTS).contains(count));
    let count = count.ok_or(BadArchive("a program has no segments, or too many"))?;
    let mut segments: Vec<PlacedSegment> = Vec::new();
    for index in 0..count {
        let start = NAME_BYTES + 5 * 8 + index * size_of::<Segment>();
        let [address, offset, file_bytes, memory_bytes, rights] = words(entry, start)?;
        let end = address.checked_add(memory_bytes).ok_or(BadArchive("a segment is too long"))?;
        let segment = PlacedSegment {
            address,
            offset,
            file_bytes,
            pages: memory_bytes.div_ceil(PAGE_BYTES),
            rights: Rights::from_bits(rights).and(Rights::READ.or(Rights::WRITE).or(Rights::EXECUTE)),
        };
        let aligned = (address | offset) % PAGE_BYTES == 0;
        let sized = memory_bytes > 0 && file_bytes <= memory_bytes && fits(offset, file_bytes, total);
        if !aligned || !sized || end.checked_next_multiple_of(PAGE_BYTES).is_none() {
            return Err(BadArchive("a segment is not in pages or outside the archive"));
        }
        if segment.rights.contains(Rights::WRITE.or(Rights::EXECUTE)) || !segment.rights.contains(Rights::READ) {
            return Err(BadArchive("a segment's rights are not allowed"));
        }
        if segments.last().is_some_and(|last| last.address + last.pages * PAGE_BYTES > address) {
            return Err(BadArchive("segments overlap"));
        }
        segments.push(segment);
    }
    Ok(segments)
}

fn fits(offset: u64, bytes: u64, total: u64) -> bool {
    offset.checked_add(bytes).is_some_and(|end| end <= total)
}

fn word(bytes: &[u8], at: usize) -> Result<u64, BadArchive> {
    let word = bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).ok_or(BadArchive("cut off"))?;
    Ok(u64::from_le_bytes(word))
}

fn words<const N: usize>(bytes: &[u8], at: usize) -> Result<[u64; N], BadArchive> {
    let mut words = [0; N];
    for (index, place) in words.iter_mut().enumerate() {
        *place = word(bytes, at + index * 8)?;
    }
    Ok(words)
}
