//! Typed messages between servers.
//!
//! [`interface!`] turns one description of a contract into a trait, a client that implements it over an endpoint, a
//! handler trait and dispatcher for the server, and a table of names for traces. [`Server`] is the loop around a
//! dispatcher; a service that blocks, such as a library with threads of its own, is served by a [`Pool`] of threads through
//! [`Shared`] or [`PerCaller`]; [`Loopback`] joins client and dispatcher without a kernel, for tests.
//!
//! On the wire, a request's label is the interface's number (upper half) and the method's (lower half), an answer's label
//! is 0 or one of [`status`]; values are words in order (see [`wire`]). Whatever arrives is checked before it is used: a
//! malformed request is answered with an error, a malformed answer is a [`Failure`] of the call.
//!
//! Badges below 2^63 name the sender; those above are events of the server's own notification.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod answer;
mod client;
mod interface;
mod loopback;
mod pool;
mod server;
mod shared;
pub mod wire;

pub use answer::{Answer, Caller, PendingReply};
pub use client::{Failure, Returned, Transport, call};
pub use loopback::Loopback;
pub use pool::{Pool, PoolSize, Urgency};
pub use server::{Dispatch, EVENT, Outcome, Request, Response, Server, dispatch_one};
pub use shared::{Lending, PerCaller, Shared};
pub use wire::{Capability, Decode, Encode, List, MAX_BYTES, Malformed};

/// Names of an interface's methods, for traces and documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// Name of the contract.
    pub name: &'static str,
    /// Its number: the upper half of its labels.
    pub number: u16,
    /// Number and name of each method.
    pub methods: &'static [(u16, &'static str)],
}

impl Description {
    /// Name of the method that a label stands for.
    #[must_use]
    pub fn method_name(&self, label: u32) -> Option<&'static str> {
        let (interface, method) = split_label(label);
        if interface != self.number {
            return None;
        }
        self.methods.iter().find(|(number, _)| *number == method).map(|(_, name)| *name)
    }

    /// Whether no number is used twice; checked when an interface is compiled.
    #[must_use]
    pub const fn numbers_are_distinct(&self) -> bool {
        let mut first = 0;
        while first < self.methods.len() {
            let mut second = first + 1;
            while second < self.methods.len() {
                if self.methods[first].0 == self.methods[second].0 {
                    return false;
                }
                second += 1;
            }
            first += 1;
        }
        true
    }
}

/// Labels of answers.
pub mod status {
    /// The result follows.
    pub const OK: u32 = 0;
    /// The request could not be read.
    pub const MALFORMED: u32 = 1;
    /// The server does not know the interface or the method.
    pub const UNKNOWN_METHOD: u32 = 2;
    /// The server dropped the request without an answer.
    pub const ABANDONED: u32 = 3;
}

/// The label of a request.
#[must_use]
pub const fn label(interface: u16, method: u16) -> u32 {
    (interface as u32) << 16 | method as u32
}

/// Interface and method of a request's label.
#[must_use]
pub const fn split_label(label: u32) -> (u16, u16) {
    ((label >> 16) as u16, label as u16)
}

/// What the macros' output names.
#[doc(hidden)]
pub mod private {
    pub use alloc::sync::Arc;
    pub use ukernel_user::{Cap, Endpoint};
}
