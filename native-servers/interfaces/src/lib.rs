//! The contracts between servers: one file each, with the trait, the client and the dispatcher that
//! [`ipc::interface!`] makes of its description.
//!
//! [`reattaching`] is what clients of a disk put in front of it, so that it may start again behind their backs.
//!
//! Interface numbers: 1 [`system`], 2 [`console`], 3 [`serial_port`], 4 [`clock`], 5 [`host_link`], 6 [`host_session`],
//! 7 [`pci_bus`], 8 [`block_device`], 9 [`file_system`], 10 [`supervisor`]. They are never reused.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod block_device;
pub mod clock;
pub mod console;
pub mod file_system;
pub mod host_channel;
pub mod host_link;
pub mod host_session;
pub mod pci_bus;
pub mod reattaching;
pub mod serial_port;
pub mod supervisor;
pub mod system;

pub use block_device::{BlockDevice, BlockDeviceClient, BlockDeviceDispatcher, BlockDeviceHandler, BlockError};
pub use clock::{Clock, ClockClient, ClockDispatcher, ClockError, ClockHandler};
pub use console::{Console, ConsoleClient, ConsoleDispatcher, ConsoleError, ConsoleHandler};
pub use file_system::{FileSystem, FileSystemClient, FileSystemDispatcher, FileSystemHandler, FsError};
pub use host_link::{HostLink, HostLinkClient, HostLinkDispatcher, HostLinkError, HostLinkHandler};
pub use host_session::{HostChannel, HostChannelClient, HostChannelDispatcher, HostChannelError, HostChannelHandler};
pub use pci_bus::{PciBus, PciBusClient, PciBusDispatcher, PciBusHandler, PciError};
pub use reattaching::Reattaching;
pub use serial_port::{SerialError, SerialPort, SerialPortClient, SerialPortDispatcher, SerialPortHandler};
pub use supervisor::{Supervisor, SupervisorClient, SupervisorDispatcher, SupervisorError, SupervisorHandler};
pub use system::{System, SystemClient, SystemDispatcher, SystemError, SystemHandler};

/// The descriptions of all contracts.
pub const ALL: [ipc::Description; 10] = [
    SystemClient::DESCRIPTION,
    ConsoleClient::DESCRIPTION,
    SerialPortClient::DESCRIPTION,
    ClockClient::DESCRIPTION,
    HostLinkClient::DESCRIPTION,
    HostChannelClient::DESCRIPTION,
    PciBusClient::DESCRIPTION,
    BlockDeviceClient::DESCRIPTION,
    FileSystemClient::DESCRIPTION,
    SupervisorClient::DESCRIPTION,
];

/// Contract and method that a message's label stands for.
#[must_use]
pub fn method_of(label: u32) -> Option<(&'static str, &'static str)> {
    ALL.iter().find_map(|contract| Some((contract.name, contract.method_name(label)?)))
}
