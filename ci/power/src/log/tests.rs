//! Logs made by hand, sound and damaged.

use super::*;

/// Bytes of the disk that the logs are of.
const DISK: u64 = 64 << 10;

/// A log with these entries: first sector, flags, data.
pub(crate) fn log(entries: &[(u64, u64, &[u8])]) -> Vec<u8> {
    let mut bytes = sector(&[MAGIC, VERSION, entries.len() as u64, 512]);
    for (first, flags, data) in entries {
        bytes.extend(sector(&[*first, data.len() as u64 / 512, *flags, 0]));
        bytes.extend(*data);
    }
    bytes
}

fn sector(words: &[u64; 4]) -> Vec<u8> {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.resize(512, 0);
    bytes
}

/// Opens a log with these bytes, of a disk of so many.
pub(crate) fn open(bytes: &[u8], disk_bytes: u64) -> Result<WriteLog> {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("banyan-log-{}-{number}", std::process::id()));
    std::fs::write(&path, bytes)?;
    let log = WriteLog::open(&path, disk_bytes);
    std::fs::remove_file(&path)?;
    log
}

#[test]
fn writes_and_flushes_are_found_in_order() {
    let (one, two) = ([1; 512], [2; 1024]);
    let log = open(&log(&[(3, 0, &one), (0, FLUSH, b""), (9, DISCARD, b""), (5, DURABLE, &two)]), DISK);
    let log = log.expect("it is sound");
    let [Event::Write(first), Event::Flush, Event::DurableWrite(second)] = log.events[..] else {
        panic!("{:?}", log.events)
    };
    assert_eq!((first.at, second.at), (3 * 512, 5 * 512));
    assert_eq!(log.bytes(&first).expect("it is there"), one);
    assert_eq!(log.bytes(&second).expect("it is there"), two);
}

#[test]
fn damaged_logs_are_refused() {
    let good = log(&[(3, 0, &[1; 512]), (0, FLUSH, b"")]);
    let refused = |at: usize, value: u64, why: &str| {
        let mut bytes = good.clone();
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        let error = open(&bytes, DISK).expect_err("it is damaged");
        assert!(format!("{error:#}").contains(why), "{error:#}");
    };
    refused(0, 1, "it is none");
    refused(8, 2, "version 2");
    refused(16, 3, "entry 2 of 3 lies beyond its end");
    refused(16, u64::MAX, "lies beyond its end");
    refused(24, 500, "500 bytes");
    refused(512, 128, "entry 0 of 2: it lies beyond the disk's end");
    refused(512, u64::MAX, "too large");
    refused(520, 100, "beyond the log's end");
    refused(528, 32, "unknown flags");
    for length in [0, 31, 32, 511, 512, 600, 1024, 1535] {
        assert!(open(&good[..length], DISK).is_err(), "{length} bytes of it");
    }
}
