//! A trace as a document of Chrome's trace format ("JSON Array Format" of its description).
//!
//! Each thread is a track, in the group of its task, with a slice for each time that it ran; each processor is a track of the
//! group `processors`, with a slice for each time that a thread ran there. Arrows lead from where a message or an answer was sent
//! to where its receiver runs next.
//!
//! What viewers want, and no description says: slices of a track neither overlap nor begin together, an arrow's ends are inside slices,
//! and what is at one time is in the order of the file. So times are whole nanoseconds, every event has one of its own, and the
//! lines are sorted by it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use ukernel_abi::trace::{Kind, Record};

/// The group of the processors' tracks; tasks have the numbers above.
const PROCESSORS: u64 = 1;

/// An arrow on its way: its number.
#[derive(Clone, Copy)]
struct Arrow(u64);

/// A line of the document: where it is in time, and its fields.
struct Line {
    at_ns: u64,
    fields: String,
}

/// Who runs on a processor, and since when.
#[derive(Clone, Copy)]
struct Turn {
    thread: u32,
    since_ns: u64,
}

/// The document under construction.
struct Picture {
    lines: Vec<Line>,
    /// Names by thread, the last one that was seen, and numbers of the tasks' groups.
    names: BTreeMap<u32, String>,
    groups: BTreeMap<String, u64>,
    /// By processor.
    running: BTreeMap<u8, Turn>,
    /// Arrows that were sent by a thread and not received, and those that wait for a thread to run.
    sent: HashMap<u32, Arrow>,
    waiting: HashMap<u32, Vec<Arrow>>,
    arrows: u64,
    now_ns: u64,
}

/// The events, oldest first, as a document.
pub(super) fn chrome(events: &[Record], tsc_hz: u64) -> String {
    let mut picture = Picture {
        lines: Vec::new(),
        names: events.iter().filter(|event| event.thread != 0).map(|event| (event.thread, name(event))).collect(),
        groups: BTreeMap::new(),
        running: before(events),
        sent: HashMap::new(),
        waiting: HashMap::new(),
        arrows: 0,
        now_ns: 0,
    };
    let tasks: BTreeSet<String> = picture.names.values().map(|name| task(name).to_owned()).collect();
    picture.groups = tasks.into_iter().zip(PROCESSORS + 1..).collect();
    picture.name_tracks(events.iter().map(|event| event.cpu).collect());
    let start = events.first().map_or(0, |event| event.time);
    for event in events {
        let since = u128::from(event.time.saturating_sub(start));
        let at_ns = (since * 1_000_000_000 / u128::from(tsc_hz.max(1))) as u64;
        picture.now_ns = at_ns.max(picture.now_ns.saturating_add(1));
        picture.add(event);
    }
    picture.now_ns = picture.now_ns.saturating_add(1);
    for cpu in picture.running.keys().copied().collect::<Vec<_>>() {
        picture.end_turn(cpu);
    }
    picture.finish()
}

/// Who ran on each processor before the first event: whom the first switch there took the place of.
fn before(events: &[Record]) -> BTreeMap<u8, Turn> {
    let switches = events.iter().rev().filter(|event| event.kind == Kind::Schedule);
    let mut turns: BTreeMap<u8, Turn> =
        switches.map(|event| (event.cpu, Turn { thread: event.other, since_ns: 0 })).collect();
    turns.retain(|_, turn| turn.thread != 0);
    turns
}

fn name(event: &Record) -> String {
    let bytes = event.name_bytes();
    let text = String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned();
    if text.is_empty() { format!("thread {}", event.thread) } else { text }
}

/// A thread's task, by its name: `TASK/THREAD`.
fn task(name: &str) -> &str {
    name.split('/').next().unwrap_or_default()
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

/// Nanoseconds as the format's microseconds.
fn micros(ns: u64) -> String {
    format!("{}.{:03}", ns / 1000, ns % 1000)
}

impl Picture {
    /// Adds one event of the format; `fields` are JSON.
    fn line(&mut self, at_ns: u64, fields: String) {
        self.lines.push(Line { at_ns, fields });
    }

    /// The fields that say where a thread's, or where there is none its processor's, track is.
    fn track(&self, thread: u32, cpu: u8) -> String {
        let group = self.names.get(&thread).and_then(|name| self.groups.get(task(name)));
        match group {
            Some(group) => format!(r#""pid":{group},"tid":{thread}"#),
            None => processor(cpu),
        }
    }

    fn name_tracks(&mut self, cpus: BTreeSet<u8>) {
        self.line(0, format!(r#""ph":"M","name":"process_name","pid":{PROCESSORS},"args":{{"name":"processors"}}"#));
        self.line(0, format!(r#""ph":"M","name":"process_sort_index","pid":{PROCESSORS},"args":{{"sort_index":-1}}"#));
        for cpu in cpus {
            let track = processor(cpu);
            self.line(0, format!(r#""ph":"M","name":"thread_name",{track},"args":{{"name":"processor {cpu}"}}"#));
        }
        for (task, group) in self.groups.clone() {
            let named = quoted(&task);
            self.line(0, format!(r#""ph":"M","name":"process_name","pid":{group},"args":{{"name":{named}}}"#));
        }
        for (thread, name) in self.names.clone() {
            let (track, named) = (self.track(thread, 0), quoted(&name));
            self.line(0, format!(r#""ph":"M","name":"thread_name",{track},"args":{{"name":{named}}}"#));
        }
    }

    fn add(&mut self, event: &Record) {
        match event.kind {
            Kind::Schedule => self.switch(event),
            Kind::Send => {
                self.instant(event, &format!("send {}", message(event.label)));
                self.begin_arrow(event);
            }
            Kind::Reply => {
                self.instant(event, "reply");
                self.begin_arrow(event);
            }
            Kind::Receive => {
                self.instant(event, "receive");
                if let Some(arrow) = self.sent.remove(&event.other) {
                    self.waiting.entry(event.thread).or_default().push(arrow);
                    self.land_arrows(event.cpu);
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
        self.end_turn(event.cpu);
        if event.thread != 0 {
            self.running.insert(event.cpu, Turn { thread: event.thread, since_ns: self.now_ns });
            self.land_arrows(event.cpu);
        }
    }

    fn end_turn(&mut self, cpu: u8) {
        let Some(Turn { thread, since_ns }) = self.running.remove(&cpu) else { return };
        let (from, length) = (micros(since_ns), micros(self.now_ns - since_ns));
        let (track, processor) = (self.track(thread, cpu), processor(cpu));
        let who = quoted(self.names.get(&thread).map_or("", |name| name));
        self.line(
            since_ns,
            format!(r#""ph":"X","name":"runs",{track},"ts":{from},"dur":{length},"args":{{"cpu":{cpu}}}"#),
        );
        self.line(since_ns, format!(r#""ph":"X","name":{who},{processor},"ts":{from},"dur":{length}"#));
    }

    fn instant(&mut self, event: &Record, what: &str) {
        let (track, at, what) = (self.track(event.thread, event.cpu), micros(self.now_ns), quoted(what));
        let words = event.length & 0xfff;
        let arguments = format!(
            r#"{{"badge":"{:#x}","words":{words},"label":"{:#x}","with":{},"object":"{:#x}","cpu":{}}}"#,
            event.value, event.label, event.other, event.object, event.cpu
        );
        self.line(self.now_ns, format!(r#""ph":"i","s":"t","name":{what},{track},"ts":{at},"args":{arguments}"#));
    }

    fn begin_arrow(&mut self, event: &Record) {
        // A message of somebody who was not seen to run, at the trace's beginning, is no slice's.
        if self.running.get(&event.cpu).is_none_or(|turn| turn.thread != event.thread) {
            self.sent.remove(&event.thread);
            return;
        }
        self.arrows += 1;
        self.arrow(r#""ph":"s""#, Arrow(self.arrows), (event.thread, event.cpu));
        self.sent.insert(event.thread, Arrow(self.arrows));
    }

    /// Ends the arrows to the thread that runs there.
    fn land_arrows(&mut self, cpu: u8) {
        let Some(Turn { thread, .. }) = self.running.get(&cpu).copied() else { return };
        for arrow in self.waiting.remove(&thread).unwrap_or_default() {
            self.arrow(r#""ph":"f","bp":"e""#, arrow, (thread, cpu));
        }
    }

    fn arrow(&mut self, phase: &str, Arrow(number): Arrow, (thread, cpu): (u32, u8)) {
        let (track, at) = (self.track(thread, cpu), micros(self.now_ns));
        self.line(self.now_ns, format!(r#"{phase},"name":"message","cat":"ipc","id":{number},{track},"ts":{at}"#));
    }

    /// The document: in the order of time, a slice before the arrows that end where it begins.
    fn finish(mut self) -> String {
        let slice = |line: &Line| line.fields.starts_with(r#""ph":"X""#);
        self.lines.sort_by_key(|line| (line.at_ns, !line.fields.starts_with(r#""ph":"M""#), !slice(line)));
        let mut text = String::from("[");
        for (number, line) in self.lines.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}\n{{{}}}", line.fields);
        }
        text.push_str("\n]\n");
        text
    }
}

/// The fields that say where a processor's track is.
fn processor(cpu: u8) -> String {
    format!(r#""pid":{PROCESSORS},"tid":{}"#, u32::from(cpu) + 1)
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

    fn event(time: u64, kind: Kind, (thread, cpu): (u32, u8), other: u32) -> Record {
        let name = [u64::from_le_bytes(*b"fs/poolA"), 0, 0];
        Record { time, kind, detail: 0, length: 2, label: 0x1_0001, thread, other, value: 7, object: 0, cpu, name }
    }

    #[test]
    fn arrows_end_where_the_receiver_runs() {
        let all = [
            event(0, Kind::Schedule, (1, 0), 0),
            event(10, Kind::Send, (1, 0), 0),
            event(11, Kind::Receive, (2, 0), 1),
            event(20, Kind::Schedule, (2, 0), 1),
            event(30, Kind::Schedule, (1, 0), 2),
        ];
        let text = chrome(&all, 1_000_000);
        assert!(text.contains(r#""ph":"s","name":"message","cat":"ipc","id":1,"pid":2,"tid":1,"ts":10.000"#), "{text}");
        let end = r#""ph":"f","bp":"e","name":"message","cat":"ipc","id":1,"pid":2,"tid":2,"ts":20.000"#;
        let slice = r#""ph":"X","name":"runs","pid":2,"tid":2,"ts":20.000,"dur":10.000"#;
        let (slice, end) = (text.find(slice).expect("the slice"), text.find(end).expect("the arrow's end"));
        assert!(slice < end, "an arrow ends in a slice that has begun: {text}");
        assert!(text.contains(r#""name":"send System::"#), "{text}");
        assert!(text.contains(r#""args":{"name":"fs/poolA"}"#) && text.contains(r#""args":{"name":"fs"}"#), "{text}");
    }

    #[test]
    fn each_processor_is_a_track() {
        let all = [
            event(0, Kind::Schedule, (1, 0), 0),
            event(5, Kind::Schedule, (2, 3), 0),
            event(7, Kind::Send, (2, 3), 0),
            event(8, Kind::Receive, (1, 3), 2),
            event(9, Kind::Schedule, (0, 3), 2),
            event(9, Kind::Interrupt, (0, 3), 0),
            event(12, Kind::Schedule, (1, 0), 1),
        ];
        let text = chrome(&all, 1_000_000);
        assert!(text.contains(r#""name":"thread_name","pid":1,"tid":4,"args":{"name":"processor 3"}"#), "{text}");
        assert!(text.contains(r#""ph":"X","name":"fs/poolA","pid":1,"tid":4,"ts":5.000,"dur":4.000"#), "{text}");
        // What happens while nobody runs is the processor's.
        assert!(text.contains(r#""name":"interrupt 0","pid":1,"tid":4,"ts":9.001"#), "{text}");
        assert!(text.contains(r#""ph":"f","bp":"e","name":"message","cat":"ipc","id":1,"pid":2,"tid":1"#), "{text}");
    }

    #[test]
    fn every_event_has_a_time_of_its_own() {
        let all: Vec<_> = (0..4).map(|_| event(3, Kind::Timer, (1, 0), 0)).collect();
        let text = chrome(&all, 1);
        for at in ["1", "2", "3"] {
            assert!(text.contains(&format!(r#""ts":0.00{at}"#)), "{text}");
        }
    }

    #[test]
    fn names_are_quoted() {
        assert_eq!(quoted("a\"b\\\n"), r#""a\"b\\\u000a""#);
    }
}
