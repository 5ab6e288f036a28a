//! A task without `trace = true`: nothing that it has lets it trace or watch.

use alloc::format;

use ukernel_user::{Cap, Memory, Trace};

use crate::{Outcome, ensure, refused, report};

const RING_BYTES: u64 = 4096;

pub fn run(env: &rt::Env) {
    report("a_task_without_the_grant_traces_nothing", &blind(env));
    report(
        "a_task_without_the_switch_asks_root_nothing",
        &ensure(env.endpoint("system").is_err(), || "it has it".into()),
    );
}

fn blind(env: &rt::Env) -> Outcome {
    ensure(env.trace().is_err(), || "it has the right".into())?;
    let ring = rt::object::create::<Memory>(RING_BYTES).map_err(refused("memory"))?;
    // Whatever is in its slots: none starts a trace or shows a thread.
    for slot in 0..1 << 10 {
        let trace = Cap::<Trace>::new(slot);
        ensure(trace.thread(0).is_err(), || format!("slot {slot} shows threads"))?;
        ensure(trace.start(ring).is_err(), || format!("slot {slot} starts a trace"))?;
    }
    let mut bytes = [0; 8];
    rt::memory::read(ring, 0, &mut bytes).map_err(refused("reading"))?;
    ensure(bytes == [0; 8], || format!("somebody has written {bytes:x?}"))
}
