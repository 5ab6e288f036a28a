//! Hands the link script to the freestanding binary.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=link.ld");
    let target = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if target == "none" {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-T{folder}/link.ld");
        println!("cargo::rustc-link-arg-bins=--no-pie");
        println!("cargo::rustc-link-arg-bins=--build-id=none");
    }
}
