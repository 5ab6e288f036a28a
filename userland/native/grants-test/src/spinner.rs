//! A task with a budget of 2 ms in 10 ms, in two contexts: it spins with both of its threads for a second, and has used a fifth of
//! it, by the kernel's own account. Nothing that it does gets it more.

use alloc::format;
use core::sync::atomic::{AtomicU64, Ordering};

use rt::start_info::kind;
use rt::time::now_ns;
use ukernel_user::object::TimeLimit;
use ukernel_user::{Cap, Error, SchedContext, Thread};

use crate::{Outcome, ensure, refused, report};

/// What its manifest says.
const BUDGET_NS: u64 = 2_000_000;
const PERIOD_NS: u64 = 10_000_000;
const SPAN_NS: u64 = 1_500_000_000;
/// What the kernel may charge beyond: switching to and from a thread, at each end of its turns.
const SLACK_NS: u64 = 100_000;
const STACK_BYTES: usize = 16 << 10;

/// When the second thread stops spinning.
static UNTIL_NS: AtomicU64 = AtomicU64::new(u64::MAX);

pub fn run(env: &rt::Env) {
    let info = env.start_info();
    let first = Cap::<SchedContext>::new(info.sched_context);
    let more = info.grants().iter().find(|grant| grant.kind == kind::SCHED_CONTEXT);
    let second = more.map_or(Cap::NULL, |grant| Cap::new(grant.slot));
    report("a_limited_task_makes_no_time", &makes_none(first, Cap::new(info.thread)));
    report("a_limited_task_gets_its_share", &share(first, second));
}

fn spin_until(end_ns: impl Fn() -> u64) {
    while now_ns() < end_ns() {
        core::hint::spin_loop();
    }
}

fn makes_none(own: Cap<SchedContext>, thread: Cap<Thread>) -> Outcome {
    let more = TimeLimit { budget_ns: PERIOD_NS, period_ns: PERIOD_NS, refills: 8, data: 0 };
    for result in [own.configure(&more), own.unlimit(), rt::object::create::<SchedContext>(0).map(drop)] {
        ensure(result == Err(Error::InsufficientRights), || format!("{result:?}"))?;
    }
    // Nor does a thread of its own making.
    let made = rt::object::create::<Thread>(0).map_err(refused("a thread"))?;
    ensure(own.bind(made).is_err(), || "its time is bound to two threads".into())?;
    rt::object::recycle(made);
    thread.forgo_time().map_err(refused("forgoing again"))
}

fn share(first: Cap<SchedContext>, second: Cap<SchedContext>) -> Outcome {
    let spinner = rt::thread::spawn("second", STACK_BYTES, || spin_until(|| UNTIL_NS.load(Ordering::Relaxed)));
    let spinner = spinner.map_err(refused("the second thread"))?;
    let third = rt::thread::spawn("third", STACK_BYTES, || ());
    ensure(third.is_err(), || "there is time for a third thread".into())?;
    let consumed = || [first, second].map(|context| context.consumed().map_err(refused("its account")));
    let _ = consumed();
    let start_ns = now_ns();
    UNTIL_NS.store(start_ns + SPAN_NS, Ordering::Relaxed);
    spin_until(|| start_ns + SPAN_NS);
    let used = consumed();
    let span_ns = now_ns() - start_ns;
    spinner.join();
    // Whatever window of whole periods: no more than so many budgets, and one for the part of a period at each end.
    let most = (span_ns / PERIOD_NS + 2) * (BUDGET_NS + SLACK_NS);
    let [one, other] = used;
    let sum = one? + other?;
    ensure(sum <= most, || format!("{sum} ns in {span_ns} ns, at most {most}"))?;
    // It wanted all of it, so it got nearly that.
    let least = span_ns / PERIOD_NS * BUDGET_NS / 10 * 8;
    ensure(sum >= least, || format!("only {sum} ns in {span_ns} ns, at least {least}"))
}
