//! On the host there is no kernel: nothing runs, but everything compiles.

use guest_memory::StatePage;
use linux_abi::{Errno, Result};
use rt::Env;
use ukernel_user::{Cap, Vcpu};

/// There is no RAM to attach.
pub(crate) fn init_memory(_env: &Env) -> Result<()> {
    Err(Errno::ENOMEM)
}

/// There are no Vcpus.
pub(crate) fn make_vcpu(_state: &StatePage) -> Result<Cap<Vcpu>> {
    Err(Errno::EAGAIN)
}
