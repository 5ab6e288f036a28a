//! What a freestanding program is made of: the crates that cargo links into it, and the source files that were compiled.
//!
//! The crates are `cargo tree`'s, for the same target and features as [`build`](crate::build)'s; the files are those that
//! the compiler noted beside each crate (`deps/*.d`), so that what a `cfg` leaves out is left out. The link step drops
//! what is not reached; that is not taken into account. Neither are core and alloc.

use crate::build::{self, Program};
use crate::setup::Tools;
use crate::{progress, workspace};
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where a crate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// This source tree.
    Ours,
    /// A registry.
    Others,
}

/// A crate in a program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Linked {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The sources that were compiled.
    pub files: Vec<PathBuf>,
}

/// The crates of `program`, which was built before; proc macros and build scripts, which are not linked, are left out.
///
/// # Errors
/// When cargo does not answer, or the compiler left no notes.
pub fn crates(tools: &Tools, program: Program) -> Result<Vec<Linked>> {
    let mut command = build::cargo(tools, "tree");
    command.args(["--locked", "--target", build::TARGET, "-p", program.package]);
    command.args(["--features", &format!("{}/native", program.package)]);
    command.args(["-e", "normal,no-proc-macro", "--prefix", "none", "-f", "{p}"]);
    let listing = progress::output_of(&mut command);
    let listing = listing.with_context(|| format!("cargo does not list the crates of {}", program.package))?;
    let packages: BTreeSet<_> = listing.lines().filter_map(package).collect();
    let notes = Notes::read()?;
    let files = |(name, version, path): &(String, String, Option<PathBuf>)| match path {
        Some(path) => notes.below(path),
        None => notes.of_registry(&format!("{name}-{version}")),
    };
    let linked = packages.into_iter().map(|package| {
        let files = files(&package);
        let origin = if package.2.is_some() { Origin::Ours } else { Origin::Others };
        Linked { name: package.0, version: package.1, origin, files }
    });
    Ok(linked.collect())
}

/// Name, version and, for a package of this tree, the folder in a line `name v1.2.3 (path) (*)`.
fn package(line: &str) -> Option<(String, String, Option<PathBuf>)> {
    let mut words = line.trim().splitn(3, ' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    let rest = words.next().unwrap_or("");
    let path = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map(|(path, _)| path);
    let path = path.filter(|path| path.starts_with('/')).map(PathBuf::from);
    Some((name.into(), version.into(), path))
}

/// The compiler's notes: for each crate root the files that were compiled last.
struct Notes(BTreeMap<PathBuf, (SystemTime, Vec<PathBuf>)>);

impl Notes {
    fn read() -> Result<Self> {
        let folder = workspace::guest().join(build::TARGET).join("release/deps");
        let mut roots: BTreeMap<PathBuf, (SystemTime, Vec<PathBuf>)> = BTreeMap::new();
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_none_or(|extension| extension != "d") {
                continue;
            }
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let written = path.metadata()?.modified()?;
            let files = sources(&text);
            if let Some(root) = files.first().cloned()
                && roots.get(&root).is_none_or(|(other, _)| *other < written)
            {
                roots.insert(root, (written, files));
            }
        }
        Ok(Self(roots))
    }

    /// The files of the package in `folder`.
    fn below(&self, folder: &Path) -> Vec<PathBuf> {
        self.matching(|root| root.strip_prefix(folder).is_ok_and(|rest| rest.starts_with("src")))
    }

    /// The files of a package of a registry, whose folder is called `name`.
    fn of_registry(&self, name: &str) -> Vec<PathBuf> {
        self.matching(|root| root.ancestors().any(|folder| folder.file_name().is_some_and(|last| last == name)))
    }

    fn matching(&self, is_root: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        let files = self.0.iter().filter(|(root, _)| is_root(root)).flat_map(|(_, (_, files))| files);
        files.cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// The source files in a dependency file of the compiler's: the first rule's.
fn sources(text: &str) -> Vec<PathBuf> {
    let rule = text.lines().next().and_then(|line| line.split_once(": ")).map_or("", |(_, files)| files);
    let mut files = Vec::new();
    let mut name = String::new();
    let mut letters = rule.chars();
    loop {
        match letters.next() {
            // A space in a name has a backslash before it.
            Some('\\') => name.extend(letters.next()),
            Some(' ') | None => {
                let path = workspace::source().join(std::mem::take(&mut name));
                if path.is_file() {
                    files.push(path);
                }
                if letters.as_str().is_empty() {
                    return files;
                }
            }
            Some(letter) => name.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_tree_are_understood() {
        let ours = package("vfs v0.1.0 (/src/a/personality/vfs) (*)").expect("well formed");
        assert_eq!(ours, ("vfs".into(), "0.1.0".into(), Some("/src/a/personality/vfs".into())));
        let other = package("spin v0.12.3").expect("well formed");
        assert_eq!(other, ("spin".into(), "0.12.3".into(), None));
        assert_eq!(package("hashbrown v0.17.1 (*)").expect("well formed").2, None);
        assert_eq!(package(""), None);
    }

    #[test]
    fn notes_name_the_files_of_their_first_rule() {
        let folder = workspace::source();
        let own = folder.join("images/banyan/src");
        let text = format!(
            "x.d: {}/lib.rs {}/no\\ such.rs {}/graph.rs\n\nlib.rs:\n",
            own.display(),
            own.display(),
            own.display()
        );
        assert_eq!(sources(&text), [own.join("lib.rs"), own.join("graph.rs")]);
        assert!(sources("").is_empty());
    }
}
