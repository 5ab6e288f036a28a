//! The place that a task sits in while it lives: a personality thread with its Vcpu.
//!
//! Seats are made by the server and reused: a task that ends leaves its seat to the next one, so that fork and exit make
//! no kernel objects.

use alloc::boxed::Box;
use alloc::sync::Arc;

use guest_memory::StatePage;
use linux_abi::Result;
use sync::Waiter;

use crate::Task;

/// What of a seat's hardware others need.
pub trait Machine: Send + Sync {
    /// Makes the program's code stop where it is, now or the next time it is to run.
    fn kick(&self);

    /// Switches the calling thread, which sits here, to an address space: the slot of its VSpace.
    ///
    /// # Errors
    /// `ENOMEM` where the kernel refuses.
    fn enter_space(&self, slot: u64) -> Result<()>;
}

/// A personality thread that serves one task at a time.
pub struct Seat {
    /// The program's registers while it does not run.
    pub state: StatePage,
    /// Wakes the thread.
    pub waiter: Arc<Waiter>,
    /// The thread's number ([`Waiter::current_index`]).
    pub index: usize,
    /// Its hardware.
    pub machine: Box<dyn Machine>,
}

/// Makes and keeps seats.
pub trait Workers: Send + Sync {
    /// An empty seat.
    ///
    /// # Errors
    /// `EAGAIN` when there is no memory for another one.
    fn take(&self) -> Result<Arc<Seat>>;

    /// Gives back a seat that was taken and not started.
    fn give_back(&self, seat: Arc<Seat>);

    /// Lets a seat serve a task until the task's end; then the seat is empty again.
    fn start(&self, task: Arc<Task>);
}
