//! The kernel's trace ring, as the host tool finds it in the machine's memory.

use ukernel_abi::trace::{Kind, RECORD_WORDS, Record, header};

use crate::{Answer, Target};

/// The reader, and the picture that is made of what it read.
pub const TARGET: Target = Target { name: "trace", good, head: 4096, inputs: 1000, run };

const RECORDS: u64 = 40;

fn good() -> Vec<u8> {
    let mut head = [0; RECORD_WORDS];
    head[header::WORD_MAGIC] = header::MAGIC;
    // More than there is room for: some were overwritten.
    head[header::WORD_WRITTEN] = RECORDS + 9;
    head[header::WORD_CAPACITY] = RECORDS;
    let record = |number: u64| Record {
        time: 1000 * (number + if number < 9 { RECORDS } else { 0 }),
        kind: (0..=u8::MAX).filter_map(Kind::from_number).cycle().nth(number as usize).expect("there are kinds"),
        detail: number as u8,
        length: 4,
        label: 0x0001_0001,
        thread: number as u32 % 3,
        other: (number as u32 + 1) % 3,
        value: number,
        object: 7,
        cpu: number as u8 % 4,
        name: [u64::from_le_bytes(*b"threads\0"), 0, 0],
    };
    let records = (0..RECORDS).flat_map(|number| record(number).to_words());
    head.into_iter().chain(records).flat_map(u64::to_le_bytes).collect()
}

fn run(bytes: &[u8]) -> Answer {
    for tsc_hz in [0, 1, 3_000_000_000, u64::MAX] {
        let Ok(picture) = banyan::run::trace::picture(bytes, tsc_hz) else { return Answer::Refused };
        assert!(picture.starts_with('[') && picture.ends_with("]\n"), "the picture is no list");
    }
    Answer::Understood
}
