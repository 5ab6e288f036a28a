//! What a manifest must satisfy, whatever form it came in.

mod calls;
mod services;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{DeviceFault, MAX_PRIORITY, Manifest, PCI_ENDPOINT, Problem, Ram, Space, Start, Task, Time, URGENT_ABOVE};

/// Longest name of a task or grant, in bytes (what a StartInfo holds).
const MAX_NAME: usize = 24;
/// Longest name of a program (what an archive entry holds).
const MAX_PROGRAM_NAME: usize = 48;
/// Most grants of a task (what a StartInfo holds), with some left for pieces of RAM.
const MAX_GRANTS: usize = 40;
const PAGE: u64 = 4096;
/// Least part of a budget for a context, and longest period: the kernel's.
const MIN_PART_NS: u64 = 10_000;
const MAX_PERIOD_NS: u64 = 3_600_000_000_000;
/// Most contexts of a task whose time is limited.
const MAX_CONTEXTS: u8 = 8;
/// More of anything is a mistake.
const MAX_BYTES: u64 = 1 << 40;

/// Checks a manifest.
///
/// # Errors
/// The first thing that is wrong, in the words of who wrote it.
pub fn check(manifest: &Manifest) -> Result<(), Problem> {
    let mut names = BTreeSet::new();
    for task in &manifest.tasks {
        check_name("task", &task.name)?;
        if !names.insert(task.name.as_str()) {
            return Err(Problem(format!("there are two tasks \"{}\"", task.name)));
        }
    }
    services::check(manifest)?;
    for task in &manifest.tasks {
        let received = manifest.received_by(task).collect();
        check_task(task, received).map_err(|problem| Problem(format!("task \"{}\": {problem}", task.name)))?;
    }
    calls::check(manifest)?;
    check_overlaps(manifest)?;
    check_single(manifest, "may be a master", |task| task.space == Space::Master)?;
    check_single(manifest, "may take the rest of memory", |task| task.ram == Ram::Rest)?;
    check_priorities(manifest)
}

fn check_name(what: &str, name: &str) -> Result<(), Problem> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(allowed) {
        let rule = format!("1 to {MAX_NAME} letters, digits, '-', '_' and '.'");
        return Err(Problem(format!("{what} name \"{name}\": a name is {rule}")));
    }
    Ok(())
}

fn check_task(task: &Task, received: Vec<&str>) -> Result<(), Problem> {
    if task.program.is_empty() || task.program.len() > MAX_PROGRAM_NAME {
        return Err(Problem(format!("program \"{}\": a name is 1 to {MAX_PROGRAM_NAME} bytes", task.program)));
    }
    if task.name == "root" || task.name == "kernel" {
        return Err(Problem("the name is taken".into()));
    }
    if !(1..=MAX_PRIORITY).contains(&task.priority) {
        return Err(Problem(format!("priority {} is not between 1 and {MAX_PRIORITY}", task.priority)));
    }
    if !(6..=16).contains(&task.slot_bits) {
        return Err(Problem(format!("slot_bits {} is not between 6 and 16", task.slot_bits)));
    }
    for (what, bytes, least) in
        [("heap", task.heap_bytes, PAGE), ("stack", task.stack_bytes, 2 * PAGE), ("untyped", task.untyped_bytes, PAGE)]
    {
        check_size(what, bytes, least)?;
    }
    if let Ram::Bytes(bytes) = task.ram {
        check_size("ram", bytes, PAGE)?;
    }
    for (key, value) in &task.options {
        if key.is_empty() || key.contains(['=', '\n']) || value.contains('\n') {
            return Err(Problem(format!("option \"{key}\": no '=' in the key, no line break in either")));
        }
    }
    if let Some(time) = task.time {
        check_time(task, time)?;
    }
    if task.device_fault == DeviceFault::End && task.calls.iter().all(|call| call.endpoint != PCI_ENDPOINT) {
        return Err(Problem(format!(
            "it ends with its device's faults, but has no device: no call to \"{PCI_ENDPOINT}\""
        )));
    }
    if task.start == Start::Demand && task.ram == Ram::Rest {
        return Err(Problem("a task that starts on demand cannot take the rest of memory".into()));
    }
    check_grants(task, received)
}

/// Between two tasks' priorities there is room for the urgent threads of the lower one.
fn check_priorities(manifest: &Manifest) -> Result<(), Problem> {
    let priorities: BTreeMap<u8, &str> =
        manifest.tasks.iter().map(|task| (task.priority, task.name.as_str())).collect();
    for task in &manifest.tasks {
        let below = task.priority.checked_sub(URGENT_ABOVE).and_then(|priority| priorities.get(&priority));
        if let Some(below) = below {
            let (name, priority) = (&task.name, task.priority);
            return Err(Problem(format!(
                "task \"{name}\": priority {priority} is that of the urgent threads of task \"{below}\""
            )));
        }
    }
    Ok(())
}

fn check_time(task: &Task, time: Time) -> Result<(), Problem> {
    let Time { budget_ns, period_ns, contexts } = time;
    if !(1..=MAX_CONTEXTS).contains(&contexts) {
        return Err(Problem(format!("contexts {contexts} is not between 1 and {MAX_CONTEXTS}")));
    }
    if time.part_ns() < MIN_PART_NS || budget_ns > period_ns || period_ns > MAX_PERIOD_NS {
        let rule = "at least 10us for each context, at most the period, which is at most 3600s";
        return Err(Problem(format!("budget of {budget_ns} ns in {period_ns} ns: a budget is {rule}")));
    }
    if task.space == Space::Master {
        return Err(Problem("the time of a master cannot be limited: its threads are its programs'".into()));
    }
    Ok(())
}

fn check_size(what: &str, bytes: u64, least: u64) -> Result<(), Problem> {
    if !bytes.is_multiple_of(PAGE) || bytes < least || bytes > MAX_BYTES {
        return Err(Problem(format!("{what} of {bytes} bytes: a size is a multiple of 4K, at least {least} bytes")));
    }
    Ok(())
}

/// Names are unique among a task's grants of one kind, and ranges are not empty.
fn check_grants(task: &Task, received: Vec<&str>) -> Result<(), Problem> {
    let kinds: [(&str, Vec<&str>); 6] = [
        ("served endpoint", received),
        ("called endpoint", task.calls.iter().map(|call| call.endpoint.as_str()).collect()),
        ("ports", task.ports.iter().map(|ports| ports.name.as_str()).collect()),
        ("interrupt", task.irqs.iter().map(|irq| irq.name.as_str()).collect()),
        ("device", task.devices.iter().map(|device| device.name.as_str()).collect()),
        ("data", task.data.iter().map(String::as_str).collect()),
    ];
    let mut count = 0;
    for (kind, names) in kinds {
        let mut seen = BTreeSet::new();
        for name in names {
            check_name(kind, name)?;
            if !seen.insert(name) {
                return Err(Problem(format!("{kind} \"{name}\" is there twice")));
            }
            count += 1;
        }
    }
    count += 2 * usize::from(task.trace) + task.time.map_or(0, |time| usize::from(time.contexts).saturating_sub(1));
    if count > MAX_GRANTS {
        return Err(Problem(format!("{count} grants; at most {MAX_GRANTS} fit")));
    }
    for ports in &task.ports {
        if ports.first > ports.last {
            return Err(Problem(format!("ports \"{}\": the first is above the last", ports.name)));
        }
    }
    for device in &task.devices {
        check_size(&format!("device \"{}\"", device.name), device.bytes, PAGE)?;
        if !device.address.is_multiple_of(PAGE) || device.address.checked_add(device.bytes).is_none() {
            return Err(Problem(format!("device \"{}\": the address is not the start of a page", device.name)));
        }
    }
    Ok(())
}

/// A resource belongs to one task.
fn check_overlaps(manifest: &Manifest) -> Result<(), Problem> {
    let mut ports = Vec::new();
    let mut irqs = Vec::new();
    let mut devices = Vec::new();
    for task in &manifest.tasks {
        ports.extend(task.ports.iter().map(|range| (u64::from(range.first), u64::from(range.last), &task.name)));
        irqs.extend(task.irqs.iter().map(|irq| (irq.line, irq.line, &task.name)));
        devices.extend(task.devices.iter().map(|range| (range.address, range.address + (range.bytes - 1), &task.name)));
    }
    for (what, mut ranges) in [("ports", ports), ("interrupt lines", irqs), ("device memory", devices)] {
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            let [(_, last, one), (first, _, other)] = pair else { continue };
            if first <= last {
                return Err(Problem(format!("{what} of \"{one}\" and \"{other}\" overlap at {first:#x}")));
            }
        }
    }
    Ok(())
}

fn check_single(manifest: &Manifest, what: &str, has: impl Fn(&Task) -> bool) -> Result<(), Problem> {
    let mut with = manifest.tasks.iter().filter(|task| has(task));
    match (with.next(), with.next()) {
        (Some(one), Some(other)) => {
            Err(Problem(format!("only one task {what}, not \"{}\" and \"{}\"", one.name, other.name)))
        }
        _ => Ok(()),
    }
}
