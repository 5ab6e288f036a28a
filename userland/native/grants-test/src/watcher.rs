//! The task with `trace = true`: it traces everybody, and sees their limits.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use interfaces::{System, SystemClient};
use rt::time::now_ns;
use ukernel_abi::trace::{RECORD_BYTES, RECORD_WORDS, Record, header};
use ukernel_user::object::ThreadWork;
use ukernel_user::{Cap, Error, Memory, Trace};

use crate::{LOOK_NS, Outcome, ensure, refused, report};

const RING_BYTES: u64 = 64 << 10;
/// How long everybody is traced.
const SPAN_NS: u64 = 50_000_000;

pub fn run(env: &rt::Env) {
    report("a_task_with_the_grant_traces_others", &traces(env));
    report("the_trace_is_not_running_by_itself", &ensure(env.memory("trace_ring").is_err(), || "a ring".into()));
    report("a_limit_is_seen_from_outside", &limits(env));
    report("a_badge_that_watches_sees_threads", &asks_root(env));
}

/// The root task shows it the same threads as the kernel, by name.
fn asks_root(env: &rt::Env) -> Outcome {
    let system = SystemClient::new(env.endpoint("system").map_err(|error| format!("{error:?}"))?);
    let mut names = Vec::new();
    let mut next = 0;
    let end = loop {
        match system.thread(next) {
            Ok(thread) => {
                next = thread.number + 1;
                names.push(thread.name);
            }
            Err(error) => break error,
        }
    };
    let has = |name: &str| names.iter().any(|seen| seen == name);
    ensure(has("watcher") && has("spinner"), || format!("{names:?}, then {end:?}"))
}

fn trace(env: &rt::Env) -> Result<Cap<Trace>, String> {
    env.trace().map_err(|error| format!("{error:?}"))
}

fn traces(env: &rt::Env) -> Outcome {
    let trace = trace(env)?;
    let ring = rt::object::create::<Memory>(RING_BYTES).map_err(refused("memory"))?;
    rt::thread::sleep_until(LOOK_NS);
    trace.start(ring).map_err(refused("starting"))?;
    ensure(trace.start(ring) == Err(Error::InvalidState), || "it starts twice".into())?;
    rt::thread::sleep_until(now_ns() + SPAN_NS);
    trace.stop().map_err(refused("stopping"))?;
    let mut bytes = vec![0; RING_BYTES as usize];
    rt::memory::read(ring, 0, &mut bytes).map_err(refused("reading"))?;
    let records: Vec<[u64; RECORD_WORDS]> = bytes.chunks_exact(RECORD_BYTES as usize).map(words).collect();
    let head = records.first().ok_or("an empty ring")?;
    ensure(head[header::WORD_MAGIC] == header::MAGIC, || format!("a header {head:x?}"))?;
    let written = head[header::WORD_WRITTEN] as usize;
    let names: Vec<String> = records[1..].iter().take(written).filter_map(Record::from_words).map(name).collect();
    let has = |name: &str| names.iter().any(|seen| seen == name);
    ensure(has("watcher") && has("spinner"), || format!("{written} events, of {names:?}"))
}

fn words(bytes: &[u8]) -> [u64; RECORD_WORDS] {
    let mut words = [0; RECORD_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    words
}

fn name(record: Record) -> String {
    text(&record.name_bytes())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches('\0').into()
}

/// Both threads of the spinner have half of its fifth each, nobody else has a limit.
fn limits(env: &rt::Env) -> Outcome {
    let trace = trace(env)?;
    let mut next = 0;
    let mut threads: Vec<ThreadWork> = Vec::new();
    while let Ok(thread) = trace.thread(next) {
        next = thread.number + 1;
        threads.push(thread);
    }
    let limited: Vec<(String, u16)> = threads
        .iter()
        .filter(|thread| thread.limit_permille != 0)
        .map(|thread| (text(&thread.name), thread.limit_permille))
        .collect();
    let expected = [("spinner", 100), ("spinner/second", 100)].map(|(name, limit)| (String::from(name), limit));
    ensure(limited == expected, || format!("{limited:?}"))
}
