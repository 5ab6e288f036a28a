//! Mixed load that checks itself: `stress SECONDS SEED FOLDER`.
//!
//! Starts [`COPIES`] processes of each kind of work below, all at once, and gives each a folder of its own in FOLDER. Each repeats its
//! *round* with random numbers until the time is over; a round checks everything that it did. At the first wrong result its process says
//! what it was, and the whole ends with status 1 once the others have ended. In the end it prints what was done.
//!
//! The program is started for each of them as `stress KIND SECONDS SEED FOLDER`: one kind alone.

mod files;
mod memory;
mod processes;
mod sockets;
mod threads;
mod timers;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use legacy_programs::random::Random;

/// Processes of each kind.
const COPIES: u64 = 2;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;
/// Does something and checks it, in a folder of its own.
type Round = fn(&mut Random, &Path) -> Outcome;

/// The kinds of work.
const KINDS: [(&str, Round); 11] = [
    ("processes", processes::trees),
    ("pipes", processes::pipes),
    ("signals", processes::signals),
    ("memory", memory::private),
    ("shootdown", memory::replaced),
    ("shared", memory::shared),
    ("timers", timers::interval),
    ("threads", threads::condition),
    ("floating", threads::floating),
    ("files", files::round),
    ("sockets", sockets::round),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["exit", code] => return code.parse::<u8>().map_or(ExitCode::FAILURE, ExitCode::from),
        ["sum"] => processes::sum(),
        [kind, seconds, seed, folder] => alone(kind, seconds, seed, Path::new(folder)),
        [seconds, seed, folder] => all(seconds, seed, Path::new(folder)),
        _ => Err("stress SECONDS SEED FOLDER, or stress KIND SECONDS SEED FOLDER".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stress {}: {error}", words.join(" "));
            ExitCode::FAILURE
        }
    }
}

/// One kind: prints how many rounds it did.
fn alone(kind: &str, seconds: &str, seed: &str, folder: &Path) -> Outcome {
    let (_, round) = KINDS.iter().find(|(name, _)| *name == kind).ok_or("no such kind")?;
    let end = Instant::now() + Duration::from_secs(seconds.parse()?);
    let mut random = Random::new(seed.parse()?);
    fs::create_dir_all(folder)?;
    let mut rounds = 0_u64;
    while rounds == 0 || Instant::now() < end {
        round(&mut random, folder).map_err(|error| format!("round {rounds}: {error}"))?;
        rounds += 1;
    }
    println!("{rounds}");
    Ok(())
}

/// All kinds at once.
fn all(seconds: &str, seed: &str, folder: &Path) -> Outcome {
    let first: u64 = seed.parse()?;
    let mut running = Vec::new();
    for copy in 0..COPIES {
        for (number, (kind, _)) in (0..).zip(KINDS) {
            let seed = first.wrapping_add(copy * 100 + number).to_string();
            let own = folder.join(format!("{kind}-{copy}"));
            running.push((kind, seed.clone(), start(kind, seconds, &seed, own)?));
        }
    }
    let mut wrong = 0;
    let mut rounds = [0_u64; KINDS.len()];
    for (index, (kind, seed, child)) in running.into_iter().enumerate() {
        let output = child.wait_with_output()?;
        let count = String::from_utf8_lossy(&output.stdout).trim().parse::<u64>();
        match count {
            Ok(count) if output.status.success() => rounds[index % KINDS.len()] += count,
            _ => {
                wrong += 1;
                eprintln!("{kind} with seed {seed} ended with {}", output.status);
            }
        }
    }
    let done: Vec<_> = KINDS.iter().zip(rounds).map(|((kind, _), rounds)| format!("{kind} {rounds}")).collect();
    println!(
        "stress: {} processes, seeds from {first} on, rounds: {}; {wrong} found something",
        COPIES * KINDS.len() as u64,
        done.join(", ")
    );
    if wrong == 0 { Ok(()) } else { Err(format!("{wrong} found something").into()) }
}

fn start(kind: &str, seconds: &str, seed: &str, folder: PathBuf) -> Outcome<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([kind, seconds, seed]).arg(folder).stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(command.spawn()?)
}

/// An error, unless `is` holds.
fn expect(is: bool, what: impl FnOnce() -> String) -> Outcome {
    if is { Ok(()) } else { Err(what().into()) }
}

/// So many random bytes.
fn bytes(random: &mut Random, count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        bytes.extend_from_slice(&random.next_u64().to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

/// A sum in which each byte's place counts (Fletcher).
fn digest(bytes: &[u8]) -> u64 {
    let (one, two) = bytes.iter().fold((1_u32, 0_u32), |(one, two), byte| {
        let one = one.wrapping_add((*byte).into());
        (one, two.wrapping_add(one))
    });
    u64::from(two) << 32 | u64::from(one)
}
