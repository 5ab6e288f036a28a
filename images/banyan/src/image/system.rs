//! The manifest as far as the image tool needs it: which programs there are, and where each lives.

use super::{MASTER_BASE, ROOT_ARCHIVE, TASK_BASE};
use anyhow::{Context, Result, bail};
use manifest::{Manifest, Space, Start};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The program that starts all others.
const ROOT: &str = "root-task";

/// A system.
pub(super) struct System {
    manifest: Manifest,
    programs: BTreeMap<String, u64>,
}

impl System {
    /// Reads and checks a manifest.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read the manifest {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("the manifest {}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let manifest = manifest::parse(text)?;
        let mut programs = BTreeMap::from([(ROOT.to_string(), TASK_BASE)]);
        for task in &manifest.tasks {
            let base = base(task.space);
            if *programs.entry(task.program.clone()).or_insert(base) != base {
                bail!("task \"{}\": its program {} lives elsewhere in another task", task.name, task.program);
            }
            if let Some(unknown) = task.data.iter().find(|name| *name != ROOT_ARCHIVE) {
                bail!("task \"{}\": the boot archive has no data named {unknown}", task.name);
            }
        }
        Ok(Self { manifest, programs })
    }

    /// The name of the root task's program.
    pub(super) fn root(&self) -> &str {
        ROOT
    }

    /// The manifest as the root task reads it.
    pub(super) fn encoded(&self) -> Result<Vec<u8>> {
        Ok(self.manifest.encode()?)
    }

    /// Each program and its base address.
    pub(super) fn programs(&self) -> &BTreeMap<String, u64> {
        &self.programs
    }

    /// Whether a program is of tasks alone that start on demand.
    pub(super) fn starts_on_demand(&self, program: &str) -> bool {
        let mut users = self.manifest.tasks.iter().filter(|task| task.program == program);
        program != ROOT && users.all(|task| task.start == Start::Demand)
    }

    /// The name that each task has in the log, its program and its base address.
    pub(super) fn tasks(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        // The root task has no entry in the manifest; its program and it are known by either name.
        let root = [("root", ROOT, TASK_BASE), (ROOT, ROOT, TASK_BASE)];
        let others =
            self.manifest.tasks.iter().map(|task| (task.name.as_str(), task.program.as_str(), base(task.space)));
        root.into_iter().chain(others)
    }
}

fn base(space: Space) -> u64 {
    match space {
        Space::Ordinary => TASK_BASE,
        Space::Master => MASTER_BASE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        System::parse(text).err().map_or_else(|| "no problem".into(), |error| format!("{error:#}"))
    }

    #[test]
    fn masters_live_in_the_upper_half() {
        let text =
            "[[task]]\nprogram = \"a\"\npriority = 1\n[[task]]\nprogram = \"b\"\npriority = 3\nspace = \"master\"";
        let system = System::parse(text).expect("the manifest is sound");
        assert_eq!(system.programs().get("a"), Some(&TASK_BASE));
        assert_eq!(system.programs().get("b"), Some(&MASTER_BASE));
        assert_eq!(system.programs().get(ROOT), Some(&TASK_BASE));
    }

    #[test]
    fn programs_that_nothing_needs_at_boot_are_known() {
        let text = "[[task]]\nprogram = \"a\"\npriority = 1\nstart = \"demand\"\n\
                    [[task]]\nprogram = \"b\"\npriority = 3\nstart = \"demand\"\n\
                    [[task]]\nname = \"c\"\nprogram = \"b\"\npriority = 3";
        let system = System::parse(text).expect("the manifest is sound");
        assert!(system.starts_on_demand("a"));
        assert!(!system.starts_on_demand("b"));
        assert!(!system.starts_on_demand(ROOT));
    }

    #[test]
    fn data_that_the_archive_lacks_is_named() {
        let text = "[[task]]\nprogram = \"a\"\npriority = 1\ndata = [\"nothing\"]";
        assert!(problem(text).contains("no data named nothing"), "{}", problem(text));
        assert!(problem("what").contains("1 | what"), "{}", problem("what"));
    }

    #[test]
    fn the_default_system_is_sound() {
        assert!(System::load(&super::super::default_manifest()).is_ok());
    }
}
