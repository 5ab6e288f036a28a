//! Foreign code: it runs with registers that the processor takes, in the legacy view, and no kick is lost.

use crate::checks::simulation::Simulation;
use crate::checks::{Violation, must};
use crate::context::{INITIAL_FLAGS, Resume};
use crate::foreign::may_run;
use crate::{Context, Fpu, Kernel, Machine, Ref, State, Thread, Vcpu};
use ukernel_abi::vcpu::USER_FLAGS;

pub(in crate::checks) fn check(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    for (vcpu, v) in kernel.machine.all::<Vcpu>().filter(|(_, v)| v.caps > 0) {
        vcpu_agrees(kernel, vcpu, v)?;
    }
    threads_are_harmless(kernel)
}

/// Registers that the processor takes, and no flag that gives foreign code more than it has.
fn harmless(context: &Context) -> bool {
    may_run(context) && context.rflags & !USER_FLAGS == INITIAL_FLAGS & !USER_FLAGS
}

/// What the entry code reads of a Vcpu is what its thread and its state page are.
fn vcpu_agrees(kernel: &Kernel<Simulation>, vcpu: Ref<Vcpu>, v: &Vcpu) -> Result<(), Violation> {
    let window = v.page.map_or(0, |page| kernel.machine.window(page));
    must!(v.state == window, "{vcpu:?} believes in a state page at {:x}, not {window:x}", v.state);
    must!(v.foreign <= 1 && v.kicked <= 1, "{vcpu:?} has flags of {} and {}", v.foreign, v.kicked);
    let Some(thread) = v.thread else {
        must!(v.foreign == 0, "{vcpu:?} has foreign code and no thread");
        return Ok(());
    };
    let t = kernel.get(thread);
    let legacy = t.vspace.map_or(0, |vspace| kernel.get(vspace).legacy_root.0);
    must!(
        v.master_root == t.root.0 && v.legacy_root == legacy,
        "{vcpu:?} knows other views than {thread:?}'s VSpace has"
    );
    if v.foreign == 0 {
        return Ok(());
    }
    must!(matches!(t.state, State::Ready | State::Stopped), "foreign code of {thread:?} is {:?}", t.state);
    must!(v.page.is_some(), "foreign code of {thread:?} has no state page to leave its registers in");
    must!(harmless(&t.context), "{thread:?} is foreign code with registers that no processor takes");
    // In a VSpace without a legacy view it would run under the kernel's own tables, and fault.
    must!(v.kicked == 0 || t.context.resume == Resume::STEPPED, "{thread:?} was kicked and is still foreign code");
    Ok(())
}

/// Foreign code that can run has registers that the processor takes; FPU state has at most one other user.
fn threads_are_harmless(kernel: &Kernel<Simulation>) -> Result<(), Violation> {
    for (thread, t) in kernel.machine.all::<Thread>().filter(|(_, t)| t.caps > 0) {
        let may_run = !t.foreign || t.state != State::Ready || harmless(&t.context);
        must!(may_run, "foreign {thread:?} could run with registers that no processor takes");
        let goes_on = t.foreign && t.kicked && t.state == State::Ready && t.context.resume != Resume::STEPPED;
        must!(!goes_on, "foreign {thread:?} was kicked and goes on");
        must!(!t.foreign || t.vcpu.is_none(), "foreign {thread:?} has a Vcpu");
        must!(t.context.rflags & INITIAL_FLAGS == INITIAL_FLAGS, "{thread:?} could run with interrupts off");
        if let Fpu::Of(holder) = t.fpu {
            let held = kernel.machine.exists(holder) && kernel.get(holder).fpu_user == Some(thread);
            must!(held, "{thread:?} uses the FPU state of {holder:?}, which does not know");
        }
        if let Some(user) = t.fpu_user {
            let used = kernel.machine.exists(user) && kernel.get(user).fpu == Fpu::Of(thread);
            must!(used, "{thread:?} believes that {user:?} uses its FPU state");
        }
    }
    Ok(())
}
