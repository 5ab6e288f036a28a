//! A tree from a tar file; contents stay in it.
//!
//! The file is untrusted: everything in it is checked, and a member that cannot be carried is an error with its name.

use super::tree::{Content, Kind, Node, Tree, normal};
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;
use tar::{Archive, Entry, EntryType};

/// First bytes of compressed files, and what undoes them.
const COMPRESSED: [(&[u8], &str); 4] = [
    (&[0x1f, 0x8b], "gzip -d"),
    (b"BZh", "bzip2 -d"),
    (&[0xfd, b'7', b'z', b'X', b'Z'], "xz -d"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd -d"),
];
/// Where the "ustar" of a tar header is.
const MAGIC_AT: usize = 257;

/// Reads the tar file.
///
/// # Errors
/// When it is none, is cut short, or has what a root may not have.
pub fn tree(path: &Path) -> Result<Tree> {
    let mut file = File::open(path).context("cannot be read")?;
    check_beginning(&mut file)?;
    let mut archive = Archive::new(BufReader::new(file));
    let mut tree = Tree::default();
    for entry in archive.entries_with_seek().context("is not a tar file")? {
        let mut entry = entry.context("is not a tar file, or is damaged")?;
        let name = entry.path().context("has a name that is none")?.into_owned();
        add(&mut tree, &name, path, &mut entry).with_context(|| format!("member {}", name.display()))?;
    }
    tree.check_links()?;
    check_ranges(&tree, path)?;
    Ok(tree)
}

fn check_beginning(file: &mut File) -> Result<()> {
    let mut block = [0; 512];
    let mut bytes = 0;
    while bytes < block.len() {
        match file.read(&mut block[bytes..]).context("cannot be read")? {
            0 => break,
            count => bytes += count,
        }
    }
    if let Some((_, tool)) = COMPRESSED.iter().find(|(magic, _)| block.starts_with(magic)) {
        bail!("is compressed; unpack it first with {tool}");
    }
    if bytes < block.len() || &block[MAGIC_AT..MAGIC_AT + 5] != b"ustar" {
        bail!("is neither a tar file nor an ext4 image");
    }
    file.rewind().context("cannot be read")
}

/// A member whose bytes end after the file does was cut off.
fn check_ranges(tree: &Tree, path: &Path) -> Result<()> {
    let all = path.metadata().context("cannot be read")?.len();
    for (name, node) in tree.nodes() {
        if let Kind::File(Content::Range { offset, bytes, .. }) = &node.kind
            && offset.checked_add(*bytes).is_none_or(|end| end > all)
        {
            bail!("is cut short: it ends within {}", name.display());
        }
    }
    Ok(())
}

fn add<R: Read>(tree: &mut Tree, name: &Path, tar: &Path, entry: &mut Entry<R>) -> Result<()> {
    let header = entry.header();
    let mode = header.mode().context("has no permissions")? & 0o7777;
    let number =
        |value: std::io::Result<u64>| u32::try_from(value.unwrap_or(0)).context("has a number that is too large");
    let (uid, gid) = (number(header.uid())?, number(header.gid())?);
    let changed = u32::try_from(header.mtime().unwrap_or(0)).unwrap_or(u32::MAX);
    let Some(kind) = kind(name, tar, entry)? else { return Ok(()) };
    tree.add(name, Node { kind, mode, uid, gid, changed })
}

/// What the member is; `None` for one that is about the archive, or a device in `/dev`, which the system provides.
fn kind<R: Read>(name: &Path, tar: &Path, entry: &mut Entry<R>) -> Result<Option<Kind>> {
    let link = || -> Result<_> { Ok(entry.link_name()?.context("is a link to nothing")?.into_owned()) };
    Ok(Some(match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous => {
            let content = Content::Range { file: tar.into(), offset: entry.raw_file_position(), bytes: entry.size() };
            Kind::File(content)
        }
        EntryType::GNUSparse => {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).context("is cut short")?;
            Kind::File(Content::Bytes(bytes))
        }
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => Kind::SymbolicLink(link()?.into()),
        EntryType::Link => Kind::HardLink(normal(&link()?).context("is a hard link")?),
        EntryType::Fifo => Kind::Fifo,
        EntryType::XGlobalHeader => return Ok(None),
        EntryType::Char | EntryType::Block if normal(name)?.starts_with("dev") => return Ok(None),
        EntryType::Char | EntryType::Block => bail!("a device node is not allowed outside /dev"),
        other => bail!("is of a kind that cannot be carried ({other:?})"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use tar::{Builder, Header};

    fn file(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("banyan-tar-{name}-{}", std::process::id()));
        std::fs::write(&path, bytes).expect("temporary files can be made");
        path
    }

    fn member(kind: EntryType, name: &str, link: &str, bytes: &[u8]) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o640);
        header.set_uid(7);
        header.set_size(bytes.len() as u64);
        let field = header.as_old_mut();
        field.name[..name.len()].copy_from_slice(name.as_bytes());
        field.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        let mut builder = Builder::new(Vec::new());
        builder.append(&header, bytes).expect("memory takes it");
        builder.into_inner().expect("memory takes it")
    }

    fn read(name: &str, bytes: &[u8]) -> Result<Tree> {
        let path = file(name, bytes);
        let tree = tree(&path);
        std::fs::remove_file(path).expect("it was just made");
        tree
    }

    #[test]
    fn members_keep_their_place_and_owner() {
        let bytes = member(EntryType::Regular, "./etc/name", "", b"hello");
        let path = file("good", &bytes);
        let tree = tree(&path).expect("the file is good");
        let node = tree.get("etc/name").expect("the member is there");
        assert_eq!((node.mode, node.uid), (0o640, 7));
        let Kind::File(content) = &node.kind else { panic!("it is a file") };
        let mut text = Vec::new();
        content.write(&mut text).expect("the file is still there");
        assert_eq!(text, b"hello");
        std::fs::remove_file(path).expect("it was just made");
    }

    #[test]
    fn bad_members_are_named() {
        let cases = [
            (EntryType::Char, "etc/null", "", "etc/null: a device node is not allowed"),
            (EntryType::Link, "a", "/etc/passwd", "an absolute path is not allowed"),
            (EntryType::Link, "a", "../x", "a path with .. is not allowed"),
            (EntryType::Regular, "../x", "", "a path with .. is not allowed"),
            (EntryType::Regular, "/x", "", "an absolute path is not allowed"),
            (EntryType::Link, "a", "b", "to b, which is not there"),
        ];
        for (kind, name, link, message) in cases {
            let error = read("bad", &member(kind, name, link, b"")).expect_err(message);
            assert!(format!("{error:#}").contains(message), "{error:#}");
        }
    }

    #[test]
    fn devices_in_dev_are_the_systems() {
        let tree = read("dev", &member(EntryType::Char, "dev/null", "", b"")).expect("it is allowed");
        assert!(tree.get("dev/null").is_none());
    }

    #[test]
    fn what_is_no_tar_file_is_refused() {
        for (bytes, message) in [
            (&b""[..], "is neither a tar file"),
            (&[7; 4096][..], "is neither a tar file"),
            (&[0x1f, 0x8b, 8, 0][..], "gzip -d"),
            (&member(EntryType::Regular, "a", "", &[1; 5000])[..2000], "cut short"),
        ] {
            let error = read("none", bytes).expect_err(message);
            assert!(format!("{error:#}").contains(message), "{error:#}");
        }
    }
}
