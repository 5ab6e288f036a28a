//! What was found by the last run.
//!
//! Used while every file in it is still there and unchanged; a compiler that was updated is looked at again.

use super::{E2fs, Rust, Tools};
use crate::workspace;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Changes when the way of looking changes.
const VERSION: &str = "2";

fn file() -> Option<PathBuf> {
    Some(workspace::own("").ok()?.join("tools"))
}

/// A file's identity: path, size, time of change.
fn mark(path: &Path) -> Option<String> {
    let data = path.metadata().ok()?;
    let changed = data.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(format!("{}\t{}\t{changed}", path.to_str()?, data.len()))
}

/// The tools of the last run, when all are unchanged.
pub(super) fn load() -> Option<Tools> {
    let text = fs::read_to_string(file()?).ok()?;
    let lines: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let same = *lines.get("version")? == VERSION;
    let path = |name: &str| {
        let line = lines.get(name)?;
        let path = PathBuf::from(line.split('\t').next()?);
        (mark(&path)? == *line).then_some(path)
    };
    let rust = Rust { rustc: path("rustc")?, cargo: path("cargo")?, build_std: lines.contains_key("build-std") };
    let setpriv = if lines.contains_key("setpriv") { Some(path("setpriv")?) } else { None };
    let e2fs = E2fs { mke2fs: path("mke2fs")?, debugfs: path("debugfs")?, e2fsck: path("e2fsck")? };
    let (linker, qemu, busybox) = (path("linker")?, path("qemu")?, path("busybox")?);
    same.then_some(Tools { rust, linker, qemu, e2fs, busybox, setpriv })
}

/// Keeps them for the next run; failing that, the next run looks again.
pub(super) fn save(tools: &Tools) {
    if let (Some(file), Some(text)) = (file(), text(tools)) {
        let _ = fs::write(file, text);
    }
}

fn text(tools: &Tools) -> Option<String> {
    let mut text = format!("version={VERSION}\n");
    let mut paths = vec![
        ("rustc", &tools.rust.rustc),
        ("cargo", &tools.rust.cargo),
        ("linker", &tools.linker),
        ("qemu", &tools.qemu),
        ("mke2fs", &tools.e2fs.mke2fs),
        ("debugfs", &tools.e2fs.debugfs),
        ("e2fsck", &tools.e2fs.e2fsck),
        ("busybox", &tools.busybox),
    ];
    paths.extend(tools.setpriv.as_ref().map(|path| ("setpriv", path)));
    for (name, path) in paths {
        text.push_str(&format!("{name}={}\n", mark(path)?));
    }
    if tools.rust.build_std {
        text.push_str("build-std=\n");
    }
    Some(text)
}
