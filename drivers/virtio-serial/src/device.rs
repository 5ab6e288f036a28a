//! The virtio console device (virtio 1.2, 5.3) with `VIRTIO_CONSOLE_F_MULTIPORT`.
//!
//! Owns its queues: the two control queues, and those of the first [`MAX_PORTS`] ports, one of which has the name we
//! look for. Ports that we do not want stay closed and get no buffers.
//!
//! All queues share one interrupt vector: an interrupt looks at each ring, which costs a memory access.

use crate::buffers::Buffers;
use crate::control::{self, Event, Message};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use driver_lib::dma::Dma;
use driver_lib::io_space::DmaSpace;
use driver_lib::virtio::{self, Error, Queue, Transport};

/// `VIRTIO_CONSOLE_F_MULTIPORT`.
const FEATURE_MULTIPORT: u64 = 1 << 1;
/// Ports that we look at.
pub const MAX_PORTS: u16 = 4;
/// Descriptors of each queue. QEMU's control queues have no more.
const QUEUE_SIZE: u16 = 32;
/// DMA memory of the rings of each queue.
const RINGS_BYTES: usize = 4096;
/// Data buffers in each direction, and their size. QEMU delivers at most 4 KiB at once.
const DATA_BUFFERS: usize = 32;
const DATA_BUFFER_BYTES: usize = 4096;
/// Control buffers in each direction, and their size: a header and a name.
const CONTROL_BUFFERS: usize = 32;
const CONTROL_BUFFER_BYTES: usize = 128;
/// Answers that wait for a control buffer; a device that provokes more gets none.
const MAX_WAITING: usize = 64;

const CONTROL_RECEIVE: u16 = 2;
const CONTROL_SEND: u16 = 3;

/// Bytes of DMA memory that the device takes.
pub const DMA_BYTES: usize = RINGS_BYTES * 2 * (MAX_PORTS as usize + 1)
    + 2 * CONTROL_BUFFERS * CONTROL_BUFFER_BYTES
    + 2 * DATA_BUFFERS * DATA_BUFFER_BYTES;

/// Memory for the device: zeroed and of at least [`DMA_BYTES`], and how the device reaches it.
#[derive(Debug)]
pub struct Memory {
    /// How it is reached.
    pub space: DmaSpace,
    /// The memory.
    pub dma: Dma,
}

/// Queue numbers of a port: receive, send (5.3.2).
fn queues_of(port: u16) -> [u16; 2] {
    let first = if port == 0 { 0 } else { 2 + 2 * port };
    [first, first + 1]
}

/// A cutter of DMA memory.
struct Pieces(Option<Dma>);

impl Pieces {
    fn take(&mut self, bytes: usize) -> Dma {
        let (piece, rest) = self.0.take().expect("the rest is put back below").split(bytes);
        self.0 = Some(rest);
        piece
    }

    fn queue(&mut self, index: u16) -> Queue {
        Queue::new(index, QUEUE_SIZE, self.take(RINGS_BYTES))
    }
}

/// The port with the name we look for.
#[derive(Debug)]
struct Port {
    number: u16,
    receive: Buffers,
    send: Buffers,
    is_open: bool,
}

/// The device.
#[derive(Debug)]
pub struct Console<T> {
    transport: T,
    name: Vec<u8>,
    control_receive: Buffers,
    control_send: Buffers,
    waiting: VecDeque<[u8; control::BYTES]>,
    /// Queues of ports whose name we do not know yet, by number.
    unnamed: Vec<Option<[Queue; 2]>>,
    /// Memory of the port's buffers, until the port is known.
    port_memory: Option<[Dma; 2]>,
    port: Option<Port>,
}

impl<T: Transport> Console<T> {
    /// Start the device, with all interrupts on `vector`, and look for the port called `name`.
    ///
    /// # Errors
    /// Those of [`virtio::negotiate`]; [`Error::FeaturesRefused`] without multiport; [`Error::NoQueue`].
    pub fn start(mut transport: T, memory: Memory, vector: u16, name: &[u8]) -> Result<Self, Error> {
        let Memory { space, dma: memory } = memory;
        if virtio::negotiate(&mut transport, FEATURE_MULTIPORT, &space)? & FEATURE_MULTIPORT == 0 {
            transport.write_status(virtio::status::FAILED);
            return Err(Error::FeaturesRefused);
        }
        let ports = transport.read_config(4).clamp(1, u32::from(MAX_PORTS)) as u16;
        let mut pieces = Pieces(Some(memory));
        let [receive, send] = [CONTROL_RECEIVE, CONTROL_SEND].map(|index| pieces.queue(index));
        let unnamed = (0..ports).map(|port| Some(queues_of(port).map(|index| pieces.queue(index)))).collect();
        let mut control = || pieces.take(CONTROL_BUFFERS * CONTROL_BUFFER_BYTES);
        let control_receive = Buffers::new(receive, control(), CONTROL_BUFFER_BYTES);
        let control_send = Buffers::new(send, control(), CONTROL_BUFFER_BYTES);
        let port_memory = Some([0, 1].map(|_| pieces.take(DATA_BUFFERS * DATA_BUFFER_BYTES)));
        let waiting = VecDeque::new();
        let name = name.into();
        let mut console =
            Self { transport, name, control_receive, control_send, waiting, unnamed, port_memory, port: None };
        console.enable(vector)?;
        console.control_receive.offer_all(&mut console.transport)?;
        console.send_control(u32::MAX, Event::DeviceReady, 1)?;
        Ok(console)
    }

    fn enable(&mut self, vector: u16) -> Result<(), Error> {
        if !self.transport.write_config_vector(vector) {
            return Err(Error::NoQueue(CONTROL_RECEIVE));
        }
        let control = [self.control_receive.queue(), self.control_send.queue()];
        for queue in self.unnamed.iter().flatten().flatten().chain(control) {
            let fits = self.transport.read_queue_limit(queue.index()) >= QUEUE_SIZE;
            if !fits || !self.transport.enable_queue(queue, vector) {
                return Err(Error::NoQueue(queue.index()));
            }
        }
        virtio::start(&mut self.transport);
        Ok(())
    }

    /// Do all that the device has work for.
    ///
    /// # Errors
    /// The device is broken or hostile: it is to be given up.
    pub fn on_interrupt(&mut self) -> Result<(), Error> {
        self.control_send.collect_sent()?;
        self.control_receive.collect_filled()?;
        let mut bytes = [0; CONTROL_BUFFER_BYTES];
        while let Some(count) = self.control_receive.read_message(&mut bytes) {
            if let Some(message) = bytes.get(..count).and_then(control::decode) {
                self.on_message(&message)?;
            }
        }
        self.control_receive.offer_all(&mut self.transport)?;
        self.send_waiting()?;
        let Some(port) = &mut self.port else { return Ok(()) };
        port.send.collect_sent()?;
        port.receive.collect_filled()
    }

    fn on_message(&mut self, message: &Message<'_>) -> Result<(), Error> {
        match message.event {
            Event::PortAdd => self.send_control(message.port, Event::PortReady, 1),
            Event::PortName if message.name == self.name => self.open_port(message.port),
            Event::PortOpen => self.set_open(message.port, message.value != 0),
            Event::PortRemove => self.set_open(message.port, false),
            _ => Ok(()),
        }
    }

    fn open_port(&mut self, number: u32) -> Result<(), Error> {
        let slot = usize::try_from(number).ok().and_then(|number| self.unnamed.get_mut(number));
        let Some([receive, send]) = slot.and_then(Option::take) else { return Ok(()) };
        let Some([receive_memory, send_memory]) = self.port_memory.take() else { return Ok(()) };
        let mut receive = Buffers::new(receive, receive_memory, DATA_BUFFER_BYTES);
        let send = Buffers::new(send, send_memory, DATA_BUFFER_BYTES);
        receive.offer_all(&mut self.transport)?;
        self.port = Some(Port { number: number as u16, receive, send, is_open: false });
        self.send_control(number, Event::PortOpen, 1)
    }

    fn set_open(&mut self, number: u32, is_open: bool) -> Result<(), Error> {
        if let Some(port) = self.port.as_mut().filter(|port| u32::from(port.number) == number) {
            port.is_open = is_open;
        }
        Ok(())
    }

    fn send_control(&mut self, port: u32, event: Event, value: u16) -> Result<(), Error> {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(control::encode(port, event, value));
        }
        self.send_waiting()
    }

    fn send_waiting(&mut self) -> Result<(), Error> {
        while self.control_send.free() > 0 {
            let Some(message) = self.waiting.pop_front() else { break };
            self.control_send.write(&message, &mut self.transport)?;
        }
        Ok(())
    }

    /// Whether the host has the port open: otherwise it drops what is sent.
    pub fn is_open(&self) -> bool {
        self.port.as_ref().is_some_and(|port| port.is_open)
    }

    /// Whether [`read`](Self::read) would return any bytes.
    pub fn has_received(&self) -> bool {
        self.port.as_ref().is_some_and(|port| port.receive.has_filled())
    }

    /// Move received bytes into `buffer`; returns how many.
    ///
    /// # Errors
    /// As [`on_interrupt`](Self::on_interrupt).
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let Some(port) = &mut self.port else { return Ok(0) };
        let count = port.receive.read(buffer);
        port.receive.offer_all(&mut self.transport)?;
        Ok(count)
    }

    /// Bytes that [`write`](Self::write) would take now.
    pub fn room(&self) -> usize {
        let port = self.port.as_ref().filter(|port| port.is_open);
        port.map_or(0, |port| port.send.free() * DATA_BUFFER_BYTES)
    }

    /// Send as many of `bytes` as there are free buffers for; returns how many: 0 while the host does not listen.
    ///
    /// # Errors
    /// As [`on_interrupt`](Self::on_interrupt).
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let Some(port) = self.port.as_mut().filter(|port| port.is_open) else { return Ok(0) };
        port.send.collect_sent()?;
        port.send.write(bytes, &mut self.transport)
    }
}

#[cfg(test)]
mod tests;
