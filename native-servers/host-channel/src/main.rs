//! The host-channel server as a task: its link, its endpoint, its two pumps.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::sync::Arc;
use host_channel_server::pump::{pump_incoming, pump_outgoing};
use host_channel_server::server::{HostChannelServer, Shared};
use interfaces::{HostChannelDispatcher, HostLinkClient};
use ipc::Server;

const STACK_BYTES: usize = 64 << 10;
/// Clients that may wait: five for each of two dozen sessions, within the default CapTable.
const WAITING: usize = 120;

rt::entry!(main);

fn main(env: &rt::Env) {
    let link = HostLinkClient::new(env.endpoint("link").expect("the manifest grants the link"));
    let endpoint = env.served("host-channel").expect("the manifest grants the endpoint to serve");
    let shared = Arc::new(Shared::default());
    let (out, into) = (shared.clone(), shared.clone());
    rt::thread::spawn("outgoing", STACK_BYTES, move || pump_outgoing(&out, &link))
        .expect("there is memory for a thread");
    rt::thread::spawn("incoming", STACK_BYTES, move || pump_incoming(&into, &link))
        .expect("there is memory for a thread");
    let server = Server::new(endpoint, WAITING).expect("the manifest grants memory for the server's objects");
    let error = server.run(&mut HostChannelDispatcher(HostChannelServer(shared)));
    log::error!("no longer served: {error:?}");
}
