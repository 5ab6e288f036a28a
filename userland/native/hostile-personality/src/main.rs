//! What a personality can still do to a disk whose driver has moved out of it: a task with the personality's own entry in
//! the manifest, which tries.
//!
//! It takes the disk as the personality does, gives it up as a move does, and then tries every way that it has left, from
//! inside. It writes `ok NAME` or `FAILED NAME: reason` to the log and stops the machine. `ci/harness` boots it.
//!
//! * [`held`]: the device's capabilities, and all that a driver could have derived from them
//! * [`probe`]: a thread that touches what may not be there
//! * [`slots`]: what every slot of the CapTable holds
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

mod held;
mod probe;
mod slots;
mod tests;
mod world;

use interfaces::system::StopReason;
use interfaces::{System, SystemClient};

rt::entry!(main);

fn main(env: &rt::Env) {
    let system = SystemClient::new(env.endpoint("system").expect("the manifest grants the switch"));
    let failed = match world::World::new(env) {
        Ok(mut world) => tests::TESTS.iter().filter(|(name, test)| !report(name, &test(&mut world))).count(),
        Err(reason) => {
            log::info!("FAILED to begin: {reason}");
            1
        }
    };
    log::info!("done: {} passed, {failed} failed", tests::TESTS.len().saturating_sub(failed));
    if let Err(error) = system.stop(StopReason::Orderly) {
        panic!("the machine does not stop: {error}");
    }
}

fn report(name: &str, outcome: &world::Outcome) -> bool {
    match outcome {
        Ok(()) => log::info!("ok {name}"),
        Err(reason) => log::info!("FAILED {name}: {reason}"),
    }
    outcome.is_ok()
}
