//! Commands that the host sends to be executed; served by the host-channel server, which speaks
//! [`host_channel`](crate::host_channel) over a [`HostLink`](crate::HostLink).

use alloc::vec::Vec;

ipc::errors! {
    /// Why an operation on a session failed.
    pub enum HostChannelError {
        /// There is no such session (any more).
        NoSession = 1,
        /// There is no such stream, or not in that direction.
        NoStream = 2,
        /// The host no longer reads this stream.
        Closed = 3,
        /// The link to the host is gone.
        LinkGone = 4,
        /// Too many requests wait already.
        Busy = 5,
    }
}

ipc::record! {
    /// A command to execute.
    pub struct Session {
        /// Its name in all other calls.
        pub id: u32,
        /// [`EXEC_STRACE`](crate::host_channel::EXEC_STRACE), [`EXEC_POWER_OFF`](crate::host_channel::EXEC_POWER_OFF) or 0.
        pub flags: u32,
        /// Bytes of the command line; [`HostChannel::command`] has them.
        pub command_bytes: u32,
    }
}

ipc::record! {
    /// Size of the host's terminal, in characters.
    pub struct TerminalSize {
        /// Rows.
        pub rows: u16,
        /// Columns.
        pub cols: u16,
    }
}

ipc::interface! {
    /// Sessions of the host: each a command line with its streams and its exit status.
    pub trait HostChannel(
        client HostChannelClient, handler HostChannelHandler, dispatcher HostChannelDispatcher
    ) = 6 {
        /// Waits for the host's next command. The first call tells the host that the system is ready.
        1 => fn next_session(&self) -> Result<Session, HostChannelError>;
        /// The command line from byte `offset` on, as much as fits an answer.
        2 => fn command(&self, session: u32, offset: u32) -> Result<Vec<u8>, HostChannelError>;
        /// Waits for input on `stream`, takes at most `max` bytes of it; none: the end of the stream.
        3 => fn read(&self, session: u32, stream: u8, max: u32) -> Result<Vec<u8>, HostChannelError>;
        /// Waits until the host has room for output on `stream`, sends from the start of `bytes` what fits (at least one
        /// byte); how many bytes that was.
        4 => fn write(&self, session: u32, stream: u8, bytes: &[u8]) -> Result<u32, HostChannelError>;
        /// Ends an output stream.
        5 => fn end_of_stream(&self, session: u32, stream: u8) -> Result<(), HostChannelError>;
        /// Says that nobody reads `stream` (standard input) any more; the host stops sending.
        6 => fn close_input(&self, session: u32, stream: u8) -> Result<(), HostChannelError>;
        /// Ends the session with a Linux wait status, after all its output.
        7 => fn exit(&self, session: u32, wait_status: u32) -> Result<(), HostChannelError>;
        /// Refuses to execute the session's command; ends the session.
        8 => fn refuse(&self, session: u32, reason: &str) -> Result<(), HostChannelError>;
        /// Waits for a signal that the host sends to the session: its Linux number.
        9 => fn next_signal(&self, session: u32) -> Result<u32, HostChannelError>;
        /// Waits until the host's terminal has a size that this method has not returned yet.
        10 => fn next_resize(&self) -> Result<TerminalSize, HostChannelError>;
        /// Tells the host that the system has stopped, orderly or (not 0) after a failure; returns when it was sent.
        11 => fn powered_off(&self, failure: u32) -> Result<(), HostChannelError>;
        /// The client starts: what an earlier incarnation of it left is dropped. Sessions that it had taken end with an error
        /// for the host, requests that it waited in are forgotten; sessions that nobody has taken yet stay.
        12 => fn begin(&self) -> Result<(), HostChannelError>;
    }
}
