//! The supervisor: which services there are, where they run, and the life of the tasks behind them.
//!
//! A *service* has an endpoint and two homes: a task of its own (`native`), and the personality that links its library. The
//! supervisor makes and ends native tasks, knows each service's placement, and restarts a native task that died. It does
//! not know what a service does: moving one is the personality's business, which asks for a task to be started or stopped.

use alloc::string::String;

ipc::errors! {
    /// Why the supervisor did not do it.
    pub enum SupervisorError {
        /// There is no such service or task.
        Unknown = 1,
        /// It is in that state already, or another change of it is under way.
        State = 2,
        /// The task could not be made, or died while it started.
        Failed = 3,
        /// The caller may not ask for that.
        Refused = 4,
    }
}

ipc::numbered! {
    /// Where a service runs.
    pub enum Placement {
        /// In the personality.
        Personality = 1,
        /// In a task of its own.
        Native = 2,
    }
}

ipc::numbered! {
    /// How a native task is.
    pub enum TaskState {
        /// There is none.
        Absent = 1,
        /// It runs.
        Running = 2,
        /// It died and will be started again.
        Restarting = 3,
        /// It died too often, or is not to be restarted.
        Dead = 4,
    }
}

ipc::record! {
    /// A service.
    pub struct ServiceInfo {
        /// Its name: that of its endpoint.
        pub name: String,
        /// Where it runs.
        pub placement: Placement,
        /// How its native task is.
        pub state: TaskState,
        /// How often the native task was restarted after a death.
        pub restarts: u32,
    }
}

ipc::interface! {
    /// The supervisor.
    pub trait Supervisor(client SupervisorClient, handler SupervisorHandler, dispatcher SupervisorDispatcher) = 10 {
        /// The service with this number, from 0 on; [`SupervisorError::Unknown`] after the last.
        1 => fn service(&self, number: u32) -> Result<ServiceInfo, SupervisorError>;
        /// Makes and starts the native task of a service, which from then on is restarted when it dies. Returns when the task
        /// runs; its endpoint holds calls until it serves them.
        2 => fn start(&self, name: &str) -> Result<(), SupervisorError>;
        /// Ends the native task of a service: stops its threads, resets its devices, takes everything back that it had.
        3 => fn stop(&self, name: &str) -> Result<(), SupervisorError>;
        /// Notes where a service runs from now on.
        4 => fn placed(&self, name: &str, placement: Placement) -> Result<(), SupervisorError>;
        /// Makes a task (the personality included) die as if by a fault of its own; for tests and demonstrations.
        5 => fn kill(&self, task: &str) -> Result<(), SupervisorError>;
        /// The device of the driver with this badge at the pci server wanted what its IoSpace does not allow; only the pci server may
        /// say so. The driver ends, or goes on, as its manifest says.
        6 => fn device_fault(&self, driver: u64) -> Result<(), SupervisorError>;
    }
}
