//! A task that was made, as far as the root task deals with it while it runs.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use ukernel_user::{Cap, Error, Thread};

use crate::fault::{self, Fault};
use crate::space::Space;

/// Most bytes of a stack that are looked at for a stack trace.
const MAX_STACK_BYTES: u64 = 256 << 10;

/// A task that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Its main thread.
    pub thread: Cap<Thread>,
    /// Its address space.
    pub space: Space,
    /// Bounds of its main thread's stack.
    pub stack: (u64, u64),
}

impl Made {
    /// Starts it.
    ///
    /// # Errors
    /// Only what cannot be.
    pub fn start(&self) -> Result<(), Error> {
        self.thread.resume()
    }

    /// Stops all of its threads, for good: they lose their address space. Those of a personality run in the address spaces
    /// of its processes, which share a part of its own and die with it.
    ///
    /// # Errors
    /// Only what cannot be.
    pub fn stop(&self) -> Result<(), Error> {
        self.thread.suspend()?;
        rt::own::cap_table().revoke(self.space.vspace.slot())
    }

    /// The return addresses on the stack, where a fault was on the main thread's: the root task can read no other.
    #[must_use]
    pub fn trace(&self, fault: &Fault) -> Vec<u64> {
        let (low, high) = self.stack;
        if !(low..high).contains(&fault.fp) {
            return Vec::new();
        }
        let low = low.max(high.saturating_sub(MAX_STACK_BYTES));
        let mut stack = vec![0; (high - low) as usize];
        match rt::memory::read(self.space.stack, low - self.stack.0, &mut stack) {
            Ok(()) => fault::stack_trace(&stack, low, fault.fp),
            Err(_) => Vec::new(),
        }
    }
}
