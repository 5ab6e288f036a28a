//! Names of local sockets: in the file system, or abstract.
//!
//! A socket is found by its inode, which lives as long as the socket that is bound to it; or in a table of abstract names.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use linux_abi::raw::net;
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use vfs::{Access, Caller, FileKind, Path, WalkFlags, resolve};

use super::UnixSocket;
use crate::address::Address;

/// Bytes of `struct sockaddr_un`.
const ADDRESS_BYTES: usize = 110;
const FAMILY_BYTES: usize = 2;

/// A name, as a program gave it.
pub(super) enum Name {
    /// None: bind(2) chooses one.
    Unnamed,
    Path(Vec<u8>),
    Abstract(Vec<u8>),
}

impl Name {
    /// # Errors
    /// `EINVAL` if it is no address of this family, or too long.
    pub(super) fn parse(address: &Address) -> Result<Name> {
        let bytes = address.bytes();
        if address.family() != Some(net::AF_UNIX) || bytes.len() > ADDRESS_BYTES {
            return Err(Errno::EINVAL);
        }
        let name = bytes.get(FAMILY_BYTES..).unwrap_or_default();
        Ok(match name.first() {
            None => Name::Unnamed,
            Some(0) => Name::Abstract(name.to_vec()),
            Some(_) => Name::Path(name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()),
        })
    }
}

/// The address of a socket without a name.
pub(super) fn unnamed() -> Address {
    address(&[])
}

fn address(name: &[u8]) -> Address {
    let mut bytes = (net::AF_UNIX as u16).to_le_bytes().to_vec();
    bytes.extend_from_slice(name);
    Address::new(&bytes)
}

/// The name within an address: a path without the zero byte behind it, an abstract name with the one before it.
pub(super) fn text(address: &Address) -> &[u8] {
    let name = address.bytes().get(FAMILY_BYTES..).unwrap_or_default();
    match name.first() {
        Some(0) | None => name,
        Some(_) => name.split(|byte| *byte == 0).next().unwrap_or_default(),
    }
}

type InodeKey = (u64, u64);

#[derive(Default)]
struct Names {
    by_inode: BTreeMap<InodeKey, Weak<UnixSocket>>,
    by_name: BTreeMap<Vec<u8>, Weak<UnixSocket>>,
}

static NAMES: Mutex<Names> = Mutex::new(Names { by_inode: BTreeMap::new(), by_name: BTreeMap::new() });

/// A socket's name, while it has it.
pub(super) enum Binding {
    /// The path keeps the inode, and so its number, from being used again.
    File {
        _path: Path,
        key: InodeKey,
        text: Vec<u8>,
    },
    Abstract(Vec<u8>),
}

impl Binding {
    /// # Errors
    /// `EADDRINUSE` if the name is taken; as mknod(2).
    pub(super) fn new(caller: Caller<'_>, name: Name, socket: &Weak<UnixSocket>) -> Result<Binding> {
        match name {
            Name::Path(text) => Binding::in_file_system(caller, text, socket),
            Name::Abstract(name) => {
                let mut names = NAMES.lock();
                if names.by_name.contains_key(&name) {
                    return Err(Errno::EADDRINUSE);
                }
                names.by_name.insert(name.clone(), socket.clone());
                Ok(Binding::Abstract(name))
            }
            Name::Unnamed => Binding::automatic(socket),
        }
    }

    fn in_file_system(caller: Caller<'_>, text: Vec<u8>, socket: &Weak<UnixSocket>) -> Result<Binding> {
        let in_use = |error| if error == Errno::EEXIST { Errno::EADDRINUSE } else { error };
        let path = caller.make_socket(&text, 0o777).map_err(in_use)?;
        let key = key_of(&path)?;
        NAMES.lock().by_inode.insert(key, socket.clone());
        Ok(Binding::File { _path: path, key, text })
    }

    /// An abstract name of five digits.
    fn automatic(socket: &Weak<UnixSocket>) -> Result<Binding> {
        const NUMBERS: u32 = 1 << 20;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut names = NAMES.lock();
        for _ in 0..NUMBERS {
            let number = NEXT.fetch_add(1, Ordering::Relaxed) % NUMBERS;
            let name = alloc::format!("\0{number:05x}").into_bytes();
            if !names.by_name.contains_key(&name) {
                names.by_name.insert(name.clone(), socket.clone());
                return Ok(Binding::Abstract(name));
            }
        }
        Err(Errno::ENOSPC)
    }

    pub(super) fn address(&self) -> Address {
        match self {
            Binding::File { text, .. } => {
                let mut name = text.clone();
                name.push(0);
                address(&name)
            }
            Binding::Abstract(name) => address(name),
        }
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        let removed = match self {
            Binding::File { key, .. } => NAMES.lock().by_inode.remove(key),
            Binding::Abstract(name) => NAMES.lock().by_name.remove(name),
        };
        drop(removed);
    }
}

fn key_of(path: &Path) -> Result<InodeKey> {
    let metadata = path.inode().metadata()?;
    Ok((metadata.device.encoded(), metadata.inode))
}

/// Finds who is bound to an address.
///
/// # Errors
/// `ECONNREFUSED` if nobody is, `EACCES` if the caller may not write to the socket's inode; as path resolution finds.
pub(super) fn find(caller: Caller<'_>, address: &Address) -> Result<Arc<UnixSocket>> {
    let found = match Name::parse(address)? {
        Name::Unnamed => return Err(Errno::EINVAL),
        Name::Abstract(name) => NAMES.lock().by_name.get(&name).cloned(),
        Name::Path(text) => {
            let path = resolve(caller, None, &text, WalkFlags::FOLLOW)?;
            caller.credentials.require(Access::WRITE, path.inode().ownership()?, path.dentry.is_directory())?;
            if path.dentry.kind() != FileKind::Socket {
                return Err(Errno::ECONNREFUSED);
            }
            let key = key_of(&path)?;
            NAMES.lock().by_inode.get(&key).cloned()
        }
    };
    found.and_then(|socket| socket.upgrade()).ok_or(Errno::ECONNREFUSED)
}
