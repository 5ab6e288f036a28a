//! What the manifest grants a task, by name.

use core::fmt;

use ukernel_user::object::IoControl;
use ukernel_user::{Cap, Endpoint, Error, IoPorts, Irq, IrqControl, Memory, Rights, Trace};

use crate::memory::Mapping;
use crate::start_info::{Grant, StartInfo, kind, name_text};

/// A task's environment.
#[derive(Debug)]
pub struct Env {
    info: &'static StartInfo,
    options: &'static str,
}

/// The manifest does not grant what the program asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotGranted {
    /// What kind of thing.
    pub kind: &'static str,
    /// Its name.
    pub name: &'static str,
}

impl fmt::Display for NotGranted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the manifest grants no {} \"{}\"", self.kind, self.name)
    }
}

impl core::error::Error for NotGranted {}

/// Granted memory.
#[derive(Clone, Copy, Debug)]
pub struct MemoryGrant {
    /// The capability.
    pub memory: Cap<Memory>,
    /// Its bytes.
    pub bytes: u64,
    /// Its physical address, if the task is told (device memory).
    pub physical: u64,
}

/// Granted ports.
#[derive(Clone, Copy, Debug)]
pub struct PortsGrant {
    /// The capability.
    pub ports: Cap<IoPorts>,
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

/// A granted entry of the boot archive.
#[derive(Clone, Copy, Debug)]
pub struct DataGrant {
    /// The capability, read-only, in whole pages.
    pub memory: Cap<Memory>,
    /// Bytes of the entry.
    pub bytes: u64,
}

impl DataGrant {
    /// Maps it.
    ///
    /// # Errors
    /// As [`memory::map`](crate::memory::map).
    pub fn map(&self) -> Result<Mapping, Error> {
        crate::memory::map(self.memory, self.bytes, Rights::READ)
    }
}

impl Env {
    /// The environment that `info` describes; `options` is the options' text.
    #[must_use]
    pub const fn new(info: &'static StartInfo, options: &'static str) -> Self {
        Self { info, options }
    }

    /// The task's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        name_text(&self.info.name)
    }

    /// Everything the task was told.
    #[must_use]
    pub const fn start_info(&self) -> &'static StartInfo {
        self.info
    }

    /// An endpoint to call.
    ///
    /// # Errors
    /// It is not granted; likewise below.
    pub fn endpoint(&self, name: &'static str) -> Result<Cap<Endpoint>, NotGranted> {
        self.grant(kind::ENDPOINT, "endpoint", name).map(|grant| Cap::new(grant.slot))
    }

    /// An endpoint to serve.
    ///
    /// # Errors
    /// It is not granted.
    pub fn served(&self, name: &'static str) -> Result<Cap<Endpoint>, NotGranted> {
        self.grant(kind::SERVED, "served endpoint", name).map(|grant| Cap::new(grant.slot))
    }

    /// Memory.
    ///
    /// # Errors
    /// It is not granted.
    pub fn memory(&self, name: &'static str) -> Result<MemoryGrant, NotGranted> {
        self.grant(kind::MEMORY, "memory", name).map(memory)
    }

    /// All memory whose name starts with `prefix`, such as `ram0`, `ram1`, in that order.
    pub fn memories(&self, prefix: &'static str) -> impl Iterator<Item = MemoryGrant> {
        let all = self.info.grants().iter();
        all.filter(move |grant| grant.kind == kind::MEMORY && grant.name().starts_with(prefix)).map(memory)
    }

    /// Device memory.
    ///
    /// # Errors
    /// It is not granted.
    pub fn device(&self, name: &'static str) -> Result<MemoryGrant, NotGranted> {
        self.grant(kind::DEVICE, "device memory", name).map(memory)
    }

    /// All device memory whose name starts with `prefix`.
    pub fn devices(&self, prefix: &'static str) -> impl Iterator<Item = MemoryGrant> {
        let all = self.info.grants().iter();
        all.filter(move |grant| grant.kind == kind::DEVICE && grant.name().starts_with(prefix)).map(memory)
    }

    /// Ports.
    ///
    /// # Errors
    /// They are not granted.
    pub fn ports(&self, name: &'static str) -> Result<PortsGrant, NotGranted> {
        let grant = self.grant(kind::PORTS, "ports", name)?;
        Ok(PortsGrant { ports: Cap::new(grant.slot), first: grant.extra[0] as u16, last: grant.extra[1] as u16 })
    }

    /// An interrupt.
    ///
    /// # Errors
    /// It is not granted.
    pub fn irq(&self, name: &'static str) -> Result<Cap<Irq>, NotGranted> {
        self.grant(kind::IRQ, "interrupt", name).map(|grant| Cap::new(grant.slot))
    }

    /// The right to issue interrupts.
    ///
    /// # Errors
    /// It is not granted.
    pub fn irq_control(&self) -> Result<Cap<IrqControl>, NotGranted> {
        self.grant(kind::IRQ_CONTROL, "interrupt control", "irq_control").map(|grant| Cap::new(grant.slot))
    }

    /// The right to give devices their IoSpaces: with that to issue interrupts, where the machine has an IOMMU.
    #[must_use]
    pub fn io_control(&self) -> Option<Cap<IoControl>> {
        self.grant(kind::IO_CONTROL, "IOMMU control", "io_control").map(|grant| Cap::new(grant.slot)).ok()
    }

    /// The right to trace everything and to watch all threads.
    ///
    /// # Errors
    /// It is not granted.
    pub fn trace(&self) -> Result<Cap<Trace>, NotGranted> {
        self.grant(kind::TRACE, "right to trace", "trace").map(|grant| Cap::new(grant.slot))
    }

    /// An entry of the boot archive.
    ///
    /// # Errors
    /// It is not granted.
    pub fn data(&self, name: &'static str) -> Result<DataGrant, NotGranted> {
        let grant = self.grant(kind::DATA, "archive entry", name)?;
        Ok(DataGrant { memory: Cap::new(grant.slot), bytes: grant.extra[0] })
    }

    /// The value of an option; of several with that key the last, so boot options override the manifest's.
    #[must_use]
    pub fn option(&self, key: &str) -> Option<&'static str> {
        let mut from_last = self.options.lines().rev().filter_map(|line| line.split_once('='));
        from_last.find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    fn grant(&self, kind: u64, what: &'static str, name: &'static str) -> Result<&'static Grant, NotGranted> {
        let found = self.info.grants().iter().find(|grant| grant.kind == kind && grant.name() == name);
        found.ok_or(NotGranted { kind: what, name })
    }
}

fn memory(grant: &Grant) -> MemoryGrant {
    MemoryGrant { memory: Cap::new(grant.slot), bytes: grant.extra[0], physical: grant.extra[1] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;

    fn env() -> Env {
        let mut info = Box::new(StartInfo::EMPTY);
        info.add_grant("console", kind::ENDPOINT, 20, [0; 3]).expect("room");
        info.add_grant("ram1", kind::MEMORY, 22, [8192, 0, 0]).expect("room");
        info.add_grant("uart", kind::PORTS, 23, [0x3f8, 0x3ff, 0]).expect("room");
        Env::new(Box::leak(info), "mode=exec\nrows=24\nbroken\nrows=50\nempty=\n")
    }

    #[test]
    fn grants_are_found_by_kind_and_name() {
        let env = env();
        assert_eq!(env.endpoint("console"), Ok(Cap::new(20)));
        assert_eq!(env.served("console"), Err(NotGranted { kind: "served endpoint", name: "console" }));
        assert_eq!(env.memories("ram").map(|ram| ram.bytes).sum::<u64>(), 8192);
        assert_eq!(env.ports("uart").map(|ports| (ports.first, ports.last)), Ok((0x3f8, 0x3ff)));
    }

    #[test]
    fn later_options_override_earlier_ones() {
        let env = env();
        assert_eq!(env.option("mode"), Some("exec"));
        assert_eq!(env.option("rows"), Some("50"));
        assert_eq!(env.option("empty"), Some(""));
        assert_eq!(env.option("broken"), None);
    }

    #[test]
    fn grants_past_the_page_and_long_names_are_refused() {
        let mut info = StartInfo::EMPTY;
        assert_eq!(info.add_grant("a-name-of-25-bytes-is-long", kind::IRQ, 1, [0; 3]), None);
        for _ in 0..crate::start_info::MAX_GRANTS {
            assert_eq!(info.add_grant("x", kind::IRQ, 1, [0; 3]), Some(()));
        }
        assert_eq!(info.add_grant("x", kind::IRQ, 1, [0; 3]), None);
    }
}
