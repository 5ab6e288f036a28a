//! Notifications (their system calls are beside those of endpoints) and timers.

use ukernel_abi::invoke::timer;

use crate::message::invoke;
use crate::{Cap, Error};

/// A word of pending bits.
#[derive(Debug)]
pub enum Notification {}

/// A deadline that signals a notification.
#[derive(Debug)]
pub enum Timer {}

impl Cap<Timer> {
    /// Signals `notification`, with that capability's badge, at each deadline.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn bind(self, notification: Cap<Notification>) -> Result<(), Error> {
        invoke(self.slot(), timer::BIND, &[notification.slot()]).map(drop)
    }

    /// Sets the deadline, as a value of the time-stamp counter; one in the past signals at once.
    ///
    /// # Errors
    /// `InvalidState`: not bound.
    pub fn arm(self, deadline_tsc: u64) -> Result<(), Error> {
        invoke(self.slot(), timer::ARM, &[deadline_tsc]).map(drop)
    }

    /// Forgets the deadline. A signal that it has sent already stays.
    ///
    /// # Errors
    /// Only those of every method.
    pub fn cancel(self) -> Result<(), Error> {
        invoke(self.slot(), timer::CANCEL, &[]).map(drop)
    }
}
