//! The 16550's driver as a task: its ports, its interrupt, its endpoint.
#![cfg_attr(target_os = "none", no_std, no_main)]

use driver_lib::port_io::GrantedPorts;
use interfaces::SerialPortDispatcher;
use ipc::Server;
use serial_driver::server::SerialServer;
use serial_driver::uart::Uart;

/// Clients that may wait: a reader and a writer, and those of a client that was started again.
const WAITING: usize = 8;

rt::entry!(main);

fn main(env: &rt::Env) {
    let ports = env.ports("uart").expect("the manifest grants the ports");
    let irq = env.irq("uart").expect("the manifest grants the interrupt");
    let endpoint = env.served("serial").expect("the manifest grants the endpoint to serve");
    let server = Server::new(endpoint, WAITING).expect("the manifest grants memory for the server's objects");
    let event = server.event(0).expect("there is a free slot");
    irq.bind(event).expect("the interrupt was issued");
    let uart = Uart::new(GrantedPorts(ports.ports), ports.first);
    let acknowledge = move || irq.acknowledge().expect("the interrupt is ours");
    // It may have asked for attention before it was bound.
    acknowledge();
    log::info!("16550 at port {:#x}", ports.first);
    let error = server.run(&mut SerialPortDispatcher(SerialServer::new(uart, acknowledge)));
    log::error!("no longer served: {error:?}");
}
