//! The tree that legacy programs see, from whichever source, and its cpio form.
//!
//! A [`Tree`] says what is where; file contents stay where they are until [`cpio`] or [`disk`] writes them. What cannot be carried is
//! an error that names it: nothing is left out silently.

pub mod cpio;
mod default;
mod directory;
pub mod tape;
mod tree;

pub use tree::{Content, Kind, Node, Tree};

use crate::setup::Tools;
use crate::{disk, legacy, progress};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the tree comes from.
#[derive(Clone, Debug)]
pub enum Root {
    /// Debian's busybox with its applets, and our `banyan`.
    Default,
    /// A folder, a tar file or an ext4 image.
    Path(PathBuf),
    /// One that is loaded, or was put together by the caller.
    Loaded(Contents),
}

/// What is in a root.
#[derive(Clone, Debug)]
pub enum Contents {
    /// A tree, to be carried in whichever form.
    Tree(Arc<Tree>),
    /// An ext4 image, to be used as it is.
    Image(PathBuf),
}

/// Reads a root.
///
/// # Errors
/// When the path is missing, neither a folder nor a tar file nor an ext4 image, unreadable, or has what no root may have.
pub fn load(root: &Root, tools: &Tools) -> Result<Contents> {
    let mut tree = match root {
        Root::Default => default::tree(&tools.busybox, &legacy::program()?)?,
        Root::Path(path) => match from_path(path).with_context(|| format!("--root {}", path.display()))? {
            Found::Tree(tree) => tree,
            Found::Image => return Ok(Contents::Image(path.clone())),
        },
        Root::Loaded(contents) => return Ok(contents.clone()),
    };
    tree.add_mount_points();
    if !tree.resolves("bin/sh") {
        progress::say("the root has no /bin/sh, which runs every command: none can run in it");
    }
    Ok(Contents::Tree(Arc::new(tree)))
}

/// The default tree, to add to.
///
/// # Errors
/// When busybox does not list its applets, or our program does not build.
pub fn default_tree(tools: &Tools) -> Result<Tree> {
    let mut tree = default::tree(&tools.busybox, &legacy::program()?)?;
    tree.add_mount_points();
    Ok(tree)
}

/// What a path of the person's holds.
enum Found {
    Tree(Tree),
    Image,
}

fn from_path(path: &Path) -> Result<Found> {
    let data = path.metadata().context("cannot be read")?;
    if data.is_dir() {
        return Ok(Found::Tree(directory::tree(path)?));
    }
    if !data.is_file() {
        bail!("is neither a folder nor a file");
    }
    let file = File::open(path).context("cannot be read")?;
    if !disk::is_image(&file).context("cannot be read")? {
        return Ok(Found::Tree(tape::tree(path)?));
    }
    disk::check_image(&file)?;
    Ok(Found::Image)
}
