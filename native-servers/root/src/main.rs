//! The root task's program: wires its parts together.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use interfaces::system::StopReason;
use ipc::Server;
use manifest::{Manifest, Start};
use root_task::archive::Archive;
use root_task::boot_options;
use root_task::create::Maker;
use root_task::devices::Devices;
use root_task::keeper::{Keeper, Shared};
use root_task::parting::{Parter, Questions};
use root_task::service::{RootService, WAITING};
use root_task::supply::Supply;
use root_task::switch::Switch;
use supervisor::Supervisor;
use ukernel_abi::boot::slot;
use ukernel_user::{Cap, Endpoint};

/// Bytes of a thread's stack.
const STACK_BYTES: usize = 64 << 10;
/// The server's event that says that the keeper has news.
const NEWS: u32 = 0;

rt::root_entry!(main);

fn main(_: &rt::Env) {
    let switch = Switch::new(Cap::new(slot::IO_PORTS)).expect("the kernel gave all ports");
    if let Err(problem) = run(switch) {
        log::error!("{problem}");
        switch.stop(StopReason::Failure);
    }
}

/// Makes and starts the system; returns only where that failed.
fn run(switch: Switch) -> Result<(), String> {
    let refused = |error| format!("the root task's own objects: {error:?}");
    let endpoint: Cap<Endpoint> = rt::object::create(0).map_err(refused)?;
    let server = Server::new(endpoint, WAITING).map_err(refused)?;
    let news = server.event(NEWS).map_err(refused)?;
    let mut maker = maker(endpoint)?;
    maker.start_trace().map_err(|error| format!("tracing: {error:?}"))?;
    maker.set_aside()?;
    rt::cap::delete(slot::FIRMWARE);
    let shared = Arc::new(Shared::default());
    let started = make(&mut maker, &shared)?;
    let kills = boot_options::kills(&maker.manifest, maker.boot_options);
    let kills = kills.map_err(|problem| format!("the boot options: {problem}"))?;
    let supervisor = Supervisor::new(maker.manifest.clone());
    let devices = Devices::new(&maker);
    let (parter, questions) = (Parter::new(&maker), Arc::new(Questions::default()));
    let (asked, told) = (questions.clone(), shared.clone());
    rt::thread::spawn("parter", STACK_BYTES, move || parter.run(&asked, &told, news)).map_err(refused)?;
    let keeper = Keeper { maker, devices, shared: shared.clone(), news };
    let keeper = rt::thread::spawn("keeper", STACK_BYTES, || keeper.run()).map_err(refused)?;
    log::info!("{} tasks start", started.len());
    for number in &started {
        let task = shared.made(*number).ok_or("a task that was made is gone")?;
        task.start().map_err(|error| format!("task \"{}\" does not start: {error:?}", task.name))?;
    }
    let mut service = RootService::new(supervisor, started, switch, (shared, keeper.thread().clone(), questions));
    service.kill_later(&kills);
    let error = server.run(&mut service);
    Err(format!("the root task's endpoint failed: {error:?}"))
}

/// Makes the tasks that start with the system; their numbers.
fn make(maker: &mut Maker, shared: &Shared) -> Result<Vec<usize>, String> {
    let tasks = maker.manifest.tasks.iter().enumerate();
    let at_boot = tasks.filter(|(_, task)| task.start == Start::Boot).map(|(number, _)| number);
    let numbers: Vec<usize> = at_boot.collect();
    for number in &numbers {
        let made = maker.make(*number);
        let name = &maker.manifest.tasks[*number].name;
        shared.put_made(*number, made.map_err(|problem| format!("task \"{name}\": {problem}"))?);
    }
    Ok(numbers)
}

fn maker(endpoint: Cap<Endpoint>) -> Result<Maker, String> {
    let info = rt::root_info();
    let archive = Archive::parse(rt::boot_archive()).map_err(|problem| problem.to_string())?;
    let bytes = archive.contents("manifest").ok_or("the boot archive has no manifest")?;
    let mut manifest = Manifest::decode(bytes).map_err(|problem| problem.to_string())?;
    let options = archive.contents("options").unwrap_or_default();
    let options = core::str::from_utf8(options).map_err(|_| "the boot options are not UTF-8")?;
    boot_options::apply(&mut manifest, options).map_err(|problem| format!("the boot options: {problem}"))?;
    Ok(Maker::new(manifest, archive, options, (info.tsc_hz, info.cpus), (Supply::new(info), endpoint)))
}
