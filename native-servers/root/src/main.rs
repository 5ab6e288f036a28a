//! The root task's program: wires its parts together.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};

use interfaces::system::StopReason;
use ipc::Server;
use manifest::{Manifest, PLACE_OPTION};
use root_task::archive::Archive;
use root_task::create::{Made, Maker};
use root_task::plan;
use root_task::service::{RootService, Switch};
use root_task::supply::Supply;
use ukernel_abi::boot::slot;
use ukernel_user::{Cap, Endpoint};

rt::root_entry!(main);

fn main(_: &rt::Env) {
    let switch = Switch::new(Cap::new(slot::IO_PORTS)).expect("the kernel gave all ports");
    if let Err(problem) = run(&switch) {
        log::error!("{problem}");
        switch.stop(StopReason::Failure);
    }
}

/// Makes and starts the system; returns only where that failed.
fn run(switch: &Switch) -> Result<(), String> {
    let refused = |error| format!("the root task's own objects: {error:?}");
    let endpoint: Cap<Endpoint> = rt::object::create(0).map_err(refused)?;
    let server = Server::new(endpoint, 0).map_err(refused)?;
    let tasks = make(endpoint)?;
    for unneeded in [slot::IO_PORTS, slot::IRQ_CONTROL, slot::ARCHIVE, slot::FIRMWARE] {
        rt::cap::delete(unneeded);
    }
    log::info!("{} tasks start", tasks.len());
    for task in tasks.values() {
        task.thread.resume().map_err(|error| format!("task \"{}\" does not start: {error:?}", task.name))?;
    }
    let error = server.run(&mut RootService::new(tasks, *switch));
    Err(format!("the root task's endpoint failed: {error:?}"))
}

fn make(endpoint: Cap<Endpoint>) -> Result<BTreeMap<usize, Made>, String> {
    let info = rt::root_info();
    let archive = Archive::parse(rt::boot_archive()).map_err(|problem| problem.to_string())?;
    let bytes = archive.contents("manifest").ok_or("the boot archive has no manifest")?;
    let mut manifest = Manifest::decode(bytes).map_err(|problem| problem.to_string())?;
    let options = archive.contents("options").unwrap_or_default();
    let boot_options = core::str::from_utf8(options).map_err(|_| "the boot options are not UTF-8")?;
    if let Some(places) = plan::option(boot_options, PLACE_OPTION) {
        manifest.place(places).map_err(|problem| problem.to_string())?;
    }
    let supply = Supply::new(info);
    let maker = Maker { supply: &supply, archive: &archive, boot_options, tsc_hz: info.tsc_hz };
    let tasks = maker.make_all(&manifest, endpoint)?;
    supply.give_up();
    Ok(tasks)
}
