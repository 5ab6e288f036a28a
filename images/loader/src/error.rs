//! What can be wrong with what the loader was given, each with its message.

use core::fmt;

/// Why the kernel cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The front end's start information is unusable.
    StartInfo(&'static str),
    /// The memory map is unusable.
    MemoryMap(&'static str),
    /// The boot archive is damaged.
    Archive(&'static str),
    /// The archive has no such data entry.
    Missing(&'static str),
    /// The kernel is no ELF file that can be loaded.
    Kernel(&'static str),
    /// The kernel's `.bootloader-config` asks for what this loader does not do.
    Config(&'static str),
    /// No free RAM is left for the kernel and its tables.
    OutOfMemory,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartInfo(what) => write!(f, "start information: {what}"),
            Self::MemoryMap(what) => write!(f, "memory map: {what}"),
            Self::Archive(what) => write!(f, "boot archive: {what}"),
            Self::Missing(name) => write!(f, "boot archive: no data entry named {name}"),
            Self::Kernel(what) => write!(f, "kernel ELF: {what}"),
            Self::Config(what) => write!(f, "kernel's bootloader configuration: {what}"),
            Self::OutOfMemory => write!(f, "not enough RAM for the kernel"),
        }
    }
}
