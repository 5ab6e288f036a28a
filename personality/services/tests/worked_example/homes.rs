//! Step 5: the homes, and what it takes to leave and to enter each.

use std::sync::Arc;

use interfaces::supervisor::Placement;
use interfaces::{Supervisor, SupervisorError};
use rt::sync::Mutex;
use services::home::{Home, Step, StepError};

use crate::contract::{TicketError, Tickets};
use crate::library::Roll;
use crate::machine::Machine;

/// The service's name: in the manifest, and of its endpoint.
pub const NAME: &str = "tickets";

/// What both homes see.
pub struct Estate {
    /// The supervisor, and the service in its own task.
    pub machine: Machine,
    /// The library, linked in.
    pub roll: Arc<Roll>,
    /// State on its way from one home to the other.
    pub carried: Mutex<u64>,
}

impl Estate {
    fn retire(&self, service: &dyn Tickets) -> Result<(), StepError> {
        *self.carried.lock() = service.retire().map_err(step_error)?;
        Ok(())
    }

    fn begin(&self, service: &dyn Tickets) -> Result<(), StepError> {
        service.begin(*self.carried.lock()).map_err(step_error)
    }
}

/// Inside the personality.
pub struct Inside(pub Arc<Estate>);

impl Home<dyn Tickets> for Inside {
    fn preparing(&self) -> &'static [Step] {
        &[]
    }

    fn leaving(&self) -> &'static [Step] {
        &[Step::Retire]
    }

    fn entering(&self) -> &'static [Step] {
        &[Step::Ready, Step::Note]
    }

    fn take(&self, step: Step) -> Result<(), StepError> {
        match step {
            Step::Retire => self.0.retire(&*self.0.roll),
            Step::Ready => self.0.begin(&*self.0.roll),
            Step::Note => Ok(self.0.machine.placed(NAME, Placement::Personality)?),
            _ => Ok(()),
        }
    }

    fn take_back(&self, step: Step) -> Result<(), StepError> {
        match step {
            Step::Retire => self.0.begin(&*self.0.roll),
            Step::Ready => self.0.retire(&*self.0.roll),
            Step::Note => Ok(self.0.machine.placed(NAME, Placement::Native)?),
            _ => Ok(()),
        }
    }

    fn service(&self) -> Arc<dyn Tickets> {
        self.0.roll.clone()
    }
}

/// In a task of its own.
pub struct Native(pub Arc<Estate>);

impl Home<dyn Tickets> for Native {
    fn preparing(&self) -> &'static [Step] {
        &[Step::Start]
    }

    fn leaving(&self) -> &'static [Step] {
        &[Step::Retire, Step::Stop]
    }

    fn entering(&self) -> &'static [Step] {
        &[Step::Ready, Step::Note]
    }

    fn take(&self, step: Step) -> Result<(), StepError> {
        match step {
            Step::Start => Ok(self.0.machine.start(NAME)?),
            Step::Stop => Ok(self.0.machine.stop(NAME)?),
            Step::Retire => self.0.retire(&*self.service()),
            Step::Ready => self.0.begin(&*self.service()),
            Step::Note => Ok(self.0.machine.placed(NAME, Placement::Native)?),
            _ => Ok(()),
        }
    }

    fn take_back(&self, step: Step) -> Result<(), StepError> {
        match step {
            Step::Start => Ok(self.0.machine.stop(NAME)?),
            Step::Stop => Ok(self.0.machine.start(NAME)?),
            Step::Retire => self.0.begin(&*self.service()),
            Step::Ready => self.0.retire(&*self.service()),
            Step::Note => Ok(self.0.machine.placed(NAME, Placement::Personality)?),
            _ => Ok(()),
        }
    }

    fn service(&self) -> Arc<dyn Tickets> {
        self.0.machine.endpoint()
    }
}

/// There is no error of the contract among those of steps: the home cannot be used.
fn step_error(_: TicketError) -> StepError {
    StepError::Supervisor(SupervisorError::Failed)
}
