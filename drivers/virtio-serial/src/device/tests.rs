//! The driver against a device in memory.

use super::*;
use alloc::vec;
use driver_lib::virtio::FEATURE_VERSION_1;
use driver_lib::virtio::fake::{FakeQueue, FakeTransport};

const NAME: &[u8] = b"org.banyan.channel";

/// The device's side: all its queues, and its view of the memory.
struct Host {
    memory: Dma,
    queues: Vec<(u16, FakeQueue)>,
}

impl Host {
    fn queue(&mut self, number: u16) -> &mut FakeQueue {
        &mut self.queues.iter_mut().find(|(index, _)| *index == number).expect("the driver enabled it").1
    }

    /// Everything that the driver sent on a queue.
    fn take_sent(&mut self, number: u16) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some((id, chain)) = self.queue(number).take() {
            let mut bytes = vec![0; chain[0].bytes as usize];
            self.memory.copy_out((chain[0].physical - self.memory.physical(0)) as usize, &mut bytes);
            self.queue(number).give_back(u32::from(id), 0);
            all.push(bytes);
        }
        all
    }

    /// Deliver bytes into the next buffer of a queue; false where there is none.
    fn deliver(&mut self, number: u16, bytes: &[u8]) -> bool {
        let Some((id, chain)) = self.queue(number).take() else { return false };
        assert!(chain[0].bytes as usize >= bytes.len());
        self.memory.copy_in((chain[0].physical - self.memory.physical(0)) as usize, bytes);
        self.queue(number).give_back(u32::from(id), bytes.len() as u32);
        true
    }

    fn control(&mut self, port: u32, event: Event, value: u16, name: &[u8]) {
        let mut bytes = Vec::from(control::encode(port, event, value));
        bytes.extend(name);
        assert!(self.deliver(CONTROL_RECEIVE, &bytes));
    }
}

fn start() -> (Console<FakeTransport>, Host) {
    let memory = Dma::fake(DMA_BYTES, 0x4000_0000);
    let view = memory.device_view();
    let transport = FakeTransport::new(FEATURE_VERSION_1 | FEATURE_MULTIPORT, &[0, 31]);
    let console = Console::start(transport, Memory { space: DmaSpace::physical(), dma: memory }, 3, NAME)
        .expect("the device is in order");
    let queues = console.transport.queues.iter().map(|&(index, size, physical, vector)| {
        assert_eq!(vector, 3);
        let (_, rings) = view.device_view().split((physical - view.physical(0)) as usize);
        (index, FakeQueue::new(usize::from(size), rings))
    });
    let queues = queues.collect();
    (console, Host { memory: view, queues })
}

fn open() -> (Console<FakeTransport>, Host) {
    let (mut console, mut host) = start();
    assert_eq!(host.take_sent(CONTROL_SEND), [control::encode(u32::MAX, Event::DeviceReady, 1)]);
    host.control(1, Event::PortAdd, 0, b"");
    console.on_interrupt().expect("in order");
    assert_eq!(host.take_sent(CONTROL_SEND), [control::encode(1, Event::PortReady, 1)]);
    host.control(1, Event::PortName, 1, NAME);
    host.control(1, Event::PortOpen, 1, b"");
    console.on_interrupt().expect("in order");
    assert_eq!(host.take_sent(CONTROL_SEND), [control::encode(1, Event::PortOpen, 1)]);
    assert!(console.is_open());
    (console, host)
}

#[test]
fn bytes_go_both_ways_through_the_named_port() {
    let (mut console, mut host) = open();
    assert_eq!(console.write(b"to the host"), Ok(11));
    assert_eq!(host.take_sent(5), [b"to the host"]);
    assert!(host.deliver(4, b"to the ") && host.deliver(4, b"guest"));
    console.on_interrupt().expect("in order");
    let mut buffer = [0; 9];
    assert_eq!(console.read(&mut buffer), Ok(9));
    assert_eq!(&buffer, b"to the gu");
    assert_eq!(console.read(&mut buffer), Ok(3));
    assert!(!console.has_received());
}

#[test]
fn sending_stops_when_all_buffers_are_out_and_goes_on_after() {
    let (mut console, mut host) = open();
    let bytes = vec![5; 40 * DATA_BUFFER_BYTES];
    assert_eq!(console.write(&bytes), Ok(DATA_BUFFERS * DATA_BUFFER_BYTES));
    assert_eq!(console.write(&bytes), Ok(0));
    assert_eq!(host.take_sent(5).len(), DATA_BUFFERS);
    console.on_interrupt().expect("in order");
    assert_eq!(console.write(&bytes[..10]), Ok(10));
}

#[test]
fn receive_buffers_are_offered_again_once_read() {
    let (mut console, mut host) = open();
    let mut buffer = vec![0; DATA_BUFFER_BYTES];
    for round in 0..200u8 {
        assert!(host.deliver(4, &[round; DATA_BUFFER_BYTES]));
        console.on_interrupt().expect("in order");
        assert_eq!(console.read(&mut buffer), Ok(DATA_BUFFER_BYTES));
        assert!(buffer.iter().all(|&byte| byte == round));
    }
    assert_eq!((0..100).filter(|_| host.deliver(4, b"x")).count(), DATA_BUFFERS);
}

#[test]
fn nothing_is_sent_before_the_host_listens() {
    let (mut console, mut host) = open();
    host.control(1, Event::PortOpen, 0, b"");
    console.on_interrupt().expect("in order");
    assert_eq!(console.write(b"lost?"), Ok(0));
}

#[test]
fn a_device_that_lies_about_ports_and_floods_is_survived() {
    let (mut console, mut host) = start();
    host.take_sent(CONTROL_SEND);
    host.control(u32::MAX, Event::PortName, 1, NAME);
    host.control(9, Event::PortOpen, 1, b"");
    host.control(1, Event::PortRemove, 1, b"");
    console.on_interrupt().expect("in order");
    assert!(!console.is_open());
    for _ in 0..500 {
        host.control(7, Event::PortAdd, 0, b"");
        console.on_interrupt().expect("in order");
    }
    assert!(console.waiting.len() <= MAX_WAITING);
    host.queue(CONTROL_RECEIVE).give_back(77, 8);
    assert_eq!(console.on_interrupt(), Err(Error::BadUsedId(77)));
}

#[test]
fn a_device_without_ports_is_refused() {
    let transport = FakeTransport::new(FEATURE_VERSION_1, &[]);
    let memory = Memory { space: DmaSpace::physical(), dma: Dma::fake(DMA_BYTES, 0) };
    let result = Console::start(transport, memory, 0, NAME);
    assert_eq!(result.map(|_| ()), Err(Error::FeaturesRefused));
}
