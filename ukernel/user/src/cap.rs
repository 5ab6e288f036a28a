//! Typed capabilities.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;

/// A slot of the task's own CapTable that holds (or is to hold) a capability to a `T`.
///
/// It is a name, not an owner: dropping it deletes nothing. The kernel checks the type at each use, so a wrong cast is
/// an error, never unsound.
pub struct Cap<T> {
    slot: u64,
    object: PhantomData<fn() -> T>,
}

impl<T> Cap<T> {
    /// Slot 0, which is always empty.
    pub const NULL: Self = Self::new(0);

    /// The capability in `slot`.
    #[must_use]
    pub const fn new(slot: u64) -> Self {
        Self { slot, object: PhantomData }
    }

    /// Its slot.
    #[must_use]
    pub const fn slot(self) -> u64 {
        self.slot
    }

    /// Whether this is [`NULL`](Self::NULL).
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.slot == 0
    }

    /// The same slot, taken to hold another type.
    #[must_use]
    pub const fn cast<U>(self) -> Cap<U> {
        Cap::new(self.slot)
    }
}

impl<T> Clone for Cap<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Cap<T> {}

impl<T> PartialEq for Cap<T> {
    fn eq(&self, other: &Self) -> bool {
        self.slot == other.slot
    }
}

impl<T> Eq for Cap<T> {}

impl<T> Hash for Cap<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.slot.hash(state);
    }
}

impl<T> fmt::Debug for Cap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = core::any::type_name::<T>();
        write!(f, "{}@{}", name.rsplit("::").next().unwrap_or(name), self.slot)
    }
}
