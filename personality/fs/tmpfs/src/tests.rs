//! Tests of tmpfs through the VFS.
