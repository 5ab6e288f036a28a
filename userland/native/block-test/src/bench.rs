//! What a request costs besides the device, in instructions where the machine counts them.
//!
//! Requests that reach the device are not measured here: while a counting machine waits for its disk, its clock jumps.

use alloc::format;
use alloc::string::String;

use interfaces::BlockDevice;
use ipc::Capability;
use rt::memory::Shared;

const ROUNDS: u64 = 200;
const BYTES: u64 = 4096;

/// Measures reads of nothing, which go all the way but to the device.
pub fn empty_reads(name: &str, device: &impl BlockDevice) -> Result<(), String> {
    let memory = Shared::allocate(BYTES).map_err(|error| format!("memory: {error:?}"))?;
    let region = device.attach(Capability(memory.memory().slot()), BYTES);
    let region = region.map_err(|error| format!("attaching: {error:?}"))?;
    let start = rt::time::now_ns();
    for _ in 0..ROUNDS {
        device.read(region, 0, 0, 0).map_err(|error| format!("reading: {error:?}"))?;
    }
    log::info!("bench read of nothing {name} {}", (rt::time::now_ns() - start) / ROUNDS);
    device.detach(region).map_err(|error| format!("detaching: {error:?}"))
}
