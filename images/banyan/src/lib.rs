//! The host tool as a library: everything between a fresh machine and a running Banyan.
//!
//! * [`setup`]: finds or installs QEMU, a compiler for the freestanding target, a linker, e2fsprogs, busybox
//! * [`build`]: compiles loader, kernel, servers and personality
//! * [`graph`]: the crates and sources that a program was built of
//! * [`legacy`]: compiles our program for the legacy root
//! * [`root`]: the tree that legacy programs see, and its cpio form
//! * [`disk`]: the tree as an ext4 image
//! * [`image`]: places programs and writes the boot archive
//! * [`run`]: QEMU, the channel to the guest, terminals
//! * [`symbols`]: turns raw addresses of a log into names and lines
//!
//! What these say to a person goes to standard error; standard output belongs to the guest's programs.

pub mod build;
pub mod disk;
pub mod graph;
pub mod image;
pub mod legacy;
pub mod progress;
pub mod root;
pub mod run;
pub mod setup;
pub mod symbols;
pub mod workspace;
