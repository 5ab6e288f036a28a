//! Tracing from the boot on: the option `trace=BYTES`.
//!
//! The host tool, whose file the machine's memory is, reads the ring there; the log says where it is. A task that may trace finds it
//! among its grants.

use ukernel_abi::PAGE_BYTES;
use ukernel_abi::boot::slot;
use ukernel_user::{Cap, Error, Memory, Trace};

use crate::plan::option;
use crate::supply::Supply;

/// Key of the option.
pub const TRACE_OPTION: &str = "trace";

/// A ring that the kernel writes to, and its bytes.
pub type Ring = (Cap<Memory>, u64);

/// Starts tracing if the boot options ask for it; where to.
///
/// # Errors
/// `InvalidArgument` for a size that is none; `OutOfMemory`.
pub fn start(boot: &str, supply: &Supply, tsc_hz: u64) -> Result<Option<Ring>, Error> {
    let Some(bytes) = option(boot, TRACE_OPTION) else { return Ok(None) };
    let bytes: u64 = bytes.parse().map_err(|_| Error::InvalidArgument)?;
    let ring = supply.create::<Memory>(bytes.next_multiple_of(PAGE_BYTES))?;
    let (address, bytes) = ring.physical()?;
    Cap::<Trace>::new(slot::TRACE).start(ring)?;
    log::info!("trace ring at {address:#x}, {bytes} bytes, {tsc_hz} Hz");
    Ok(Some((ring, bytes)))
}
