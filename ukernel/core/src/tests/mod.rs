//! The kernel's logic on a simulated machine.

mod capabilities;
mod fast_path;
mod foreign;
mod invariants;
mod messages;
mod random;
mod simulation;
mod spaces;
