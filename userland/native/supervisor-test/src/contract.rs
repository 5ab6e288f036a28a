//! What the tester may ask of the server that it torments.

use ipc::Capability;

ipc::errors! {
    /// Why it was not done.
    pub enum VictimError {
        /// There is no memory for it.
        Failed = 1,
    }
}

ipc::interface! {
    /// A server to be killed.
    pub trait Victim(client VictimClient, handler VictimHandler, dispatcher VictimDispatcher) = 0x7f02 {
        /// When this incarnation started, in nanoseconds.
        1 => fn incarnation(&self) -> Result<u64, VictimError>;
        /// Starts threads that count in the first words of `memory`, for ever.
        2 => fn count(&self, memory: Capability) -> Result<(), VictimError>;
        /// Is never answered.
        3 => fn hang(&self) -> Result<(), VictimError>;
        /// Memory of the server's own.
        4 => fn memory(&self) -> Result<Capability, VictimError>;
        /// Panics.
        5 => fn panic(&self) -> Result<(), VictimError>;
    }
}
