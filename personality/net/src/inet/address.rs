//! Addresses of IPv4 and IPv6, and which of them are this machine's.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use linux_abi::raw::net;
use linux_abi::{Errno, Result};

use crate::address::Address;

/// Bytes of `struct sockaddr_in` and `struct sockaddr_in6`; the scope at the end of the latter may be missing.
const V4_BYTES: usize = 16;
const V6_BYTES: usize = 28;
const V6_SHORT_BYTES: usize = 24;

/// An address with a port. IPv4 addresses are never in their IPv6 form here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ip: IpAddr,
    pub(super) port: u16,
}

impl Place {
    pub(super) const fn any(domain: u32) -> Place {
        let ip = match domain {
            net::AF_INET6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        };
        Place { ip, port: 0 }
    }

    /// Reads an address for a socket of `domain`.
    ///
    /// # Errors
    /// `EINVAL` if it is too short, `EAFNOSUPPORT` if it is another family's.
    pub(super) fn parse(address: &Address, domain: u32) -> Result<Place> {
        let least = if domain == net::AF_INET6 { V6_SHORT_BYTES } else { V4_BYTES };
        if address.bytes().len() < least {
            return Err(Errno::EINVAL);
        }
        if address.family() != Some(domain) {
            return Err(Errno::EAFNOSUPPORT);
        }
        let port = u16::from_be_bytes(address.part(2).ok_or(Errno::EINVAL)?);
        let ip = match domain {
            net::AF_INET6 => {
                let ip = Ipv6Addr::from(address.part::<16>(8).ok_or(Errno::EINVAL)?);
                ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)
            }
            _ => IpAddr::V4(Ipv4Addr::from(address.part::<4>(4).ok_or(Errno::EINVAL)?)),
        };
        Ok(Place { ip, port })
    }

    /// As a socket of `domain` shows it.
    pub(super) fn show(self, domain: u32) -> Address {
        let mut bytes = [0; V6_BYTES];
        bytes[..2].copy_from_slice(&(domain as u16).to_le_bytes());
        bytes[2..4].copy_from_slice(&self.port.to_be_bytes());
        if domain != net::AF_INET6 {
            if let IpAddr::V4(ip) = self.ip {
                bytes[4..8].copy_from_slice(&ip.octets());
            }
            return Address::new(&bytes[..V4_BYTES]);
        }
        let ip = match self.ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        bytes[8..24].copy_from_slice(&ip.octets());
        Address::new(&bytes)
    }

    /// As a socket of `domain` has it: of IPv6 whenever the socket is.
    pub(super) const fn socket_address(self, domain: u32) -> SocketAddr {
        let ip = match self.ip {
            IpAddr::V4(ip) if domain == net::AF_INET6 => IpAddr::V6(ip.to_ipv6_mapped()),
            ip => ip,
        };
        SocketAddr::new(ip, self.port)
    }

    /// Whether the machine has the address, so that it can be bound.
    pub(super) const fn is_local(self) -> bool {
        self.ip.is_loopback() || self.ip.is_unspecified()
    }

    /// Where a connection to this place goes: to any address is to this machine.
    ///
    /// # Errors
    /// `ENETUNREACH` if it would leave the machine.
    pub(super) fn destination(self) -> Result<Place> {
        match self.ip {
            ip if ip.is_unspecified() => Ok(Place { ip: loopback(ip), port: self.port }),
            ip if ip.is_loopback() => Ok(self),
            _ => Err(Errno::ENETUNREACH),
        }
    }
}

/// The address from which this machine talks to itself, of the same family as another one.
pub(super) const fn loopback(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}

/// The addresses at which a bound socket is reached, family by family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cover {
    v4: Reach<Ipv4Addr>,
    v6: Reach<Ipv6Addr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach<A> {
    Nowhere,
    At(A),
    Everywhere,
}

impl<A: PartialEq> Reach<A> {
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Reach::Nowhere, _) | (_, Reach::Nowhere) => false,
            (Reach::At(one), Reach::At(other)) => one == other,
            _ => true,
        }
    }
}

/// Whether a socket of IPv6 that is bound to any address is reached by IPv4 as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stack {
    Both,
    SixOnly,
}

impl Cover {
    pub(super) fn of(ip: IpAddr, stack: Stack) -> Cover {
        match ip {
            IpAddr::V4(ip) if ip.is_unspecified() => Cover { v4: Reach::Everywhere, v6: Reach::Nowhere },
            IpAddr::V4(ip) => Cover { v4: Reach::At(ip), v6: Reach::Nowhere },
            IpAddr::V6(ip) if ip.is_unspecified() => {
                let v4 = if stack == Stack::Both { Reach::Everywhere } else { Reach::Nowhere };
                Cover { v4, v6: Reach::Everywhere }
            }
            IpAddr::V6(ip) => Cover { v4: Reach::Nowhere, v6: Reach::At(ip) },
        }
    }

    pub(super) fn meets(&self, other: &Cover) -> bool {
        self.v4.meets(&other.v4) || self.v6.meets(&other.v6)
    }

    /// How well it fits an address: `None` not at all, more for one that is meant alone.
    pub(super) fn fit(&self, ip: IpAddr) -> Option<u32> {
        let exactly = Cover::of(ip, Stack::SixOnly);
        self.meets(&exactly).then(|| u32::from(*self == exactly))
    }
}
