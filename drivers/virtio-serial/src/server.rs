//! The contract `HostLink` over the device's one port.

use crate::device::Console;
use alloc::vec::Vec;
use driver_lib::stream::{Requests, Stream};
use driver_lib::virtio::{Error, Transport};
use interfaces::{HostLinkError, HostLinkHandler};
use ipc::{Answer, Caller};

/// The driver: device, waiting clients, and how to let the next interrupt come.
#[derive(Debug)]
pub struct LinkServer<T, A> {
    port: Port<T>,
    requests: Requests<HostLinkError>,
    acknowledge: A,
}

/// The device as a stream. Once it has broken the rules it is not touched again.
#[derive(Debug)]
struct Port<T> {
    console: Console<T>,
    failure: Option<Error>,
}

impl<T> Port<T> {
    fn check<V: Default>(&mut self, result: Result<V, Error>) -> V {
        result.unwrap_or_else(|error| {
            log::error!("the virtio console device is given up: {error:?}");
            self.failure = Some(error);
            V::default()
        })
    }
}

impl<T: Transport> Stream for Port<T> {
    fn take_input(&mut self, buffer: &mut [u8]) -> usize {
        let result = self.console.read(buffer);
        self.check(result)
    }
    fn has_input(&self) -> bool {
        self.failure.is_none() && self.console.has_received()
    }
    fn room(&self) -> usize {
        if self.failure.is_none() { self.console.room() } else { 0 }
    }
    fn put_output(&mut self, bytes: &[u8]) -> usize {
        if self.failure.is_some() {
            return 0;
        }
        let result = self.console.write(bytes);
        self.check(result)
    }
}

impl<T: Transport, A: FnMut()> LinkServer<T, A> {
    /// A server of `console`; `acknowledge` lets the next interrupt come; it is called before the device is looked at.
    pub const fn new(console: Console<T>, acknowledge: A) -> Self {
        Self { port: Port { console, failure: None }, requests: Requests::new(), acknowledge }
    }

    /// Leave nobody waiting for a device that has been given up.
    fn fail_where_broken(&mut self) {
        if self.port.failure.is_some() {
            self.requests.fail(HostLinkError::Gone);
        }
    }
}

impl<T: Transport, A: FnMut()> HostLinkHandler for LinkServer<T, A> {
    fn send(
        &mut self,
        caller: Caller<'_, Result<(), HostLinkError>>,
        bytes: &[u8],
    ) -> Answer<Result<(), HostLinkError>> {
        let answer = self.requests.write(caller, bytes, &mut self.port, HostLinkError::Busy);
        self.fail_where_broken();
        answer
    }

    fn receive(
        &mut self,
        caller: Caller<'_, Result<Vec<u8>, HostLinkError>>,
        max: u32,
    ) -> Answer<Result<Vec<u8>, HostLinkError>> {
        let answer = self.requests.read(caller, max, &mut self.port, HostLinkError::Busy);
        self.fail_where_broken();
        answer
    }

    fn notified(&mut self, _bits: u64) {
        (self.acknowledge)();
        if self.port.failure.is_none() {
            let result = self.port.console.on_interrupt();
            self.port.check(result);
            self.requests.settle(&mut self.port);
        }
        self.fail_where_broken();
    }
}
