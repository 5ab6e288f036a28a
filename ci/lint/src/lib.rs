//! Rules of the house that no compiler checks, and figures about the source.
//!
//! * [`dependencies`]: crates depend in one direction
//! * [`unsafety`]: unsafe code is where it may be, gives its reason, and only gets less
//! * [`lengths`]: lines of the kernel, long files and functions: a report, not a rule
//!
//! [`source`] reads the tree. `tests/house.rs` holds the rules; `cargo run -p lint` prints everything.

pub mod dependencies;
pub mod lengths;
pub mod source;
pub mod unsafety;

use std::path::{Path, PathBuf};

/// The root of the source tree.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate is two folders below the root").into()
}
