//! TCP and UDP on the loopback: sockets of this machine that talk to each other.
//!
//! There are no packets: a connection is two ports that know each other, a datagram goes straight into the receiver's
//! port. What would leave the machine is refused with `ENETUNREACH`, as by a Linux without a route. A network server
//! takes the place of this by [`crate::register_family`].
//!
//! `address` is what addresses mean, `table` who is bound where, `tcp` and `udp` the sockets, `report` and `traffic` what is told
//! of them.

mod address;
mod options;
mod report;
mod table;
mod tcp;
mod tcp_connect;
mod traffic;
mod udp;

pub use report::{tcp_sockets, udp_sockets};
pub use traffic::traffic;

use alloc::sync::Arc;

use linux_abi::raw::net;
use linux_abi::{Errno, Result};

use crate::family::{Family, Request};
use crate::socket::Socket;

/// `IPPROTO_TCP`, `IPPROTO_UDP` of include/uapi/linux/in.h.
const TCP: u32 = 6;
const UDP: u32 = 17;

/// Makes sockets of TCP and UDP, for `AF_INET` and `AF_INET6`.
pub struct Inet;

impl Family for Inet {
    fn create(&self, request: Request<'_>) -> Result<Arc<dyn Socket>> {
        match (request.kind, request.protocol) {
            (net::SOCK_STREAM, 0 | TCP) => Ok(tcp::TcpSocket::new(request.domain)?),
            (net::SOCK_DGRAM, 0 | UDP) => Ok(udp::UdpSocket::new(request.domain)?),
            (net::SOCK_RAW, _) if request.protocol != 0 && !request.credentials.has(vfs::Capability::NetRaw) => {
                Err(Errno::EPERM)
            }
            (net::SOCK_STREAM | net::SOCK_DGRAM, _) => Err(Errno::EPROTONOSUPPORT),
            _ => Err(request.kind().err().unwrap_or(Errno::ESOCKTNOSUPPORT)),
        }
    }
}
