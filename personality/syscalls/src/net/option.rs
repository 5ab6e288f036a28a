//! getsockopt and setsockopt.

use alloc::vec;

use guest_memory::{read_bytes, read_value, write_bytes, write_value};
use linux_abi::Errno;
use linux_abi::raw::net;
use sockets::Value;
use task::Task;

use super::SocketDescriptor;
use crate::{Args, SysResult};

/// No option here is longer; the rest of a longer value is not looked at.
const VALUE_LIMIT_BYTES: usize = 256;

/// setsockopt(2)
pub fn sys_setsockopt(task: &Task, args: &Args) -> SysResult {
    let descriptor = SocketDescriptor::get(task, args.int(0))?;
    let (level, name) = (args.uint(1), args.uint(2));
    let length = usize::try_from(args.int(4)).map_err(|_| Errno::EINVAL)?.min(VALUE_LIMIT_BYTES);
    let mut value = vec![0; length];
    read_bytes(args.addr(3), &mut value)?;
    let socket = descriptor.socket();
    if level == net::SOL_SOCKET {
        return socket.common().options.lock().set(name, &value, &task.credentials()).map(|()| 0);
    }
    socket.set_option(level, name, &value).map(|()| 0)
}

/// getsockopt(2)
pub fn sys_getsockopt(task: &Task, args: &Args) -> SysResult {
    let descriptor = SocketDescriptor::get(task, args.int(0))?;
    let (level, name) = (args.uint(1), args.uint(2));
    let room: i32 = read_value(args.addr(4))?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let socket = descriptor.socket();
    let value = match level {
        net::SOL_SOCKET => sockets::socket_option(socket, name)?,
        _ => socket.option(level, name)?,
    };
    let bytes = match value {
        Value::Number(number) => number.to_le_bytes().to_vec(),
        Value::Bytes(bytes) => bytes,
    };
    let bytes = bytes.get(..room.min(bytes.len())).unwrap_or_default();
    write_bytes(args.addr(3), bytes)?;
    write_value(args.addr(4), &(bytes.len() as i32))?;
    Ok(0)
}
