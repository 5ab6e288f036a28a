//! Tests of the kernel's logic on a simulated machine.

mod balance;
mod capabilities;
mod fast_path;
mod foreign;
mod heap;
mod io_spaces;
mod lock;
mod messages;
mod preemption;
mod random;
mod refills;
mod spaces;
mod steps;
mod time;
mod trace;
mod views;
mod watch;

use crate::checks::invariants;
use crate::checks::world::World;

/// The invariants hold, once the kernel is left: tests act on it directly as well.
#[track_caller]
fn check(world: &World) {
    let world = &mut world.clone();
    world.kernel.settle();
    if let Err(violation) = invariants::check(world) {
        panic!("{violation}");
    }
}
