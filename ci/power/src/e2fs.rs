//! What e2fsprogs make of an image: the other implementation.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, anyhow, ensure};
use banyan::setup::E2fs;
use legacy_programs::promises::worker;
use legacy_programs::promises::{LEDGER, Node, Tree};

/// How a replay went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// As it should.
    Done,
    /// Half of a superblock was written. The journal has it whole, but e2fsck wants it whole before it looks there.
    TornSuperblock,
}

/// What e2fsck may say when it replays a journal and finishes what is on the orphan list.
const USUAL: [&str; 5] =
    ["recovering journal", "Clearing orphaned inode", "Truncating orphaned inode", ": clean,", "Setting free"];

/// Lets e2fsck replay an image's journal; nothing else may be wrong with it.
///
/// # Errors
/// What it found.
pub(crate) fn replay(e2fs: &E2fs, image: &Path) -> Result<Replayed> {
    let output = fsck(e2fs, "-p", image)?;
    let text = said(&output);
    if text.contains("Superblock checksum does not match") {
        return Ok(Replayed::TornSuperblock);
    }
    ensure!(output.status.code().is_some_and(|code| code <= 1), "e2fsck -p: {text}");
    let unusual = text.lines().find(|line| !line.trim().is_empty() && !USUAL.iter().any(|usual| line.contains(usual)));
    ensure!(unusual.is_none(), "e2fsck -p repaired something: {text}");
    is_clean(e2fs, image)?;
    Ok(Replayed::Done)
}

/// Checks that e2fsck finds nothing wrong.
///
/// # Errors
/// What it found.
pub(crate) fn is_clean(e2fs: &E2fs, image: &Path) -> Result<()> {
    let output = fsck(e2fs, "-fn", image)?;
    ensure!(output.status.success(), "e2fsck -fn: {}", said(&output));
    Ok(())
}

fn fsck(e2fs: &E2fs, mode: &str, image: &Path) -> Result<Output> {
    Command::new(&e2fs.e2fsck).arg(mode).arg(image).output().context("cannot run e2fsck")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Lets debugfs read folders of an image's root, through a folder of the host's that is made for it.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read(e2fs: &E2fs, image: &Path, folders: &[String], out: &Path) -> Result<Vec<Option<Tree>>> {
    if out.exists() {
        std::fs::remove_dir_all(out)?;
    }
    std::fs::create_dir(out)?;
    let all = folders.iter().map(|folder| format!("/{folder}")).collect::<Vec<_>>().join(" ");
    let command = format!("rdump {all} {}", out.display());
    let output =
        Command::new(&e2fs.debugfs).args(["-R", &command]).arg(image).output().context("cannot run debugfs")?;
    ensure!(output.status.success(), "debugfs: {}", said(&output));
    folders.iter().map(|folder| tree(&out.join(folder))).collect()
}

/// A folder of the host's, with the ledger.
fn tree(folder: &Path) -> Result<Option<Tree>> {
    if !folder.exists() {
        return Ok(None);
    }
    let mut tree = worker::read(folder).map_err(|error| anyhow!("{}: {error}", folder.display()))?;
    let ledger = folder.join(LEDGER);
    if ledger.exists() {
        tree.insert(LEDGER.into(), Node::File(std::fs::read(ledger)?));
    }
    Ok(Some(tree))
}
