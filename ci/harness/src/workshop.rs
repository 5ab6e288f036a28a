//! Puts together what the comparison with Linux needs: tools, legacy programs, root tree.

use std::path::PathBuf;

use anyhow::Result;
use banyan::run::usual_cpus;
use banyan::{setup, workspace};
use reference::Workshop;
use reference::batch::{Answer, Batch, Request};
use reference::machine::{Clock, Tuning};
use reference::programs::Programs;

use crate::cases;

/// Everything that is made before the first test.
#[derive(Debug)]
pub struct Prepared {
    /// Where things are.
    pub workshop: Workshop,
    /// The legacy programs.
    pub programs: Programs,
    /// The root tree of all tests.
    pub root: PathBuf,
}

impl Prepared {
    /// Finds the tools, builds the programs and the root tree.
    ///
    /// # Errors
    /// When a tool is missing or something does not build.
    pub fn new() -> Result<Self> {
        let _lock = workspace::lock()?;
        let tools = setup::ensure()?;
        let workshop = Workshop {
            source: workspace::source(),
            folder: workspace::target().join("harness"),
            qemu: tools.qemu,
            busybox: tools.busybox,
        };
        let programs = Programs::build(&workshop)?;
        let root = reference::root::build(&workshop, "root", &programs.for_root())?;
        Ok(Self { workshop, programs, root })
    }

    /// What Linux gives for every case, in their order.
    ///
    /// # Errors
    /// When Linux cannot be had or does not boot.
    pub fn linux_answers(&self) -> Result<Vec<Answer>> {
        let requests: Vec<_> = cases::all().map(|case| request(&case)).collect();
        let batch = Batch {
            workshop: &self.workshop,
            programs: &self.programs,
            root: &self.root,
            cpus: usual_cpus(),
            clock: Clock::Wall,
            tuning: Tuning::Default,
        };
        batch.run(&requests)
    }
}

fn request(case: &cases::Case) -> Request {
    Request { command: case.command_line(), input: case.input.into() }
}
