//! A tree of files in memory, without the contents that lie elsewhere.
//!
//! Paths are relative, of normal components only, and UTF-8 is not required. A node's parents exist: adding a node adds
//! what lies above it.

use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Most symbolic links followed by [`Tree::resolves`].
const MAX_LINKS: usize = 40;

/// Where a file's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Here.
    Bytes(Vec<u8>),
    /// A part of a file on the host.
    Range {
        /// The file.
        file: PathBuf,
        /// First byte.
        offset: u64,
        /// Bytes.
        bytes: u64,
    },
}

impl Content {
    /// Number of bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Range { bytes, .. } => *bytes,
        }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// When the host's file cannot be read, has become shorter, or `to` fails.
    pub fn write(&self, to: &mut impl Write) -> Result<()> {
        match self {
            Self::Bytes(bytes) => Ok(to.write_all(bytes)?),
            Self::Range { file, offset, bytes } => {
                let reading = || format!("cannot read {}", file.display());
                let mut source = File::open(file).with_context(reading)?;
                source.seek(SeekFrom::Start(*offset)).with_context(reading)?;
                if io::copy(&mut source.take(*bytes), to).with_context(reading)? != *bytes {
                    bail!("{} became shorter while it was read", file.display());
                }
                Ok(())
            }
        }
    }
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file.
    File(Content),
    /// Another name of the file at this path.
    HardLink(PathBuf),
    /// A symbolic link with this text.
    SymbolicLink(OsString),
    /// A named pipe.
    Fifo,
}

/// One name in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Permissions, with set-id and sticky bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of change, in seconds since 1970.
    pub changed: u32,
}

impl Node {
    /// A node of root's.
    pub fn new(kind: Kind, mode: u32) -> Self {
        Self { kind, mode, uid: 0, gid: 0, changed: 0 }
    }
}

/// The tree; the top folder is the empty path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<PathBuf, Node>,
}

impl Default for Tree {
    fn default() -> Self {
        let top = Node::new(Kind::Folder, 0o755);
        Self { nodes: BTreeMap::from([(PathBuf::new(), top)]) }
    }
}

impl Tree {
    /// All nodes, folders before what is in them.
    pub fn nodes(&self) -> impl Iterator<Item = (&Path, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_path(), node))
    }

    /// The node at a path.
    pub fn get(&self, path: impl AsRef<Path>) -> Option<&Node> {
        self.nodes.get(path.as_ref())
    }

    /// Puts a node at a path, in place of what was there.
    ///
    /// # Errors
    /// When the path is absolute, leaves the tree, or leads through what is no folder.
    pub fn add(&mut self, path: impl AsRef<Path>, node: Node) -> Result<()> {
        let path = normal(path.as_ref())?;
        for folder in path.ancestors().skip(1) {
            let parent = self.nodes.entry(folder.into()).or_insert_with(|| Node::new(Kind::Folder, 0o755));
            if parent.kind != Kind::Folder {
                bail!("{}: {} is no folder", path.display(), folder.display());
            }
        }
        let replaced = self.nodes.get(&path).is_some_and(|old| old.kind == Kind::Folder);
        if replaced && node.kind != Kind::Folder {
            bail!("{} is a folder and something else", path.display());
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    /// Adds a file of root's.
    ///
    /// # Errors
    /// As [`Tree::add`].
    pub fn add_file(&mut self, path: impl AsRef<Path>, mode: u32, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.add(path, Node::new(Kind::File(Content::Bytes(bytes.into())), mode))
    }

    /// Adds a file of root's with the contents of one of the host's.
    ///
    /// # Errors
    /// As [`Tree::add`], and when the host's file is not there.
    pub fn add_host_file(&mut self, path: impl AsRef<Path>, mode: u32, file: &Path) -> Result<()> {
        let bytes = file.metadata().with_context(|| format!("cannot read {}", file.display()))?.len();
        let content = Content::Range { file: file.into(), offset: 0, bytes };
        self.add(path, Node::new(Kind::File(content), mode))
    }

    /// Adds a folder of root's.
    ///
    /// # Errors
    /// As [`Tree::add`].
    pub fn add_folder(&mut self, path: impl AsRef<Path>, mode: u32) -> Result<()> {
        self.add(path, Node::new(Kind::Folder, mode))
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    /// As [`Tree::add`].
    pub fn add_link(&mut self, path: impl AsRef<Path>, target: impl Into<OsString>) -> Result<()> {
        self.add(path, Node::new(Kind::SymbolicLink(target.into()), 0o777))
    }

    /// Adds the folders that the system mounts on, where they are missing.
    pub(super) fn add_mount_points(&mut self) {
        for (path, mode) in [("dev", 0o755), ("proc", 0o555), ("sys", 0o555), ("tmp", 0o1777)] {
            self.nodes.entry(path.into()).or_insert_with(|| Node::new(Kind::Folder, mode));
        }
    }

    /// Whether a path leads to a file, through symbolic links too.
    pub(super) fn resolves(&self, path: &str) -> bool {
        let mut left: Vec<OsString> = components(Path::new(path));
        let mut at = PathBuf::new();
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&name);
            match self.nodes.get(&next).map(|node| &node.kind) {
                Some(Kind::SymbolicLink(target)) if links < MAX_LINKS => {
                    links += 1;
                    if Path::new(target).is_absolute() {
                        at = PathBuf::new();
                    }
                    left.extend(components(Path::new(target)));
                }
                Some(Kind::Folder) => at = next,
                Some(Kind::File(_) | Kind::HardLink(_)) => return left.is_empty(),
                _ => return false,
            }
        }
        false
    }

    /// Checks that hard links lead to files of the tree.
    ///
    /// # Errors
    /// For the first that does not.
    pub(super) fn check_links(&self) -> Result<()> {
        for (path, node) in &self.nodes {
            if let Kind::HardLink(target) = &node.kind {
                self.file_behind(target).with_context(|| format!("{} is a hard link", path.display()))?;
            }
        }
        Ok(())
    }

    /// The path of the file that a hard link to `path` means.
    pub(crate) fn file_behind<'a>(&'a self, mut path: &'a Path) -> Result<&'a Path> {
        for _ in 0..MAX_LINKS {
            match self.nodes.get(path).map(|node| &node.kind) {
                Some(Kind::HardLink(next)) => path = next,
                Some(Kind::File(_)) => return Ok(path),
                Some(_) => bail!("to {}, which is no file", path.display()),
                None => bail!("to {}, which is not there", path.display()),
            }
        }
        Err(anyhow!("in a circle"))
    }
}

/// A path's components, last first.
fn components(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev();
    parts
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|p| p.as_os_str().into())
        .collect()
}

/// The path without `.`; an error when it is absolute or has `..`.
pub(super) fn normal(path: &Path) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::ParentDir => bail!("{}: a path with .. is not allowed", path.display()),
            _ => bail!("{}: an absolute path is not allowed", path.display()),
        }
    }
    if clean.as_os_str().as_bytes().contains(&0) {
        bail!("{}: a name with a zero byte is not allowed", path.display());
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_added() {
        let mut tree = Tree::default();
        tree.add_file("a/b/c", 0o644, "text").expect("the path is fine");
        let names: Vec<_> = tree.nodes().map(|(path, _)| path.to_str()).collect();
        assert_eq!(names, [Some(""), Some("a"), Some("a/b"), Some("a/b/c")]);
    }

    #[test]
    fn paths_that_leave_the_tree_are_refused() {
        let mut tree = Tree::default();
        for bad in ["/etc/x", "../x", "a/../../x", "a\0b"] {
            assert!(tree.add_file(bad, 0o644, "").is_err(), "{bad}");
        }
        tree.add_link("link", "/etc").expect("links may be absolute");
        assert!(tree.add_file("link/x", 0o644, "").is_err());
    }

    #[test]
    fn shells_are_found_through_links() {
        let mut tree = Tree::default();
        tree.add_link("bin", "usr/bin").expect("fine");
        tree.add_link("usr/bin/sh", "/bin/../bin/dash").expect("fine");
        assert!(!tree.resolves("bin/sh"));
        tree.add_file("usr/bin/dash", 0o755, "").expect("fine");
        assert!(tree.resolves("bin/sh"));
        tree.add_link("loop", "loop").expect("fine");
        assert!(!tree.resolves("loop"));
    }

    #[test]
    fn hard_links_lead_to_files() {
        let mut tree = Tree::default();
        tree.add("b", Node::new(Kind::HardLink("a".into()), 0o644)).expect("fine");
        assert!(tree.check_links().is_err());
        tree.add_file("a", 0o644, "").expect("fine");
        assert!(tree.check_links().is_ok());
        tree.add("a", Node::new(Kind::HardLink("b".into()), 0o644)).expect("fine");
        assert!(tree.check_links().is_err());
    }
}
