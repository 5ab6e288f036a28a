//! The time of day; served by the real-time clock's driver.

ipc::errors! {
    /// Why there is no time of day.
    pub enum ClockError {
        /// The clock does not respond or shows no valid date.
        Invalid = 1,
    }
}

ipc::interface! {
    /// The time of day.
    pub trait Clock(client ClockClient, handler ClockHandler, dispatcher ClockDispatcher) = 4 {
        /// The time of day when the monotonic clock was 0, in nanoseconds since 1970-01-01 00:00 UTC.
        1 => fn boot_time_ns(&self) -> Result<u64, ClockError>;
        /// The time of day, in nanoseconds since 1970-01-01 00:00 UTC.
        2 => fn now_ns(&self) -> Result<u64, ClockError>;
    }
}
