//! The kernel's trace, out of the machine's memory and into Chrome's trace format, which Perfetto's viewer opens.
//!
//! The machine's memory is a file of the host's, so that nothing in the machine has to drain the ring: what a drainer does
//! would be traced as well. The root task says in the log where the ring is; when the ring was full, its last events are there.
//! In the picture each thread is a track, in the group of its task, with a slice for each time that it ran; arrows lead from
//! where a message or an answer was sent to where its receiver runs next.

use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use ukernel_abi::trace::{Kind, RECORD_BYTES, RECORD_WORDS, Record, header};

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

/// An arrow on its way: its number, and when it began.
#[derive(Clone, Copy)]
struct Arrow(u64);

/// The document under construction.
struct Picture {
    text: String,
    start: u64,
    tsc_hz: u64,
    /// Names by thread, the last one that was seen.
    names: BTreeMap<u32, String>,
    /// Since when the running thread runs.
    running: Option<(u32, u64)>,
    /// Arrows that were sent by a thread and not received, and those that wait for a thread to run.
    sent: HashMap<u32, Arrow>,
    waiting: HashMap<u32, Vec<Arrow>>,
    arrows: u64,
}

/// The events as a document of Chrome's trace format ("JSON Array Format" of its description).
fn chrome(events: &[Record], tsc_hz: u64) -> String {
    let mut picture = Picture {
        text: String::from("["),
        start: events.first().map_or(0, |event| event.time),
        tsc_hz: tsc_hz.max(1),
        names: BTreeMap::new(),
        running: None,
        sent: HashMap::new(),
        waiting: HashMap::new(),
        arrows: 0,
    };
    for event in events {
        picture.names.insert(event.thread, name(event));
    }
    picture.name_tracks();
    for event in events {
        picture.add(event);
    }
    picture.end_slice(events.last().map_or(0, |event| event.time));
    picture.text.push_str("\n]\n");
    picture.text
}

fn name(event: &Record) -> String {
    let bytes = event.name_bytes();
    let text = String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned();
    if text.is_empty() { format!("thread {}", event.thread) } else { text }
}

/// What a message is called: by its interface's description, or by its number.
fn message(label: u32) -> String {
    match interfaces::method_of(label) {
        Some((interface, method)) => format!("{interface}::{method}"),
        None => match label {
            ukernel_abi::fault::LABEL => "fault".into(),
            ukernel_abi::fault::FOREIGN => "trap".into(),
            label => format!("{label:#x}"),
        },
    }
}

impl Picture {
    fn micros(&self, time: u64) -> f64 {
        time.saturating_sub(self.start) as f64 * 1e6 / self.tsc_hz as f64
    }

    /// Appends one event of the format; `fields` are JSON.
    fn line(&mut self, fields: std::fmt::Arguments<'_>) {
        let comma = if self.text.len() > 1 { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{comma}\n{{{fields}}}");
    }

    fn process(&self, thread: u32) -> u64 {
        let task = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
        let own = self.names.get(&thread).map(|name| task(name)).unwrap_or_default();
        let mut tasks: Vec<_> = self.names.values().map(|name| task(name)).collect();
        tasks.sort_unstable();
        tasks.dedup();
        tasks.binary_search(&own).map_or(0, |index| index as u64 + 1)
    }

    fn name_tracks(&mut self) {
        for (thread, name) in self.names.clone() {
            if thread == 0 {
                continue;
            }
            let (process, task) = (self.process(thread), name.split('/').next().unwrap_or_default().to_owned());
            self.line(format_args!(
                r#""ph":"M","name":"process_name","pid":{process},"args":{{"name":{}}}"#,
                quoted(&task)
            ));
            self.line(format_args!(
                r#""ph":"M","name":"thread_name","pid":{process},"tid":{thread},"args":{{"name":{}}}"#,
                quoted(&name)
            ));
        }
    }

    fn add(&mut self, event: &Record) {
        match event.kind {
            Kind::Schedule => self.switch(event),
            Kind::Send => {
                self.instant(event, &format!("send {}", message(event.label)));
                self.begin_arrow(event.thread, event.time);
            }
            Kind::Reply => {
                self.instant(event, "reply");
                self.begin_arrow(event.thread, event.time);
            }
            Kind::Receive => {
                self.instant(event, "receive");
                if let Some(arrow) = self.sent.remove(&event.other) {
                    self.waiting.entry(event.thread).or_default().push(arrow);
                    self.land_arrows(event.time);
                }
            }
            Kind::Signal => self.instant(event, "signal"),
            Kind::Interrupt => self.instant(event, &format!("interrupt {}", event.detail)),
            Kind::Timer => self.instant(event, "timer"),
            Kind::Fault => self.instant(event, &format!("exception {}", event.detail)),
            Kind::VcpuEnter => self.instant(event, "enter program"),
            Kind::VcpuExit => self.instant(event, ["exit", "call", "exception", "kick"][usize::from(event.detail & 3)]),
        }
    }

    fn switch(&mut self, event: &Record) {
        self.end_slice(event.time);
        self.running = (event.thread != 0).then_some((event.thread, event.time));
        self.land_arrows(event.time);
    }

    fn end_slice(&mut self, time: u64) {
        let Some((thread, since)) = self.running.take() else { return };
        let (process, from) = (self.process(thread), self.micros(since));
        let length = self.micros(time) - from;
        self.line(format_args!(
            r#""ph":"X","name":"runs","pid":{process},"tid":{thread},"ts":{from:.3},"dur":{length:.3}"#
        ));
    }

    fn instant(&mut self, event: &Record, what: &str) {
        let (process, at, thread) = (self.process(event.thread), self.micros(event.time), event.thread);
        self.line(format_args!(
            r#""ph":"i","s":"t","name":{},"pid":{process},"tid":{thread},"ts":{at:.3},"args":{{"badge":"{:#x}","words":{},"label":"{:#x}","with":{}}}"#,
            quoted(what),
            event.value,
            event.length & 0xfff,
            event.label,
            event.other
        ));
    }

    fn begin_arrow(&mut self, thread: u32, time: u64) {
        self.arrows += 1;
        let (process, at, number) = (self.process(thread), self.micros(time), self.arrows);
        self.line(format_args!(
            r#""ph":"s","name":"message","cat":"ipc","id":{number},"pid":{process},"tid":{thread},"ts":{at:.3}"#
        ));
        self.sent.insert(thread, Arrow(number));
    }

    /// Ends the arrows to the running thread.
    fn land_arrows(&mut self, time: u64) {
        let Some((thread, _)) = self.running else { return };
        for Arrow(number) in self.waiting.remove(&thread).unwrap_or_default() {
            let (process, at) = (self.process(thread), self.micros(time));
            self.line(format_args!(
                r#""ph":"f","bp":"e","name":"message","cat":"ipc","id":{number},"pid":{process},"tid":{thread},"ts":{at:.3}"#
            ));
        }
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // Writing to a string cannot fail.
            c if c < ' ' => drop(write!(quoted, "\\u{:04x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time: u64, kind: Kind, thread: u32, other: u32) -> Record {
        let name = [u64::from_le_bytes(*b"fs/poolA"), 0, 0];
        Record { time, kind, detail: 0, length: 2, label: 0x1_0001, thread, other, value: 7, object: 0, name }
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
        let all: Vec<_> = (0..10).map(|time| event(time, Kind::Timer, 1, 0)).collect();
        assert_eq!(events(&ring(&all, 16)).expect("a ring"), (all.clone(), 0));
        assert_eq!(events(&ring(&all, 4)).expect("a ring"), (all[6..].to_vec(), 6));
        assert!(events(&[0; 128]).is_err());
    }

    #[test]
    fn arrows_end_where_the_receiver_runs() {
        let all = [
            event(0, Kind::Schedule, 1, 0),
            event(10, Kind::Send, 1, 0),
            event(11, Kind::Receive, 2, 1),
            event(20, Kind::Schedule, 2, 1),
            event(30, Kind::Schedule, 1, 2),
        ];
        let text = chrome(&all, 1_000_000);
        assert!(text.contains(r#""ph":"s","name":"message","cat":"ipc","id":1,"pid":1,"tid":1,"ts":10.000"#), "{text}");
        assert!(
            text.contains(r#""ph":"f","bp":"e","name":"message","cat":"ipc","id":1,"pid":1,"tid":2,"ts":20.000"#),
            "{text}"
        );
        assert!(text.contains(r#""ph":"X","name":"runs","pid":1,"tid":2,"ts":20.000,"dur":10.000"#), "{text}");
        assert!(text.contains(r#""name":"send System::"#), "{text}");
        assert!(text.contains(r#""args":{"name":"fs/poolA"}"#) && text.contains(r#""args":{"name":"fs"}"#), "{text}");
    }

    #[test]
    fn the_place_is_in_the_log() {
        let line = "[root] trace ring at 0x1fe00000, 65536 bytes, 1000000000 Hz\n";
        assert_eq!(find(line), Some(Place { address: 0x1fe0_0000, bytes: 65536, tsc_hz: 1_000_000_000 }));
        assert_eq!(offset(0x1_0000_1000, 4 << 30), 0x8000_1000);
        assert_eq!(quoted("a\"b\\\n"), r#""a\"b\\\u000a""#);
    }
}
