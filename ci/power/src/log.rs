//! A log of a disk's writes as QEMU's filter `blklogwrites` writes it: the format of Linux's `dm-log-writes` (the kernel's
//! `Documentation/admin-guide/device-mapper/log-writes.rst`).
//!
//! Sector 0 has the number of entries and the size of the log's sectors. Each entry is a sector with a head and then, unless
//! it says that sectors were discarded, the sectors that were written. All numbers are little-endian. Nothing is believed
//! that the file or the disk is too small for.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
/// Flags of an entry.
const FLUSH: u64 = 1 << 0;
const DURABLE: u64 = 1 << 1;
const DISCARD: u64 = 1 << 2;
const MARK: u64 = 1 << 3;

/// What reached the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// All that was written before is durable.
    Flush,
    /// A write; it may be lost until the next flush.
    Write(Piece),
    /// A write that is durable by itself.
    DurableWrite(Piece),
}

/// Where bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// On the disk, in bytes.
    pub at: u64,
    /// How many, whole sectors.
    pub bytes: u64,
    /// In the log, in bytes.
    in_log: u64,
}

/// A log, in the order in which things were done.
#[derive(Debug)]
pub struct WriteLog {
    file: File,
    /// Everything that happened.
    pub events: Vec<Event>,
}

impl WriteLog {
    /// Reads the log of a disk of so many bytes.
    ///
    /// # Errors
    /// When it cannot be read, or is no sound log of such a disk.
    pub fn open(path: &Path, disk_bytes: u64) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let events = events(&file, disk_bytes).with_context(|| format!("the log {}", path.display()))?;
        Ok(Self { file, events })
    }

    /// The bytes that were written.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn bytes(&self, piece: &Piece) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(piece.bytes)?];
        self.file.read_exact_at(&mut bytes, piece.in_log).context("the log cannot be read")?;
        Ok(bytes)
    }
}

fn events(file: &File, disk_bytes: u64) -> Result<Vec<Event>> {
    let length = file.metadata()?.len();
    let [magic, version, count, sector] = words(file, 0)?;
    ensure!(magic == MAGIC, "it is none");
    ensure!(version == VERSION, "it has version {version}");
    let sector = sector & u64::from(u32::MAX);
    ensure!(sector.is_power_of_two() && (512..=1 << 20).contains(&sector), "its sectors have {sector} bytes");
    let (mut events, mut at) = (Vec::new(), sector);
    // Each entry takes a sector at least, so the file's length bounds the work.
    for number in 0..count {
        let entry = || format!("entry {number} of {count}");
        ensure!(at.checked_add(sector).is_some_and(|end| end <= length), "{} lies beyond its end", entry());
        let head = words(file, at)?;
        at += sector;
        at += take(&head, Space { disk_bytes, log_left: length - at, sector }, at, &mut events).with_context(entry)?;
    }
    Ok(events)
}

/// What there is room for.
struct Space {
    disk_bytes: u64,
    log_left: u64,
    sector: u64,
}

/// Adds what an entry says, whose data would begin at `in_log`; the bytes of its data.
fn take(head: &[u64; 4], space: Space, in_log: u64, events: &mut Vec<Event>) -> Result<u64> {
    let [first, sectors, flags, _] = *head;
    ensure!(flags & !(FLUSH | DURABLE | DISCARD | MARK) == 0, "it has the unknown flags {flags:#x}");
    let (at, bytes) = (first.checked_mul(space.sector), sectors.checked_mul(space.sector));
    let (Some(at), Some(bytes)) = (at, bytes) else { bail!("it is too large") };
    ensure!(at.checked_add(bytes).is_some_and(|end| end <= space.disk_bytes), "it lies beyond the disk's end");
    if flags & FLUSH != 0 {
        events.push(Event::Flush);
    }
    // What was discarded may read as before.
    if flags & DISCARD != 0 || bytes == 0 {
        return Ok(0);
    }
    ensure!(bytes <= space.log_left, "its data lies beyond the log's end");
    let piece = Piece { at, bytes, in_log };
    match flags & (DURABLE | MARK) {
        0 => events.push(Event::Write(piece)),
        DURABLE => events.push(Event::DurableWrite(piece)),
        _ => {}
    }
    Ok(bytes)
}

fn words(file: &File, at: u64) -> Result<[u64; 4]> {
    let mut bytes = [0; 32];
    file.read_exact_at(&mut bytes, at).context("it is too short")?;
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = u64::from_le_bytes(bytes.try_into().context("eight bytes")?);
    }
    Ok(words)
}

#[cfg(test)]
pub(crate) mod tests;
