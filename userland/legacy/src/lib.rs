//! What the legacy programs share: thin, checked wrappers of the Linux calls that `std` does not offer.
//!
//! The programs are ordinary: they know nothing of Banyan, and pass on Linux before they count as tests.

#[expect(unsafe_code, reason = "instructions that fault are the subject of these programs")]
pub mod faults;
pub mod promises;
pub mod random;
#[expect(unsafe_code, reason = "fork, signals, raw system calls and memory maps are the subject of these programs")]
pub mod sys;
pub mod talk;
