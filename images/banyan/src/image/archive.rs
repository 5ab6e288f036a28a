//! Writes the boot archive as `ukernel_abi::boot` lays it out.
//!
//! Contents are written as they come; the table in front of them last, when all sizes are known.

use super::program::Placed;
use anyhow::{Context, Result, bail};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use ukernel_abi::PAGE_BYTES;
use ukernel_abi::boot::{Entry, Header, KIND_DATA, KIND_PROGRAM, MAGIC, MAX_SEGMENTS, Segment};

/// An archive that is being written.
pub struct Archive<W: Write + Seek> {
    to: BufWriter<W>,
    capacity: usize,
    entries: Vec<Entry>,
    root: Option<u64>,
    started: bool,
}

impl<W: Write + Seek> Archive<W> {
    /// An archive with room for `capacity` entries.
    pub fn new(to: W, capacity: usize) -> Self {
        Self { to: BufWriter::with_capacity(1 << 20, to), capacity, entries: Vec::new(), root: None, started: false }
    }

    /// Adds a program.
    ///
    /// # Errors
    /// When there is no room in the table, or writing fails.
    pub fn add_program(&mut self, name: &str, program: &Placed) -> Result<()> {
        let mut entry = self.entry(name, KIND_PROGRAM)?;
        entry.entry_point = program.entry_point;
        entry.segment_count = program.segments.len() as u64;
        if program.segments.len() > MAX_SEGMENTS {
            bail!("{name} has more than {MAX_SEGMENTS} segments");
        }
        for (slot, segment) in entry.segments.iter_mut().zip(&program.segments) {
            *slot = Segment {
                address: segment.address,
                offset: self.align()?,
                file_bytes: segment.bytes.len() as u64,
                memory_bytes: segment.memory_bytes,
                rights: u64::from(segment.rights.0),
            };
            self.to.write_all(&segment.bytes)?;
        }
        let end = self.align()?;
        entry.bytes = end - entry.offset;
        self.entries.push(entry);
        Ok(())
    }

    /// Adds plain data.
    ///
    /// # Errors
    /// When there is no room in the table, or writing fails.
    pub fn add_data(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.add_stream(name, |to| Ok(to.write_all(bytes)?))
    }

    /// Adds plain data that `write` writes.
    ///
    /// # Errors
    /// When there is no room in the table, or writing fails.
    pub fn add_stream(&mut self, name: &str, write: impl FnOnce(&mut BufWriter<W>) -> Result<()>) -> Result<()> {
        let mut entry = self.entry(name, KIND_DATA)?;
        write(&mut self.to)?;
        entry.bytes = self.to.stream_position()? - entry.offset;
        self.align()?;
        self.entries.push(entry);
        Ok(())
    }

    /// Says which program is the root task.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn set_root(&mut self, name: &str) -> Result<()> {
        let root = self.entries.iter().position(|entry| entry.name == name_field(name) && entry.kind == KIND_PROGRAM);
        self.root = Some(root.with_context(|| format!("the root task {name} is not in the archive"))? as u64);
        Ok(())
    }

    /// Writes the table and gives the writer back.
    ///
    /// # Errors
    /// When there is no root task, or writing fails.
    pub fn finish(mut self) -> Result<W> {
        let bytes = self.align()?;
        let root = self.root.context("an archive has a root task")?;
        self.to.seek(SeekFrom::Start(0))?;
        let header = Header { magic: MAGIC, bytes, entries: self.entries.len() as u64, root };
        self.to.write_all(&header.magic)?;
        write_numbers(&mut self.to, &[header.bytes, header.entries, header.root])?;
        for entry in &self.entries {
            write_entry(&mut self.to, entry)?;
        }
        self.to.into_inner().map_err(|error| error.into_error().into())
    }

    fn entry(&mut self, name: &str, kind: u64) -> Result<Entry> {
        if self.entries.len() == self.capacity {
            bail!("the archive's table is full");
        }
        if name.is_empty() || name.len() > 48 || name.contains('\0') {
            bail!("{name:?}: a name in the archive has 1 to 48 bytes");
        }
        if self.entries.iter().any(|entry| entry.name == name_field(name)) {
            bail!("{name} is in the archive twice");
        }
        let offset = self.align()?;
        let segments = [Segment::default(); MAX_SEGMENTS];
        let name = name_field(name);
        Ok(Entry { name, kind, offset, bytes: 0, entry_point: 0, segment_count: 0, segments, reserved: [0; 23] })
    }

    /// Goes on at a page's start, behind the table.
    fn align(&mut self) -> Result<u64> {
        if !self.started {
            self.started = true;
            let table = size_of::<Header>() + self.capacity * size_of::<Entry>();
            self.to.write_all(&vec![0; table])?;
        }
        let at = self.to.stream_position()?;
        let next = at.next_multiple_of(PAGE_BYTES);
        self.to.write_all(&vec![0; usize::try_from(next - at).expect("less than a page")])?;
        Ok(next)
    }
}

fn name_field(name: &str) -> [u8; 48] {
    let mut field = [0; 48];
    let bytes = name.len().min(field.len());
    field[..bytes].copy_from_slice(&name.as_bytes()[..bytes]);
    field
}

fn write_entry(to: &mut impl Write, entry: &Entry) -> std::io::Result<()> {
    to.write_all(&entry.name)?;
    write_numbers(to, &[entry.kind, entry.offset, entry.bytes, entry.entry_point, entry.segment_count])?;
    for segment in &entry.segments {
        let Segment { address, offset, file_bytes, memory_bytes, rights } = *segment;
        write_numbers(to, &[address, offset, file_bytes, memory_bytes, rights])?;
    }
    write_numbers(to, &entry.reserved)
}

fn write_numbers(to: &mut impl Write, numbers: &[u64]) -> std::io::Result<()> {
    numbers.iter().try_for_each(|number| to.write_all(&number.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::program::PlacedSegment;
    use super::*;
    use std::io::Cursor;
    use ukernel_abi::Rights;

    fn sample() -> Vec<u8> {
        let segment = |address, bytes: &[u8], rights| PlacedSegment {
            address,
            bytes: bytes.to_vec(),
            memory_bytes: 8192,
            rights,
        };
        let program = Placed {
            entry_point: 0x40_0010,
            segments: vec![
                segment(0x40_0000, &[0x90; 5000], Rights::READ.or(Rights::EXECUTE)),
                segment(0x40_2000, b"data", Rights::READ.or(Rights::WRITE)),
            ],
        };
        let mut archive = Archive::new(Cursor::new(Vec::new()), 3);
        archive.add_data("first", b"hello").expect("memory takes it");
        archive.add_program("root-task", &program).expect("memory takes it");
        assert!(archive.set_root("first").is_err());
        archive.set_root("root-task").expect("it is there");
        assert!(archive.add_data("first", b"").is_err());
        archive.add_stream("empty", |_| Ok(())).expect("memory takes it");
        assert!(archive.add_data("fourth", b"").is_err());
        archive.finish().expect("memory takes it").into_inner()
    }

    fn number(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    fn entry(index: usize) -> usize {
        size_of::<Header>() + index * size_of::<Entry>()
    }

    #[test]
    fn the_header_counts_pages_and_entries() {
        let bytes = sample();
        assert_eq!(bytes[..8], MAGIC);
        assert_eq!((number(&bytes, 8), number(&bytes, 16), number(&bytes, 24)), (bytes.len() as u64, 3, 1));
        assert_eq!(bytes.len() % 4096, 0);
    }

    #[test]
    fn data_lies_where_its_entry_says() {
        let bytes = sample();
        assert!(bytes[entry(0)..].starts_with(b"first\0"));
        let offset = usize::try_from(number(&bytes, entry(0) + 56)).expect("small");
        assert_eq!((offset % 4096, number(&bytes, entry(0) + 64)), (0, 5));
        assert_eq!(&bytes[offset..offset + 5], b"hello");
    }

    #[test]
    fn segments_lie_where_their_entry_says() {
        let bytes = sample();
        let at = entry(1) + 48;
        assert_eq!(
            (number(&bytes, at), number(&bytes, at + 24), number(&bytes, at + 32)),
            (KIND_PROGRAM, 0x40_0010, 2)
        );
        let second = at + 40 + 40;
        let offset = usize::try_from(number(&bytes, second + 8)).expect("small");
        assert_eq!((number(&bytes, second), offset % 4096), (0x40_2000, 0));
        assert_eq!(
            (number(&bytes, second + 16), number(&bytes, second + 24), number(&bytes, second + 32)),
            (4, 8192, 3)
        );
        assert_eq!(&bytes[offset..offset + 4], b"data");
    }
}
