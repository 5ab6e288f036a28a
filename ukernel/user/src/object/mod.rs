//! The kernel's objects: a marker type each, and the methods of capabilities to it.
//!
//! Every method fails with [`Error::InvalidCapability`](crate::Error) where the slot does not hold such an object and
//! [`Error::InsufficientRights`](crate::Error) where the capability lacks a right; `# Errors` names the others.

mod cap_table;
mod endpoint;
mod io;
mod io_space;
mod memory;
mod notification;
mod thread;
mod untyped;

pub use cap_table::CapTable;
pub use endpoint::{Endpoint, Reply};
pub use io::{IoPorts, Irq, IrqControl, Log, MAX_LOG_BYTES, MAX_PORT_BYTES, MsiVector, ThreadWork, Trace};
pub use io_space::{Access, IoControl, IoFault, IoMapping, IoSpace};
pub use memory::{Attachment, Incomplete, MapRange, Memory, PageRange, VSpace};
pub use notification::{Notification, Timer};
pub use thread::{RegisterSnapshot, SchedContext, StartRegisters, Thread, TimeLimit, Vcpu};
pub use untyped::{Retype, Untyped};

use crate::ObjectType;

/// A type that Untyped memory can become.
pub trait Object {
    /// Its number.
    const TYPE: ObjectType;
}

macro_rules! objects {
    ($($name:ident),*) => {
        $(impl Object for $name {
            const TYPE: ObjectType = ObjectType::$name;
        })*
    };
}

objects!(
    Untyped,
    CapTable,
    Thread,
    VSpace,
    Memory,
    Endpoint,
    Reply,
    Notification,
    SchedContext,
    Timer,
    Vcpu,
    Attachment,
    Irq,
    IoSpace,
    IoMapping
);
