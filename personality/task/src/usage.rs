//! What processes used: processor time, memory, faults.

/// Resource use, as getrusage(2) reports it.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Time in user mode.
    pub user_ns: u64,
    /// Time in the personality.
    pub system_ns: u64,
    /// Highest resident size.
    pub max_rss_kib: u64,
    /// Faults without input or output.
    pub minor_faults: u64,
    /// Waits.
    pub voluntary_switches: u64,
}

impl Usage {
    /// Adds another process's use; of the resident sizes the larger counts.
    pub fn add(&mut self, other: &Self) {
        self.user_ns = self.user_ns.saturating_add(other.user_ns);
        self.system_ns = self.system_ns.saturating_add(other.system_ns);
        self.max_rss_kib = self.max_rss_kib.max(other.max_rss_kib);
        self.minor_faults = self.minor_faults.saturating_add(other.minor_faults);
        self.voluntary_switches = self.voluntary_switches.saturating_add(other.voluntary_switches);
    }
}
