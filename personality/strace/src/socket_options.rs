//! Options of setsockopt(2) and getsockopt(2): levels, names by level, values.

use crate::addresses;
use crate::calls::Context;
use crate::memory::Structure;
use crate::messages;
use crate::names::{self, Names};
use crate::print::{self, put};
use crate::structures;
use crate::{option_names, socket_names};
use alloc::string::String;
use linux_abi::Errno;
use linux_abi::raw::net::{
    self, IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, IPV6_ADD_MEMBERSHIP, IPV6_DROP_MEMBERSHIP, IPV6_JOIN_ANYCAST,
    IPV6_LEAVE_ANYCAST, SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF, SO_ERROR, SO_LINGER, SO_PEERCRED, SOL_IP, SOL_IPV6,
    SOL_NETLINK, SOL_SOCKET, SOL_TCP, SOL_UDP,
};

/// A level.
pub(crate) fn level(out: &mut String, context: &Context<'_>, index: usize) {
    // Two question marks: so does strace.
    print::labelled_constant(out, socket_names::LEVEL, u64::from(context.argument(index) as u32), "SOL_??");
}

/// An option's name, by the level before it.
pub(crate) fn name(out: &mut String, context: &Context<'_>, index: usize) {
    let option = context.argument(index) as u32;
    let (names, label): (Names, _) = match context.argument(1) as u32 {
        SOL_SOCKET => (option_names::SOCKET, "SO_???"),
        SOL_TCP => (option_names::TCP, "TCP_???"),
        SOL_IP => (option_names::IP, "IP_???"),
        SOL_IPV6 => (option_names::IPV6, "IPV6_???"),
        SOL_UDP => (option_names::UDP, "UDP_???"),
        SOL_NETLINK => (option_names::NETLINK, "NETLINK_???"),
        _ => return put!(out, "{option}"),
    };
    print::labelled_constant(out, names, u64::from(option), label);
}

/// A value that the process gives; its length is the next argument.
pub(crate) fn given(out: &mut String, context: &Context<'_>, index: usize) {
    let at = context.argument(index);
    let length = context.argument(index + 1) as i32;
    let size = match (context.argument(1) as u32, context.argument(2) as u32) {
        (SOL_SOCKET, SO_LINGER) | (SOL_IP, IP_ADD_MEMBERSHIP | IP_DROP_MEMBERSHIP) => 8,
        (SOL_IPV6, IPV6_ADD_MEMBERSHIP | IPV6_DROP_MEMBERSHIP | IPV6_JOIN_ANYCAST | IPV6_LEAVE_ANYCAST) => 20,
        // A program for a filter: it is not shown.
        (SOL_SOCKET, SO_ATTACH_FILTER | SO_ATTACH_REUSEPORT_CBPF) => return print::address(out, at),
        (SOL_SOCKET, option) if is_number(option) => 4,
        (SOL_NETLINK, _) => 4,
        _ => return bytes(out, context, at, length),
    };
    let Some(value) = Structure::read(context.memory, at, size as usize).filter(|_| length >= size) else {
        return print::address(out, at);
    };
    match (context.argument(1) as u32, size) {
        (SOL_SOCKET, 8) => linger(out, &value, 8),
        (_, 8) => {
            out.push_str("{imr_multiaddr=");
            addresses::internet_address(out, &value, 0);
            out.push_str(", imr_interface=");
            addresses::internet_address(out, &value, 4);
            out.push('}');
        }
        (_, 20) => {
            out.push('{');
            addresses::internet6_address(out, &value, 0, "ipv6mr_multiaddr");
            put!(out, ", ipv6mr_interface={}}}", value.u32(16));
        }
        _ => put!(out, "[{}]", value.i32(0)),
    }
}

/// Options of `SOL_SOCKET` that strace takes for numbers, of which only four bytes count. Of the others it shows as many
/// bytes as are given.
fn is_number(option: u32) -> bool {
    const OTHERS: &[u32] = &[
        net::SO_TYPE,
        net::SO_ERROR,
        net::SO_PEERCRED,
        net::SO_RCVTIMEO_OLD,
        net::SO_SNDTIMEO_OLD,
        net::SO_SECURITY_AUTHENTICATION,
        net::SO_SECURITY_ENCRYPTION_TRANSPORT,
        net::SO_SECURITY_ENCRYPTION_NETWORK,
        net::SO_BINDTODEVICE,
        net::SO_PEERNAME,
        net::SO_PEERSEC,
        net::SO_PROTOCOL,
        net::SO_DOMAIN,
        net::SO_MAX_PACING_RATE,
        net::SO_BPF_EXTENSIONS,
        net::SO_ATTACH_BPF,
        net::SO_ATTACH_REUSEPORT_EBPF,
        net::SO_MEMINFO,
        net::SO_COOKIE,
        net::SO_PEERGROUPS,
        net::SO_TXTIME,
        net::SO_BINDTOIFINDEX,
        net::SO_RCVTIMEO_NEW,
        net::SO_SNDTIMEO_NEW,
        net::SO_NETNS_COOKIE,
        net::SO_BUF_LOCK,
    ];
    names::exact(option_names::SOCKET, u64::from(option)).is_some() && !OTHERS.contains(&option)
}

/// A value that the call stores; the pointer to its length is the next argument.
pub(crate) fn stored(out: &mut String, context: &Context<'_>, index: usize) {
    let at = context.argument(index);
    let after = addresses::length_at(context.memory, context.argument(index + 1));
    let Some(length) = after.filter(|&length| length > 0 && !context.failed()) else {
        return print::address(out, at);
    };
    match (context.argument(1) as u32, context.argument(2) as u32) {
        (SOL_SOCKET, SO_LINGER) if length >= 4 => {
            let size = if length >= 8 { 8 } else { 4 };
            structures::show(out, context.memory, at, size, |out, value| linger(out, value, size));
        }
        (SOL_SOCKET, SO_PEERCRED) if length >= 4 => {
            let size = length.min(12) as usize / 4 * 4;
            structures::show(out, context.memory, at, size, |out, value| messages::credentials(out, value, 0, size));
        }
        (SOL_SOCKET, SO_ERROR) if length == 4 => error(out, context, at),
        _ => bytes(out, context, at, length),
    }
}

/// The `size` first bytes of `struct linger`.
fn linger(out: &mut String, value: &Structure, size: usize) {
    put!(out, "{{l_onoff={}", value.i32(0));
    if size == 8 {
        put!(out, ", l_linger={}", value.i32(4));
    }
    out.push('}');
}

/// An error by its name.
fn error(out: &mut String, context: &Context<'_>, at: u64) {
    match Structure::read(context.memory, at, 4).map(|value| value.i32(0)) {
        Some(number @ 1..=4095) => put!(out, "[{}]", Errno::from_number(number as u16).name()),
        Some(number) => put!(out, "[{number}]"),
        None => print::address(out, at),
    }
}

/// Four bytes as a number, others as they are.
fn bytes(out: &mut String, context: &Context<'_>, at: u64, length: i32) {
    match Structure::read(context.memory, at, 4).filter(|_| length == 4) {
        Some(value) => put!(out, "[{}]", value.i32(0)),
        None if length >= 0 => print::buffer(out, context.memory, at, length as u64),
        None => print::address(out, at),
    }
}
