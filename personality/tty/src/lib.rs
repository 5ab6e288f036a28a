//! Terminals: the line discipline, terminal settings, job control, the console and pseudo-terminals.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod discipline;
pub mod termios;
