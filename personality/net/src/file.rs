//! A socket as a file.

use alloc::sync::Arc;

use guest_memory::{Sink, Source, UserAddr, write_value};
use linux_abi::raw::ioctl;
use linux_abi::{Errno, Result};
use vfs::anonymous::open_socket;
use vfs::{Credentials, File, OpenFile, OpenFlags, PollEvents, PollTable};

use crate::message::{Incoming, MessageFlags, Outgoing};
use crate::rights;
use crate::socket::Socket;

/// A socket that descriptors lead to.
pub struct SocketFile {
    socket: Arc<dyn Socket>,
}

impl SocketFile {
    /// Returns the socket.
    #[must_use]
    pub fn socket(&self) -> &Arc<dyn Socket> {
        &self.socket
    }
}

/// Opens a socket: from now on it ends with its last descriptor.
///
/// # Errors
/// `ENFILE` if too many files are open; the socket is closed then.
pub fn open(socket: Arc<dyn Socket>, flags: OpenFlags, credentials: &Credentials) -> Result<Arc<OpenFile>> {
    let status = OpenFlags::RDWR | (flags & OpenFlags::NONBLOCK);
    let file = open_socket(Arc::new(SocketFile { socket: socket.clone() }), status, credentials)?;
    socket.common().set_inode(file.path().inode());
    Ok(file)
}

impl File for SocketFile {
    fn read(&self, _offset: u64, sink: &mut dyn Sink, flags: OpenFlags) -> Result<usize> {
        let none = MessageFlags::empty();
        let patience = self.socket.common().receive_patience(flags, none);
        if sink.remaining() == 0 {
            return Ok(0);
        }
        let mut request = Incoming { sink, flags: none, patience, wants_identity: false };
        // Descriptions that a mere read has no place for are closed, as on Linux.
        self.socket.receive(&mut request).map(|received| received.bytes)
    }

    fn write(&self, _offset: u64, source: &mut dyn Source, flags: OpenFlags) -> Result<usize> {
        let none = MessageFlags::empty();
        let patience = self.socket.common().send_patience(flags, none);
        self.socket.send(&mut Outgoing::plain(source, none, patience))
    }

    fn poll<'a>(&'a self, table: &mut PollTable<'a>) -> PollEvents {
        let port = &self.socket.common().port;
        table.add_for(&port.readable, PollEvents::READABLE | PollEvents::RDHUP | PollEvents::PRI);
        table.add_for(&port.writable, PollEvents::WRITABLE | PollEvents::WRBAND);
        self.socket.readiness()
    }

    fn ioctl(&self, command: u32, argument: u64) -> Result<u64> {
        let answer = match command {
            ioctl::FIONREAD => i32::try_from(self.socket.unread_bytes()?).unwrap_or(i32::MAX),
            ioctl::SIOCATMARK => 0,
            _ => return Err(Errno::ENOTTY),
        };
        write_value(UserAddr(argument), &answer)?;
        Ok(0)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.socket.close();
        rights::collect();
    }
}
