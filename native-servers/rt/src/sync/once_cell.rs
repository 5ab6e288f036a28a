//! A value that is written once.

use core::fmt;

use spin::once::Once;

/// A cell that gets its value at most once and can be shared.
///
/// [`get_or_init`](Self::get_or_init) runs the initialiser on one thread while others yield; it must not wait for them.
pub struct OnceCell<T> {
    value: Once<T, super::YieldWhileSpinning>,
}

impl<T> OnceCell<T> {
    /// An empty cell.
    pub const fn new() -> Self {
        Self { value: Once::new() }
    }

    /// The value, if there is one yet.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Sets the value.
    ///
    /// # Errors
    /// Gives `value` back where the cell has one already.
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.value.call_once(|| value.take().expect("the initialiser runs once"));
        value.map_or(Ok(()), Err)
    }

    /// The value; made by `init` where there is none yet.
    pub fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        self.value.call_once(init)
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceCell").field(&self.get()).finish()
    }
}
