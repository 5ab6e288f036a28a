//! The PCI server as a task.
#![cfg_attr(target_os = "none", no_std, no_main)]

use driver_lib::port_io::GrantedPorts;
use interfaces::{PciBusDispatcher, SupervisorClient};
use ipc::Server;
use pci_server::kernel::Kernel;
use pci_server::server::PciServer;

/// The server's event: a device was refused something.
const FAULTS: u32 = 0;

rt::entry!(main);

fn main(env: &rt::Env) {
    let ports = GrantedPorts(env.ports("config").expect("the manifest grants the ports").ports);
    let control = env.irq_control().expect("the manifest grants the right to issue interrupts");
    let endpoint = env.served("pci").expect("the manifest grants the endpoint to serve");
    let server = Server::new(endpoint, 0).expect("the manifest grants memory for the server's objects");
    let faults = server.event(FAULTS).expect("the manifest grants memory for the server's objects");
    let supervisor = env.endpoint("supervisor").ok().map(SupervisorClient::new);
    let kernel = Kernel::new(control, env.io_control(), env.devices(""), (faults, supervisor));
    let pci = PciServer::new(ports, kernel);
    for function in pci.functions() {
        let (place, identity) = (function.address, function.identity);
        log::info!("{place} {:04x}:{:04x} class {:06x}", identity.vendor, identity.device, identity.class);
    }
    let error = server.run(&mut PciBusDispatcher(pci));
    log::error!("no longer served: {error:?}");
}
