//! Who may ask for what.
//!
//! A task inside which services run looks after them: it alone starts, stops and places them, and may kill their tasks.
//! Tasks that start on demand and belong to no service are anybody's who may call the supervisor. Everybody may end himself. The pci
//! server says whose device misbehaves.

use interfaces::SupervisorError;
use manifest::{Manifest, PCI_ENDPOINT, Service, Start, Task};

/// The task that `caller` means when it wants `name` started or stopped: a service's native task, or a task on demand.
///
/// # Errors
/// There is no such thing, or it is not the caller's.
pub fn to_control(manifest: &Manifest, caller: usize, name: &str) -> Result<usize, SupervisorError> {
    if let Some(service) = manifest.service(name) {
        let native = manifest.task(&service.native).ok_or(SupervisorError::Unknown)?;
        return looks_after(manifest, caller, service).then_some(native.0).ok_or(SupervisorError::Refused);
    }
    let (number, task) = manifest.task(name).ok_or(SupervisorError::Unknown)?;
    let free = task.start == Start::Demand && service_of(manifest, number).is_none();
    free.then_some(number).ok_or(SupervisorError::Refused)
}

/// The service that `caller` wants to note a placement of, by number.
///
/// # Errors
/// There is no such service, or it is not the caller's.
pub fn to_place(manifest: &Manifest, caller: usize, name: &str) -> Result<usize, SupervisorError> {
    let number = manifest.services.iter().position(|service| service.name == name);
    let number = number.ok_or(SupervisorError::Unknown)?;
    let allowed = looks_after(manifest, caller, &manifest.services[number]);
    allowed.then_some(number).ok_or(SupervisorError::Refused)
}

/// The task that `caller` wants dead.
///
/// # Errors
/// There is no such task, or it is not the caller's.
pub fn to_kill(manifest: &Manifest, caller: usize, name: &str) -> Result<usize, SupervisorError> {
    let (number, task) = manifest.task(name).ok_or(SupervisorError::Unknown)?;
    let allowed = match service_of(manifest, number) {
        Some(service) => looks_after(manifest, caller, service),
        None => task.start == Start::Demand,
    };
    (allowed || number == caller).then_some(number).ok_or(SupervisorError::Refused)
}

/// The task whose device `caller` accuses: the driver with this badge at the pci server, which alone may do that.
///
/// # Errors
/// The caller is another, or there is no such driver.
pub fn to_accuse(manifest: &Manifest, caller: usize, driver: u64) -> Result<usize, SupervisorError> {
    let serves = |task: &Task| task.serves.iter().any(|endpoint| endpoint == PCI_ENDPOINT);
    if !manifest.tasks.get(caller).is_some_and(serves) {
        return Err(SupervisorError::Refused);
    }
    let has = |task: &Task| task.calls.iter().any(|call| call.endpoint == PCI_ENDPOINT && call.badge == driver);
    manifest.tasks.iter().position(has).ok_or(SupervisorError::Unknown)
}

/// The service whose native task has this number.
#[must_use]
pub fn service_of(manifest: &Manifest, task: usize) -> Option<&Service> {
    let name = &manifest.tasks.get(task)?.name;
    manifest.services.iter().find(|service| service.native == *name)
}

fn looks_after(manifest: &Manifest, caller: usize, service: &Service) -> bool {
    manifest.tasks.get(caller).is_some_and(|task| task.name == service.inside)
}
