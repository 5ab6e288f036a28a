//! Adapters: what implements a contract's trait, for `&self` and blocking, as a handler.
//!
//! [`interface!`](crate::interface) implements its handler trait for both. Each thread of a [`Pool`](crate::Pool) has an
//! adapter of its own over the one service.

use alloc::sync::Arc;

/// Serves all callers alike.
///
/// ```
/// ipc::errors! {
///     /// Never.
///     pub enum AddError { /// Too much.
///         Overflow = 1 }
/// }
/// ipc::interface! {
///     /// Adds.
///     pub trait Adder(client AdderClient, handler AdderHandler, dispatcher AdderDispatcher) = 0x7f02 {
///         /// Adds one.
///         1 => fn add(&self, number: u64) -> Result<u64, AddError>;
///     }
/// }
/// struct Library;
/// impl Adder for Library {
///     fn add(&self, number: u64) -> Result<u64, AddError> {
///         number.checked_add(1).ok_or(AddError::Overflow)
///     }
/// }
/// let served = AdderDispatcher(ipc::Shared(std::sync::Arc::new(Library)));
/// assert_eq!(AdderClient::new(ipc::Loopback::new(served, 1)).add(6), Ok(7));
/// ```
#[derive(Debug)]
pub struct Shared<T: ?Sized>(pub Arc<T>);

impl<T: ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Serves each caller with what a function makes of its badge: for services that keep something for each of them.
#[derive(Clone, Debug)]
pub struct PerCaller<F>(pub F);

/// Whose the capabilities are that come with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lending {
    /// The handler's, from then on.
    Given,
    /// The caller's: they are deleted when the request was handled.
    Lent,
}
