//! The virtio console's driver as a task: its device from the pci server, its endpoint.
#![cfg_attr(target_os = "none", no_std, no_main)]

use driver_lib::dma::Dma;
use driver_lib::io_space::DmaSpace;
use driver_lib::virtio::pci;
use interfaces::{HostLinkDispatcher, PciBus, PciBusClient};
use ipc::Server;
use ukernel_user::{Cap, Irq};
use virtio_serial_driver::device::{Console, DMA_BYTES, Memory};
use virtio_serial_driver::server::LinkServer;

/// The port that the host tool is at.
const PORT_NAME: &[u8] = b"org.banyan.channel";
/// The one interrupt vector that all queues share.
const VECTOR: u16 = 0;
/// Clients that may wait: a reader and a writer, and those of a client that was started again.
const WAITING: usize = 8;

rt::entry!(main);

fn main(env: &rt::Env) {
    let bus = PciBusClient::new(env.endpoint("pci").expect("the manifest grants the device"));
    let endpoint = env.served("link").expect("the manifest grants the endpoint to serve");
    let server = Server::new(endpoint, WAITING).expect("the manifest grants memory for the server's objects");
    let transport = match pci::open(&bus) {
        Ok(transport) => transport,
        Err(error) => panic!("the virtio console cannot be opened: {error:?}"),
    };
    let irq: Cap<Irq> = match bus.interrupt(VECTOR) {
        Ok(irq) => Cap::new(irq.0),
        Err(error) => panic!("the virtio console has no interrupt: {error}"),
    };
    let event = server.event(0).expect("there is a free slot");
    irq.bind(event).expect("the interrupt was issued");
    let space = DmaSpace::of(&bus).expect("the pci server says how the device reaches memory");
    let dma = Dma::allocate(DMA_BYTES, &space).expect("the manifest grants memory for DMA");
    let memory = Memory { space, dma };
    let console = match Console::start(transport, memory, VECTOR, PORT_NAME) {
        Ok(console) => console,
        Err(error) => panic!("the virtio console does not start: {error:?}"),
    };
    let acknowledge = move || irq.acknowledge().expect("the interrupt is ours");
    let error = server.run(&mut HostLinkDispatcher(LinkServer::new(console, acknowledge)));
    log::error!("no longer served: {error:?}");
}
