//! Time for new threads: as much as they want, or, where the task's is limited, what the manifest sets aside for them.

use ukernel_user::{Cap, Error, SchedContext};

use crate::object;
use crate::start_info::{Grant, kind};
use crate::sync::SpinLock;

/// Most contexts of a task whose time is limited, but for its first thread's.
const MAX: usize = 8;

/// Contexts that no thread has yet, by their slots; `None`: the task's time is not limited. A thread's is used again with the
/// rest of it.
static LEFT: SpinLock<Option<([u64; MAX], usize)>> = SpinLock::new(None);

/// The task's time is limited to the contexts among its grants.
pub(super) fn limit(grants: &[Grant]) {
    let (mut slots, mut count) = ([0; MAX], 0);
    for (place, grant) in slots.iter_mut().zip(grants.iter().filter(|grant| grant.kind == kind::SCHED_CONTEXT)) {
        *place = grant.slot;
        count += 1;
    }
    *LEFT.lock() = Some((slots, count));
}

/// Time for one more thread.
///
/// # Errors
/// `OutOfMemory`: there is no memory, or what the manifest sets aside is in use.
pub(super) fn take() -> Result<Cap<SchedContext>, Error> {
    let mut left = LEFT.lock();
    let Some((slots, count)) = &mut *left else {
        drop(left);
        return object::create(0);
    };
    *count = count.checked_sub(1).ok_or(Error::OutOfMemory)?;
    Ok(Cap::new(slots[*count]))
}
