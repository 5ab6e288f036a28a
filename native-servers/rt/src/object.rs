//! Kernel objects from the task's own Untyped.
//!
//! An Untyped gives memory back only when all of its objects are gone, so objects of fixed size are kept for reuse:
//! what [`recycle`] takes, the next [`create`] of that type gives out.

use alloc::vec::Vec;

use ukernel_user::object::Object;
use ukernel_user::{Cap, Error, ObjectType};

use crate::sync::SpinLock;
use crate::{cap, own};

/// Types that have a fixed size, by `ObjectType` number.
const TYPES: usize = 21;

static IDLE: [SpinLock<Vec<u64>>; TYPES] = [const { SpinLock::new(Vec::new()) }; TYPES];

/// Makes an object; `size` as the type's size argument says (0 where it is ignored).
///
/// # Errors
/// `OutOfMemory`: no memory, or no free slot.
pub fn create<T: Object>(size: u64) -> Result<Cap<T>, Error> {
    if has_fixed_size(T::TYPE)
        && let Some(slot) = IDLE[T::TYPE as usize].lock().pop()
    {
        return Ok(Cap::new(slot));
    }
    cap::in_free_slot(|slot| own::untyped().create::<T>(size, slot).map(drop))
}

/// Keeps an object for reuse. It must be as good as new: a thread suspended, an attachment detached, a notification
/// without bits, and known to nobody else. One whose type has no fixed size is deleted.
pub fn recycle<T: Object>(object: Cap<T>) {
    if has_fixed_size(T::TYPE) {
        IDLE[T::TYPE as usize].lock().push(object.slot());
    } else {
        cap::delete(object.slot());
    }
}

const fn has_fixed_size(object: ObjectType) -> bool {
    !matches!(object, ObjectType::Untyped | ObjectType::CapTable | ObjectType::Memory | ObjectType::VSpace)
}
