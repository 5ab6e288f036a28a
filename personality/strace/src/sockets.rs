//! Arguments of socket calls that depend on each other: types with flags, protocols by family, what was received.

use crate::calls::Context;
use crate::print::{self, put};
use crate::{names, socket_names};
use alloc::string::String;
use linux_abi::raw::net::{AF_INET, AF_INET6, AF_NETLINK};

/// Bits of a type that are not flags.
const TYPE: u64 = 0xf;

/// A socket's type with its flags.
pub(crate) fn kind(out: &mut String, context: &Context<'_>, index: usize) {
    let value = u64::from(context.argument(index) as u32);
    let Some(name) = names::exact(socket_names::TYPE, value & TYPE) else {
        return print::labelled_flags(out, socket_names::TYPE_FLAGS, value, "SOCK_???");
    };
    out.push_str(name);
    if value & !TYPE != 0 {
        out.push('|');
        print::labelled_flags(out, socket_names::TYPE_FLAGS, value & !TYPE, "SOCK_???");
    }
}

/// A protocol, by the family in the first argument.
pub(crate) fn protocol(out: &mut String, context: &Context<'_>, index: usize) {
    let value = context.argument(index) as u32;
    let number = u64::from(value);
    match context.argument(0) as u32 {
        AF_INET | AF_INET6 => {
            print::labelled_constant(out, socket_names::INTERNET_PROTOCOL, number, "IPPROTO_???");
        }
        AF_NETLINK => print::labelled_constant(out, socket_names::NETLINK_PROTOCOL, number, "NETLINK_???"),
        _ => put!(out, "{value}"),
    }
}

/// A buffer that a message was received into; `MSG_TRUNC` makes the result longer than the buffer (recv(2)).
pub(crate) fn received(out: &mut String, context: &Context<'_>, index: usize) {
    let at = context.argument(index);
    match context.result {
        Some(result) if !context.failed() => {
            print::buffer(out, context.memory, at, (result.max(0) as u64).min(context.argument(index + 1)));
        }
        _ => print::address(out, at),
    }
}
