//! The machine as a whole; served by the root task.

use alloc::string::String;

ipc::errors! {
    /// Why the machine's state was not changed, or what was asked for is not there.
    pub enum SystemError {
        /// The hardware did not do it.
        Failed = 2,
        /// There is no such thread.
        Unknown = 3,
        /// The caller's badge does not give that right.
        Refused = 4,
    }
}

ipc::numbered! {
    /// Why the system stops.
    pub enum StopReason {
        /// It was asked to.
        Orderly = 0,
        /// Something that it cannot go on without has failed.
        Failure = 1,
        /// It was asked to start again.
        Restart = 2,
    }
}

ipc::numbered! {
    /// What a thread is doing.
    pub enum ThreadState {
        /// Nothing: not started, or suspended.
        Stopped = 1,
        /// It runs or could run.
        Ready = 2,
        /// It waits for a message, an answer or a signal.
        Blocked = 3,
    }
}

ipc::record! {
    /// A thread of any task, as the kernel sees it.
    pub struct ThreadInfo {
        /// Its number, of all threads ever made.
        pub number: u32,
        /// What its maker calls it.
        pub name: String,
        /// What it is doing.
        pub state: ThreadState,
        /// Its priority.
        pub priority: u32,
        /// How many thousandths of a processor's time it may use; 0: all that it gets.
        pub limit_permille: u32,
        /// Microseconds that it ran; a sample, exact in the long run.
        pub busy_us: u64,
        /// Messages and answers that it received.
        pub messages: u64,
    }
}

/// The bit of a badge whose holder may look at threads: `badge = 0x1_0000_0001` in a manifest. Every badge stops the machine.
pub const WATCHES: u64 = 1 << 32;

ipc::interface! {
    /// Switches the machine off, and watches it.
    pub trait System(client SystemClient, handler SystemHandler, dispatcher SystemDispatcher) = 1 {
        /// Stops the machine; returns only where that failed.
        1 => fn stop(&self, reason: StopReason) -> Result<(), SystemError>;
        /// The thread with the lowest number from `first` on; [`SystemError::Unknown`] after the last. For badges with [`WATCHES`].
        2 => fn thread(&self, first: u32) -> Result<ThreadInfo, SystemError>;
    }
}
