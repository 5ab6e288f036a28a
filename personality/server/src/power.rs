//! The end of the system.

use interfaces::system::StopReason;
use interfaces::{HostChannel, HostChannelClient, System, SystemClient};
use rt::sync::OnceCell;

use crate::disk;

/// How long the host may take to hear of it.
const NOTICE_NS: u64 = 1_000_000_000;
const STACK_BYTES: usize = 32 << 10;

struct Power {
    system: SystemClient,
    host: HostChannelClient,
}

static POWER: OnceCell<Power> = OnceCell::new();

/// Says whom to tell and who can do it. Once, at the start.
pub(crate) fn set(system: SystemClient, host: HostChannelClient) {
    assert!(POWER.set(Power { system, host }).is_ok(), "set once");
}

/// Who serves the machine as a whole, once that is known.
pub(crate) fn system() -> Option<&'static SystemClient> {
    POWER.get().map(|power| &power.system)
}

/// Leaves the disk clean, tells the host and stops the machine; returns only where that failed.
pub(crate) fn stop(reason: StopReason) {
    let Some(power) = POWER.get() else { return };
    disk::let_go();
    let failure = u32::from(matches!(reason, StopReason::Failure));
    let caller = rt::thread::current();
    // In a thread of its own: the host may not listen.
    let notice = rt::thread::spawn("notice", STACK_BYTES, move || {
        // Without a host there is nobody to tell.
        let _ = power.host.powered_off(failure);
        caller.unpark();
    });
    if notice.is_ok() {
        rt::thread::park_until(rt::time::now_ns() + NOTICE_NS);
    }
    if let Err(error) = power.system.stop(reason) {
        log::error!("the machine cannot be stopped: {error}");
    }
}

/// The same, from a thread that holds locks or serves a program.
pub(crate) fn stop_soon(reason: StopReason) {
    if let Err(error) = rt::thread::spawn("power", STACK_BYTES, move || stop(reason)) {
        log::error!("there is no thread to stop the machine: {error:?}");
    }
}
