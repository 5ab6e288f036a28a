//! A personality that wants its disk back, after the driver has moved out of it: each attempt under its name.
//!
//! The system is the default one, with the same grants for everybody; only the personality's program is another
//! (`userland/native/hostile-personality`).

use std::fs::{self, File};

use anyhow::{Context, Result, ensure};
use banyan::root::Tree;
use banyan::run::{Config, Mode};
use banyan::{build, image};
use libtest_mimic::Trial;

use crate::machine::{Bench, LIMIT, disk};
use crate::suite::Suite;

const SOURCE: &str = include_str!("../../../userland/native/hostile-personality/src/tests.rs");
/// The task's name is as in the default system.
static SUITE: Suite = Suite::new("hostile", "[personality] ", SOURCE, boot);
const DISK_BYTES: u64 = 16 << 20;
/// What the default system's servers expect besides a disk.
const DEVICES: &str = "-serial null -device virtio-serial-pci,disable-legacy=on,max_ports=2,vectors=8 \
    -chardev null,id=channel -device virtserialport,chardev=channel,name=banyan";

/// The tests.
#[must_use]
pub fn tests() -> Vec<Trial> {
    SUITE.trials()
}

/// The default manifest, with the program in the personality's entry exchanged.
fn manifest() -> Result<String> {
    let text = fs::read_to_string(image::default_manifest()).context("cannot read the default manifest")?;
    let (theirs, ours) = ("program = \"personality-server\"", "program = \"hostile-personality\"");
    ensure!(text.matches(theirs).count() == 1, "the default manifest has not one personality");
    Ok(text.replace(theirs, ours))
}

fn boot() -> Result<String> {
    let programs: Vec<build::Program> = build::PROGRAMS.iter().copied().chain([build::HOSTILE_PERSONALITY]).collect();
    let mut bench = Bench::new("hostile-personality", &programs)?;
    let [archive, content, system] = ["archive", "disk", "toml"].map(|kind| bench.file(kind));
    fs::write(&system, manifest()?)?;
    let config = Config { manifest: system, ..Config::new(Mode::Exec) };
    let image = image::build(&bench.programs, &config, &Tree::default(), &archive)?;
    File::create(&content)?.set_len(DISK_BYTES)?;
    let arguments: Vec<_> = DEVICES.split_whitespace().map(String::from).chain(disk(&content)).collect();
    bench.log_of(&image, &arguments, LIMIT)
}
