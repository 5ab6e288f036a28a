//! Step 2: the service. It knows nothing of messages and of where it runs.

use rt::sync::Mutex;

use crate::contract::{TicketError, Tickets};

/// The service: its state is one number, which is there from `begin` to `retire`.
#[derive(Debug, Default)]
pub struct Roll {
    next: Mutex<Option<u64>>,
}

impl Tickets for Roll {
    fn begin(&self, next: u64) -> Result<(), TicketError> {
        let mut state = self.next.lock();
        if state.is_some() {
            return Err(TicketError::Begun);
        }
        *state = Some(next);
        Ok(())
    }

    fn take(&self) -> Result<u64, TicketError> {
        let mut state = self.next.lock();
        let next = state.as_mut().ok_or(TicketError::NotBegun)?;
        *next += 1;
        Ok(*next - 1)
    }

    fn retire(&self) -> Result<u64, TicketError> {
        self.next.lock().take().ok_or(TicketError::NotBegun)
    }
}
