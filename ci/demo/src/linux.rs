//! The same programs on both systems, measured now: Debian's Linux 6.1 and Banyan, counting instructions.

use crate::ground::{Ground, output};
use anyhow::{Context, Result};
use banyan::root::Root;
use banyan::run::{Config, Mode};
use reference::batch::{Batch, Request};
use reference::machine::{Clock, Tuning};
use reference::programs::Programs;
use reference::root;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// A root tree of this process's own, for as long as it is used: demonstrations may run side by side.
pub(crate) struct Tree(PathBuf);

impl Deref for Tree {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What is left behind costs only space.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The root with the legacy programs in `/tests`, and those programs.
pub(crate) fn root(ground: &Ground) -> Result<(Tree, Programs)> {
    let programs = ground.legacy()?;
    let name = format!("demo-root-{}", std::process::id());
    let root = root::build(&ground.workshop(), &name, &programs.for_root())?;
    Ok((Tree(root), programs))
}

/// Runs commands on Banyan under the clock that counts instructions, one after the other on one boot; what each printed.
pub(crate) fn on_banyan(ground: &Ground, root: &Path, commands: &[&str]) -> Result<Vec<String>> {
    let mut config = Config::new(Mode::Exec);
    config.root = Root::Path(root.into());
    config.count_instructions = true;
    let vm = ground.start(&config)?;
    commands.iter().map(|command| output(&vm, command)).collect()
}

/// The same on Linux (`mitigations=off`), whatever is remembered of an earlier run.
pub(crate) fn on_linux(ground: &Ground, root: &Path, programs: &Programs, commands: &[&str]) -> Result<Vec<String>> {
    let workshop = ground.workshop();
    let batch =
        Batch { workshop: &workshop, programs, root, cpus: 1, clock: Clock::Instructions, tuning: Tuning::Lean };
    let requests: Vec<_> =
        commands.iter().map(|command| Request { command: (*command).into(), input: Vec::new() }).collect();
    let answers = batch.run_anew(&requests)?;
    answers.into_iter().map(|answer| String::from_utf8(answer.output).context("the command prints text")).collect()
}

/// A line of `abi-bench`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Instructions.
    pub instructions: f64,
    /// Switches of the address space, where they are counted.
    pub switches: Option<f64>,
    /// Entries into the kernel, each with a way back, where they are counted.
    pub entries: Option<f64>,
    /// Switches from one thread to another, where they are counted.
    pub thread_switches: Option<f64>,
}

/// The cost of an operation in what `abi-bench` printed.
pub(crate) fn cost(printed: &str, operation: &str) -> Result<Cost> {
    let line = |line: &str| {
        let mut words = line.strip_prefix(operation)?.strip_prefix('\t')?.split('\t');
        let instructions = words.next()?.parse().ok()?;
        let mut number = || words.next().and_then(|word| word.parse().ok());
        Some(Cost { instructions, switches: number(), entries: number(), thread_switches: number() })
    };
    printed.lines().find_map(line).with_context(|| format!("there is no {operation} in:\n{printed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_found_by_name() {
        let printed = "getpid\t311.0\t2.0\t1.0\t0.5\npipe_rt_proc\t5000.5\t-\n";
        assert_eq!(
            cost(printed, "getpid").ok(),
            Some(Cost { instructions: 311.0, switches: Some(2.0), entries: Some(1.0), thread_switches: Some(0.5) })
        );
        assert_eq!(cost(printed, "pipe_rt_proc").ok().and_then(|cost| cost.switches), None);
        assert!(cost(printed, "pipe").is_err());
    }
}
