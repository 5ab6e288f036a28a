//! Who makes the sockets of a domain.
//!
//! The registry is the seam: a family that is registered later takes the place of an earlier one, for sockets made from
//! then on. So `AF_INET`, now a loopback inside the personality, can be handed to a network server without a change to
//! the calls, to epoll, or to the programs' descriptors.

use alloc::sync::Arc;

use linux_abi::raw::net;
use linux_abi::{Errno, Result};
use rt::sync::RwLock;
use vfs::Credentials;

use crate::inet::Inet;
use crate::socket::{Socket, SocketKind};
use crate::unix::Unix;

/// What socket(2) asks for.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `AF_*`.
    pub domain: u32,
    /// Kind: `SOCK_*`, without flags.
    pub kind: u32,
    /// Protocol, 0 for the usual one.
    pub protocol: u32,
    /// Who asks.
    pub credentials: &'a Credentials,
}

impl Request<'_> {
    pub(crate) fn kind(&self) -> Result<SocketKind> {
        SocketKind::from_number(self.kind)
    }
}

/// Two sockets that are connected with each other.
pub type Pair = (Arc<dyn Socket>, Arc<dyn Socket>);

/// Makes sockets.
pub trait Family: Send + Sync {
    /// Makes a socket.
    ///
    /// # Errors
    /// `ESOCKTNOSUPPORT`, `EPROTONOSUPPORT`; `ENOBUFS`.
    fn create(&self, request: Request<'_>) -> Result<Arc<dyn Socket>>;

    /// Makes two that are connected.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the family has none.
    fn create_pair(&self, request: Request<'_>) -> Result<Pair> {
        self.create(request)?;
        Err(Errno::EOPNOTSUPP)
    }
}

const DOMAINS: usize = net::AF_MAX as usize;

static FAMILIES: RwLock<[Option<Arc<dyn Family>>; DOMAINS]> = RwLock::new([const { None }; DOMAINS]);

/// Lets a family make the sockets of a domain from now on.
///
/// # Panics
/// If the domain is no number of one.
pub fn register_family(domain: u32, family: Arc<dyn Family>) {
    let mut families = FAMILIES.write();
    let place = families.get_mut(domain as usize).expect("domains are below AF_MAX");
    let old = place.replace(family);
    drop(families);
    drop(old);
}

/// Registers the families that are built in. Once, at the start.
pub fn register_built_in() {
    register_family(net::AF_UNIX, Arc::new(Unix));
    register_family(net::AF_INET, Arc::new(Inet));
    register_family(net::AF_INET6, Arc::new(Inet));
}

fn family(request: Request<'_>) -> Result<Arc<dyn Family>> {
    if request.domain as usize >= DOMAINS {
        return Err(Errno::EAFNOSUPPORT);
    }
    if request.kind >= 11 {
        return Err(Errno::EINVAL); // SOCK_MAX of include/linux/net.h
    }
    let families = FAMILIES.read();
    families.get(request.domain as usize).cloned().flatten().ok_or(Errno::EAFNOSUPPORT)
}

/// Makes a socket.
///
/// # Errors
/// `EAFNOSUPPORT` if no family has the domain; as [`Family::create`].
pub fn create(request: Request<'_>) -> Result<Arc<dyn Socket>> {
    family(request)?.create(request)
}

/// Makes two sockets that are connected.
///
/// # Errors
/// As [`create`].
pub fn create_pair(request: Request<'_>) -> Result<Pair> {
    family(request)?.create_pair(request)
}
