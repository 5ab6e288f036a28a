//! The console server as a task: its serial line, its endpoint, its two pumps.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::sync::Arc;
use console_server::buffers::{Buffers, ConsoleServer};
use console_server::pump::{pump_input, pump_output};
use interfaces::{ConsoleDispatcher, SerialPortClient};
use ipc::Server;

const STACK_BYTES: usize = 64 << 10;
/// Clients that may wait, on both directions together.
const WAITING: usize = 16;

rt::entry!(main);

fn main(env: &rt::Env) {
    let line = SerialPortClient::new(env.endpoint("serial").expect("the manifest grants the serial line"));
    let endpoint = env.served("console").expect("the manifest grants the endpoint to serve");
    let buffers = Arc::new(Buffers::default());
    let (output, input) = (buffers.clone(), buffers.clone());
    rt::thread::spawn("output", STACK_BYTES, move || pump_output(&output, &line))
        .expect("there is memory for a thread");
    rt::thread::spawn("input", STACK_BYTES, move || pump_input(&input, &line)).expect("there is memory for a thread");
    let server = Server::new(endpoint, WAITING).expect("the manifest grants memory for the server's objects");
    let error = server.run(&mut ConsoleDispatcher(ConsoleServer(buffers)));
    log::error!("no longer served: {error:?}");
}
