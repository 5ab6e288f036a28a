//! Who serves, who calls, and that nobody waits for himself.
//!
//! **Circles.** Servers that call one another in a circle wait for one another sooner or later. A service with two homes
//! counts as a server of its own, which calls what its native task calls, wherever it runs: inside the other home it is
//! served by threads that do nothing else, so its caller waits for them and for what they call, never for what the rest of
//! that task does. That is why `fs` may call `block` while the personality, inside which `block` may run, calls `fs`: a
//! block driver waits for its device alone.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{BADGE_END, Call, Manifest, PCI_ENDPOINT, Problem, ROOT_ENDPOINTS, Restart, Task};

/// Who answers at an endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Server {
    /// The root task, which calls nobody.
    Root,
    /// The task with this number.
    Task(usize),
    /// A service, whose native task has this number.
    Service(usize),
}

type Servers<'a> = BTreeMap<&'a str, Server>;

/// Checks servers, calls and circles.
pub(super) fn check(manifest: &Manifest) -> Result<(), Problem> {
    let servers = servers(manifest)?;
    let mut badges = BTreeMap::new();
    for (index, task) in manifest.tasks.iter().enumerate() {
        for call in &task.calls {
            check_call(index, task, call, &servers)?;
            let (name, endpoint) = (&task.name, call.endpoint.as_str());
            if let Some(other) = badges.insert((endpoint, call.badge), name) {
                return Err(Problem(format!(
                    "tasks \"{other}\" and \"{name}\" have the same badge at endpoint \"{endpoint}\""
                )));
            }
        }
    }
    if let Some(Server::Task(pci)) = servers.get(PCI_ENDPOINT)
        && let task = &manifest.tasks[*pci]
        && !(task.essential && task.restart == Restart::Never)
    {
        let name = &task.name;
        return Err(Problem(format!(
            "task \"{name}\" serves \"{PCI_ENDPOINT}\", so it has to be essential and is never restarted"
        )));
    }
    check_circles(manifest, &servers)
}

/// Who answers at each endpoint: one task or one service.
fn servers(manifest: &Manifest) -> Result<Servers<'_>, Problem> {
    let mut servers: Servers<'_> = ROOT_ENDPOINTS.map(|endpoint| (endpoint, Server::Root)).into();
    let own = manifest
        .tasks
        .iter()
        .enumerate()
        .flat_map(|(index, task)| task.serves.iter().map(move |endpoint| (endpoint.as_str(), Server::Task(index))));
    let with_two_homes = manifest.services.iter().filter_map(|service| {
        let (native, _) = manifest.task(&service.native)?;
        Some((service.name.as_str(), Server::Service(native)))
    });
    for (endpoint, server) in own.chain(with_two_homes) {
        if let Some(other) = servers.insert(endpoint, server) {
            let (other, one) = (describe(manifest, other), describe(manifest, server));
            return Err(Problem(format!("endpoint \"{endpoint}\" is served by {other} and by {one}")));
        }
    }
    Ok(servers)
}

fn describe(manifest: &Manifest, server: Server) -> String {
    match server {
        Server::Root => "the root task".into(),
        Server::Task(index) => format!("\"{}\"", manifest.tasks[index].name),
        Server::Service(native) => format!("a service whose task is \"{}\"", manifest.tasks[native].name),
    }
}

fn check_call(index: usize, task: &Task, call: &Call, servers: &Servers<'_>) -> Result<(), Problem> {
    let (name, endpoint, badge) = (&task.name, call.endpoint.as_str(), call.badge);
    let Some(server) = servers.get(endpoint) else {
        return Err(Problem(format!("task \"{name}\" calls endpoint \"{endpoint}\", which nobody serves")));
    };
    if [Server::Task(index), Server::Service(index)].contains(server) {
        return Err(Problem(format!("task \"{name}\" calls endpoint \"{endpoint}\", which it serves itself")));
    }
    if badge == 0 || badge >= BADGE_END {
        return Err(Problem(format!("task \"{name}\", endpoint \"{endpoint}\": badge {badge} is out of range")));
    }
    Ok(())
}

fn check_circles(manifest: &Manifest, servers: &Servers<'_>) -> Result<(), Problem> {
    // A service calls what its native task calls, so that task stands for it.
    let callees = |task: usize| {
        let calls = manifest.tasks[task].calls.iter();
        calls.filter_map(|call| match servers.get(call.endpoint.as_str())? {
            Server::Root => None,
            Server::Task(callee) | Server::Service(callee) => Some(*callee),
        })
    };
    for start in 0..manifest.tasks.len() {
        let mut reached = BTreeSet::new();
        let mut pending: Vec<usize> = callees(start).collect();
        while let Some(task) = pending.pop() {
            if task == start {
                let name = &manifest.tasks[start].name;
                return Err(Problem(format!("task \"{name}\" calls, through others, itself: they could wait forever")));
            }
            if reached.insert(task) {
                pending.extend(callees(task));
            }
        }
    }
    Ok(())
}
