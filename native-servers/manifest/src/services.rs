//! What follows from a manifest's services for its tasks.

use alloc::string::String;

use crate::{Manifest, Service, Task};

impl Manifest {
    /// The task of that name, and its number.
    #[must_use]
    pub fn task(&self, name: &str) -> Option<(usize, &Task)> {
        self.tasks.iter().enumerate().find(|(_, task)| task.name == name)
    }

    /// The service of that name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// The endpoints that `task` may receive from: those that it serves, and those of the services whose home it is.
    pub fn received_by<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = &'a str> {
        let homes = |service: &&Service| service.native == task.name || service.inside == task.name;
        let services = self.services.iter().filter(homes).map(|service| service.name.as_str());
        task.serves.iter().map(String::as_str).chain(services)
    }

    /// Every endpoint that some task receives from.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        let served = self.tasks.iter().flat_map(|task| &task.serves).map(String::as_str);
        served.chain(self.services.iter().map(|service| service.name.as_str()))
    }
}
