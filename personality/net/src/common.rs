//! What all sockets have: what was asked for when they were made, a port, options.

use alloc::sync::Arc;

use linux_abi::Result;
use rt::sync::{Mutex, OnceCell};
use vfs::{Inode, OpenFlags};

use crate::message::{MessageFlags, Patience};
use crate::options::Options;
use crate::port::Port;
use crate::socket::SocketKind;

/// What all sockets have.
pub struct Common {
    /// `AF_*`.
    pub domain: u32,
    /// Kind.
    pub kind: SocketKind,
    /// `IPPROTO_*`, 0 where there is only one.
    pub protocol: u32,
    /// Where it receives.
    pub port: Arc<Port>,
    /// Options.
    pub options: Mutex<Options>,
    inode: OnceCell<Arc<dyn Inode>>,
}

impl Common {
    /// # Errors
    /// `ENOBUFS` if all sockets together hold too much.
    pub(crate) fn new(domain: u32, kind: SocketKind, protocol: u32, options: Options) -> Result<Common> {
        Ok(Common { domain, kind, protocol, port: Port::new()?, options: Mutex::new(options), inode: OnceCell::new() })
    }

    /// Returns its inode, once it was opened.
    pub(crate) fn inode(&self) -> Option<&Arc<dyn Inode>> {
        self.inode.get()
    }

    /// Says which inode it was opened with. It is opened once.
    pub(crate) fn set_inode(&self, inode: &Arc<dyn Inode>) {
        let _already = self.inode.set(inode.clone());
    }

    /// How long a call that receives (or accepts) may wait.
    #[must_use]
    pub fn receive_patience(&self, status: OpenFlags, flags: MessageFlags) -> Patience {
        patience(status, flags, self.options.lock().receive_timeout_ns)
    }

    /// How long a call that sends (or connects) may wait.
    #[must_use]
    pub fn send_patience(&self, status: OpenFlags, flags: MessageFlags) -> Patience {
        patience(status, flags, self.options.lock().send_timeout_ns)
    }
}

fn patience(status: OpenFlags, flags: MessageFlags, timeout_ns: u64) -> Patience {
    if status.is_nonblocking() || flags.contains(MessageFlags::DONTWAIT) {
        return Patience::None;
    }
    match timeout_ns {
        0 => Patience::Endless,
        timeout => Patience::Until(rt::time::now_ns().saturating_add(timeout)),
    }
}
