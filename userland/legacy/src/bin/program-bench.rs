//! Measures whole programs: `program-bench LIST FOLDER`.
//!
//! Each line of the file LIST is `name<TAB>times<TAB>command`. A command is run by `sh` in an empty folder inside FOLDER, `$DATA`
//! being FOLDER's path: once for programs and data to be in memory, then so many times between two marks (`sys::mark`). For each line
//! it prints `name<TAB>times<TAB>nanoseconds<TAB>digest`, the last of what the command printed, which has to be the same each time.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use legacy_programs::sys;

const SEARCH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let mut words = std::env::args_os().skip(1).map(PathBuf::from);
    let (list, data) = words.next().zip(words.next()).ok_or("program-bench LIST FOLDER")?;
    for line in fs::read_to_string(list)?.lines() {
        let mut words = line.splitn(3, '\t');
        let (name, times, command) =
            words.next().zip(words.next()).zip(words.next()).map(|((a, b), c)| (a, b, c)).ok_or("a damaged list")?;
        measure(name, times.parse()?, command, &data).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

fn measure(name: &str, times: u64, command: &str, data: &Path) -> Outcome {
    let expected = run(command, data)?;
    let mut same = true;
    rustix::fs::sync();
    sys::mark();
    let start = Instant::now();
    for _ in 0..times {
        same &= run(command, data)? == expected;
    }
    let time = start.elapsed();
    sys::mark();
    if !same {
        return Err("it did not print the same each time".into());
    }
    println!("{name}\t{times}\t{}\t{expected:016x}", time.as_nanos());
    io::stdout().flush()?;
    Ok(())
}

/// Runs the command, which has to end well; the digest of what it printed.
fn run(command: &str, data: &Path) -> Outcome<u64> {
    let folder = data.join("work");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir(&folder)?;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-e", "-c", command]).current_dir(folder).env_clear();
    shell.envs([("PATH", SEARCH), ("HOME", "/root"), ("LC_ALL", "C")]).env("DATA", data).stdin(Stdio::null());
    let output = shell.output()?;
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(output
        .stdout
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)))
}
