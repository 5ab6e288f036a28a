//! What the kernel and the root task are in a system: a supervisor, and an endpoint that outlives the tasks behind it.
//! Calls are encoded, dispatched and decoded as they are between tasks; [`ipc::Loopback`] carries them.
//!
//! Unlike the kernel's, this endpoint does not hold calls while nobody serves it: they fail with `ServerDied`.

use std::sync::{Arc, Mutex, PoisonError};

use interfaces::supervisor::{Placement, ServiceInfo, TaskState};
use interfaces::{Supervisor, SupervisorError};
use ipc::{Failure, Loopback, Shared};
use ukernel_abi::Error;

use crate::contract::{TicketError, Tickets, TicketsClient, TicketsDispatcher};
use crate::homes::NAME;
use crate::library::Roll;

type Task = Arc<TicketsClient<Loopback<TicketsDispatcher<Shared<Roll>>>>>;

/// The endpoint `tickets`: what serves it now.
#[derive(Default)]
pub struct Endpoint(Mutex<Option<Task>>);

/// The supervisor of a system with one service.
pub struct Machine {
    endpoint: Arc<Endpoint>,
    life: Mutex<(Placement, u32)>,
}

impl Endpoint {
    fn put(&self, task: Option<Task>) -> Option<Task> {
        std::mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), task)
    }

    fn call<R>(&self, call: impl FnOnce(&Task) -> Result<R, TicketError>) -> Result<R, TicketError> {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        task.map_or(Err(Failure::Kernel(Error::ServerDied).into()), |task| call(&task))
    }
}

impl Tickets for Endpoint {
    fn begin(&self, next: u64) -> Result<(), TicketError> {
        self.call(|task| task.begin(next))
    }

    fn take(&self) -> Result<u64, TicketError> {
        self.call(|task| task.take())
    }

    fn retire(&self) -> Result<u64, TicketError> {
        self.call(|task| task.retire())
    }
}

impl Machine {
    /// A system whose service runs inside the personality.
    pub fn new() -> Self {
        Self { endpoint: Arc::default(), life: Mutex::new((Placement::Personality, 0)) }
    }

    /// The right to call the service in its own task.
    pub fn endpoint(&self) -> Arc<dyn Tickets> {
        self.endpoint.clone()
    }

    fn life(&self) -> std::sync::MutexGuard<'_, (Placement, u32)> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self) -> Task {
        let served = TicketsDispatcher(Shared(Arc::new(Roll::default())));
        Arc::new(TicketsClient::new(Loopback::new(served, 1)))
    }
}

impl Supervisor for Machine {
    fn service(&self, number: u32) -> Result<ServiceInfo, SupervisorError> {
        if number != 0 {
            return Err(SupervisorError::Unknown);
        }
        let is_there = self.endpoint.0.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let state = if is_there { TaskState::Running } else { TaskState::Absent };
        let (placement, restarts) = *self.life();
        Ok(ServiceInfo { name: NAME.into(), placement, state, restarts })
    }

    fn start(&self, _: &str) -> Result<(), SupervisorError> {
        self.endpoint.put(Some(self.make())).map_or(Ok(()), |_| Err(SupervisorError::State))
    }

    fn stop(&self, _: &str) -> Result<(), SupervisorError> {
        self.endpoint.put(None).map(drop).ok_or(SupervisorError::State)
    }

    fn placed(&self, _: &str, placement: Placement) -> Result<(), SupervisorError> {
        self.life().0 = placement;
        Ok(())
    }

    fn kill(&self, _: &str) -> Result<(), SupervisorError> {
        self.endpoint.put(None).ok_or(SupervisorError::State)?;
        self.life().1 += 1;
        self.endpoint.put(Some(self.make()));
        Ok(())
    }

    fn device_fault(&self, _: u64) -> Result<(), SupervisorError> {
        Err(SupervisorError::Refused)
    }
}
