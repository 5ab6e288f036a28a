//! A tree from a folder of the host.
//!
//! Symbolic links are taken as they are, never followed. Run by root, owners are kept; otherwise what belongs to the person
//! belongs to the guest's root, since a person cannot own files in another's name.

use super::tree::{Content, Kind, Node, Tree};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Reads the folder.
///
/// # Errors
/// When something cannot be read, or is a device or a socket.
pub(super) fn tree(top: &Path) -> Result<Tree> {
    let mut walk = Walk { top, tree: Tree::default(), seen: HashMap::new(), own: Owner::of_this_process() };
    walk.visit(Path::new(""))?;
    Ok(walk.tree)
}

/// Whose files count as root's.
#[derive(Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    fn of_this_process() -> Self {
        Self { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
    }

    fn map(self, data: &Metadata) -> (u32, u32) {
        let gid = if self.uid != 0 && data.gid() == self.gid { 0 } else { data.gid() };
        (if data.uid() == self.uid { 0 } else { data.uid() }, gid)
    }
}

struct Walk<'a> {
    top: &'a Path,
    tree: Tree,
    /// The first path of each file with several names, by device and inode.
    seen: HashMap<(u64, u64), PathBuf>,
    own: Owner,
}

impl Walk<'_> {
    fn visit(&mut self, path: &Path) -> Result<()> {
        let host = self.top.join(path);
        let data = if path.as_os_str().is_empty() { host.metadata() } else { host.symlink_metadata() };
        let data = data.with_context(|| format!("cannot read {}", host.display()))?;
        let Some(kind) = self.kind(path, &host, &data)? else { return Ok(()) };
        let is_folder = kind == Kind::Folder;
        let (uid, gid) = self.own.map(&data);
        let changed = u32::try_from(data.mtime().max(0)).unwrap_or(u32::MAX);
        self.tree.add(path, Node { kind, mode: data.mode() & 0o7777, uid, gid, changed })?;
        if is_folder {
            self.visit_folder(path, &host)?;
        }
        Ok(())
    }

    fn visit_folder(&mut self, path: &Path, host: &Path) -> Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(host).with_context(|| format!("cannot read {}", host.display()))? {
            names.push(entry.with_context(|| format!("cannot read {}", host.display()))?.file_name());
        }
        names.sort();
        names.iter().try_for_each(|name| self.visit(&path.join(name)))
    }

    /// What it is; `None` for a device in `/dev`, which the system provides itself.
    fn kind(&mut self, path: &Path, host: &Path, data: &Metadata) -> Result<Option<Kind>> {
        let kind = data.file_type();
        Ok(Some(if kind.is_dir() {
            Kind::Folder
        } else if kind.is_symlink() {
            Kind::SymbolicLink(fs::read_link(host).with_context(|| format!("cannot read {}", host.display()))?.into())
        } else if kind.is_file() {
            self.file(path, host, data)?
        } else if kind.is_fifo() {
            Kind::Fifo
        } else if kind.is_socket() {
            bail!("{}: a socket cannot be put into a root", host.display());
        } else if path.starts_with("dev") {
            return Ok(None);
        } else {
            bail!("{}: a device node is not allowed outside /dev", host.display());
        }))
    }

    fn file(&mut self, path: &Path, host: &Path, data: &Metadata) -> Result<Kind> {
        // Asked now, so that the error comes before anything is started.
        fs::File::open(host).with_context(|| format!("cannot read {}", host.display()))?;
        if data.nlink() > 1 {
            if let Some(first) = self.seen.get(&(data.dev(), data.ino())) {
                return Ok(Kind::HardLink(first.clone()));
            }
            self.seen.insert((data.dev(), data.ino()), path.into());
        }
        Ok(Kind::File(Content::Range { file: host.into(), offset: 0, bytes: data.len() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("banyan-root-{name}-{}", std::process::id()));
        // Left over only when an earlier test was killed.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("bin")).expect("temporary files can be made");
        path
    }

    #[test]
    fn links_and_hard_links_are_kept() {
        let top = folder("links");
        fs::write(top.join("bin/a"), "text").expect("fine");
        fs::hard_link(top.join("bin/a"), top.join("bin/b")).expect("fine");
        std::os::unix::fs::symlink("/nowhere", top.join("c")).expect("fine");
        let tree = tree(&top).expect("the folder is fine");
        assert_eq!(tree.get("bin/b").map(|node| &node.kind), Some(&Kind::HardLink("bin/a".into())));
        assert_eq!(tree.get("c").map(|node| &node.kind), Some(&Kind::SymbolicLink("/nowhere".into())));
        assert!(matches!(&tree.get("bin/a").expect("there").kind, Kind::File(content) if content.bytes() == 4));
        fs::remove_dir_all(top).expect("fine");
    }

    #[test]
    fn sockets_are_refused_by_name() {
        let top = folder("socket");
        let socket = std::os::unix::net::UnixListener::bind(top.join("bin/s")).expect("fine");
        let error = tree(&top).expect_err("sockets cannot be carried");
        assert!(format!("{error:#}").contains("bin/s: a socket"), "{error:#}");
        drop(socket);
        fs::remove_dir_all(top).expect("fine");
    }
}
