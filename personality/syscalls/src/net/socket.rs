//! socket, socketpair, bind, listen, accept, connect, shutdown, and what addresses a socket has.

use guest_memory::write_value;
use linux_abi::raw::{general as raw, net};
use linux_abi::{Errno, Result};
use sockets::{MessageFlags, Request, Shutdown};
use task::Task;
use vfs::{Credentials, Descriptor, OpenFlags};

use super::{SocketDescriptor, read_address, write_address};
use crate::fs::open::install;
use crate::fs::{Actor, descriptor_limit, only_flags};
use crate::{Args, SysResult};

/// Flags beside the kind of a socket, by the bits of `open`.
const SOCK_NONBLOCK: u32 = raw::O_NONBLOCK;
const SOCK_CLOEXEC: u32 = raw::O_CLOEXEC;
/// Bits of the kind (`SOCK_TYPE_MASK`).
const KIND_MASK: u32 = 0xf;

/// Splits a kind from its flags.
fn request<'a>(args: &Args, credentials: &'a Credentials) -> Result<(Request<'a>, u32)> {
    let (kind, flags) = (args.uint(1) & KIND_MASK, args.uint(1) & !KIND_MASK);
    only_flags(flags, SOCK_NONBLOCK | SOCK_CLOEXEC)?;
    Ok((Request { domain: args.uint(0), kind, protocol: args.uint(2), credentials }, flags))
}

/// socket(2)
pub fn sys_socket(task: &Task, args: &Args) -> SysResult {
    let credentials = task.credentials();
    let (request, flags) = request(args, &credentials)?;
    let file = sockets::open(sockets::create(request)?, OpenFlags::from_open(flags), &credentials)?;
    install(&task.files(), descriptor_limit(task), file, flags & SOCK_CLOEXEC != 0)
}

/// socketpair(2)
pub fn sys_socketpair(task: &Task, args: &Args) -> SysResult {
    let credentials = task.credentials();
    let (request, flags) = request(args, &credentials)?;
    let (files, limit) = (task.files(), descriptor_limit(task));
    let (first, second) = (files.reserve(0, limit)?, files.reserve(0, limit)?);
    let (one, other) = sockets::create_pair(request)?;
    let status = OpenFlags::from_open(flags);
    let one = sockets::open(one, status, &credentials)?;
    let other = sockets::open(other, status, &credentials)?;
    write_value(args.addr(3), &[first.number(), second.number()])?;
    let closes_on_exec = flags & SOCK_CLOEXEC != 0;
    first.fill(Descriptor { file: one, closes_on_exec });
    second.fill(Descriptor { file: other, closes_on_exec });
    Ok(0)
}

/// bind(2)
pub fn sys_bind(task: &Task, args: &Args) -> SysResult {
    let descriptor = SocketDescriptor::get(task, args.int(0))?;
    let address = read_address(args.addr(1), args.int(2))?;
    descriptor.socket().bind(Actor::of(task).caller(), &address).map(|()| 0)
}

/// connect(2)
pub fn sys_connect(task: &Task, args: &Args) -> SysResult {
    let descriptor = SocketDescriptor::get(task, args.int(0))?;
    let address = read_address(args.addr(1), args.int(2))?;
    let socket = descriptor.socket();
    let patience = socket.common().send_patience(descriptor.0.flags(), MessageFlags::empty());
    socket.connect(Actor::of(task).caller(), &address, patience).map(|()| 0)
}

/// listen(2)
pub fn sys_listen(task: &Task, args: &Args) -> SysResult {
    SocketDescriptor::get(task, args.int(0))?.socket().listen(args.int(1)).map(|()| 0)
}

/// accept(2): the call without flags
pub fn sys_accept(task: &Task, args: &Args) -> SysResult {
    accept(task, args, 0)
}

/// accept4(2)
pub fn sys_accept4(task: &Task, args: &Args) -> SysResult {
    only_flags(args.uint(3), SOCK_NONBLOCK | SOCK_CLOEXEC)?;
    accept(task, args, args.uint(3))
}

fn accept(task: &Task, args: &Args, flags: u32) -> SysResult {
    let descriptor = SocketDescriptor::get(task, args.int(0))?;
    let (files, limit) = (task.files(), descriptor_limit(task));
    let number = files.reserve(0, limit)?;
    let listener = descriptor.socket();
    let patience = listener.common().receive_patience(descriptor.0.flags(), MessageFlags::empty());
    let accepted = listener.accept(patience)?;
    let file = sockets::open(accepted.socket, OpenFlags::from_open(flags), &task.credentials())?;
    if !args.addr(1).is_null() {
        write_address(&accepted.peer, args.addr(1), args.addr(2))?;
    }
    let closes_on_exec = flags & SOCK_CLOEXEC != 0;
    Ok(number.fill(Descriptor { file, closes_on_exec }) as u64)
}

/// shutdown(2)
pub fn sys_shutdown(task: &Task, args: &Args) -> SysResult {
    let descriptor = SocketDescriptor::get(task, args.int(0))?;
    let how = match args.uint(1) {
        net::SHUT_RD => Shutdown::Receive,
        net::SHUT_WR => Shutdown::Send,
        net::SHUT_RDWR => Shutdown::Both,
        _ => return Err(Errno::EINVAL),
    };
    descriptor.socket().shutdown(how).map(|()| 0)
}

/// getsockname(2)
pub fn sys_getsockname(task: &Task, args: &Args) -> SysResult {
    let address = SocketDescriptor::get(task, args.int(0))?.socket().local_address()?;
    write_address(&address, args.addr(1), args.addr(2)).map(|()| 0)
}

/// getpeername(2)
pub fn sys_getpeername(task: &Task, args: &Args) -> SysResult {
    let address = SocketDescriptor::get(task, args.int(0))?.socket().peer_address()?;
    write_address(&address, args.addr(1), args.addr(2)).map(|()| 0)
}
