//! What waits in a port: bytes with what belongs to them.

use alloc::vec::Vec;

use guest_memory::Source;
use linux_abi::{Errno, Result};

use crate::address::Address;
use crate::identity::Identity;
use crate::rights::Rights;

/// What a packet costs beside its bytes.
pub(crate) const OVERHEAD_BYTES: usize = 256;
/// Stream data is kept in pieces of up to this size.
pub(crate) const PIECE_BYTES: usize = 16 << 10;

/// A message, or a piece of a stream.
pub struct Packet {
    /// The bytes; those before `start` were read already.
    pub(crate) data: Vec<u8>,
    pub(crate) start: usize,
    /// Whose it is.
    pub(crate) identity: Identity,
    /// From where, if the sender has an address.
    pub(crate) from: Option<Address>,
    /// Descriptions that go with its first byte.
    pub(crate) rights: Option<Rights>,
}

impl Packet {
    pub(crate) fn new(data: Vec<u8>, identity: Identity, from: Option<Address>) -> Packet {
        Packet { data, start: 0, identity, from, rights: None }
    }

    pub(crate) fn unread(&self) -> &[u8] {
        self.data.get(self.start..).unwrap_or_default()
    }

    pub(crate) fn charge(&self) -> usize {
        self.data.len() + OVERHEAD_BYTES
    }

    /// Whether what is sent next can be put behind this, as one.
    pub(crate) fn takes(&self, next: &Packet) -> bool {
        self.rights.is_none()
            && next.rights.is_none()
            && self.identity == next.identity
            && self.from == next.from
            && self.data.len() + next.data.len() <= PIECE_BYTES
    }
}

/// Copies bytes from a process into memory of their own.
///
/// # Errors
/// The source's; `ENOBUFS` without memory.
pub(crate) fn copy_in(source: &mut dyn Source, count: usize) -> Result<Vec<u8>> {
    let count = count.min(source.remaining());
    let mut data = Vec::new();
    data.try_reserve_exact(count).map_err(|_| Errno::ENOBUFS)?;
    data.resize(count, 0);
    let mut done = 0;
    while let Some(rest) = data.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match source.read(rest)? {
            0 => break,
            read => done += read,
        }
    }
    data.truncate(done);
    Ok(data)
}
