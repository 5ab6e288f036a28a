//! The kernel's trace, out of the machine's memory and into Chrome's trace format, which Perfetto's viewer opens.
//!
//! The machine's memory is a file of the host's, so that nothing in the machine has to drain the ring: what a drainer does
//! would be traced as well. The root task says in the log where the ring is; when the ring was full, its last events are there.
//! What is drawn of it is in `picture`.

mod picture;

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use ukernel_abi::trace::{RECORD_BYTES, RECORD_WORDS, Record, header};

use picture::chrome;

/// What the root task's line in the log begins with.
const MARK: &str = "trace ring at 0x";
/// RAM from which on a `q35` has a part of it above 4 GiB, and what then stays below.
const SPLIT_FROM: u64 = 0xb000_0000;
const LOW_END: u64 = 0x8000_0000;

/// Where the ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    address: u64,
    bytes: u64,
    tsc_hz: u64,
}

/// Finds the root task's line: `trace ring at 0xADDRESS, BYTES bytes, HZ Hz`.
fn find(log: &str) -> Option<Place> {
    let (_, rest) = log.split_once(MARK)?;
    let (address, rest) = rest.split_once(", ")?;
    let (bytes, rest) = rest.split_once(" bytes, ")?;
    let (tsc_hz, _) = rest.split_once(" Hz")?;
    let address = u64::from_str_radix(address, 16).ok()?;
    Some(Place { address, bytes: bytes.parse().ok()?, tsc_hz: tsc_hz.parse().ok()? })
}

/// Where in the file of a machine with so much memory a physical address is.
fn offset(address: u64, memory_bytes: u64) -> u64 {
    const FOUR_GIB: u64 = 1 << 32;
    let low_end = if memory_bytes >= SPLIT_FROM { LOW_END } else { memory_bytes };
    if address < FOUR_GIB { address } else { address - FOUR_GIB + low_end }
}

/// Writes the trace in a machine's memory to `to`; how many events it has, and how many were lost before them.
///
/// # Errors
/// When the log names no ring, or there is none at that place.
pub(super) fn export(log: &str, ram: &Path, memory_bytes: u64, to: &Path) -> Result<(usize, u64)> {
    let place = find(log).context("the system did not say where its trace is")?;
    let file = File::open(ram).with_context(|| format!("cannot read {}", ram.display()))?;
    // Whatever the log says: no more than there is.
    if place.bytes > file.metadata().context("cannot read the memory")?.len() {
        bail!("the trace is larger than the memory");
    }
    let mut ring = vec![0; usize::try_from(place.bytes)?];
    file.read_exact_at(&mut ring, offset(place.address, memory_bytes)).context("the trace is not in the memory")?;
    let (events, lost) = events(&ring)?;
    std::fs::write(to, chrome(&events, place.tsc_hz)).with_context(|| format!("cannot write {}", to.display()))?;
    Ok((events.len(), lost))
}

/// The picture of a ring's events, whatever its bytes.
///
/// # Errors
/// When it is no ring.
pub fn picture(ring: &[u8], tsc_hz: u64) -> Result<String> {
    Ok(chrome(&events(ring)?.0, tsc_hz))
}

/// The events of a ring, oldest first, and the number of those that were overwritten.
fn events(ring: &[u8]) -> Result<(Vec<Record>, u64)> {
    let records: Vec<[u64; RECORD_WORDS]> = ring.chunks_exact(RECORD_BYTES as usize).map(words).collect();
    let Some((head, records)) = records.split_first() else { bail!("the trace is empty") };
    if head[header::WORD_MAGIC] != header::MAGIC {
        bail!("there is no trace where the system said it was");
    }
    let (written, capacity) = (head[header::WORD_WRITTEN], records.len() as u64);
    let lost = written.saturating_sub(capacity);
    let all = (lost..written).filter_map(|number| Record::from_words(records.get((number % capacity) as usize)?));
    Ok((all.collect(), lost))
}

fn words(bytes: &[u8]) -> [u64; RECORD_WORDS] {
    let mut words = [0; RECORD_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    words
}

#[cfg(test)]
mod tests {
    use ukernel_abi::trace::Kind;

    use super::*;

    fn event(time: u64) -> Record {
        let name = [u64::from_le_bytes(*b"fs/poolA"), 0, 0];
        let (kind, label) = (Kind::Timer, 0x1_0001);
        Record { time, kind, detail: 0, length: 2, label, thread: 1, other: 0, value: 7, object: 9, cpu: 3, name }
    }

    fn ring(events: &[Record], capacity: usize) -> Vec<u8> {
        let mut records = vec![[0; RECORD_WORDS]; capacity + 1];
        records[0][..3].copy_from_slice(&[header::MAGIC, events.len() as u64, capacity as u64]);
        for (number, event) in events.iter().enumerate() {
            records[number % capacity + 1] = event.to_words();
        }
        records.iter().flatten().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn rings_are_read_from_their_oldest_event() {
        let all: Vec<_> = (0..10).map(event).collect();
        assert_eq!(events(&ring(&all, 16)).expect("a ring"), (all.clone(), 0));
        assert_eq!(events(&ring(&all, 4)).expect("a ring"), (all[6..].to_vec(), 6));
        assert!(events(&[0; 128]).is_err());
    }

    #[test]
    fn the_place_is_in_the_log() {
        let line = "[root] trace ring at 0x1fe00000, 65536 bytes, 1000000000 Hz\n";
        assert_eq!(find(line), Some(Place { address: 0x1fe0_0000, bytes: 65536, tsc_hz: 1_000_000_000 }));
        assert_eq!(offset(0x1_0000_1000, 4 << 30), 0x8000_1000);
    }
}
