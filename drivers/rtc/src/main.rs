//! The real-time clock's driver as a task.
#![cfg_attr(target_os = "none", no_std, no_main)]

use driver_lib::port_io::GrantedPorts;
use interfaces::ClockDispatcher;
use ipc::Server;
use rtc_driver::server::ClockServer;

rt::entry!(main);

fn main(env: &rt::Env) {
    let mut ports = GrantedPorts(env.ports("cmos").expect("the manifest grants the ports").ports);
    let endpoint = env.served("clock").expect("the manifest grants the endpoint to serve");
    let clock = ClockServer::new(&mut ports, rt::time::now_ns);
    log::info!("time of day at boot: {:?}", clock.boot_time_ns());
    let server = Server::new(endpoint, 0).expect("the manifest grants memory for the server's objects");
    let error = server.run(&mut ClockDispatcher(clock));
    log::error!("no longer served: {error:?}");
}
