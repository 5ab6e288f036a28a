//! Options that all sockets have: `SOL_SOCKET`.

use alloc::vec::Vec;

use linux_abi::raw::net;
use linux_abi::{Errno, Result};
use vfs::{Capability, Credentials};

use crate::socket::{Socket, SocketKind};

/// Default and largest buffer of a socket: `net.core.wmem_default` and `wmem_max`.
pub(crate) const BUFFER_BYTES: u32 = 212_992;
/// Smallest buffer for sending and receiving.
const SMALLEST_SEND_BYTES: u32 = 4608;
const SMALLEST_RECEIVE_BYTES: u32 = 2304;

/// An option's value: a number, or bytes of a structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An `int`.
    Number(i32),
    /// A structure.
    Bytes(Vec<u8>),
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Number(i32::from(value))
    }
}

/// The options of one socket.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Most bytes under way.
    pub send_buffer: u32,
    /// Most bytes received and not read.
    pub receive_buffer: u32,
    /// An address in use can be bound.
    pub reuse_address: bool,
    /// Several can share an address.
    pub reuse_port: bool,
    /// Remembered; nothing here can go unnoticed.
    pub keep_alive: bool,
    /// Remembered; there is nobody to broadcast to.
    pub broadcast: bool,
    /// Remembered; there is no out-of-band data.
    pub oob_inline: bool,
    /// Remembered.
    pub dont_route: bool,
    /// Messages come with their sender's credentials.
    pub pass_credentials: bool,
    /// Remembered.
    pub priority: i32,
    /// Seconds that closing may take; 0 throws away what was not received.
    pub linger: Option<i32>,
    /// 0 is no limit.
    pub send_timeout_ns: u64,
    /// 0 is no limit.
    pub receive_timeout_ns: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            send_buffer: BUFFER_BYTES,
            receive_buffer: BUFFER_BYTES,
            reuse_address: false,
            reuse_port: false,
            keep_alive: false,
            broadcast: false,
            oob_inline: false,
            dont_route: false,
            pass_credentials: false,
            priority: 0,
            linger: None,
            send_timeout_ns: 0,
            receive_timeout_ns: 0,
        }
    }
}

/// Reads an `int` from the start of a value.
///
/// # Errors
/// `EINVAL` if it is shorter.
pub(crate) fn number(value: &[u8]) -> Result<i32> {
    value.get(..4).and_then(|bytes| bytes.try_into().ok()).map(i32::from_le_bytes).ok_or(Errno::EINVAL)
}

/// Reads `struct timeval` as nanoseconds; 0 is no limit.
fn timeout(value: &[u8]) -> Result<u64> {
    const NS_PER_SECOND: u64 = 1_000_000_000;
    let word = |at: usize| value.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map(i64::from_le_bytes);
    let (seconds, micros) = word(0).zip(word(8)).ok_or(Errno::EINVAL)?;
    if !(0..1_000_000).contains(&micros) {
        return Err(Errno::EDOM);
    }
    // A negative time has passed already: Linux makes the shortest wait of it.
    let Ok(seconds) = u64::try_from(seconds) else { return Ok(1) };
    Ok(seconds.saturating_mul(NS_PER_SECOND).saturating_add(micros as u64 * 1000))
}

fn timeval(ns: u64) -> Value {
    let micros = ns / 1000;
    let mut bytes = (micros / 1_000_000).to_le_bytes().to_vec();
    bytes.extend_from_slice(&(micros % 1_000_000).to_le_bytes());
    Value::Bytes(bytes)
}

/// A buffer's size as Linux keeps it: doubled, for what it costs beside the bytes.
fn buffer(value: i32, smallest: u32) -> u32 {
    let wanted = u32::try_from(value).unwrap_or(BUFFER_BYTES).min(BUFFER_BYTES);
    (wanted * 2).max(smallest)
}

impl Options {
    /// Sets an option.
    ///
    /// # Errors
    /// `ENOPROTOOPT` if it is not known (or cannot be set), `EINVAL` if the value is too short, `EPERM`.
    pub fn set(&mut self, name: u32, value: &[u8], credentials: &Credentials) -> Result<()> {
        let flag = number(value)? != 0;
        match name {
            net::SO_REUSEADDR => self.reuse_address = flag,
            net::SO_REUSEPORT => self.reuse_port = flag,
            net::SO_KEEPALIVE => self.keep_alive = flag,
            net::SO_BROADCAST => self.broadcast = flag,
            net::SO_OOBINLINE => self.oob_inline = flag,
            net::SO_DONTROUTE => self.dont_route = flag,
            net::SO_PASSCRED => self.pass_credentials = flag,
            net::SO_PRIORITY => self.set_priority(number(value)?, credentials)?,
            net::SO_SNDBUF => self.send_buffer = buffer(number(value)?, SMALLEST_SEND_BYTES),
            net::SO_RCVBUF => self.receive_buffer = buffer(number(value)?, SMALLEST_RECEIVE_BYTES),
            net::SO_RCVTIMEO_OLD | net::SO_RCVTIMEO_NEW => self.receive_timeout_ns = timeout(value)?,
            net::SO_SNDTIMEO_OLD | net::SO_SNDTIMEO_NEW => self.send_timeout_ns = timeout(value)?,
            net::SO_LINGER => {
                let seconds = number(value.get(4..).unwrap_or_default())?;
                self.linger = flag.then_some(seconds);
            }
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }

    fn set_priority(&mut self, priority: i32, credentials: &Credentials) -> Result<()> {
        if !(0..=6).contains(&priority) && !credentials.has(Capability::NetAdmin) {
            return Err(Errno::EPERM);
        }
        self.priority = priority;
        Ok(())
    }

    /// Returns an option.
    fn get(&self, name: u32) -> Option<Value> {
        Some(match name {
            net::SO_REUSEADDR => self.reuse_address.into(),
            net::SO_REUSEPORT => self.reuse_port.into(),
            net::SO_KEEPALIVE => self.keep_alive.into(),
            net::SO_BROADCAST => self.broadcast.into(),
            net::SO_OOBINLINE => self.oob_inline.into(),
            net::SO_DONTROUTE => self.dont_route.into(),
            net::SO_PASSCRED => self.pass_credentials.into(),
            net::SO_PRIORITY => Value::Number(self.priority),
            net::SO_SNDBUF => Value::Number(self.send_buffer as i32),
            net::SO_RCVBUF => Value::Number(self.receive_buffer as i32),
            net::SO_RCVTIMEO_OLD | net::SO_RCVTIMEO_NEW => timeval(self.receive_timeout_ns),
            net::SO_SNDTIMEO_OLD | net::SO_SNDTIMEO_NEW => timeval(self.send_timeout_ns),
            net::SO_LINGER => {
                let [on, seconds] = [i32::from(self.linger.is_some()), self.linger.unwrap_or(0)].map(i32::to_le_bytes);
                Value::Bytes([on, seconds].concat())
            }
            net::SO_RCVLOWAT | net::SO_SNDLOWAT => Value::Number(1),
            net::SO_DEBUG | net::SO_TIMESTAMP_OLD | net::SO_MARK => Value::Number(0),
            _ => return None,
        })
    }
}

/// Returns an option of `SOL_SOCKET`.
///
/// # Errors
/// `ENOPROTOOPT` if it is not known.
pub fn socket_option(socket: &dyn Socket, name: u32) -> Result<Value> {
    let common = socket.common();
    match name {
        net::SO_TYPE => Ok(Value::Number(common.kind.number() as i32)),
        net::SO_DOMAIN => Ok(Value::Number(common.domain as i32)),
        net::SO_PROTOCOL => Ok(Value::Number(common.protocol as i32)),
        net::SO_ERROR => {
            let error = common.port.state().error.take();
            Ok(Value::Number(error.map_or(0, |error| i32::from(error.number()))))
        }
        _ => {
            let known = common.options.lock().get(name);
            known.map_or_else(|| socket.option(net::SOL_SOCKET, name), Ok)
        }
    }
}

impl SocketKind {
    /// Whether it is between two.
    #[must_use]
    pub const fn is_connected(self) -> bool {
        !matches!(self, SocketKind::Datagram)
    }
}
