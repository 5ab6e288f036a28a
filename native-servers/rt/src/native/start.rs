//! Start-up of a task.

use ukernel_user::{Cap, slots};

use super::local::Local;
use super::{DEFAULTS, Defaults, Sleeper, clock, heap, panic, time};
use crate::start_info::StartInfo;
use crate::thread::{RawThread, ThreadHandle};
use crate::{Env, logger, memory, object, own};

/// Starts a task as `info` says, once its thread-local block's place is known and `fs` points to it: where [`entry!`](crate::entry)
/// leads to.
///
/// # Panics
/// Where the root task gave too little to start with.
pub fn start(info: &'static StartInfo, main: fn(&Env)) -> ! {
    adopt_capabilities(info);
    let raw = RawThread {
        thread: Cap::new(info.thread),
        sched_context: Cap::new(info.sched_context),
        notification: Cap::NULL,
    };
    let local = info.thread_local as *mut Local;
    // SAFETY: a zeroed page for this purpose, from the root task.
    unsafe { Local::write(local, info.message_page, raw, (info.stack_low, info.stack_high)) };
    // SAFETY: mapped for the heap by the root task.
    unsafe { heap::add(info.heap as *mut u8, info.heap_bytes as usize) };

    let env = Env::new(info, options_text(info));
    *super::TASK.lock() = env.name();
    // Only traces show it.
    let _ = raw.thread.set_name(env.name().as_bytes());
    logger::start(env.name(), env.option("log"));
    let notification = object::create(0).expect("the manifest grants memory for the main thread's notification");
    // SAFETY: as above; there is one thread, and no reference to the block is alive.
    unsafe {
        Local::write(local, info.message_page, RawThread { notification, ..raw }, (info.stack_low, info.stack_high))
    };
    let sleeper = Sleeper::new(notification).expect("the manifest grants memory for the main thread's timer");
    let local = Local::current();
    local.sleeper.set(Some(sleeper));
    *local.handle.borrow_mut() = Some(ThreadHandle::new(env.name(), sleeper));

    main(&env);
    panic::finish()
}

fn adopt_capabilities(info: &StartInfo) {
    own::set_cap_table(Cap::new(info.cap_table));
    own::set_vspace(Cap::new(info.vspace));
    own::set_untyped(Cap::new(info.untyped));
    own::set_log(Cap::new(info.log));
    own::set_fault_endpoint(Cap::new(info.fault_endpoint));
    slots::add_free(info.first_free_slot, info.free_slots);
    memory::set_base(info.base);
    clock::set_hz(info.tsc_hz);
    clock::set_cpus(info.cpus);
    if info.limited != 0 {
        time::limit(info.grants());
    }
    *DEFAULTS.lock() = Defaults { priority: info.priority as u8, fpu: info.fpu != 0 };
}

fn options_text(info: &StartInfo) -> &'static str {
    if info.options == 0 {
        return "";
    }
    // SAFETY: the root task mapped the text, read-only, for good.
    let bytes = unsafe { core::slice::from_raw_parts(info.options as *const u8, info.options_bytes as usize) };
    core::str::from_utf8(bytes).unwrap_or("")
}
