//! Manifests: one file declares a system: every task, its program, priority, memory, and each capability it gets.
//!
//! People write TOML (`text`, with the feature `std`), the host tool checks it ([`check`]) and puts the binary form into
//! the boot archive, the root task decodes the same types. Nothing is ambient: what is not written here, a task does not
//! get.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod check;
mod place;
mod services;
#[cfg(feature = "std")]
pub mod text;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

pub use place::PLACE_OPTION;
#[cfg(feature = "std")]
pub use text::parse;

/// A system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its tasks, in the order in which they are created.
    pub tasks: Vec<Task>,
    /// Its services with two homes.
    pub services: Vec<Service>,
}

/// A service with two homes: a task of its own, and a task that links its library.
///
/// Both homes may receive from the service's endpoint, which neither lists in `serves`; one of them does at a time. Who may
/// call it is in `calls`, as for any endpoint; the task inside which it may run is usually a caller as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name, which is its endpoint's.
    pub name: String,
    /// The task of its own: made on demand.
    pub native: String,
    /// The task that links its library.
    pub inside: String,
    /// Where it runs when the system starts.
    pub placement: Placement,
}

/// Where a service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placement {
    /// Inside the task that links its library.
    Personality,
    /// In a task of its own.
    Native,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its name, in the log and everywhere; unique.
    pub name: String,
    /// Name of its program in the boot archive.
    pub program: String,
    /// Where it lives.
    pub space: Space,
    /// Priority of its threads; higher runs first.
    pub priority: u8,
    /// How much processor time it may use; `None`: all that its priority gives it.
    pub time: Option<Time>,
    /// Whether its threads keep FPU state.
    pub fpu: bool,
    /// Bytes of its heap.
    pub heap_bytes: u64,
    /// Bytes of its main thread's stack.
    pub stack_bytes: u64,
    /// Bytes of memory for kernel objects that it makes itself.
    pub untyped_bytes: u64,
    /// log2 of the slots of its CapTable.
    pub slot_bits: u8,
    /// Whether the system stops when the task is dead for good: died, and is not started again.
    pub essential: bool,
    /// What happens when it dies.
    pub restart: Restart,
    /// When it is made.
    pub start: Start,
    /// Whether it may write to the kernel's log.
    pub log: bool,
    /// Whether it may issue interrupts.
    pub irq_control: bool,
    /// Whether it may trace everything and watch all threads.
    pub trace: bool,
    /// What happens when its device wanted what it may not.
    pub device_fault: DeviceFault,
    /// Whether it sees the options given at boot.
    pub boot_options: bool,
    /// Endpoints that it serves.
    pub serves: Vec<String>,
    /// Endpoints that it calls.
    pub calls: Vec<Call>,
    /// Ports.
    pub ports: Vec<Ports>,
    /// Interrupt lines.
    pub irqs: Vec<Irq>,
    /// Device memory.
    pub devices: Vec<Device>,
    /// Entries of the boot archive that it may read.
    pub data: Vec<String>,
    /// Memory for its own purposes.
    pub ram: Ram,
    /// Options, before those of the boot.
    pub options: Vec<(String, String)>,
}

/// A limit of processor time: that of all threads of a task together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// Nanoseconds ...
    pub budget_ns: u64,
    /// ... in so many.
    pub period_ns: u64,
    /// Scheduling contexts, which have equal parts of the budget: one for each thread.
    pub contexts: u8,
}

impl Time {
    /// Nanoseconds of each context.
    #[must_use]
    pub fn part_ns(&self) -> u64 {
        self.budget_ns / u64::from(self.contexts.max(1))
    }
}

/// What happens when a device wanted to reach memory, or to interrupt, where its IoSpace does not let it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceFault {
    /// The pci server's log has it.
    Note,
    /// Its driver ends as well, as by a fault of its own.
    End,
}

/// Where a task lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Space {
    /// In the lower half, as everybody.
    Ordinary,
    /// In the upper half's user slot, so that it can serve foreign execution.
    Master,
}

/// What happens when a task dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restart {
    /// It stays dead.
    Never,
    /// It is made anew, after a pause that grows with each death; not any more when it dies too often.
    Always,
}

/// When a task is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// With the system.
    Boot,
    /// When somebody asks the supervisor for it; its memory is set aside from the start.
    Demand,
}

/// A right to call an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The endpoint.
    pub endpoint: String,
    /// What the server sees: unique among the endpoint's callers.
    pub badge: u64,
}

/// A right to ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Name of the grant.
    pub name: String,
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

/// A right to an interrupt line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Irq {
    /// Name of the grant.
    pub name: String,
    /// Line of the I/O APIC.
    pub line: u64,
    /// Level-triggered (else edge).
    pub level: bool,
    /// Active low (else high).
    pub active_low: bool,
}

/// A right to device memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Name of the grant.
    pub name: String,
    /// Physical address.
    pub address: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Memory for a task's own purposes: granted as `ram0`, `ram1`, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ram {
    /// None.
    None,
    /// So many bytes, in one piece.
    Bytes(u64),
    /// All that is left when every other task has its own.
    Rest,
}

/// What is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(pub String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Problem {}

/// The endpoints that the root task serves itself: the machine's switch, and the supervisor.
pub const ROOT_ENDPOINTS: [&str; 2] = ["system", SUPERVISOR_ENDPOINT];
/// The supervisor's endpoint.
pub const SUPERVISOR_ENDPOINT: &str = "supervisor";
/// The endpoint of the PCI server. The supervisor has it take back the devices of tasks that end, and waits for that.
pub const PCI_ENDPOINT: &str = "pci";
/// Badges are below this: the bits above are the root task's (faults) and the servers' own (events).
pub const BADGE_END: u64 = 1 << 62;
/// Highest priority of a task: its urgent threads are above it, the root task above these.
pub const MAX_PRIORITY: u8 = 252;
/// So far above its task's priority may a thread go that others wait for, and no further: no other task is there.
pub const URGENT_ABOVE: u8 = 1;

impl Manifest {
    /// The binary form.
    ///
    /// # Errors
    /// Never for a manifest that fits memory.
    pub fn encode(&self) -> Result<Vec<u8>, Problem> {
        postcard::to_allocvec(self).map_err(|error| Problem(alloc::format!("the manifest cannot be encoded: {error}")))
    }

    /// Decodes the binary form and checks it as the text form is checked.
    ///
    /// # Errors
    /// The bytes are not a manifest, or not a sound one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        let (manifest, rest): (Self, _) = postcard::take_from_bytes(bytes)
            .map_err(|error| Problem(alloc::format!("the manifest cannot be decoded: {error}")))?;
        if !rest.is_empty() {
            return Err(Problem("the manifest is followed by something else".into()));
        }
        check::check(&manifest)?;
        Ok(manifest)
    }
}
