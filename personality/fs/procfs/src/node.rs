//! The inode: one type for everything in the file system, told apart by [`What`].

use crate::ProcFs;
use crate::links;
use crate::source::{Pid, ProcessSource};
use crate::text_file::TextFile;
use crate::tree::{LINKS, Subject, THREAD_FILES, What, children, network_children};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::ops::ControlFlow;
use linux_abi::{Errno, Result};
use vfs::{
    AttributeChanges, DirectoryEntry, EmitEntry, FIRST_COOKIE, File, FileKind, Inode, LinkTarget, Metadata, OpenFlags,
    Positioning,
};

pub(crate) struct Node {
    pub(crate) fs: Arc<ProcFs>,
    pub(crate) what: What,
}

impl Node {
    pub(crate) fn new(fs: Arc<ProcFs>, what: What) -> Arc<Self> {
        Arc::new(Self { fs, what })
    }

    pub(crate) fn source(&self) -> &dyn ProcessSource {
        &*self.fs.source
    }

    fn child(&self, what: What) -> Result<Arc<dyn Inode>> {
        Ok(Node::new(self.fs.clone(), what))
    }

    fn permissions(&self) -> u32 {
        match self.what {
            What::Root | What::Directory(_) | What::Process(_) | What::Tasks(_) | What::Network(_) => 0o555,
            What::SystemFile(file) => file.permissions,
            What::SelfLink | What::ThreadSelfLink | What::MountsLink | What::NetworkLink | What::Link(..) => 0o777,
            What::ThreadFile(_, file) => file.permissions,
            What::Descriptors(_) | What::DescriptorInfos(_) => 0o500,
            What::DescriptorInfo(..) => 0o400,
            What::Descriptor(subject, number) => links::descriptor_permissions(self.source(), subject, number),
        }
    }

    /// The process that this belongs to, if any.
    fn pid(&self) -> Option<Pid> {
        match self.what {
            What::Process(subject)
            | What::ThreadFile(subject, _)
            | What::Link(subject, _)
            | What::Descriptors(subject)
            | What::Descriptor(subject, _)
            | What::DescriptorInfos(subject)
            | What::DescriptorInfo(subject, _)
            | What::Network(subject) => Some(subject.pid),
            What::Tasks(pid) => Some(pid),
            _ => None,
        }
    }

    /// A number that is the same whenever the same thing is looked up: a hash (FNV-1a) of what it is.
    fn number(&self) -> u64 {
        let (kind, subject, detail): (u64, Option<Subject>, &[u8]) = match &self.what {
            What::Root => return 1,
            What::Directory(path) => (1, None, path.as_bytes()),
            What::SystemFile(file) => (2, None, file.path.as_bytes()),
            What::SelfLink => (3, None, b"self"),
            What::ThreadSelfLink => (3, None, b"thread-self"),
            What::MountsLink => (3, None, b"mounts"),
            What::NetworkLink => (3, None, b"net"),
            What::Process(subject) => (4, Some(*subject), b""),
            What::Tasks(pid) => (5, Some(Subject { pid: *pid, tid: None }), b""),
            What::ThreadFile(subject, file) => (6, Some(*subject), file.name.as_bytes()),
            What::Link(subject, kind) => (7 + *kind as u64, Some(*subject), b""),
            What::Descriptors(subject) => (10, Some(*subject), b""),
            What::DescriptorInfos(subject) => (11, Some(*subject), b""),
            What::Descriptor(subject, number) => (12 + ((*number as u64) << 8), Some(*subject), b""),
            What::DescriptorInfo(subject, number) => (13 + ((*number as u64) << 8), Some(*subject), b""),
            What::Network(subject) => (14, Some(*subject), b""),
        };
        let pid = subject.map_or(0, |subject| subject.pid as u64);
        let tid = subject.and_then(|subject| subject.tid).map_or(0, |tid| tid as u64);
        let words = [kind, pid, tid];
        let bytes = words.iter().flat_map(|word| word.to_le_bytes()).chain(detail.iter().copied());
        let hash =
            bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        // Programs with 32-bit inode numbers are content; 0 and 1 are taken.
        (hash ^ (hash >> 32)) & 0xffff_ffff | 2
    }

    fn lookup_root(&self, name: &str) -> Result<Arc<dyn Inode>> {
        match name {
            "self" => return self.source().caller().ok_or(Errno::ENOENT).and_then(|_| self.child(What::SelfLink)),
            "thread-self" => {
                return self.source().caller().ok_or(Errno::ENOENT).and_then(|_| self.child(What::ThreadSelfLink));
            }
            "mounts" => return self.child(What::MountsLink),
            "net" => return self.child(What::NetworkLink),
            _ => {}
        }
        if let Some(pid) = parse_number(name) {
            // A thread's number works as well, but is not listed, as on Linux.
            self.source().owner(pid).map_err(|_| Errno::ENOENT)?;
            return self.child(What::Process(Subject { pid, tid: None }));
        }
        self.lookup_among(children(""), name)
    }

    fn lookup_among(&self, among: Vec<(&'static str, What)>, name: &str) -> Result<Arc<dyn Inode>> {
        let found = among.into_iter().find(|(known, _)| *known == name).ok_or(Errno::ENOENT)?;
        self.child(found.1)
    }

    fn lookup_process(&self, subject: Subject, name: &str) -> Result<Arc<dyn Inode>> {
        self.source().owner(subject.pid).map_err(|_| Errno::ENOENT)?;
        match name {
            "task" if subject.tid.is_none() => return self.child(What::Tasks(subject.pid)),
            "fd" => return self.child(What::Descriptors(subject)),
            "fdinfo" => return self.child(What::DescriptorInfos(subject)),
            "net" => return self.child(What::Network(subject)),
            _ => {}
        }
        if let Some((_, kind)) = LINKS.iter().find(|(known, _)| *known == name) {
            return self.child(What::Link(subject, *kind));
        }
        let file = THREAD_FILES.iter().find(|file| file.name == name).ok_or(Errno::ENOENT)?;
        self.child(What::ThreadFile(subject, file))
    }

    fn lookup_thread(&self, pid: Pid, name: &str) -> Result<Arc<dyn Inode>> {
        let tid = parse_number(name).ok_or(Errno::ENOENT)?;
        let threads = self.source().threads(pid).map_err(|_| Errno::ENOENT)?;
        if !threads.contains(&tid) {
            return Err(Errno::ENOENT);
        }
        self.child(What::Process(Subject { pid, tid: Some(tid) }))
    }

    fn lookup_descriptor(&self, subject: Subject, name: &str) -> Result<i32> {
        let number = parse_number(name).ok_or(Errno::ENOENT)?;
        self.source().require_access(subject.pid, crate::Inspect::Read)?;
        self.source().descriptor(subject.pid, number).map_err(|_| Errno::ENOENT)?;
        Ok(number)
    }

    /// Everything in this directory: name and what it is.
    fn list(&self) -> Result<Vec<(Vec<u8>, What)>> {
        let named = |name: &str, what: What| (name.as_bytes().to_vec(), what);
        let numbered = |number: Pid, what: What| (number.to_string().into_bytes(), what);
        Ok(match self.what {
            What::Root => {
                let mut list: Vec<_> = children("").into_iter().map(|(name, what)| named(name, what)).collect();
                list.push(named("mounts", What::MountsLink));
                list.push(named("net", What::NetworkLink));
                list.push(named("self", What::SelfLink));
                list.push(named("thread-self", What::ThreadSelfLink));
                let processes = self.source().processes();
                list.extend(processes.iter().map(|&pid| numbered(pid, What::Process(Subject { pid, tid: None }))));
                list
            }
            What::Directory(path) => children(path).into_iter().map(|(name, what)| named(name, what)).collect(),
            What::Network(_) => network_children().into_iter().map(|(name, what)| named(name, what)).collect(),
            What::Process(subject) => {
                let mut list = Vec::from([
                    named("fd", What::Descriptors(subject)),
                    named("fdinfo", What::DescriptorInfos(subject)),
                    named("net", What::Network(subject)),
                ]);
                if subject.tid.is_none() {
                    list.push(named("task", What::Tasks(subject.pid)));
                }
                list.extend(LINKS.iter().map(|(name, kind)| named(name, What::Link(subject, *kind))));
                list.extend(THREAD_FILES.iter().map(|file| named(file.name, What::ThreadFile(subject, file))));
                list
            }
            What::Tasks(pid) => {
                let threads = self.source().threads(pid)?;
                let process = |&tid: &Pid| numbered(tid, What::Process(Subject { pid, tid: Some(tid) }));
                threads.iter().map(process).collect()
            }
            What::Descriptors(subject) => {
                let numbers = self.readable_descriptors(subject)?;
                numbers.iter().map(|&number| numbered(number, What::Descriptor(subject, number))).collect()
            }
            What::DescriptorInfos(subject) => {
                let numbers = self.readable_descriptors(subject)?;
                numbers.iter().map(|&number| numbered(number, What::DescriptorInfo(subject, number))).collect()
            }
            _ => return Err(Errno::ENOTDIR),
        })
    }

    fn readable_descriptors(&self, subject: Subject) -> Result<Vec<i32>> {
        self.source().require_access(subject.pid, crate::Inspect::Read)?;
        self.source().descriptors(subject.pid)
    }
}

impl Inode for Node {
    fn kind(&self) -> FileKind {
        match self.what {
            What::Root
            | What::Directory(_)
            | What::Process(_)
            | What::Tasks(_)
            | What::Network(_)
            | What::Descriptors(_)
            | What::DescriptorInfos(_) => FileKind::Directory,
            What::SelfLink
            | What::ThreadSelfLink
            | What::MountsLink
            | What::NetworkLink
            | What::Link(..)
            | What::Descriptor(..) => FileKind::Symlink,
            What::SystemFile(_) | What::ThreadFile(..) | What::DescriptorInfo(..) => FileKind::Regular,
        }
    }

    fn metadata(&self) -> Result<Metadata> {
        let mut metadata = Metadata::new(self.fs.device, self.number(), self.kind(), self.permissions());
        if let Some(pid) = self.pid() {
            (metadata.uid, metadata.gid) = self.source().owner(pid)?;
        }
        metadata.block_size = 1024;
        metadata.links = match self.what {
            What::Root => u32::try_from(self.source().processes().len()).unwrap_or(0).saturating_add(9),
            What::Process(_) => 9,
            _ if metadata.kind == FileKind::Directory => 2,
            _ => 1,
        };
        metadata.size = match self.what {
            What::MountsLink | What::NetworkLink => self.read_link()?.len() as u64,
            _ if metadata.kind == FileKind::Symlink && self.pid().is_some() => 64,
            _ => 0,
        };
        let now = vfs::clock::now();
        (metadata.accessed, metadata.modified, metadata.changed) = (now, now, now);
        Ok(metadata)
    }

    fn set_attributes(&self, _changes: &AttributeChanges) -> Result<()> {
        Err(Errno::EPERM)
    }

    fn truncate(&self, _size: u64) -> Result<()> {
        // `echo x >/proc/...` truncates first; there is nothing to cut.
        Ok(())
    }

    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn File>> {
        match self.what {
            What::SystemFile(file) if flags.is_writable() && file.store.is_none() => Err(Errno::EACCES),
            What::DescriptorInfo(..) if flags.is_writable() => Err(Errno::EACCES),
            What::ThreadFile(subject, file) => {
                if flags.is_writable() && file.store.is_none() {
                    return Err(Errno::EACCES);
                }
                if let Some(how) = file.requires {
                    self.source().require_access(subject.pid, how)?;
                }
                Ok(Arc::new(TextFile::new(self)))
            }
            What::SystemFile(_) | What::DescriptorInfo(..) => Ok(Arc::new(TextFile::new(self))),
            _ if self.kind() == FileKind::Directory => Ok(Arc::new(Directory(self))),
            _ => Err(Errno::ELOOP),
        }
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>> {
        let name = core::str::from_utf8(name).map_err(|_| Errno::ENOENT)?;
        match self.what {
            What::Root => self.lookup_root(name),
            What::Directory(path) => self.lookup_among(children(path), name),
            What::Network(_) => self.lookup_among(network_children(), name),
            What::Process(subject) => self.lookup_process(subject, name),
            What::Tasks(pid) => self.lookup_thread(pid, name),
            What::Descriptors(subject) => {
                let number = self.lookup_descriptor(subject, name)?;
                self.child(What::Descriptor(subject, number))
            }
            What::DescriptorInfos(subject) => {
                let number = self.lookup_descriptor(subject, name)?;
                self.child(What::DescriptorInfo(subject, number))
            }
            _ => Err(Errno::ENOTDIR),
        }
    }

    fn remembers_lookups(&self) -> bool {
        false
    }

    fn read_link(&self) -> Result<Vec<u8>> {
        links::read(self)
    }

    fn follow(&self) -> Result<LinkTarget> {
        links::follow(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An open directory.
struct Directory(Arc<Node>);

impl File for Directory {
    fn positioning(&self) -> Positioning {
        Positioning::Seekable
    }

    fn read(&self, _offset: u64, _sink: &mut dyn guest_memory::Sink, _flags: OpenFlags) -> Result<usize> {
        Err(Errno::EISDIR)
    }

    fn size(&self) -> Result<u64> {
        Ok(0)
    }

    fn read_directory(&self, cookie: u64, emit: &mut EmitEntry<'_>) -> Result<()> {
        // Processes come and go between two calls, so their cookies follow their numbers, not their positions.
        for (position, (name, what)) in self.0.list()?.into_iter().enumerate() {
            let here = match what {
                What::Process(subject) => NUMBERED + subject.tid.unwrap_or(subject.pid) as u64,
                What::Descriptor(_, number) | What::DescriptorInfo(_, number) => NUMBERED + number as u64,
                _ => FIRST_COOKIE + position as u64,
            };
            if here < cookie {
                continue;
            }
            let node = Node { fs: self.0.fs.clone(), what };
            let entry = DirectoryEntry { inode: node.number(), kind: node.kind(), name: &name, next_cookie: here + 1 };
            if let ControlFlow::Break(()) = emit(entry) {
                break;
            }
        }
        Ok(())
    }
}

/// Cookies of numbered entries start here, above those of named ones.
const NUMBERED: u64 = 0x1000;

/// Parses a process number as Linux does: decimal, no sign, no leading zero.
fn parse_number(name: &str) -> Option<Pid> {
    let plain = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    if plain { name.parse().ok() } else { None }
}
