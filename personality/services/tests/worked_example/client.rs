//! Step 4: the client. It keeps what a dead incarnation would lose, and calls through the slot.

use std::sync::Arc;

use ipc::Failure;
use rt::sync::Mutex;
use services::Slot;
use ukernel_abi::Error;

use crate::contract::{TicketError, Tickets};

impl Tickets for Slot<dyn Tickets> {
    fn begin(&self, next: u64) -> Result<(), TicketError> {
        self.call(|home| home.begin(next))
    }

    fn take(&self) -> Result<u64, TicketError> {
        self.call(|home| home.take())
    }

    fn retire(&self) -> Result<u64, TicketError> {
        self.call(|home| home.retire())
    }
}

/// Takes tickets, whatever becomes of the incarnation that has them.
pub struct Office {
    tickets: Arc<Slot<dyn Tickets>>,
    /// The ticket after the last one that was got. Held during a call: only so is it certain which tickets are out.
    next: Mutex<u64>,
}

impl Office {
    /// An office whose first ticket is `next`.
    pub fn new(tickets: Arc<Slot<dyn Tickets>>, next: u64) -> Self {
        Self { tickets, next: Mutex::new(next) }
    }

    /// A ticket that nobody had before.
    pub fn take(&self) -> Result<u64, TicketError> {
        let mut next = self.next.lock();
        loop {
            match self.tickets.take() {
                Ok(ticket) => {
                    *next = ticket + 1;
                    return Ok(ticket);
                }
                // This incarnation is a new one: it learns where the lost one was.
                Err(TicketError::NotBegun) => self.tickets.begin(*next)?,
                // The supervisor makes a new one.
                Err(TicketError::Call(Failure::Kernel(Error::ServerDied))) => rt::thread::yield_now(),
                Err(error) => return Err(error),
            }
        }
    }
}
