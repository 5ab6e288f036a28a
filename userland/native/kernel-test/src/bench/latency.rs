//! How long interrupts are off, at most, in what takes longest.

use ukernel_abi::Error;

use super::meter::Meter;
use crate::latency::Watch;
use crate::latency::operations::{IN_ONE, IN_PIECES};
use crate::world::World;

/// Each operation, interrupted at as many moments as there are rounds.
pub fn interrupts_off(world: &mut World, meter: Meter) -> Result<(), Error> {
    let watch = Watch::new(world)?;
    for (name, operation) in IN_PIECES.into_iter().chain(IN_ONE) {
        let seen = operation(world, watch, meter.rounds)?;
        meter.print_most(name, seen.late);
    }
    Ok(())
}
