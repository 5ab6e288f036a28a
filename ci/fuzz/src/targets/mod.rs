//! The targets: what they read, and a good input of each.

pub mod archive;
pub mod channel;
pub mod elf;
pub mod file_system;
pub mod manifest;
pub mod messages;
pub mod root;
pub mod script;
pub mod trace;
