//! Socket addresses, and lengths that the caller gives and the call replaces: `[128 => 16]`.

use crate::calls::Context;
use crate::memory::{Memory, Structure};
use crate::print::{self, put};
use crate::socket_names;
use alloc::string::String;
use core::net::{Ipv4Addr, Ipv6Addr};
use linux_abi::raw::net::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX};

/// Size of `struct sockaddr_storage`: no address is longer.
const LONGEST: i32 = 128;
/// Size of `sun_path`.
const UNIX_PATH: usize = 108;

/// The length that stands in the process when a call of this name begins, where the call replaces it.
pub(crate) fn length_before(name: &str, context: &Context<'_>) -> Option<i32> {
    let at = match name {
        "accept" | "accept4" | "getsockname" | "getpeername" => context.argument(2),
        "getsockopt" => context.argument(4),
        "recvfrom" => context.argument(5),
        // `msg_namelen` of a header.
        "recvmsg" if context.argument(1) != 0 => context.argument(1).wrapping_add(8),
        _ => return None,
    };
    length_at(context.memory, at)
}

/// A length (`socklen_t`) in the process.
pub(crate) fn length_at(memory: &dyn Memory, at: u64) -> Option<i32> {
    Structure::read(memory, at, 4).map(|length| length.i32(0))
}

/// An address that the process gives; its length is the next argument.
pub(crate) fn given(out: &mut String, context: &Context<'_>, index: usize) {
    show(out, context.memory, context.argument(index), context.argument(index + 1) as i32);
}

/// An address that the call stores; the pointer to its length is the next argument.
pub(crate) fn stored(out: &mut String, context: &Context<'_>, index: usize) {
    let at = context.argument(index);
    let after = length_at(context.memory, context.argument(index + 1));
    match (context.length_before, after) {
        (Some(before), Some(after)) if !context.failed() => show(out, context.memory, at, before.min(after)),
        _ => print::address(out, at),
    }
}

/// The length of an address that the call stores; without an address only a pointer.
pub(crate) fn stored_length(out: &mut String, context: &Context<'_>, index: usize) {
    if index > 0 && context.argument(index - 1) == 0 {
        print::address(out, context.argument(index));
    } else {
        replaced_length(out, context, index);
    }
}

/// A length that the call replaces.
pub(crate) fn replaced_length(out: &mut String, context: &Context<'_>, index: usize) {
    let at = context.argument(index);
    match (context.length_before, length_at(context.memory, at)) {
        (Some(before), Some(after)) if !context.failed() && before != after => put!(out, "[{before} => {after}]"),
        (Some(before), _) => put!(out, "[{before}]"),
        (None, _) => print::address(out, at),
    }
}

/// An address of `length` bytes.
pub(crate) fn show(out: &mut String, memory: &dyn Memory, at: u64, length: i32) {
    let count = usize::try_from(length.min(LONGEST)).unwrap_or(0);
    // Without a whole family there is nothing to tell.
    let Some(address) = Structure::read(memory, at, count).filter(|_| count >= 2) else {
        return print::address(out, at);
    };
    let family = address.u16(0);
    out.push_str("{sa_family=");
    print::labelled_constant(out, socket_names::FAMILY, u64::from(family), "AF_???");
    match u32::from(family) {
        _ if count == 2 => {}
        AF_UNIX => unix(out, address.from(2)),
        AF_INET if count >= 16 => internet(out, &address),
        AF_INET6 if count >= 24 => internet6(out, &address, count),
        AF_NETLINK if count >= 12 => netlink(out, &address),
        _ => {
            out.push_str(", sa_data=\"");
            print::escaped(out, address.from(2));
            out.push('"');
        }
    }
    out.push('}');
}

/// A path up to its end, or a name in the abstract space with all its bytes (unix(7)).
fn unix(out: &mut String, name: &[u8]) {
    let name = name.get(..UNIX_PATH).unwrap_or(name);
    match name {
        [0, name @ ..] => {
            out.push_str(", sun_path=@\"");
            print::escaped(out, name);
        }
        path => {
            let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
            out.push_str(", sun_path=\"");
            print::escaped(out, path.get(..end).unwrap_or(path));
        }
    }
    out.push('"');
}

fn internet(out: &mut String, address: &Structure) {
    put!(out, ", sin_port=htons({}), sin_addr=", address.u16(2).swap_bytes());
    internet_address(out, address, 4);
}

/// `struct in_addr`.
pub(crate) fn internet_address(out: &mut String, structure: &Structure, at: usize) {
    put!(out, "inet_addr(\"{}\")", Ipv4Addr::from(structure.array::<4>(at)));
}

fn internet6(out: &mut String, address: &Structure, count: usize) {
    put!(out, ", sin6_port=htons({})", address.u16(2).swap_bytes());
    put!(out, ", sin6_flowinfo=htonl({}), ", address.u32(4).swap_bytes());
    internet6_address(out, address, 8, "sin6_addr");
    if count <= 24 {
        return;
    }
    let ip = Ipv6Addr::from(address.array::<16>(8));
    let link_local = ip.is_unicast_link_local() || matches!(ip.octets(), [0xff, 0x02, ..]);
    match address.u32(24) {
        // The loopback is interface 1 wherever Linux's numbers are used.
        1 if link_local => out.push_str(", sin6_scope_id=if_nametoindex(\"lo\")"),
        scope => put!(out, ", sin6_scope_id={scope}"),
    }
}

/// `struct in6_addr` in a field named `field`, as the call that makes it.
pub(crate) fn internet6_address(out: &mut String, structure: &Structure, at: usize, field: &str) {
    let address = Ipv6Addr::from(structure.array::<16>(at));
    out.push_str("inet_pton(AF_INET6, \"");
    match address.segments() {
        // inet_ntop(3) shows these by their IPv4 address (RFC 4291, 2.5.5.1), Rust does not.
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => {
            put!(out, "::{}", Ipv4Addr::from(structure.array::<4>(at.saturating_add(12))));
        }
        _ => put!(out, "{address}"),
    }
    put!(out, "\", &{field})");
}

fn netlink(out: &mut String, address: &Structure) {
    if address.u16(2) != 0 {
        put!(out, ", nl_pad={:#x}", address.u16(2));
    }
    put!(out, ", nl_pid={}, nl_groups=", address.i32(4));
    match address.u32(8) {
        0 => out.push_str("00000000"),
        groups => put!(out, "{groups:#08x}"),
    }
}
