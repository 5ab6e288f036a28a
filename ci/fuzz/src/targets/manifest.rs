//! The system's manifest: the text that a person writes, and its compiled form in the boot archive.

use crate::{Answer, Target};

/// What the root task reads.
pub const COMPILED: Target =
    Target { name: "manifest-compiled", good: compiled, head: 4096, inputs: 10_000, run: decode };
/// What the host tool reads.
pub const TEXT: Target = Target { name: "manifest-text", good: text, head: 16384, inputs: 500, run: parse };

fn text() -> Vec<u8> {
    std::fs::read(banyan::image::default_manifest()).expect("the default system is part of the tree")
}

fn compiled() -> Vec<u8> {
    let manifest = manifest::text::parse(&String::from_utf8_lossy(&text())).expect("the default system is right");
    manifest.encode().expect("it has a binary form")
}

fn decode(bytes: &[u8]) -> Answer {
    Answer::of(manifest::Manifest::decode(bytes))
}

fn parse(bytes: &[u8]) -> Answer {
    Answer::of(manifest::text::parse(&String::from_utf8_lossy(bytes)))
}
