//! The environment of the freestanding build.
//!
//! The tool is started by a cargo of its own, whose variables, and rustup's, would change what the inner cargo does.

use std::process::Command;

const CLEARED: [&str; 14] = [
    "CARGO",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MAKEFLAGS",
    "RUSTUP_TOOLCHAIN",
    "MAKEFLAGS",
    "LD_LIBRARY_PATH",
    "OUT_DIR",
    "CARGO_CRATE_NAME",
];
const CLEARED_BEGINNINGS: [&str; 6] =
    ["CARGO_BUILD_", "CARGO_TARGET_", "CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_PROFILE_"];

/// Whether a variable must not reach the inner cargo.
fn is_cleared(name: &str) -> bool {
    CLEARED.contains(&name) || CLEARED_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

/// Removes from a command's environment what the outer cargo and rustup put there.
pub fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_cleared) {
            command.env_remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_cargo_is_cleared_and_the_user_is_not() {
        assert!(is_cleared("CARGO_PKG_NAME") && is_cleared("RUSTUP_TOOLCHAIN") && is_cleared("CARGO_TARGET_DIR"));
        assert!(!is_cleared("CARGO_HOME") && !is_cleared("PATH") && !is_cleared("HOME"));
    }
}
