//! What of a seat and of the RAM only the kernel can give.

use guest_memory::StatePage;
use guest_memory::native;
use linux_abi::{Errno, Result};
use rt::Env;
use ukernel_user::{Cap, Vcpu};

/// Attaches the RAM that the task was granted.
///
/// # Errors
/// `ENOMEM`.
pub(crate) fn init_memory(env: &Env) -> Result<()> {
    native::init(env)
}

/// Makes a Vcpu with this state page for the calling thread.
///
/// # Errors
/// `EAGAIN` where the kernel has no memory for it.
pub(crate) fn make_vcpu(state: &StatePage) -> Result<Cap<Vcpu>> {
    let (memory, offset) = native::memory_of(state.frame()).ok_or(Errno::EAGAIN)?;
    let vcpu = rt::object::create::<Vcpu>(0).map_err(|_| Errno::EAGAIN)?;
    bind(vcpu, memory, offset).map_err(|error| {
        log::error!("a new Vcpu cannot be used: {error:?}");
        rt::cap::delete(vcpu.slot());
        Errno::EAGAIN
    })?;
    Ok(vcpu)
}

fn bind(vcpu: Cap<Vcpu>, memory: Cap<ukernel_user::Memory>, offset: u64) -> core::result::Result<(), rt::Error> {
    vcpu.set_state(memory, offset)?;
    vcpu.set_fixups(&native::fixups())?;
    let thread = rt::thread::raw().thread;
    thread.set_fpu(true)?;
    thread.bind_vcpu(vcpu)
}
