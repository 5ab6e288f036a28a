//! What devices reach, where the machine has an IOMMU.

use ukernel_abi::invoke::{io_control, io_mapping, io_space};

use super::{Memory, Notification, Untyped};
use crate::message::invoke;
use crate::{Cap, Error, Rights};

/// The right to give devices their IoSpaces.
#[derive(Debug)]
pub enum IoControl {}

/// What a device reaches of memory.
#[derive(Debug)]
pub enum IoSpace {}

/// A Memory's presence in an IoSpace.
#[derive(Debug)]
pub enum IoMapping {}

/// What a device wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read memory.
    Read,
    /// To write memory.
    Write,
    /// To interrupt.
    Interrupt,
}

/// What a device was refused last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoFault {
    /// How many faults there were since the last time; more may have been dropped.
    pub count: u64,
    /// I/O address; of an interrupt its index.
    pub address: u64,
    /// What it wanted.
    pub access: Access,
    /// The IOMMU's reason (Intel VT-d, appendix A).
    pub reason: u8,
}

impl IoFault {
    fn parse(words: &[u64; 6]) -> Option<Self> {
        let [count, address, kind, reason, ..] = *words;
        let access = match kind {
            io_space::WRITE => Access::Write,
            io_space::INTERRUPT => Access::Interrupt,
            _ => Access::Read,
        };
        (count > 0).then_some(Self { count, address, access, reason: reason as u8 })
    }
}

impl Cap<IoControl> {
    /// Makes `space` that of the device with this source number (bus, device, function).
    ///
    /// # Errors
    /// `InvalidState`: one of the two is bound already. `OutOfMemory`: too many spaces or buses.
    pub fn bind(self, space: Cap<IoSpace>, source: u16) -> Result<(), Error> {
        invoke(self.slot(), io_control::BIND, &[space.slot(), source.into()]).map(drop)
    }

    /// The last fault of a device that has no IoSpace, counted since boot, and its source number.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn stray_fault(self) -> Result<Option<(IoFault, u16)>, Error> {
        let words = invoke(self.slot(), io_control::STRAY_FAULTS, &[])?;
        Ok(IoFault::parse(&words).map(|fault| (fault, words[4] as u16)))
    }
}

impl Cap<IoSpace> {
    /// Takes `pages` from `untyped` into the pool of tables.
    ///
    /// # Errors
    /// `OutOfMemory`. `InvalidState`: from too many untypeds.
    pub fn donate(self, untyped: Cap<Untyped>, pages: u64) -> Result<(), Error> {
        invoke(self.slot(), io_space::DONATE, &[untyped.slot(), pages]).map(drop)
    }

    /// Lets the device reach all of `memory` from I/O address `address` on, to read and write as `rights` say; `mapping`
    /// becomes a child of `memory`.
    ///
    /// # Errors
    /// `OutOfTables`: donate and repeat. `InvalidArgument`, `InsufficientRights`, `AlreadyMapped`. `InvalidState`: in use.
    pub fn map(self, memory: Cap<Memory>, address: u64, rights: Rights, mapping: Cap<IoMapping>) -> Result<(), Error> {
        invoke(self.slot(), io_space::MAP, &[memory.slot(), address, rights.0.into(), mapping.slot()]).map(drop)
    }

    /// Ends all mappings and gives the tables up.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn clear(self) -> Result<(), Error> {
        invoke(self.slot(), io_space::CLEAR, &[]).map(drop)
    }

    /// Signals `notification`, with that capability's badge, when the device is refused something.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn bind_faults(self, notification: Cap<Notification>) -> Result<(), Error> {
        invoke(self.slot(), io_space::BIND_FAULTS, &[notification.slot()]).map(drop)
    }

    /// What the device was refused since the last time; further faults are noticed from here on.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn fault(self) -> Result<Option<IoFault>, Error> {
        invoke(self.slot(), io_space::FAULT, &[]).map(|words| IoFault::parse(&words))
    }

    /// Pages left in the pool of tables, and the I/O addresses' width in bits.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn pool(self) -> Result<(u64, u64), Error> {
        invoke(self.slot(), io_space::POOL, &[]).map(|words| (words[0], words[1]))
    }
}

impl Cap<IoMapping> {
    /// Ends the mapping.
    ///
    /// # Errors
    /// `InvalidState`: it maps nothing.
    pub fn unmap(self) -> Result<(), Error> {
        invoke(self.slot(), io_mapping::UNMAP, &[]).map(drop)
    }
}
