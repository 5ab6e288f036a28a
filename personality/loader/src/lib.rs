//! Starting programs: from a file to an address space with an initial stack.
//!
//! * [`prepare`]: follows `#!` lines, checks the ELF headers of program and interpreter; nothing is changed yet, so all
//!   its errors are `execve`'s errors
//! * [`load`]: maps the program and builds the stack in a fresh address space
//!
//! Everything in a file is hostile: numbers are checked before they are added, counts before memory is spent on them.
//! Only headers are read; segments are mapped straight from the file's pages.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod image;
mod open_file;
mod prepare;
mod program;
mod script;
mod stack;

#[cfg(test)]
mod test_files;
#[cfg(test)]
mod tests;

pub use image::{Entry, load};
pub use open_file::{OpenImage, mapped_object};
pub use prepare::{Files, ImageFile, MAX_SCRIPT_DEPTH, Prepared, prepare};
pub use program::{Program, ProgramKind, Segment};
pub use stack::{Identity, MAX_STRING_BYTES, StackContents, check_argument_bytes};
