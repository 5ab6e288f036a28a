//! The contract `SerialPort` over the device.

use crate::uart::Uart;
use alloc::vec::Vec;
use driver_lib::port_io::PortIo;
use driver_lib::stream::{Requests, Stream};
use interfaces::{SerialError, SerialPortHandler};
use ipc::{Answer, Caller};

impl<P: PortIo> Stream for Uart<P> {
    fn take_input(&mut self, buffer: &mut [u8]) -> usize {
        self.read(buffer)
    }
    fn has_input(&self) -> bool {
        self.has_received()
    }
    fn room(&self) -> usize {
        Uart::room(self)
    }
    fn put_output(&mut self, bytes: &[u8]) -> usize {
        self.write(bytes)
    }
}

/// The driver: device, waiting clients, and how to let the next interrupt come.
#[derive(Debug)]
pub struct SerialServer<P, A> {
    uart: Uart<P>,
    requests: Requests<SerialError>,
    acknowledge: A,
}

impl<P: PortIo, A: FnMut()> SerialServer<P, A> {
    /// A server of `uart`; `acknowledge` lets the next interrupt come; it is called before the device is looked at.
    pub const fn new(uart: Uart<P>, acknowledge: A) -> Self {
        Self { uart, requests: Requests::new(), acknowledge }
    }
}

impl<P: PortIo, A: FnMut()> SerialPortHandler for SerialServer<P, A> {
    fn write(&mut self, caller: Caller<'_, Result<(), SerialError>>, bytes: &[u8]) -> Answer<Result<(), SerialError>> {
        self.requests.write(caller, bytes, &mut self.uart, SerialError::Busy)
    }

    fn read(
        &mut self,
        caller: Caller<'_, Result<Vec<u8>, SerialError>>,
        max: u32,
    ) -> Answer<Result<Vec<u8>, SerialError>> {
        self.requests.read(caller, max, &mut self.uart, SerialError::Busy)
    }

    fn notified(&mut self, _bits: u64) {
        // First: an edge that comes while the line is masked is lost, so the device is looked at after.
        (self.acknowledge)();
        self.uart.on_interrupt();
        self.requests.settle(&mut self.uart);
    }
}
