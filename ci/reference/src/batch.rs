//! Runs a list of commands on Linux in one boot, and remembers what they gave.
//!
//! The answers are kept under a key of everything they depend on: commands, root, init and kernel.

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::cpio::Writer;
use crate::machine::{Clock, Machine, Tuning};
use crate::programs::Programs;
use crate::{Workshop, kernel, write_whole};

const LIMIT: Duration = Duration::from_secs(1800);
const MEMORY_BYTES: u64 = 512 << 20;

/// A command to run: `sh -c command`, with `input` as its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// The command line.
    pub command: String,
    /// Its standard input.
    pub input: Vec<u8>,
}

/// What a command gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Linux's wait status.
    pub status: i32,
    /// Standard output.
    pub output: Vec<u8>,
    /// Standard error.
    pub errors: Vec<u8>,
}

/// Where and how the commands run.
#[derive(Debug)]
pub struct Batch<'a> {
    /// Where things are.
    pub workshop: &'a Workshop,
    /// The legacy programs, among them the init.
    pub programs: &'a Programs,
    /// The root tree.
    pub root: &'a Path,
    /// The machine's processors.
    pub cpus: u8,
    /// The machine's clock.
    pub clock: Clock,
    /// The kernel's options.
    pub tuning: Tuning,
}

/// Whether answers of before will do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    Recall,
    Ignore,
}

impl Batch<'_> {
    /// Runs the commands, in order, or recalls what they gave before.
    ///
    /// # Errors
    /// When Linux cannot be had, does not boot, or answers nonsense.
    pub fn run(&self, requests: &[Request]) -> Result<Vec<Answer>> {
        self.answers(requests, Memory::Recall)
    }

    /// Runs the commands, in order, whatever is remembered.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_anew(&self, requests: &[Request]) -> Result<Vec<Answer>> {
        self.answers(requests, Memory::Ignore)
    }

    fn answers(&self, requests: &[Request], recall: Memory) -> Result<Vec<Answer>> {
        let kernel = kernel::find(self.workshop)?;
        let root = self.root_archive(requests)?;
        let folder = self.workshop.subfolder("answers")?;
        let memory = folder.join(format!("{:016x}", key(&[&root, &kernel], (self.cpus, self.clock, self.tuning))?));
        let remembered = fs::read(&memory).ok().filter(|_| recall == Memory::Recall);
        if let Some(answers) = remembered.and_then(|bytes| parse(&bytes, requests.len()).ok()) {
            return Ok(answers);
        }
        let commands =
            if requests.len() == 1 { "a command gives".into() } else { format!("{} commands give", requests.len()) };
        eprintln!("asking Debian's Linux 6.1 what {commands}");
        let results = memory.with_extension("results");
        let machine = Machine {
            qemu: self.workshop.qemu.clone(),
            kernel,
            root,
            memory_bytes: MEMORY_BYTES,
            cpus: self.cpus,
            clock: self.clock,
            tuning: self.tuning,
            more: Vec::new(),
        };
        let console = memory.with_extension("console");
        machine.run(&console, &results, LIMIT)?;
        let bytes = fs::read(&results).context("Linux left no results")?;
        let answers = parse(&bytes, requests.len()).with_context(|| format!("its console is {}", console.display()))?;
        write_whole(&memory, &bytes)?;
        fs::remove_file(results)?;
        Ok(answers)
    }

    /// Writes the root with init and commands as one archive.
    fn root_archive(&self, requests: &[Request]) -> Result<PathBuf> {
        let path = self.workshop.subfolder("linux")?.join(format!("root-{}.cpio", std::process::id()));
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let mut writer = Writer::new(BufWriter::new(file));
        writer.tree(self.root)?;
        writer.file("init", 0o755, &fs::read(self.programs.path("linux-init"))?)?;
        writer.character_device("dev/console", 5, 1)?;
        writer.folder("batch")?;
        for (number, request) in requests.iter().enumerate() {
            writer.file(&format!("batch/{number:04}.command"), 0o644, request.command.as_bytes())?;
            writer.file(&format!("batch/{number:04}.input"), 0o644, &request.input)?;
        }
        writer.finish()?;
        Ok(path)
    }
}

fn key(files: &[&Path], machine: (u8, Clock, Tuning)) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        fs::read(file).with_context(|| format!("cannot read {}", file.display()))?.hash(&mut hasher);
    }
    machine.hash(&mut hasher);
    Ok(hasher.finish())
}

/// Reads the answers of `linux-init`: `result NUMBER STATUS OUT ERR`, then the bytes; at the end `done`.
fn parse(bytes: &[u8], count: usize) -> Result<Vec<Answer>> {
    let mut answers = HashMap::new();
    let mut rest = bytes;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n').context("the results end early")?;
        let line = std::str::from_utf8(&rest[..end]).context("a damaged result line")?;
        rest = &rest[end + 1..];
        if line == "done" {
            break;
        }
        let words: Vec<_> = line.split(' ').collect();
        let ["result", number, status, out, err] = words[..] else { bail!("a damaged result line: {line}") };
        let (out, err): (usize, usize) = (out.parse()?, err.parse()?);
        let (output, errors) = (rest.get(..out), out.checked_add(err).and_then(|end| rest.get(out..end)));
        let (Some(output), Some(errors)) = (output, errors) else { bail!("the results end early") };
        let answer = Answer { status: status.parse()?, output: output.to_vec(), errors: errors.to_vec() };
        answers.insert(number.parse::<usize>()?, answer);
        rest = &rest[out + err..];
    }
    (0..count).map(|number| answers.remove(&number).with_context(|| format!("no result {number}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_by_number() {
        let answers = parse(b"result 0001 256 2 0\nhiresult 0000 0 0 3\nbaddone\n", 2).expect("well formed");
        assert_eq!(answers[0], Answer { status: 0, output: vec![], errors: b"bad".to_vec() });
        assert_eq!(answers[1], Answer { status: 256, output: b"hi".to_vec(), errors: vec![] });
    }

    #[test]
    fn results_that_end_early_are_errors() {
        let whole = b"result 0000 0 2 1\nabcdone\n";
        assert!((0..whole.len()).all(|length| parse(&whole[..length], 1).is_err()));
    }
}
