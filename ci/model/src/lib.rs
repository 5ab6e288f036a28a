//! The microkernel's model checker: explores every interleaving of system calls that a few threads can make.
//!
//! What runs is `ukernel-core`, the code that boots, on the simulated machine of its feature `checks`. A [`Scenario`] is
//! a world and the calls that its threads may make; [`explore`] makes them all, in all orders, breadth first, and checks the
//! invariants of `ukernel/README.md` in each state that is new. So a counterexample is a shortest one.
//!
//! Threads of one priority can be preempted between any two calls, so in each state every thread that can run may be the
//! next to make one. Objects that lose their last capability are removed from the simulated memory: following a stale
//! reference is a panic, which is a counterexample too.

mod accounts;
mod devices;
mod explore;
mod foreign;
mod pieces;
mod processors;
mod scenario;
mod seen;
mod trail;

pub use explore::{Counterexample, Explored, Limits, explore};
pub use scenario::{Scenario, scenarios};
