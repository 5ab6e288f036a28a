//! Links: `self`, `exe`, `cwd`, `root` and descriptors, which lead straight to their file, and the texts about mounts
//! and descriptors.

use crate::node::Node;
use crate::source::{Inspect, ProcessSource};
use crate::tree::{LinkKind, Subject, What};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use linux_abi::{Errno, Result};
use vfs::{LinkTarget, Path};

/// Reads a link as text.
pub(crate) fn read(node: &Node) -> Result<Vec<u8>> {
    let source = node.source();
    match node.what {
        What::SelfLink => Ok(source.caller().ok_or(Errno::ENOENT)?.0.to_string().into_bytes()),
        What::ThreadSelfLink => {
            let (pid, tid) = source.caller().ok_or(Errno::ENOENT)?;
            Ok(format!("{pid}/task/{tid}").into_bytes())
        }
        What::MountsLink => Ok(b"self/mounts".to_vec()),
        What::NetworkLink => Ok(b"self/net".to_vec()),
        What::Link(..) | What::Descriptor(..) => {
            let path = target(node)?;
            Ok(path.display(&callers_root(source, &path)))
        }
        _ => Err(Errno::EINVAL),
    }
}

/// Follows a link: links to files lead there whatever their path has become.
pub(crate) fn follow(node: &Node) -> Result<LinkTarget> {
    match node.what {
        What::Link(..) | What::Descriptor(..) => target(node).map(LinkTarget::Jump),
        _ => read(node).map(LinkTarget::Text),
    }
}

fn target(node: &Node) -> Result<Path> {
    let source = node.source();
    match node.what {
        What::Link(subject, kind) => {
            source.require_access(subject.pid, Inspect::Read)?;
            match kind {
                LinkKind::Executable => source.executable(subject.pid),
                LinkKind::WorkingDirectory => source.working_directory(subject.pid),
                LinkKind::Root => source.root_directory(subject.pid),
            }
        }
        What::Descriptor(subject, number) => {
            source.require_access(subject.pid, Inspect::Read)?;
            Ok(source.descriptor(subject.pid, number)?.path().clone())
        }
        _ => Err(Errno::EINVAL),
    }
}

/// The root that paths are shown from: the caller's.
fn callers_root(source: &dyn ProcessSource, fallback: &Path) -> Path {
    let root = source.caller().and_then(|(pid, _)| source.root_directory(pid).ok());
    root.unwrap_or_else(|| fallback.clone())
}

/// Permission bits of a descriptor's link show how it was opened.
pub(crate) fn descriptor_permissions(source: &dyn ProcessSource, subject: Subject, number: i32) -> u32 {
    let Ok(file) = source.descriptor(subject.pid, number) else { return 0o500 };
    let read = if file.flags().is_readable() { 0o500 } else { 0 };
    let write = if file.flags().is_writable() { 0o300 } else { 0 };
    read | write
}

/// `fdinfo/N`.
pub(crate) fn descriptor_info(source: &dyn ProcessSource, subject: Subject, number: i32) -> Result<Vec<u8>> {
    source.require_access(subject.pid, Inspect::Read)?;
    let file = source.descriptor(subject.pid, number)?;
    let inode = file.metadata().map_or(0, |metadata| metadata.inode);
    let (offset, flags, mount) = (file.offset(), file.flags().bits(), file.path().mount.id());
    Ok(format!("pos:\t{offset}\nflags:\t0{flags:o}\nmnt_id:\t{mount}\nino:\t{inode}\n").into_bytes())
}

/// `mounts`.
pub(crate) fn mounts(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    let root = source.root_directory(subject.pid).map_err(|_| Errno::EINVAL)?;
    Ok(source.namespace(subject.pid)?.show_mounts(&root))
}

/// `mountinfo`.
pub(crate) fn mount_info(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    let root = source.root_directory(subject.pid).map_err(|_| Errno::EINVAL)?;
    let mut text = Vec::new();
    for mount in source.namespace(subject.pid)?.mounts() {
        let Some(place) = mount.show_place(&root) else { continue };
        let parent = mount.mount_point().map_or(mount.id(), |point| point.mount.id());
        let fs = mount.file_system();
        let device = fs.device();
        let ids = format!("{} {parent} {}:{} / ", mount.id(), device.major(), device.minor());
        text.extend_from_slice(ids.as_bytes());
        escape_into(&mut text, &place);
        let flags = mount.show_flags();
        text.extend_from_slice(format!(" {flags} - {} ", fs.type_name()).as_bytes());
        escape_into(&mut text, mount.source().as_bytes());
        let access = if mount.is_read_only() { "ro" } else { "rw" };
        text.extend_from_slice(format!(" {access}{}\n", fs.show_options()).as_bytes());
    }
    Ok(text)
}

/// Escapes what separates fields.
fn escape_into(text: &mut Vec<u8>, field: &[u8]) {
    for &byte in field {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => text.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            _ => text.push(byte),
        }
    }
}
