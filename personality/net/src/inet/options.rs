//! Options of IP, TCP and UDP: those with an effect here, and those that are only remembered.
//!
//! Between two sockets of one machine nothing is lost, delayed, routed or probed; so what tunes that is kept and shown,
//! within the bounds that Linux checks, and changes nothing.

use alloc::collections::BTreeMap;

use linux_abi::raw::net;
use linux_abi::{Errno, Result};

use super::address::Stack;
use crate::options::{Value, number};

const TCP: u32 = net::SOL_TCP;
const IP: u32 = net::SOL_IP;
const IPV6: u32 = net::SOL_IPV6;

/// Of include/uapi/linux/tcp.h.
const TCP_DEFER_ACCEPT: u32 = 9;
const TCP_USER_TIMEOUT: u32 = 18;

/// Which one, smallest and largest value, and what a new socket has.
type Remembered = ((u32, u32), (i32, i32), i32);

const FLAG: (i32, i32) = (i32::MIN, i32::MAX);

const REMEMBERED: &[Remembered] = &[
    ((TCP, net::TCP_NODELAY), FLAG, 0),
    ((TCP, net::TCP_CORK), FLAG, 0),
    ((TCP, net::TCP_QUICKACK), FLAG, 1),
    ((TCP, net::TCP_KEEPIDLE), (1, 32767), 7200),
    ((TCP, net::TCP_KEEPINTVL), (1, 32767), 75),
    ((TCP, net::TCP_KEEPCNT), (1, 127), 9),
    ((TCP, net::TCP_SYNCNT), (1, 127), 6),
    ((TCP, TCP_USER_TIMEOUT), (0, i32::MAX), 0),
    ((TCP, TCP_DEFER_ACCEPT), FLAG, 0),
    ((IP, net::IP_TOS), (0, 255), 0),
    ((IP, net::IP_TTL), (1, 255), 64),
    ((IP, net::IP_RECVERR), FLAG, 0),
    ((IPV6, net::IPV6_RECVERR), FLAG, 0),
    ((IPV6, net::IPV6_TCLASS), (-1, 255), 0),
];

/// What a socket is, as far as its options go.
#[derive(Clone, Copy)]
pub(super) struct Nature {
    pub(super) is_v6: bool,
    pub(super) is_tcp: bool,
}

/// The options of one socket.
pub(super) struct InetOptions {
    pub(super) stack: Stack,
    nature: Nature,
    values: BTreeMap<(u32, u32), i32>,
}

impl InetOptions {
    pub(super) const fn new(nature: Nature) -> InetOptions {
        InetOptions { stack: Stack::Both, nature, values: BTreeMap::new() }
    }

    /// Takes what a listener has, for a connection to it.
    pub(super) fn inherit(&mut self, listener: &InetOptions) {
        self.stack = listener.stack;
        self.values.clone_from(&listener.values);
    }

    fn find(&self, key: (u32, u32)) -> Result<&'static Remembered> {
        let applies = match key.0 {
            TCP => self.nature.is_tcp,
            IPV6 => self.nature.is_v6,
            _ => true,
        };
        let mut known = REMEMBERED.iter().filter(|_| applies);
        known.find(|option| option.0 == key).ok_or(Errno::ENOPROTOOPT)
    }

    fn is_stack(&self, key: (u32, u32)) -> bool {
        self.nature.is_v6 && key == (IPV6, net::IPV6_V6ONLY)
    }

    pub(super) fn get(&self, level: u32, name: u32) -> Result<Value> {
        let key = (level, name);
        if self.is_stack(key) {
            return Ok((self.stack == Stack::SixOnly).into());
        }
        // Linux's IPv4 asks first whether the level is its own, and its IPv6 does not.
        if !self.nature.is_v6 && level != IP && !(self.nature.is_tcp && level == TCP) {
            return Err(Errno::EOPNOTSUPP);
        }
        let default = self.find(key)?.2;
        Ok(Value::Number(self.values.get(&key).copied().unwrap_or(default)))
    }

    pub(super) fn set(&mut self, level: u32, name: u32, value: &[u8]) -> Result<()> {
        let key = (level, name);
        // IP takes a single byte as well.
        let value = match (level, value) {
            (IP, [byte]) => i32::from(*byte),
            _ => number(value)?,
        };
        if self.is_stack(key) {
            self.stack = if value == 0 { Stack::Both } else { Stack::SixOnly };
            return Ok(());
        }
        let bounds = self.find(key)?.1;
        if !(bounds.0..=bounds.1).contains(&value) {
            return Err(Errno::EINVAL);
        }
        self.values.insert(key, if bounds == FLAG { i32::from(value != 0) } else { value });
        Ok(())
    }
}
