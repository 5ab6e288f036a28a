//! Demonstrations: each is a script that says what it does, why that matters and what to look at, and ends in a table of
//! what was measured in that run. Nothing in a table was written down before.
//!
//! * [`stage`]: talks to the people, waits for a key
//! * [`ground`]: builds and starts what is shown
//! * one file a demonstration: `measure` gives the figures (the report takes them from there), `run` tells the story
//!
//! A demonstration fails when its figures do not show what it says. In its quick form each is a test as well.

pub mod code;
pub mod crash;
mod debugger;
pub mod followed;
pub mod ground;
pub mod ipc;
pub mod linux;
pub mod load;
pub mod migrate;
pub mod stage;
pub mod syscall;
pub mod trust;

use anyhow::Result;
use ground::Ground;
use stage::Stage;

/// How much a demonstration does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// All.
    Full,
    /// What can be done in half a minute.
    Quick,
}

/// A demonstration.
#[derive(Clone, Copy, Debug)]
pub struct Demo {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    run: fn(&mut Stage, &Ground, Size) -> Result<()>,
}

/// All demonstrations.
pub const ALL: &[Demo] = &[
    Demo {
        name: "ipc",
        about: "one message on its way through the kernel, and what it costs beside a function call and a pipe",
        run: ipc::run,
    },
    Demo {
        name: "syscall",
        about: "one unmodified program under two trap mechanisms, beside Linux: instructions, privileges, address spaces",
        run: syscall::run,
    },
    Demo {
        name: "crash",
        about: "the same bug in the same driver in both placements, while a large file is copied: who survives",
        run: crash::run,
    },
    Demo {
        name: "migrate",
        about: "file system and driver move out of the personality while programs use the disk",
        run: migrate::run,
    },
    Demo {
        name: "trust",
        about: "for one write(2): which code has to be right in each design, and what it may touch",
        run: trust::run,
    },
];

impl Demo {
    /// The demonstration of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|demo| demo.name == name)
    }

    /// Shows it.
    ///
    /// # Errors
    /// When something does not start, or does not do what the demonstration says that it does.
    pub fn show(&self, stage: &mut Stage, size: Size) -> Result<()> {
        let ground = Ground::new()?;
        stage.title(self.name, self.about)?;
        (self.run)(stage, &ground, size)
    }
}
