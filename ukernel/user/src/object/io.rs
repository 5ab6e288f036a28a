//! Interrupts, ports and the kernel's log.

use ukernel_abi::invoke::{io_ports, irq, irq_control, log, trace};

use super::{Memory, Notification};
use crate::message::{Arguments, invoke};
use crate::{Cap, Error, words};

/// The right to issue interrupts.
#[derive(Debug)]
pub enum IrqControl {}

/// An interrupt.
#[derive(Debug)]
pub enum Irq {}

/// A range of I/O ports.
#[derive(Debug)]
pub enum IoPorts {}

/// The right to append to the kernel's log.
#[derive(Debug)]
pub enum Log {}

/// The right to trace.
#[derive(Debug)]
pub enum Trace {}

/// What a thread is and has done, as the holder of the right to trace sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadWork {
    /// Its number, of all threads ever made.
    pub number: u32,
    /// Its priority.
    pub priority: u8,
    /// 0 stopped, 1 ready, 2 blocked.
    pub state: u8,
    /// How many thousandths of a processor's time it may use; 0: all that it gets.
    pub limit_permille: u16,
    /// Ticks of the time-stamp counter that it ran, sampled.
    pub ticks: u64,
    /// Messages and answers that it received.
    pub messages: u64,
    /// Its name: UTF-8, filled with zeros.
    pub name: [u8; 24],
}

/// What to program into a device for a message-signalled interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsiVector {
    /// Address to write to.
    pub address: u64,
    /// Data to write.
    pub data: u32,
}

impl Cap<IrqControl> {
    /// Makes `irq` that of an I/O APIC line, with flags [`irq_control::LEVEL`] and [`irq_control::ACTIVE_LOW`].
    ///
    /// # Errors
    /// `InvalidArgument`: no such line. `InvalidState`: line or object is in use.
    pub fn issue_line(self, irq: Cap<Irq>, line: u64, flags: u64) -> Result<(), Error> {
        invoke(self.slot(), irq_control::IOAPIC, &[irq.slot(), line, flags]).map(drop)
    }

    /// Makes `irq` a message-signalled interrupt of the device with this source number (bus, device, function); what to
    /// program into the device.
    ///
    /// # Errors
    /// `OutOfMemory`: no vector is free. `InvalidState`: the object is in use.
    pub fn issue_msi(self, irq: Cap<Irq>, source: u16) -> Result<MsiVector, Error> {
        let result = invoke(self.slot(), irq_control::MSI, &[irq.slot(), source.into()])?;
        Ok(MsiVector { address: result[0], data: result[1] as u32 })
    }
}

impl Cap<Irq> {
    /// Signals `notification`, with that capability's badge, at each interrupt.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn bind(self, notification: Cap<Notification>) -> Result<(), Error> {
        invoke(self.slot(), irq::BIND, &[notification.slot()]).map(drop)
    }

    /// Allows the next interrupt.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn acknowledge(self) -> Result<(), Error> {
        invoke(self.slot(), irq::ACK, &[]).map(drop)
    }

    /// Stops signalling.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn unbind(self) -> Result<(), Error> {
        invoke(self.slot(), irq::UNBIND, &[]).map(drop)
    }
}

/// Most bytes of one [`Cap::<IoPorts>::write_bytes`](Cap) or `read_bytes_while`.
pub const MAX_PORT_BYTES: usize = 32;

impl Cap<IoPorts> {
    /// Makes a capability to ports `first` to `last` in the empty `slot`.
    ///
    /// # Errors
    /// `InvalidArgument`, `SlotOccupied`.
    pub fn sub(self, first: u16, last: u16, slot: u64) -> Result<Cap<IoPorts>, Error> {
        invoke(self.slot(), io_ports::SUB, &[first.into(), last.into(), slot])?;
        Ok(Cap::new(slot))
    }

    /// Reads 1, 2 or 4 bytes from a port.
    ///
    /// # Errors
    /// `InvalidArgument`: port or width.
    pub fn read(self, port: u16, bytes: u64) -> Result<u32, Error> {
        invoke(self.slot(), io_ports::IN, &[port.into(), bytes]).map(|words| words[0] as u32)
    }

    /// Writes 1, 2 or 4 bytes to a port.
    ///
    /// # Errors
    /// `InvalidArgument`: port or width.
    pub fn write(self, port: u16, bytes: u64, value: u32) -> Result<(), Error> {
        invoke(self.slot(), io_ports::OUT, &[port.into(), bytes, value.into()]).map(drop)
    }

    /// Writes bytes (at most 32) to an 8-bit port, one after the other.
    ///
    /// # Errors
    /// `InvalidArgument`: port or length.
    pub fn write_bytes(self, port: u16, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() > MAX_PORT_BYTES {
            return Err(Error::InvalidArgument);
        }
        let mut arguments = [u64::from(port), bytes.len() as u64, 0, 0, 0, 0];
        for (word, chunk) in arguments[2..].iter_mut().zip(bytes.chunks(8)) {
            *word = words::pack(chunk);
        }
        invoke(self.slot(), io_ports::OUT_BYTES, &arguments).map(drop)
    }

    /// Reads bytes from an 8-bit port for as long as `status_port` has a bit of `mask`; how many (at most 32).
    ///
    /// # Errors
    /// `InvalidArgument`: a port.
    pub fn read_bytes_while(self, port: u16, status_port: u16, mask: u8, into: &mut [u8]) -> Result<usize, Error> {
        let wanted = into.len().min(MAX_PORT_BYTES);
        let arguments = [port.into(), wanted as u64, status_port.into(), mask.into()];
        let result = invoke(self.slot(), io_ports::IN_BYTES_WHILE, &arguments)?;
        let count = (result[0] as usize).min(wanted);
        into[..count].copy_from_slice(&words::as_bytes(&result[1..5])[..count]);
        Ok(count)
    }
}

impl Cap<Trace> {
    /// Lets the kernel write events to `memory` from now on: a header and records, see [`ukernel_abi::trace`].
    ///
    /// # Errors
    /// `InvalidState`: it does so already. `InvalidArgument`: not RAM.
    pub fn start(self, memory: Cap<Memory>) -> Result<(), Error> {
        invoke(self.slot(), trace::START, &[memory.slot()]).map(drop)
    }

    /// Stops that.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn stop(self) -> Result<(), Error> {
        invoke(self.slot(), trace::STOP, &[]).map(drop)
    }

    /// The thread with the lowest number from `first` on.
    ///
    /// # Errors
    /// `InvalidArgument`: there is none.
    pub fn thread(self, first: u32) -> Result<ThreadWork, Error> {
        let [what, ticks, messages, name @ ..] = invoke(self.slot(), trace::THREAD, &[first.into()])?;
        let mut bytes = [0; 24];
        for (place, word) in bytes.chunks_exact_mut(8).zip(name) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let (priority, state, limit_permille) = ((what >> 32) as u8, (what >> 40) as u8, (what >> 48) as u16);
        Ok(ThreadWork { number: what as u32, priority, state, limit_permille, ticks, messages, name: bytes })
    }
}

/// Most bytes of one line of the log.
pub const MAX_LOG_BYTES: usize = 3792;

impl Cap<Log> {
    /// The kernel's counters: system calls, thread switches, interrupts, faults, writes of CR3, entries.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn counters(self) -> Result<[u64; 6], Error> {
        invoke(self.slot(), log::COUNTERS, &[])
    }

    /// How long nobody could run since boot, in ticks of the time-stamp counter.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn idle(self) -> Result<u64, Error> {
        invoke(self.slot(), log::IDLE, &[]).map(|words| words[0])
    }

    /// Appends a line; what is past [`MAX_LOG_BYTES`] is cut off.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn write(self, line: &[u8]) -> Result<(), Error> {
        let line = &line[..line.len().min(MAX_LOG_BYTES)];
        let mut arguments = Arguments::new();
        arguments.push(line.len() as u64);
        line.chunks(8).for_each(|chunk| arguments.push(words::pack(chunk)));
        arguments.invoke(self.slot(), log::WRITE).map(drop).map_err(|(error, _)| error)
    }
}
