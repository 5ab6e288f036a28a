//! Message headers of sendmsg(2) and recvmsg(2), with their control messages (cmsg(3)).

use crate::addresses;
use crate::calls::Context;
use crate::memory::{Memory, Structure};
use crate::print::{self, put};
use crate::socket_names;
use crate::special;
use alloc::string::String;
use linux_abi::raw::net::{IP_CHECKSUM, IP_TTL, SCM_CREDENTIALS, SCM_RIGHTS, SCM_SECURITY, SOL_IP, SOL_SOCKET};

/// Size of `struct msghdr`.
const HEADER: usize = 56;
/// Size of `struct cmsghdr`.
const CONTROL_HEADER: u64 = 16;
/// Bytes of control messages that are read; the process may say any length.
const CONTROL_BYTES: u64 = 4096;

/// A header that the process gives.
pub(crate) fn sent(out: &mut String, context: &Context<'_>, index: usize) {
    let at = context.argument(index);
    let Some(header) = Structure::read(context.memory, at, HEADER) else { return print::address(out, at) };
    out.push_str("{msg_name=");
    addresses::show(out, context.memory, header.u64(0), header.i32(8));
    put!(out, ", msg_namelen={}", header.i32(8));
    rest(out, context, &header, None);
}

/// A header that the call fills; of one that it left alone only the length for the name is shown.
pub(crate) fn received(out: &mut String, context: &Context<'_>, index: usize) {
    let at = context.argument(index);
    let (Some(before), Some(header)) = (context.length_before, Structure::read(context.memory, at, HEADER)) else {
        return print::address(out, at);
    };
    if context.failed() {
        return put!(out, "{{msg_namelen={before}}}");
    }
    let after = header.i32(8);
    out.push_str("{msg_name=");
    addresses::show(out, context.memory, header.u64(0), before.min(after));
    put!(out, ", msg_namelen={before}");
    if before != after {
        put!(out, " => {after}");
    }
    rest(out, context, &header, context.result);
}

/// What follows the name; of buffers that were read into, only what was filled.
fn rest(out: &mut String, context: &Context<'_>, header: &Structure, filled: Option<i64>) {
    let vectors = header.u64(24);
    out.push_str(", msg_iov=");
    special::vectors_at(out, context.memory, header.u64(16), vectors, filled);
    put!(out, ", msg_iovlen={vectors}");
    let length = header.u64(40);
    if length != 0 {
        out.push_str(", msg_control=");
        controls(out, context.memory, header.u64(32), length);
    }
    put!(out, ", msg_controllen={length}, msg_flags=");
    print::labelled_flags(out, socket_names::MESSAGE_FLAGS, u64::from(header.u32(48)), "MSG_???");
    out.push('}');
}

/// Control messages in `length` bytes.
fn controls(out: &mut String, memory: &dyn Memory, at: u64, length: u64) {
    let read = length.min(CONTROL_BYTES);
    let count = usize::try_from(read).unwrap_or(0);
    let Some(bytes) = Structure::read(memory, at, count).filter(|_| length >= CONTROL_HEADER) else {
        return print::address(out, at);
    };
    out.push('[');
    let mut offset = 0u64;
    while let Some(left) = read.checked_sub(offset).filter(|&left| left >= CONTROL_HEADER) {
        let size = bytes.u64(offset as usize);
        if offset > 0 {
            out.push_str(", ");
        }
        control(out, &bytes, offset as usize, size.min(left) as usize);
        offset = offset.saturating_add(size.max(CONTROL_HEADER).checked_next_multiple_of(8).unwrap_or(u64::MAX));
        // One that is shorter than its own header ends the list.
        if size < CONTROL_HEADER {
            break;
        }
    }
    if offset < length {
        put!(out, ", ... /* {:#x} */", at.wrapping_add(offset));
    }
    out.push(']');
}

/// The control message at `offset`, of which `size` bytes are there.
fn control(out: &mut String, bytes: &Structure, offset: usize, size: usize) {
    let (level, kind) = (bytes.u32(offset + 8), bytes.u32(offset + 12));
    put!(out, "{{cmsg_len={}, cmsg_level=", bytes.u64(offset));
    print::labelled_constant(out, socket_names::LEVEL, u64::from(level), "SOL_???");
    out.push_str(", cmsg_type=");
    let number = u64::from(kind);
    match level {
        SOL_SOCKET => print::labelled_constant(out, socket_names::SOCKET_CONTROL, number, "SCM_???"),
        SOL_IP => print::labelled_constant(out, socket_names::INTERNET_CONTROL, number, "IP_???"),
        _ => put!(out, "{kind:#x}"),
    }
    let data = offset + CONTROL_HEADER as usize;
    let count = size.saturating_sub(CONTROL_HEADER as usize);
    match (level, kind) {
        (SOL_SOCKET, SCM_RIGHTS) | (SOL_IP, IP_TTL | IP_CHECKSUM) if count >= 4 => {
            out.push_str(", cmsg_data=");
            special::array(out, count as u64 / 4, |out, item| {
                put!(out, "{}", bytes.i32(data + item as usize * 4));
                true
            });
        }
        (SOL_SOCKET, SCM_CREDENTIALS) if count >= 12 => {
            out.push_str(", cmsg_data=");
            credentials(out, bytes, data, 12);
        }
        (SOL_SOCKET, SCM_SECURITY) if count > 0 => {
            out.push_str(", cmsg_data=");
            let label = bytes.from(data);
            print::quoted(out, label.get(..count).unwrap_or(label));
        }
        _ => {}
    }
    out.push('}');
}

/// The `size` first bytes of `struct ucred`.
pub(crate) fn credentials(out: &mut String, structure: &Structure, at: usize, size: usize) {
    put!(out, "{{pid={}", structure.i32(at));
    for (name, offset) in [("uid", 4), ("gid", 8)].into_iter().filter(|(_, offset)| size >= offset + 4) {
        put!(out, ", {name}=");
        print::id(out, structure.u32(at + offset));
    }
    out.push('}');
}
