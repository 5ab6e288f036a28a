//! The contracts between servers: one file each, with the trait, the client and the dispatcher that
//! [`ipc::interface!`] makes of its description.
//!
//! Interface numbers: 1 [`system`], 2 [`console`], 3 [`serial_port`], 4 [`clock`], 5 [`host_link`], 6 [`host_session`],
//! 7 [`pci_bus`]. They are never reused.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod clock;
pub mod console;
pub mod host_channel;
pub mod host_link;
pub mod host_session;
pub mod pci_bus;
pub mod serial_port;
pub mod system;

pub use clock::{Clock, ClockClient, ClockDispatcher, ClockError, ClockHandler};
pub use console::{Console, ConsoleClient, ConsoleDispatcher, ConsoleError, ConsoleHandler};
pub use host_link::{HostLink, HostLinkClient, HostLinkDispatcher, HostLinkError, HostLinkHandler};
pub use host_session::{HostChannel, HostChannelClient, HostChannelDispatcher, HostChannelError, HostChannelHandler};
pub use pci_bus::{PciBus, PciBusClient, PciBusDispatcher, PciBusHandler, PciError};
pub use serial_port::{SerialError, SerialPort, SerialPortClient, SerialPortDispatcher, SerialPortHandler};
pub use system::{System, SystemClient, SystemDispatcher, SystemError, SystemHandler};
