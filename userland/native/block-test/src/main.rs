//! Tests of the block driver on a machine with a disk, as a task of a system that has little else.
//!
//! It writes `ok NAME` or `FAILED NAME: reason` to the log, and `bench NAME INSTRUCTIONS`, and switches the machine off.
//! `ci/harness` boots it.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

mod bench;
mod load;
mod resources;
mod tests;

use interfaces::system::StopReason;
use interfaces::{PciBusClient, System, SystemClient};

rt::entry!(main);

fn main(env: &rt::Env) {
    let bus = PciBusClient::new(env.endpoint("pci").expect("the manifest grants the device"));
    let system = SystemClient::new(env.endpoint("system").expect("the manifest grants the switch"));
    let mut failed = 0;
    for (name, test) in tests::TESTS {
        match test(bus) {
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
