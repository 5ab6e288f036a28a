//! Texts about the network: `/proc/PID/net` (Linux's Documentation/networking/proc_net_tcp.rst, proc(5)).
//!
//! There is one interface, `lo`. Figures of things that do not exist here (timers, retransmissions, a congestion window)
//! are 0, and the threshold of slow start is -1, as where Linux has none.

use crate::network_source::{InetSocket, LocalSocket, Transport};
use crate::source::ProcessSource;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::net::{IpAddr, SocketAddr};
use linux_abi::InetState;

/// Characters of a line of `tcp`, and of `udp` and `route`, filled up with blanks.
const TCP_WIDTH: usize = 149;
const LINE_WIDTH: usize = 127;

/// `__SO_ACCEPTCON` of include/uapi/linux/net.h.
const ACCEPTS_CONNECTIONS: u32 = 1 << 16;

const HEADING: &str = "sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const HEADING6: &str = "sl  local_address                         remote_address                        \
                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
/// What lists of sockets for datagrams have behind that.
const DATAGRAM_HEADING: &str = " ref pointer drops";

/// `tcp`.
pub(crate) fn tcp(source: &dyn ProcessSource) -> Vec<u8> {
    let heading = format!("{:<TCP_WIDTH$}\n", format!("  {HEADING}"));
    list(heading, &sockets_of(source, Transport::Tcp, SocketAddr::is_ipv4), |index, socket| {
        format!("{:<TCP_WIDTH$}\n", tcp_line(index, socket))
    })
}

/// `tcp6`.
pub(crate) fn tcp6(source: &dyn ProcessSource) -> Vec<u8> {
    let heading = format!("  {HEADING6}\n");
    list(heading, &sockets_of(source, Transport::Tcp, SocketAddr::is_ipv6), |index, socket| {
        format!("{}\n", tcp_line(index, socket))
    })
}

/// `udp`.
pub(crate) fn udp(source: &dyn ProcessSource) -> Vec<u8> {
    let heading = format!("{:<LINE_WIDTH$}\n", format!("   {HEADING}{DATAGRAM_HEADING}"));
    list(heading, &sockets_of(source, Transport::Udp, SocketAddr::is_ipv4), |index, socket| {
        format!("{:<LINE_WIDTH$}\n", udp_line(index, socket))
    })
}

/// `udp6`.
pub(crate) fn udp6(source: &dyn ProcessSource) -> Vec<u8> {
    list(raw6_heading(), &sockets_of(source, Transport::Udp, SocketAddr::is_ipv6), |index, socket| {
        format!("{}\n", udp_line(index, socket))
    })
}

/// `raw`: there are no such sockets.
pub(crate) fn raw(_source: &dyn ProcessSource) -> Vec<u8> {
    format!("  {HEADING}{DATAGRAM_HEADING}\n").into_bytes()
}

/// `raw6`: there are no such sockets.
pub(crate) fn raw6(_source: &dyn ProcessSource) -> Vec<u8> {
    raw6_heading().into_bytes()
}

fn raw6_heading() -> String {
    format!("  {HEADING6}{DATAGRAM_HEADING}\n")
}

/// The sockets of one version of IP.
fn sockets_of(source: &dyn ProcessSource, transport: Transport, version: fn(&SocketAddr) -> bool) -> Vec<InetSocket> {
    let mut sockets = source.inet_sockets(transport);
    sockets.retain(|socket| version(&socket.local));
    sockets
}

fn list(heading: String, sockets: &[InetSocket], line: impl Fn(usize, &InetSocket) -> String) -> Vec<u8> {
    let mut text = heading;
    for (index, socket) in sockets.iter().enumerate() {
        text.push_str(&line(index, socket));
    }
    text.into_bytes()
}

fn tcp_line(index: usize, socket: &InetSocket) -> String {
    let threshold = if socket.state == InetState::Listen { 0 } else { -1 };
    format!("{index:4}: {} {} {:016x} 0 0 0 0 {threshold}", common(socket), socket.references, socket.id)
}

fn udp_line(index: usize, socket: &InetSocket) -> String {
    format!("{index:5}: {} {} {:016x} {}", common(socket), socket.references, socket.id, socket.drops)
}

/// From the addresses to the inode.
fn common(socket: &InetSocket) -> String {
    format!(
        "{} {} {:02X} {:08X}:{:08X} 00:00000000 00000000 {:5} {:8} {}",
        place(&socket.local),
        place(&socket.remote),
        socket.state as u8,
        socket.sending,
        socket.receiving,
        socket.uid,
        0,
        socket.inode,
    )
}

/// An address as words of four bytes, each a number in the machine's order, and the port.
fn place(address: &SocketAddr) -> String {
    let port = address.port();
    match address.ip() {
        IpAddr::V4(ip) => format!("{:08X}:{port:04X}", u32::from_le_bytes(ip.octets())),
        IpAddr::V6(ip) => {
            let mut text = String::new();
            let octets = ip.octets();
            let (words, _) = octets.as_chunks::<4>();
            for word in words {
                let _infallible = write!(text, "{:08X}", u32::from_le_bytes(*word));
            }
            let _infallible = write!(text, ":{port:04X}");
            text
        }
    }
}

/// `unix`.
pub(crate) fn unix(source: &dyn ProcessSource) -> Vec<u8> {
    let mut text = b"Num       RefCount Protocol Flags    Type St Inode Path\n".to_vec();
    for socket in source.local_sockets() {
        text.extend_from_slice(local_line(&socket).as_bytes());
        if let Some(first) = socket.name.first() {
            text.push(b' ');
            // Zero bytes, before and in an abstract name, show as `@`.
            let is_abstract = *first == 0;
            text.extend(socket.name.iter().map(|byte| if is_abstract && *byte == 0 { b'@' } else { *byte }));
        }
        text.push(b'\n');
    }
    text
}

fn local_line(socket: &LocalSocket) -> String {
    let flags = if socket.listens { ACCEPTS_CONNECTIONS } else { 0 };
    let LocalSocket { id, references, kind, inode, .. } = socket;
    let state = socket.state as u8;
    format!("{id:016x}: {references:08X} {:08X} {flags:08X} {kind:04X} {state:02X} {inode:5}", 0)
}

/// `dev`: received (bytes, packets, errs, drop, fifo, frame, compressed, multicast), transmitted (bytes, packets, errs, drop,
/// fifo, colls, carrier, compressed).
pub(crate) fn devices(source: &dyn ProcessSource) -> Vec<u8> {
    let traffic = source.loopback();
    let (bytes, packets) = (traffic.bytes, traffic.packets);
    let zero = 0;
    format!(
        "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|\
         bytes    packets errs drop fifo colls carrier compressed\n\
         {:>6}: {bytes:7} {packets:7} {zero:4} {zero:4} {zero:4} {zero:5} {zero:10} {zero:9} \
         {bytes:8} {packets:7} {zero:4} {zero:4} {zero:4} {zero:5} {zero:7} {zero:10}\n",
        "lo",
    )
    .into_bytes()
}

/// `route`: the heading alone, since nothing leaves the machine (Linux does not list the loopback either).
pub(crate) fn routes(_source: &dyn ProcessSource) -> Vec<u8> {
    let heading = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
    format!("{heading:<LINE_WIDTH$}\n").into_bytes()
}

/// `if_inet6`: address, number of the interface, prefix, scope (`IPV6_ADDR_LOOPBACK`), flags (`IFA_F_PERMANENT`), interface.
pub(crate) fn ipv6_addresses(_source: &dyn ProcessSource) -> Vec<u8> {
    format!("{:032x} {:02x} {:02x} {:02x} {:02x} {:>8}\n", 1, 1, 128, 0x10, 0x80, "lo").into_bytes()
}
