//! Tests of what a manifest grants, as tasks of a system made for them (`images/systems/grants-test.toml`).
//!
//! One program with roles (option `role`). A task's log has `ok NAME` or `FAILED NAME: reason` for each of its tests, behind one
//! prefix for all tasks; the *judge* stops the machine when all have had time enough.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

mod blind;
mod edu;
mod spinner;
mod watcher;

use alloc::format;
use alloc::string::String;

use interfaces::system::StopReason;
use interfaces::{System, SystemClient, SystemError};
use rt::time::now_ns;

/// When the judge stops the machine, and when the watcher looks at the others.
const END_NS: u64 = 4_000_000_000;
const LOOK_NS: u64 = 1_000_000_000;

rt::entry!(main);

fn main(env: &rt::Env) {
    match env.option("role") {
        Some("watcher") => watcher::run(env),
        Some("blind") => blind::run(env),
        Some("spinner") => spinner::run(env),
        Some("culprit") => edu::run_culprit(env),
        Some("careless") => edu::run_careless(env),
        _ => judge(env),
    }
}

fn judge(env: &rt::Env) {
    rt::thread::sleep_until(END_NS.max(now_ns()));
    let system = SystemClient::new(env.endpoint("system").expect("the manifest grants the machine's switch"));
    let seen = system.thread(0);
    let refused = ensure(seen == Err(SystemError::Refused), || format!("{seen:?}"));
    report("the_switch_alone_shows_no_threads", &refused);
    let _ = system.stop(StopReason::Orderly);
}

/// Why a test has failed.
type Outcome = Result<(), String>;

/// Says how a test has ended.
fn report(name: &str, outcome: &Outcome) {
    match outcome {
        Ok(()) => rt::log_raw(&format!("[grants-test] ok {name}")),
        Err(reason) => rt::log_raw(&format!("[grants-test] FAILED {name}: {reason}")),
    }
}

/// An error if something does not hold.
fn ensure(holds: bool, reason: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(reason()) }
}

/// What a test says about the kernel's refusal.
fn refused(what: &str) -> impl Fn(ukernel_user::Error) -> String + '_ {
    move |error| format!("{what}: {error:?}")
}
