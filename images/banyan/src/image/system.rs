//! The manifest as far as the image tool needs it: which programs there are, and where each lives.

use super::{MASTER_BASE, TASK_BASE};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The program that starts all others.
const ROOT: &str = "root-task";

/// A system.
pub(super) struct System {
    encoded: Vec<u8>,
    /// Task, program, base address.
    tasks: Vec<(String, String, u64)>,
    programs: BTreeMap<String, u64>,
}

impl System {
    /// Reads and checks a manifest.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read the manifest {}", path.display()))?;
        let table: toml::Table = text.parse().with_context(|| format!("the manifest {}", path.display()))?;
        let mut system = Self { encoded: Vec::new(), tasks: Vec::new(), programs: BTreeMap::new() };
        system.add(ROOT, ROOT, TASK_BASE)?;
        for task in table.get("task").and_then(toml::Value::as_array).into_iter().flatten() {
            let field = |name| task.get(name).and_then(toml::Value::as_str);
            let program = field("program").context("a task of the manifest has no program")?;
            let base = if field("space") == Some("master") { MASTER_BASE } else { TASK_BASE };
            system.add(field("name").unwrap_or(program), program, base)?;
        }
        Ok(system)
    }

    fn add(&mut self, task: &str, program: &str, base: u64) -> Result<()> {
        if *self.programs.entry(program.into()).or_insert(base) != base {
            bail!("{program} is a master in one task and none in another");
        }
        self.tasks.push((task.into(), program.into(), base));
        Ok(())
    }

    /// The name of the root task's program.
    pub(super) fn root(&self) -> &str {
        ROOT
    }

    /// The manifest as the root task reads it.
    pub(super) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// Each program and its base address.
    pub(super) fn programs(&self) -> &BTreeMap<String, u64> {
        &self.programs
    }

    /// Task, program and base address.
    pub(super) fn tasks(&self) -> &[(String, String, u64)] {
        &self.tasks
    }
}
