//! One run of pages with one meaning.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;

use guest_memory::{PAGE_BYTES, PageSource};
use linux_abi::raw::general::{PROT_EXEC, PROT_GROWSDOWN, PROT_GROWSUP, PROT_READ, PROT_SEM, PROT_WRITE};
use linux_abi::{Errno, Result};

use crate::page_tables::Rights;

/// What a process may do with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Protection(u8);

impl Protection {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Read.
    pub const READ: Self = Self(PROT_READ as u8);
    /// Write (on this processor: and read).
    pub const WRITE: Self = Self(PROT_WRITE as u8);
    /// Execute (on this processor: and read).
    pub const EXECUTE: Self = Self(PROT_EXEC as u8);
    /// Read and write.
    pub const READ_WRITE: Self = Self(Self::READ.0 | Self::WRITE.0);
    /// Read and execute.
    pub const READ_EXECUTE: Self = Self(Self::READ.0 | Self::EXECUTE.0);

    /// The protection from `mmap`'s argument. Bits that mean nothing on this processor are ignored, as Linux does.
    #[must_use]
    pub const fn from_mmap(bits: u64) -> Self {
        Self(bits as u8 & (PROT_READ | PROT_WRITE | PROT_EXEC) as u8)
    }

    /// The protection from `mprotect`'s argument, which is checked.
    ///
    /// # Errors
    /// `EINVAL` for unknown bits.
    pub const fn from_mprotect(bits: u64) -> Result<Self> {
        const KNOWN: u64 = (PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP) as u64;
        if bits & !KNOWN != 0 || bits & PROT_GROWSUP as u64 != 0 {
            Err(Errno::EINVAL)
        } else {
            Ok(Self::from_mmap(bits))
        }
    }

    /// Both together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is allowed.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether anything is allowed.
    #[must_use]
    pub const fn allows_access(self) -> bool {
        self.0 != 0
    }

    /// The hardware's rights, if the page may be written right now.
    pub(crate) const fn rights(self, writable_now: bool) -> Rights {
        Rights { write: writable_now && self.contains(Self::WRITE), execute: self.contains(Self::EXECUTE) }
    }
}

/// Who sees writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// The process alone.
    Private,
    /// All that map the object.
    Shared,
}

/// What is mapped, with what `/proc/PID/maps` says about it.
pub struct MappedObject {
    /// Its pages.
    pub source: Arc<dyn PageSource>,
    /// Path or name.
    pub name: Vec<u8>,
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// What must live for as long as the mapping: the open file.
    pub keep: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for MappedObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MappedObject({:?})", alloc::string::String::from_utf8_lossy(&self.name))
    }
}

/// What an area's pages come from; anonymous areas have none.
#[derive(Clone, Debug)]
pub(crate) struct Backing {
    pub(crate) object: Arc<MappedObject>,
    /// Index of the area's first page within the object.
    pub(crate) first_page: u64,
}

/// Properties of an area besides its protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct AreaFlags(u16);

impl AreaFlags {
    pub(crate) const NONE: Self = Self(0);
    /// Writes go to the object.
    pub(crate) const SHARED: Self = Self(1);
    /// Grows down on faults below it.
    pub(crate) const GROWS_DOWN: Self = Self(1 << 1);
    /// Not counted against overcommit.
    pub(crate) const NO_RESERVE: Self = Self(1 << 2);
    /// Locked by `mlock`.
    pub(crate) const LOCKED: Self = Self(1 << 3);
    /// Not inherited by `fork`.
    pub(crate) const DONT_FORK: Self = Self(1 << 4);
    /// Zero after `fork`.
    pub(crate) const WIPE_ON_FORK: Self = Self(1 << 5);
    /// `mprotect` must not make it writable (a shared mapping of a file that is open for reading only).
    pub(crate) const NEVER_WRITE: Self = Self(1 << 6);
    /// `mprotect` must not make it executable (a file on a `noexec` file system).
    pub(crate) const NEVER_EXECUTE: Self = Self(1 << 7);

    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    #[must_use]
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A run of pages: page-aligned `start` < `end`.
#[derive(Clone, Debug)]
pub struct Area {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) protection: Protection,
    pub(crate) flags: AreaFlags,
    pub(crate) backing: Option<Backing>,
}

impl Area {
    pub(crate) const fn bytes(&self) -> u64 {
        self.end - self.start
    }

    pub(crate) const fn is_shared(&self) -> bool {
        self.flags.contains(AreaFlags::SHARED)
    }

    /// Whether it counts as data (`RLIMIT_DATA`): private, writable, not a stack.
    pub(crate) const fn is_data(&self) -> bool {
        self.protection.contains(Protection::WRITE) && !self.is_shared() && !self.flags.contains(AreaFlags::GROWS_DOWN)
    }

    /// Index within the object of the page at `addr`, which must be in the area.
    pub(crate) fn page_index(&self, backing: &Backing, addr: u64) -> u64 {
        backing.first_page + (addr - self.start) / PAGE_BYTES
    }

    /// Splits at `addr`, strictly inside: `self` keeps the lower part; returns the upper.
    #[must_use]
    pub(crate) fn split_off(&mut self, addr: u64) -> Self {
        let mut upper = self.clone();
        upper.start = addr;
        if let Some(backing) = &mut upper.backing {
            backing.first_page += (addr - self.start) / PAGE_BYTES;
        }
        self.end = addr;
        upper
    }

    /// Whether `next` continues this area in every respect.
    pub(crate) fn continues_with(&self, next: &Self) -> bool {
        self.end == next.start
            && self.protection == next.protection
            && self.flags == next.flags
            && match (&self.backing, &next.backing) {
                (None, None) => true,
                (Some(a), Some(b)) => {
                    Arc::ptr_eq(&a.object, &b.object) && a.first_page + self.bytes() / PAGE_BYTES == b.first_page
                }
                _ => false,
            }
    }
}
