//! sendto, recvfrom, sendmsg, recvmsg, and their relatives for many messages.

use guest_memory::{Sink, Source, UserAddr, UserIo, read_value, write_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use sockets::{ADDRESS_LIMIT_BYTES, Address, Incoming, MessageFlags, Outgoing, Patience, Received};
use task::Task;

use super::control::{self, Sent, Writer};
use super::{SocketDescriptor, read_address, write_address};
use crate::fs::io::{buffer, vector};
use crate::fs::{Actor, TRANSFER_LIMIT_BYTES};
use crate::time::Timespec;
use crate::{Args, SysResult};

/// Most messages of one call (`UIO_MAXIOV`).
const MESSAGES_LIMIT: u32 = 1024;
/// Most buffers of a message (`UIO_MAXIOV`).
const VECTOR_LIMIT: usize = 1024;
/// Bytes of `struct msghdr` and of `struct mmsghdr`, and where some members are.
const HEADER_BYTES: u64 = 56;
const MANY_BYTES: u64 = 64;
const NAME_LENGTH_AT: u64 = 8;
const CONTROL_LENGTH_AT: u64 = 40;
const FLAGS_AT: u64 = 48;
/// `MSG_WAITFORONE` of recvmmsg(2): not to wait once there is one.
const WAIT_FOR_ONE: u32 = 0x10000;

/// `struct msghdr`.
struct Header {
    at: UserAddr,
    name: UserAddr,
    name_length: i32,
    vector: UserAddr,
    vector_length: usize,
    control: UserAddr,
    control_length: usize,
}

impl Header {
    fn read(at: UserAddr) -> Result<Header> {
        let [name, name_length, vector, vector_length, control, control_length, _]: [u64; 7] = read_value(at)?;
        Ok(Header {
            at,
            name: UserAddr::new(name),
            name_length: name_length as i32,
            vector: UserAddr::new(vector),
            vector_length: vector_length as usize,
            control: UserAddr::new(control),
            control_length: control_length as usize,
        })
    }

    fn io(&self) -> Result<UserIo> {
        if self.vector_length > VECTOR_LIMIT {
            return Err(Errno::EMSGSIZE);
        }
        vector(self.vector, self.vector_length)
    }
}

/// What goes to whom.
struct Letter<'a> {
    source: &'a mut dyn Source,
    to: Option<&'a Address>,
    sent: Sent,
    flags: u32,
}

fn send(task: &Task, descriptor: &SocketDescriptor, letter: Letter<'_>) -> SysResult {
    let flags = MessageFlags::from_bits_truncate(letter.flags);
    let socket = descriptor.socket();
    let actor = Actor::of(task);
    let privileged = actor.credentials.has(vfs::Capability::SysResource);
    let sent = socket.send(&mut Outgoing {
        source: letter.source,
        to: letter.to,
        caller: Some(actor.caller()),
        files: letter.sent.files,
        files_limit: if privileged { u64::MAX } else { task.soft_limit(raw::RLIMIT_NOFILE) },
        identity: letter.sent.identity,
        flags,
        patience: socket.common().send_patience(descriptor.0.flags(), flags),
    });
    if sent == Err(Errno::EPIPE) && !flags.contains(MessageFlags::NOSIGNAL) {
        task.raise_signal(raw::SIGPIPE);
    }
    sent.map(|count| count as u64)
}

/// sendto(2)
pub fn sys_sendto(task: &Task, args: &Args) -> SysResult {
    let descriptor = SocketDescriptor::get(task, args.int(0))?;
    let to = match args.addr(4) {
        UserAddr::NULL => None,
        address => Some(read_address(address, args.int(5))?),
    };
    let mut io = buffer(args.addr(1), args.size(2).min(TRANSFER_LIMIT_BYTES));
    let letter = Letter { source: &mut io, to: to.as_ref(), sent: Sent::default(), flags: args.uint(3) };
    send(task, &descriptor, letter)
}

fn send_message(task: &Task, descriptor: &SocketDescriptor, at: UserAddr, flags: u32) -> SysResult {
    let header = Header::read(at)?;
    let to = if header.name.is_null() || header.name_length == 0 {
        None
    } else {
        if header.name_length < 0 {
            return Err(Errno::EINVAL);
        }
        let length = header.name_length.min(ADDRESS_LIMIT_BYTES as i32);
        Some(read_address(header.name, length)?)
    };
    let mut io = header.io()?;
    let sent = match header.control_length {
        0 => Sent::default(),
        length => control::read(task, header.control, length)?,
    };
    send(task, descriptor, Letter { source: &mut io, to: to.as_ref(), sent, flags })
}

/// sendmsg(2)
pub fn sys_sendmsg(task: &Task, args: &Args) -> SysResult {
    let descriptor = SocketDescriptor::get(task, args.int(0))?;
    send_message(task, &descriptor, args.addr(1), args.uint(2))
}

/// sendmmsg(2)
pub fn sys_sendmmsg(task: &Task, args: &Args) -> SysResult {
    let descriptor = SocketDescriptor::get(task, args.int(0))?;
    for index in 0..args.uint(2).min(MESSAGES_LIMIT) {
        let at = args.addr(1).offset(u64::from(index) * MANY_BYTES);
        let sent = send_message(task, &descriptor, at, args.uint(3))
            .and_then(|count| write_value(at.offset(HEADER_BYTES), &(count as u32)));
        match sent {
            Ok(()) => {}
            Err(error) if index == 0 => return Err(error),
            Err(_) => return Ok(u64::from(index)),
        }
    }
    Ok(u64::from(args.uint(2).min(MESSAGES_LIMIT)))
}

fn receive(descriptor: &SocketDescriptor, sink: &mut dyn Sink, flags: u32, limit: Patience) -> Result<Received> {
    let flags = MessageFlags::from_bits_truncate(flags);
    if flags.contains(MessageFlags::ERRQUEUE) {
        return Err(Errno::EAGAIN);
    }
    let common = descriptor.socket().common();
    let patience = match (common.receive_patience(descriptor.0.flags(), flags), limit) {
        (Patience::Endless, limit) => limit,
        (patience, _) => patience,
    };
    let wants_identity = common.options.lock().pass_credentials;
    descriptor.socket().receive(&mut Incoming { sink, flags, patience, wants_identity })
}

/// recvfrom(2)
pub fn sys_recvfrom(task: &Task, args: &Args) -> SysResult {
    let descriptor = SocketDescriptor::get(task, args.int(0))?;
    let mut io = buffer(args.addr(1), args.size(2).min(TRANSFER_LIMIT_BYTES));
    let received = receive(&descriptor, &mut io, args.uint(3), Patience::Endless)?;
    if !args.addr(4).is_null() {
        // A sender without an address has one of no length.
        write_address(&received.from.unwrap_or_default(), args.addr(4), args.addr(5))?;
    }
    Ok(received.bytes as u64)
}

fn receive_message(task: &Task, descriptor: &SocketDescriptor, at: UserAddr, flags: u32, limit: Patience) -> SysResult {
    let header = Header::read(at)?;
    if header.name_length < 0 && !header.name.is_null() {
        return Err(Errno::EINVAL);
    }
    let mut io = header.io()?;
    let received = receive(descriptor, &mut io, flags, limit)?;
    let mut control = Writer::new(header.control, header.control_length);
    if descriptor.socket().common().options.lock().pass_credentials {
        control.put_identity(received.identity.unwrap_or(sockets::Identity::NOBODY))?;
    }
    control.put_files(task, received.files, MessageFlags::from_bits_truncate(flags))?;
    if !header.name.is_null() {
        let length_at = header.at.offset(NAME_LENGTH_AT);
        write_address(&received.from.unwrap_or_default(), header.name, length_at)?;
    }
    let cut = if control.is_cut { MessageFlags::CTRUNC.bits() } else { 0 };
    let cloexec = flags & MessageFlags::CMSG_CLOEXEC.bits();
    write_value(header.at.offset(CONTROL_LENGTH_AT), &(control.used() as u64))?;
    write_value(header.at.offset(FLAGS_AT), &(received.flags | cut | cloexec))?;
    Ok(received.bytes as u64)
}

/// recvmsg(2)
pub fn sys_recvmsg(task: &Task, args: &Args) -> SysResult {
    let descriptor = SocketDescriptor::get(task, args.int(0))?;
    receive_message(task, &descriptor, args.addr(1), args.uint(2), Patience::Endless)
}

/// recvmmsg(2). As on Linux the timeout ends no wait: it is looked at between messages.
pub fn sys_recvmmsg(task: &Task, args: &Args) -> SysResult {
    let descriptor = SocketDescriptor::get(task, args.int(0))?;
    let mut flags = args.uint(3);
    let deadline = match args.addr(4) {
        UserAddr::NULL => None,
        address => Some(rt::time::now_ns().saturating_add(Timespec(read_value(address)?).ns()?)),
    };
    let count = args.uint(2).min(MESSAGES_LIMIT);
    for index in 0..count {
        let at = args.addr(1).offset(u64::from(index) * MANY_BYTES);
        let got = receive_message(task, &descriptor, at, flags & !WAIT_FOR_ONE, Patience::Endless)
            .and_then(|bytes| write_value(at.offset(HEADER_BYTES), &(bytes as u32)));
        match got {
            Ok(()) => {}
            Err(error) if index == 0 => return Err(error),
            Err(_) => return Ok(u64::from(index)),
        }
        if flags & WAIT_FOR_ONE != 0 {
            flags |= MessageFlags::DONTWAIT.bits();
        }
        if deadline.is_some_and(|deadline| rt::time::now_ns() >= deadline) {
            return Ok(u64::from(index) + 1);
        }
    }
    Ok(u64::from(count))
}
