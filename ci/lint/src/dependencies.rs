//! The direction of dependencies: `abi <- core <- hal <- kernel`; `abi <- user <- rt <- ipc <- interfaces <- everything in user
//! space`; everyone sees `interfaces`, nobody the inside of a server.
//!
//! Dependencies for tests are free, but for the kernel's crates: a test may compare with anything.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use toml::Table;

/// What programs in user space are built on.
const BASE: &[&str] = &[
    "ukernel/abi",
    "ukernel/user",
    "native-servers/rt",
    "native-servers/ipc",
    "native-servers/interfaces",
    "native-servers/manifest",
];

/// Crates whose path begins so may depend on those whose path begins so, and on nothing else of the tree; the first that fits
/// counts. `BASE` is meant by an empty name.
const RULES: &[(&str, &[&str])] = &[
    ("ukernel/abi", &[]),
    ("ukernel/core", &["ukernel/abi"]),
    ("ukernel/hal", &["ukernel/abi", "ukernel/core"]),
    ("ukernel/kernel", &["ukernel/abi", "ukernel/core", "ukernel/hal"]),
    ("ukernel/user", &["ukernel/abi"]),
    ("native-servers/rt", &["ukernel/abi", "ukernel/user"]),
    ("native-servers/queue", &["ukernel/abi", "ukernel/user", "native-servers/rt"]),
    ("native-servers/ipc", &["ukernel/abi", "ukernel/user", "native-servers/rt"]),
    ("native-servers/interfaces", &["ukernel/abi", "native-servers/rt", "native-servers/ipc"]),
    ("native-servers/manifest", &[]),
    ("native-servers/root", &["", "native-servers/supervisor"]),
    ("native-servers/", &["", "native-servers/queue", "drivers/lib"]),
    ("drivers/", &["", "native-servers/queue", "drivers/lib"]),
    // The one place where services are linked instead of called: their libraries.
    (
        "personality/server",
        &["", "native-servers/queue", "personality/", "native-servers/fs", "native-servers/net", "drivers/"],
    ),
    ("personality/", &["", "native-servers/queue", "personality/"]),
    ("userland/native/", &["", "drivers/"]),
    ("userland/", &[]),
    ("images/loader", &["ukernel/abi"]),
    // Host tools: they know formats and numbers, and for tests of the kernel's logic that.
    ("images/", &["ukernel/abi", "native-servers/interfaces", "native-servers/manifest", "images/", "ci/"]),
    ("ci/model", &["ukernel/abi", "ukernel/core"]),
    // What the file system makes of a disk after a power cut is judged with its library.
    (
        "ci/power",
        &[
            "native-servers/fs",
            "native-servers/rt",
            "native-servers/ipc",
            "native-servers/interfaces",
            "images/",
            "userland/legacy",
        ],
    ),
    // Made of tests: of whoever reads untrusted bytes.
    ("ci/fuzz", &["", "native-servers/", "personality/", "images/", "ci/", "userland/legacy"]),
    (
        "ci/",
        &[
            "ukernel/abi",
            "ukernel/core",
            "native-servers/interfaces",
            "native-servers/manifest",
            "images/",
            "ci/",
            "userland/legacy",
        ],
    ),
];
/// Crates without any dependency on others' code.
const ALONE: &[&str] = &["ukernel/abi", "ukernel/core"];

/// A crate of the tree.
#[derive(Clone, Debug)]
pub struct Crate {
    /// Its folder, below the root.
    pub path: String,
    /// Its name.
    pub name: String,
    /// What it depends on, of the tree or not.
    pub needs: Vec<String>,
}

/// Reads the manifests of all crates.
///
/// # Errors
/// When one cannot be read or understood.
pub fn read_all(root: &Path) -> Result<Vec<Crate>> {
    let workspace = table(&root.join("Cargo.toml"))?;
    let members =
        workspace.get("workspace").and_then(|table| table.get("members")?.as_array()).context("no members")?;
    members.iter().map(|member| read(root, member.as_str().context("a member is a path")?)).collect()
}

fn table(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("{} is damaged", path.display()))
}

fn read(root: &Path, path: &str) -> Result<Crate> {
    let manifest = table(&root.join(path).join("Cargo.toml"))?;
    let name = manifest.get("package").and_then(|package| package.get("name")?.as_str()).context("it has no name")?;
    let dependencies = |table: &Table| {
        ["dependencies", "build-dependencies"]
            .into_iter()
            .filter_map(|key| Some(table.get(key)?.as_table()?.clone()))
            .collect::<Vec<_>>()
    };
    let mut found = dependencies(&manifest);
    if let Some(targets) = manifest.get("target").and_then(toml::Value::as_table) {
        found.extend(targets.values().filter_map(toml::Value::as_table).flat_map(dependencies));
    }
    let needs = found.iter().flat_map(Table::keys).cloned().collect();
    Ok(Crate { path: path.into(), name: name.into(), needs })
}

/// What is against the rules, a sentence each.
#[must_use]
pub fn complaints(crates: &[Crate]) -> Vec<String> {
    let mut complaints = Vec::new();
    for one in crates {
        let Some((_, allowed)) = RULES.iter().find(|(place, _)| one.path.starts_with(place)) else {
            complaints.push(format!("there is no rule for {}", one.path));
            continue;
        };
        for need in &one.needs {
            match crates.iter().find(|other| other.name == *need) {
                Some(other) if !may(allowed, &other.path) => {
                    complaints.push(format!("{} depends on {}, which is the wrong way", one.path, other.path));
                }
                None if ALONE.contains(&one.path.as_str()) => {
                    complaints.push(format!("{} depends on {need}, and is to have no dependencies", one.path));
                }
                _ => {}
            }
        }
    }
    complaints
}

fn may(allowed: &[&str], path: &str) -> bool {
    let fits = |place: &str| path == place || place.ends_with('/') && path.starts_with(place);
    allowed.iter().any(|place| if place.is_empty() { BASE.contains(&path) } else { fits(place) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &str, name: &str, needs: &[&str]) -> Crate {
        Crate { path: path.into(), name: name.into(), needs: needs.iter().map(|need| (*need).into()).collect() }
    }

    #[test]
    fn the_wrong_way_is_found() {
        let mut crates = vec![
            one("ukernel/abi", "abi", &[]),
            one("ukernel/core", "core", &["abi"]),
            one("native-servers/rt", "rt", &["abi"]),
            one("native-servers/fs", "fs", &["rt", "log"]),
            one("personality/vfs", "vfs", &["rt"]),
            one("personality/server", "server", &["vfs", "fs"]),
        ];
        assert!(complaints(&crates).is_empty(), "{:?}", complaints(&crates));
        crates.extend([
            one("drivers/a", "a", &["core"]),
            one("personality/fs/disk", "b", &["fs"]),
            one("native-servers/c", "c", &["vfs"]),
            one("elsewhere/d", "d", &[]),
        ]);
        crates[0].needs.push("bitflags".into());
        assert_eq!(complaints(&crates).len(), 5, "{:?}", complaints(&crates));
    }
}
