//! The kernel on a simulated machine, and what must hold of it: for tests, and for the model checker in `ci/model`.
//!
//! * [`simulation`]: a [`Machine`](crate::Machine) of typed stores that is cheap to copy, compare and search
//! * [`iommu`]: the IOMMU of that machine, where a test wants one
//! * [`processor`]: what each processor of it holds by itself
//! * [`world`]: a kernel on it, with tables, a VSpace and threads that make system calls by function calls
//! * [`step`]: one system call as data: made, and its promises checked; `print` has it in words
//! * [`moves`]: what else can happen: foreign code, state pages, processors that wait for the kernel
//! * [`invariants`]: what must hold after each step; the list is in `ukernel/README.md`
//! * [`digest`]: what of all this is state, as 128 bits
//!
//! Nothing here is in a kernel that boots: it needs `std` and the feature `checks`.

pub mod digest;
pub mod invariants;
pub mod iommu;
pub mod moves;
mod print;
pub mod processor;
pub mod simulation;
pub mod step;
mod store;
pub mod world;

/// What does not hold, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub std::string::String);

impl core::fmt::Display for Violation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Return a [`Violation`] unless the condition holds.
macro_rules! must {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::checks::Violation(std::format!($($text)+)));
        }
    };
}
pub(crate) use must;
