//! The modules that Debian's kernel needs to use a virtio disk with ext4 on it, in the order in which they load.
//!
//! They are kept as `NN-NAME.ko`, so that the order of their names is that order.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What is wanted; what these depend on comes by itself. ext4 finds its sum by name, hence the one for this processor.
const WANTED: &[&str] = &["virtio_pci", "virtio_blk", "crc32c_intel", "ext4"];
/// Where a module names others in its `.modinfo`: this, names between commas, a zero.
const DEPENDS: &[u8] = b"\0depends=";

/// Copies what is needed from an unpacked package to `to`, which appears as a whole.
///
/// # Errors
/// When one is missing or cannot be copied.
pub(crate) fn keep(package: &Path, to: &Path) -> Result<()> {
    let mut all = BTreeMap::new();
    collect(&package.join("lib/modules"), &mut all)?;
    let mut order = Vec::new();
    for name in WANTED {
        add(name, &all, &mut order)?;
    }
    let unfinished = to.with_extension(format!("new-{}", std::process::id()));
    fs::create_dir_all(&unfinished)?;
    for (number, name) in order.iter().enumerate() {
        let from = all.get(name).with_context(|| format!("the kernel has no module {name}"))?;
        fs::copy(from, unfinished.join(format!("{number:02}-{name}.ko")))?;
    }
    fs::rename(&unfinished, to).with_context(|| format!("cannot write {}", to.display()))
}

/// Those that [`keep`] has kept, in the order in which they load.
///
/// # Errors
/// When the folder cannot be read.
pub(crate) fn kept(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// All modules below `folder` by name.
fn collect(folder: &Path, all: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && !path.is_symlink() {
            collect(&path, all)?;
        } else if path.extension().is_some_and(|extension| extension == "ko")
            && let Some(stem) = path.file_stem()
        {
            all.insert(normal(&stem.to_string_lossy()), path);
        }
    }
    Ok(())
}

/// Adds a module behind all that it depends on.
fn add(name: &str, all: &BTreeMap<String, PathBuf>, order: &mut Vec<String>) -> Result<()> {
    let name = normal(name);
    if order.contains(&name) {
        return Ok(());
    }
    let path = all.get(&name).with_context(|| format!("the kernel has no module {name}"))?;
    for other in dependencies(&fs::read(path)?) {
        add(&other, all, order)?;
    }
    order.push(name);
    Ok(())
}

/// The names that a module's file says it depends on.
fn dependencies(file: &[u8]) -> Vec<String> {
    let Some(at) = file.windows(DEPENDS.len()).position(|window| window == DEPENDS) else { return Vec::new() };
    let rest = &file[at + DEPENDS.len()..];
    let text = String::from_utf8_lossy(rest.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    text.split(',').filter(|name| !name.is_empty()).map(normal).collect()
}

/// Files and modules use hyphens and underlines alike.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_the_file() {
        let names = dependencies(b"\x7fELF...\0license=GPL\0depends=jbd2,crc32c-intel\0name=ext4\0");
        assert_eq!(names, ["jbd2", "crc32c_intel"]);
        assert!(dependencies(b"\0depends=\0name=x\0").is_empty() && dependencies(b"").is_empty());
    }
}
