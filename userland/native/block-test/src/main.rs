//! Tests of the block driver on a machine with a disk, as a task of a system that has little else.
//!
//! It writes `ok NAME` or `FAILED NAME: reason` to the log, and `bench NAME INSTRUCTIONS`, and switches the machine off.
//! `ci/harness` boots it.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

mod bench;
mod fixture;
mod lender;
mod load;
mod resources;
mod tests;

use interfaces::system::StopReason;
use interfaces::{PciBusClient, System, SystemClient};

/// A modern virtio block device.
const VENDOR: u16 = 0x1af4;
const DEVICE: u16 = 0x1042;

/// The ways to the pci server: as either of two drivers of each disk, and as the supervisor.
struct Buses {
    /// The disk.
    disk: [PciBusClient; 2],
    /// A disk that is all zero and takes its time.
    slow: [PciBusClient; 2],
    supervisor: PciBusClient,
}

rt::entry!(main);

fn main(env: &rt::Env) {
    if env.option("role") == Some("lender") {
        return lender::run(env);
    }
    let own = PciBusClient::new(env.endpoint("pci").expect("the manifest grants the device"));
    let buses = Buses {
        disk: [own, lender::borrow(env, "disk-2")],
        slow: [lender::borrow(env, "slow-1"), lender::borrow(env, "slow-2")],
        supervisor: lender::borrow(env, "evictor"),
    };
    let system = SystemClient::new(env.endpoint("system").expect("the manifest grants the switch"));
    let mut failed = 0;
    for (name, test) in tests::TESTS {
        match test(&buses) {
            Ok(()) => log::info!("ok {name}"),
            Err(reason) => {
                failed += 1;
                log::info!("FAILED {name}: {reason}");
            }
        }
    }
    log::info!("done: {} passed, {failed} failed", tests::TESTS.len() - failed);
    if let Err(error) = system.stop(StopReason::Orderly) {
        panic!("the machine does not stop: {error}");
    }
}
