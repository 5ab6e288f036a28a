//! Work for a disk that checks itself: what it prints is the same on every system that keeps its promises.
//!
//! * `append FILE COUNT`: appends records, each followed by fsync(2) and then by its number on standard output
//! * `records FILE`: checks such a file and prints how many records it has
//! * `mapped FILE ROUNDS`: writes a file through a shared mapping while another process reads it through its own
//! * `promises FOLDER SEED STEPS`: makes steps durable one by one (see the library's `promises`), at most so many, until there
//!   is a file `/stop`, and prints their number

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{Write, stdout};
use std::os::unix::fs::FileExt;
use std::path::Path;

use legacy_programs::promises::worker;
use legacy_programs::random::Random;
use legacy_programs::sys::{self, Mapping};

const PAGE: usize = 4096;
/// Pages of the mapped file.
const PAGES: usize = 64;
/// What a written page's rounds begin with; lower values were never written.
const FIRST: u8 = 1;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["append", path, count] => append(path, count.parse()?),
        ["records", path] => records(path),
        ["mapped", path, rounds] => mapped(path, rounds.parse()?),
        ["promises", path, seed, steps] => {
            println!("{}", worker::work(Path::new(path), seed.parse()?, steps.parse()?)?);
            Ok(())
        }
        _ => Err("append FILE COUNT, records FILE, mapped FILE ROUNDS or promises FOLDER SEED STEPS".into()),
    }
}

fn record(number: u64) -> String {
    format!("record {number:08} {:016x}\n", Random::new(number).next_u64())
}

fn append(path: &str, count: u64) -> Outcome {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    for number in 0..count {
        file.write_all(record(number).as_bytes())?;
        file.sync_all()?;
        writeln!(stdout(), "{number}")?;
        stdout().flush()?;
    }
    Ok(())
}

fn records(path: &str) -> Outcome {
    let text = fs::read_to_string(path)?;
    let mut count = 0;
    for line in text.split_inclusive('\n') {
        // The last may have been cut off before it was promised.
        if line != record(count) && line.ends_with('\n') {
            return Err(format!("record {count} is {line:?}").into());
        }
        count += u64::from(line.ends_with('\n'));
    }
    println!("{count}");
    Ok(())
}

fn mapped(path: &str, rounds: u64) -> Outcome {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    file.set_len((PAGES * PAGE) as u64)?;
    let view = Mapping::file(&file, PAGES * PAGE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)?;
    let reader = sys::spawn(|| i32::from(!reads_forward(path)))?;
    let mut random = Random::new(rounds);
    let mut last = [0_u8; PAGES];
    for round in 0..rounds {
        let page = random.below(PAGES as u64) as usize;
        let value = FIRST + (round * 250 / rounds.max(1)) as u8;
        // The end first: a reader that sees the start's new value sees the end's, too.
        view.write(page * PAGE + PAGE - 1, value);
        view.write(page * PAGE, value);
        last[page] = value;
        if round % 16 == 0 {
            file.sync_all()?;
        }
        check(&file, page, value)?;
    }
    // A last value in page 0 tells the reader to stop.
    view.write(0, u8::MAX);
    last[0] = u8::MAX;
    let (_, status) = sys::wait(reader, 0)?;
    file.sync_all()?;
    for (page, value) in last.iter().enumerate() {
        check(&file, page, *value)?;
    }
    println!("mapped {rounds} reader {status}");
    Ok(())
}

/// What read(2) sees of a page.
fn check(file: &File, page: usize, value: u8) -> Outcome {
    let mut byte = [0];
    file.read_exact_at(&mut byte, (page * PAGE) as u64)?;
    if byte[0] == value { Ok(()) } else { Err(format!("page {page} has {} and not {value}", byte[0]).into()) }
}

/// Reads until the writer is done; whether no page ever went back.
fn reads_forward(path: &str) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let Ok(view) = Mapping::file(&file, PAGES * PAGE, libc::PROT_READ, libc::MAP_SHARED) else { return false };
    let mut seen = [0_u8; PAGES];
    loop {
        for (page, seen) in seen.iter_mut().enumerate() {
            let start = view.read(page * PAGE);
            let end = view.read(page * PAGE + PAGE - 1);
            if start < *seen || end < start && start != u8::MAX {
                return false;
            }
            *seen = start;
        }
        if seen[0] == u8::MAX {
            return true;
        }
    }
}
