//! The tree that legacy programs see, from whichever source, and its cpio form.
//!
//! A [`Tree`] says what is where; file contents stay where they are until [`cpio`] writes them. What cannot be carried is
//! an error that names it: nothing is left out silently.

pub mod cpio;
mod default;
mod directory;
mod tape;
mod tree;

pub use tree::{Content, Kind, Node, Tree};

use crate::progress;
use crate::setup::Tools;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the tree comes from.
#[derive(Clone, Debug)]
pub enum Root {
    /// Debian's busybox with its applets.
    Default,
    /// A folder or a tar file.
    Path(PathBuf),
    /// One that was put together by the caller.
    Tree(Arc<Tree>),
}

/// Reads a tree.
///
/// # Errors
/// When the path is missing, neither a folder nor a tar file, unreadable, or has what no root may have.
pub fn load(root: &Root, tools: &Tools) -> Result<Arc<Tree>> {
    let mut tree = match root {
        Root::Default => default::tree(&tools.busybox)?,
        Root::Path(path) => from_path(path).with_context(|| format!("--root {}", path.display()))?,
        Root::Tree(tree) => return Ok(Arc::clone(tree)),
    };
    tree.add_mount_points();
    if !tree.resolves("bin/sh") {
        progress::say("the root has no /bin/sh: only programs named by their path can run in it");
    }
    Ok(Arc::new(tree))
}

/// The default tree, to add to.
///
/// # Errors
/// When busybox does not list its applets.
pub fn default_tree(tools: &Tools) -> Result<Tree> {
    let mut tree = default::tree(&tools.busybox)?;
    tree.add_mount_points();
    Ok(tree)
}

fn from_path(path: &Path) -> Result<Tree> {
    let data = path.metadata().context("cannot be read")?;
    if data.is_dir() {
        directory::tree(path)
    } else if data.is_file() {
        tape::tree(path)
    } else {
        bail!("is neither a folder nor a tar file")
    }
}
