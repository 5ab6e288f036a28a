//! Who the calling thread serves: what messages carry as credentials.

use rt::sync::OnceCell;

/// A process as others see it: `struct ucred`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Process number.
    pub pid: i32,
    /// Effective user.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
}

impl Identity {
    /// Nobody known: what `SO_PEERCRED` tells of a socket without a peer.
    pub const NOBODY: Identity = Identity { pid: 0, uid: u32::MAX, gid: u32::MAX };

    /// The bytes of `struct ucred`.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.pid.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.uid.to_le_bytes());
        bytes[8..].copy_from_slice(&self.gid.to_le_bytes());
        bytes
    }

    /// Who the calling thread serves.
    pub(crate) fn current() -> Identity {
        CURRENT.get().and_then(|current| current()).unwrap_or(Identity::NOBODY)
    }
}

static CURRENT: OnceCell<fn() -> Option<Identity>> = OnceCell::new();

/// Says how the identity of the calling thread is found. Once, at the start.
pub fn set_current(current: fn() -> Option<Identity>) {
    let _ = CURRENT.set(current);
}
