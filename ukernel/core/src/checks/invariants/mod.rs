//! What must hold after every step; the list is in `ukernel/README.md`.

pub(super) mod bindings;
pub(super) mod counts;
pub(super) mod derivation;
pub(super) mod foreign;
pub(crate) mod heap;
pub(super) mod io_spaces;
pub(super) mod processors;
pub(super) mod queues;
pub(super) mod spaces;
pub(super) mod time;

use super::Violation;
use super::world::World;

/// Check all.
///
/// # Errors
/// What does not hold.
pub fn check(world: &World) -> Result<(), Violation> {
    let kernel = &world.kernel;
    derivation::check(kernel)?;
    counts::check(kernel)?;
    queues::check(kernel)?;
    bindings::check(kernel)?;
    io_spaces::check(kernel)?;
    time::check(kernel)?;
    foreign::check(kernel)?;
    processors::check(kernel)?;
    spaces::check(kernel)
}
