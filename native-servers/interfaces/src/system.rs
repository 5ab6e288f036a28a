//! The machine as a whole; served by the root task.

ipc::errors! {
    /// Why the machine's state was not changed.
    pub enum SystemError {
        /// The hardware did not do it.
        Failed = 2,
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

ipc::interface! {
    /// Switches the machine off.
    pub trait System(client SystemClient, handler SystemHandler, dispatcher SystemDispatcher) = 1 {
        /// Stops the machine; returns only where that failed.
        1 => fn stop(&self, reason: StopReason) -> Result<(), SystemError>;
    }
}
