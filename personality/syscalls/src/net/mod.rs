//! System calls on sockets: thin handlers over the `sockets` crate.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use guest_memory::{UserAddr, read_bytes, read_value, write_bytes, write_value};
use linux_abi::{Errno, Result};
use sockets::{ADDRESS_LIMIT_BYTES, Address, Socket, SocketFile};
use task::Task;
use vfs::OpenFile;

mod control;
pub mod message;
pub mod option;
pub mod socket;

/// The description behind a descriptor that must be a socket's.
struct SocketDescriptor(Arc<OpenFile>);

impl SocketDescriptor {
    fn get(task: &Task, fd: i32) -> Result<SocketDescriptor> {
        let file = crate::fs::file(task, fd)?;
        match file.downcast::<SocketFile>() {
            Some(_) => Ok(SocketDescriptor(file)),
            None => Err(Errno::ENOTSOCK),
        }
    }

    fn socket(&self) -> &dyn Socket {
        &**self.0.downcast::<SocketFile>().expect("checked when the descriptor was looked up").socket()
    }
}

/// Copies an address from the process.
fn read_address(address: UserAddr, length: i32) -> Result<Address> {
    let length = usize::try_from(length).ok().filter(|length| *length <= ADDRESS_LIMIT_BYTES).ok_or(Errno::EINVAL)?;
    let mut bytes: Vec<u8> = vec![0; length];
    read_bytes(address, &mut bytes)?;
    Ok(Address::new(&bytes))
}

/// Copies an address to the process, as much as there is room for, and its whole length.
fn write_address(address: &Address, to: UserAddr, length_at: UserAddr) -> Result<()> {
    let room: i32 = read_value(length_at)?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let bytes = address.bytes();
    write_bytes(to, bytes.get(..room.min(bytes.len())).unwrap_or_default())?;
    write_value(length_at, &(bytes.len() as i32))
}
