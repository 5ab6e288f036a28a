//! Root trees: the cpio archive that the personality unpacks, and a person's tar file that the host tool reads.

use std::sync::atomic::{AtomicU64, Ordering};

use vfs::FileSystem;

use crate::{Answer, Target};

/// The initial root.
pub const CPIO: Target = Target { name: "root-cpio", good: good_cpio, head: 4096, inputs: 10_000, run: unpack };
/// A file for `--root`.
pub const TAR: Target = Target { name: "root-tar", good: good_tar, head: 8192, inputs: 1000, run: read_tar };

fn good_cpio() -> Vec<u8> {
    let mut writer = reference::cpio::Writer::new(Vec::new());
    let written = writer
        .folder("etc")
        .and_then(|()| writer.file("etc/passwd", 0o644, b"root:x:0:0::/:/bin/sh\n"))
        .and_then(|()| writer.character_device("console", 5, 1));
    written.and_then(|()| writer.finish()).expect("memory takes all")
}

fn unpack(bytes: &[u8]) -> Answer {
    let volume = tmpfs::Tmpfs::new(tmpfs::Options::for_ram()).expect("there is room for a root");
    Answer::of(tmpfs::cpio::unpack(&volume.root(), bytes))
}

fn good_tar() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |path: &str, kind: tar::EntryType, target: Option<&str>, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        match target {
            Some(target) => builder.append_link(&mut header, path, target),
            None => builder.append_data(&mut header, path, content),
        }
    };
    let written = add("etc/", tar::EntryType::Directory, None, b"")
        .and_then(|()| add("etc/passwd", tar::EntryType::Regular, None, b"root:x:0:0::/:/bin/sh\n"))
        .and_then(|()| add("etc/link", tar::EntryType::Symlink, Some("passwd"), b""))
        .and_then(|()| add("etc/hard", tar::EntryType::Link, Some("etc/passwd"), b""));
    written.and_then(|()| builder.into_inner()).expect("memory takes all")
}

/// The reader takes a path, since contents stay in the file.
fn read_tar(bytes: &[u8]) -> Answer {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("banyan-fuzz-{}-{}.tar", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, bytes).expect("there is room for a small file");
    let tree = banyan::root::tape::tree(&path);
    std::fs::remove_file(&path).expect("it is there");
    if let Ok(tree) = &tree {
        assert!(tree.nodes().count() < bytes.len(), "more members than bytes");
    }
    Answer::of(tree)
}
