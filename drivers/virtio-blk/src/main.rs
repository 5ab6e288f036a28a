//! The disk's driver as a task: its device from the pci server, its endpoint, threads that serve it.
#![cfg_attr(target_os = "none", no_std, no_main)]

use interfaces::{BlockDeviceDispatcher, PciBusClient};
use ipc::{PerCaller, Pool, PoolSize, Urgency};
use virtio_blk_driver::{Driver, Injection};

/// So many requests are served at a time. Clients have few threads that wait for a disk.
const POOL: PoolSize = PoolSize { threads: 8, stack_bytes: 32 << 10, urgency: Urgency::Usual };

rt::entry!(main);

fn main(env: &rt::Env) {
    let bus = PciBusClient::new(env.endpoint("pci").expect("the manifest grants the device"));
    let endpoint = env.served("block").expect("the manifest grants the endpoint to serve");
    let injection = Injection::from_option(env.option("panic_after_requests"));
    let driver = match Driver::open(bus, injection) {
        Ok(driver) => driver,
        Err(failure) => panic!("the disk cannot be opened: {failure:?}"),
    };
    let clients = driver.clients();
    let pool = Pool::start("disk", endpoint, POOL, || BlockDeviceDispatcher(PerCaller(clients.clone())));
    let pool = pool.expect("the manifest grants memory for the threads that serve");
    // Both go on without the main thread, for as long as the task lives.
    core::mem::forget((driver, pool));
}
