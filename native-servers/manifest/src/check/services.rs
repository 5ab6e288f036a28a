//! What a service with two homes must satisfy.

use alloc::collections::BTreeSet;
use alloc::format;

use super::check_name;
use crate::{Manifest, Problem, Service, Start, Task};

/// Checks all services.
pub(super) fn check(manifest: &Manifest) -> Result<(), Problem> {
    let mut names = BTreeSet::new();
    let mut natives = BTreeSet::new();
    for service in &manifest.services {
        check_name("service", &service.name)?;
        if !names.insert(&service.name) {
            return Err(Problem(format!("there are two services \"{}\"", service.name)));
        }
        let problem = |problem| Problem(format!("service \"{}\": {problem}", service.name));
        check_service(manifest, service).map_err(problem)?;
        if !natives.insert(&service.native) {
            return Err(problem(Problem(format!("task \"{}\" is another service's as well", service.native))));
        }
    }
    Ok(())
}

fn check_service(manifest: &Manifest, service: &Service) -> Result<(), Problem> {
    let native = home(manifest, "native", &service.native)?;
    let inside = home(manifest, "inside", &service.inside)?;
    if native.start != Start::Demand {
        return Err(Problem(format!("task \"{}\" is not started on demand", native.name)));
    }
    if inside.start != Start::Boot {
        return Err(Problem(format!("task \"{}\" is not started at boot", inside.name)));
    }
    // The same library runs in either: what it calls in the one it has to be able to call in the other.
    let calls = |task: &Task, endpoint: &str| task.calls.iter().any(|call| call.endpoint == endpoint);
    match native.calls.iter().find(|call| !calls(inside, &call.endpoint)) {
        Some(call) => Err(Problem(format!(
            "task \"{}\" calls endpoint \"{}\", which task \"{}\" cannot call",
            native.name, call.endpoint, inside.name
        ))),
        None => Ok(()),
    }
}

fn home<'a>(manifest: &'a Manifest, key: &str, name: &str) -> Result<&'a Task, Problem> {
    let found = manifest.task(name).map(|(_, task)| task);
    found.ok_or_else(|| Problem(format!("its {key} task \"{name}\" does not exist")))
}
