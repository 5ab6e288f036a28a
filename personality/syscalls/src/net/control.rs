//! Ancillary data: descriptors and credentials that go with a message.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use guest_memory::{UserAddr, read_bytes, write_bytes};
use linux_abi::raw::net;
use linux_abi::{Errno, Result};
use sockets::{DESCRIPTOR_LIMIT, Identity, MessageFlags};
use task::Task;
use vfs::{Capability, Descriptor, OpenFile};

use crate::fs::descriptor_limit;

/// Bytes of `struct cmsghdr`, to whose size each element is also aligned by half.
const HEADER_BYTES: usize = 16;
const ALIGNMENT: usize = 8;
/// Most bytes of ancillary data that a message may have: more than descriptors and credentials ever need
/// (`net.core.optmem_max` is of that size).
const LIMIT_BYTES: usize = 20480;

/// What a message carries.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) files: Vec<Arc<OpenFile>>,
    pub(super) identity: Option<Identity>,
}

fn word<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    bytes.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).ok_or(Errno::EINVAL)
}

/// Reads ancillary data.
///
/// # Errors
/// `EINVAL` if it is malformed, `ENOBUFS` if it is too long, `EBADF` for a descriptor that is not open, `EPERM` for
/// credentials that are somebody else's.
pub(super) fn read(task: &Task, address: UserAddr, bytes: usize) -> Result<Sent> {
    if bytes > LIMIT_BYTES {
        return Err(Errno::ENOBUFS);
    }
    let mut data = vec![0; bytes];
    read_bytes(address, &mut data)?;
    let mut sent = Sent::default();
    let mut rest = data.as_slice();
    while rest.len() >= HEADER_BYTES {
        let length = u64::from_le_bytes(word(rest, 0)?);
        let length = usize::try_from(length).ok().filter(|length| (HEADER_BYTES..=rest.len()).contains(length));
        let element = length.and_then(|length| rest.get(..length)).ok_or(Errno::EINVAL)?;
        let (level, kind) = (u32::from_le_bytes(word(element, 8)?), u32::from_le_bytes(word(element, 12)?));
        let content = element.get(HEADER_BYTES..).unwrap_or_default();
        match (level, kind) {
            (net::SOL_SOCKET, net::SCM_RIGHTS) => take_files(task, content, &mut sent.files)?,
            (net::SOL_SOCKET, net::SCM_CREDENTIALS) => sent.identity = Some(take_identity(task, content)?),
            (net::SOL_SOCKET, _) => return Err(Errno::EINVAL),
            // Other levels' data is for others.
            _ => {}
        }
        rest = rest.get(element.len().next_multiple_of(ALIGNMENT)..).unwrap_or_default();
    }
    Ok(sent)
}

fn take_files(task: &Task, content: &[u8], files: &mut Vec<Arc<OpenFile>>) -> Result<()> {
    let (numbers, _) = content.as_chunks::<4>();
    if files.len() + numbers.len() > DESCRIPTOR_LIMIT {
        return Err(Errno::EINVAL);
    }
    let table = task.files();
    for number in numbers {
        files.push(table.get(i32::from_le_bytes(*number))?);
    }
    Ok(())
}

fn take_identity(task: &Task, content: &[u8]) -> Result<Identity> {
    let (pid, uid, gid) = (i32::from_le_bytes(word(content, 0)?), word(content, 4)?, word(content, 8)?);
    let (uid, gid) = (u32::from_le_bytes(uid), u32::from_le_bytes(gid));
    let own = task.credentials();
    let may = (pid == task.pid() || own.has(Capability::SysAdmin))
        && ([own.uid, own.euid, own.suid].contains(&uid) || own.has(Capability::Setuid))
        && ([own.gid, own.egid, own.sgid].contains(&gid) || own.has(Capability::Setgid));
    if may { Ok(Identity { pid, uid, gid }) } else { Err(Errno::EPERM) }
}

/// Where ancillary data goes, element by element.
pub(super) struct Writer {
    start: UserAddr,
    used: usize,
    room: usize,
    /// Whether something did not fit.
    pub(super) is_cut: bool,
}

impl Writer {
    pub(super) const fn new(start: UserAddr, room: usize) -> Writer {
        Writer { start, used: 0, room, is_cut: false }
    }

    /// Bytes that were filled.
    pub(super) const fn used(&self) -> usize {
        self.used
    }

    fn left(&self) -> usize {
        self.room.saturating_sub(self.used)
    }

    fn put(&mut self, kind: u32, content: &[u8]) -> Result<()> {
        let length = (HEADER_BYTES + content.len()).min(self.left());
        if length < HEADER_BYTES {
            self.is_cut = true;
            return Ok(());
        }
        self.is_cut |= length < HEADER_BYTES + content.len();
        let mut element = (length as u64).to_le_bytes().to_vec();
        element.extend_from_slice(&net::SOL_SOCKET.to_le_bytes());
        element.extend_from_slice(&kind.to_le_bytes());
        element.extend_from_slice(content);
        write_bytes(self.start.offset(self.used as u64), element.get(..length).unwrap_or_default())?;
        self.used += length.next_multiple_of(ALIGNMENT).min(self.left());
        Ok(())
    }

    pub(super) fn put_identity(&mut self, identity: Identity) -> Result<()> {
        self.put(net::SCM_CREDENTIALS, &identity.to_bytes())
    }

    /// Gives the process descriptors, as many as there is room for; the others are closed.
    pub(super) fn put_files(&mut self, task: &Task, files: Vec<Arc<OpenFile>>, flags: MessageFlags) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let room = self.left().saturating_sub(HEADER_BYTES) / 4;
        self.is_cut |= room < files.len();
        let closes_on_exec = flags.contains(MessageFlags::CMSG_CLOEXEC);
        let (table, limit) = (task.files(), descriptor_limit(task));
        let mut numbers = Vec::new();
        for file in files.into_iter().take(room) {
            match table.insert(0, limit, Descriptor { file, closes_on_exec }) {
                Ok(number) => numbers.extend_from_slice(&number.to_le_bytes()),
                Err(_) => {
                    self.is_cut = true;
                    break;
                }
            }
        }
        if numbers.is_empty() { Ok(()) } else { self.put(net::SCM_RIGHTS, &numbers) }
    }
}
