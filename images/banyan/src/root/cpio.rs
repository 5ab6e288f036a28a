//! The "newc" cpio archive: what a Linux kernel takes as its initramfs, and our personality as its first root.
//!
//! Format: "initramfs buffer format" in Linux's documentation. Of several names of one file the last carries the bytes,
//! as GNU cpio has it.

use super::tree::{Content, Kind, Node, Tree};
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Bytes of a member's header.
const HEADER_BYTES: u64 = 110;

/// The file type bits of a mode, as stat(2) has them.
mod kind {
    pub const FIFO: u32 = 0o010_000;
    pub const FOLDER: u32 = 0o040_000;
    pub const FILE: u32 = 0o100_000;
    pub const LINK: u32 = 0o120_000;
}

/// The names of one file.
#[derive(Default)]
struct Names {
    inode: u32,
    count: u32,
    written: u32,
}

/// Writes the tree.
///
/// # Errors
/// When a file of the host's cannot be read, is too large for the format (4 GiB), or `to` fails.
pub fn write(tree: &Tree, to: &mut impl Write) -> Result<u64> {
    let mut names = count_names(tree)?;
    let mut writer = Writer { to, bytes: 0, last_inode: 0 };
    for (path, node) in tree.nodes() {
        let name = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        writer.node(tree, name, path, node, &mut names).with_context(|| format!("writing {}", name.display()))?;
    }
    writer.member(b"TRAILER!!!", &Member { links: 1, ..Member::default() })?;
    Ok(writer.bytes)
}

/// The names that each file has.
fn count_names(tree: &Tree) -> Result<HashMap<&Path, Names>> {
    let mut names: HashMap<&Path, Names> = HashMap::new();
    for (path, node) in tree.nodes() {
        let file = match &node.kind {
            Kind::File(_) => path,
            Kind::HardLink(target) => tree.file_behind(target)?,
            _ => continue,
        };
        names.entry(file).or_default().count += 1;
    }
    Ok(names)
}

#[derive(Default)]
struct Member<'a> {
    inode: u32,
    mode: u32,
    uid: u32,
    gid: u32,
    links: u32,
    changed: u32,
    content: Option<&'a Content>,
}

struct Writer<'a, W> {
    to: &'a mut W,
    bytes: u64,
    last_inode: u32,
}

impl<W: Write> Writer<'_, W> {
    fn node<'t>(
        &mut self,
        tree: &'t Tree,
        name: &Path,
        path: &'t Path,
        node: &'t Node,
        names: &mut HashMap<&'t Path, Names>,
    ) -> Result<()> {
        let name = name.as_os_str().as_bytes();
        let member = |inode, kind, node: &Node| Member {
            inode,
            mode: kind | node.mode & 0o7777,
            uid: node.uid,
            gid: node.gid,
            links: 1,
            changed: node.changed,
            content: None,
        };
        let text;
        let plain = match &node.kind {
            Kind::Folder => Member { links: 2, ..member(self.next_inode(), kind::FOLDER, node) },
            Kind::Fifo => member(self.next_inode(), kind::FIFO, node),
            Kind::SymbolicLink(target) => {
                text = Content::Bytes(target.as_bytes().to_vec());
                Member { content: Some(&text), ..member(self.next_inode(), kind::LINK, node) }
            }
            Kind::File(_) | Kind::HardLink(_) => {
                let file = tree.file_behind(path)?;
                let node = tree.get(file).expect("file_behind found it");
                let all = names.get_mut(file).expect("every file was counted");
                if all.written == 0 {
                    all.inode = self.next_inode();
                }
                all.written += 1;
                let content = match &node.kind {
                    Kind::File(content) if all.written == all.count => Some(content),
                    _ => None,
                };
                Member { links: all.count, content, ..member(all.inode, kind::FILE, node) }
            }
        };
        self.member(name, &plain)
    }

    fn next_inode(&mut self) -> u32 {
        self.last_inode += 1;
        self.last_inode
    }

    fn member(&mut self, name: &[u8], member: &Member) -> Result<()> {
        let bytes = member.content.map_or(0, Content::bytes);
        let bytes = u32::try_from(bytes).context("a file of the root has less than 4 GiB")?;
        let name_bytes = u32::try_from(name.len() + 1).context("the name is too long")?;
        let fields = [
            member.inode,
            member.mode,
            member.uid,
            member.gid,
            member.links,
            member.changed,
            bytes,
            0, // device of the file
            0,
            0, // device that the file is
            0,
            name_bytes,
            0, // checksum, unused in this variant
        ];
        let mut header = String::from("070701");
        fields.iter().for_each(|field| header.push_str(&format!("{field:08X}")));
        self.to.write_all(header.as_bytes())?;
        self.to.write_all(name)?;
        self.to.write_all(&[0])?;
        self.pad(HEADER_BYTES + u64::from(name_bytes))?;
        if let Some(content) = member.content {
            content.write(self.to)?;
            self.pad(content.bytes())?;
        }
        Ok(())
    }

    /// Counts `written` bytes and fills up to a multiple of four.
    fn pad(&mut self, written: u64) -> Result<()> {
        let padding = written.next_multiple_of(4) - written;
        self.to.write_all(&[0; 3][..usize::try_from(padding).expect("less than four")])?;
        self.bytes += written + padding;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn sample() -> Tree {
        let mut tree = Tree::default();
        tree.add_file("bin/tool", 0o4755, "program").expect("fine");
        tree.add("bin/alias", Node::new(Kind::HardLink("bin/tool".into()), 0o4755)).expect("fine");
        tree.add_link("sh", "bin/tool").expect("fine");
        tree.add("pipe", Node::new(Kind::Fifo, 0o600)).expect("fine");
        let owned = Node { uid: 1000, gid: 100, changed: 77, ..Node::new(Kind::Folder, 0o1777) };
        tree.add("tmp", owned).expect("fine");
        tree
    }

    #[test]
    fn the_size_is_counted_and_the_trailer_is_last() {
        let mut bytes = Vec::new();
        let count = write(&sample(), &mut bytes).expect("memory takes it");
        assert_eq!(count, bytes.len() as u64);
        assert!(bytes.starts_with(b"070701") && bytes.windows(10).any(|window| window == b"TRAILER!!!"));
    }

    /// Another program's reader gives back what was put in; without one on this host there is nothing to compare with.
    #[test]
    fn busybox_lists_what_was_written() {
        let mut bytes = Vec::new();
        write(&sample(), &mut bytes).expect("memory takes it");
        let reader = Command::new("busybox").args(["cpio", "-tv"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut reader) = reader else { return };
        reader.stdin.take().expect("piped").write_all(&bytes).expect("the reader reads");
        let output = reader.wait_with_output().expect("the reader ends");
        let listing = String::from_utf8_lossy(&output.stdout).into_owned();
        for part in ["drwxrwxrwt", "1000/100", "-rwsr-xr-x", "sh -> bin/tool", "prw-------"] {
            assert!(listing.contains(part), "{part} in\n{listing}");
        }
    }

    #[test]
    fn hard_links_share_an_inode_and_the_last_has_the_bytes() {
        let mut bytes = Vec::new();
        write(&sample(), &mut bytes).expect("memory takes it");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let field = |name: &str, index: usize| {
            let at = text.find(&format!("{name}\0")).expect("the member is there") - 110;
            text[at + 6 + 8 * index..at + 14 + 8 * index].to_string()
        };
        assert_eq!(field("bin/tool", 0), field("bin/alias", 0));
        assert_eq!((field("bin/alias", 6).as_str(), field("bin/tool", 6).as_str()), ("00000000", "00000007"));
        assert_eq!(field("bin/tool", 4), "00000002");
    }
}
