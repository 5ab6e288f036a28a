//! The block driver's tests on a machine with a disk, each under its name: a system of the pci server and one task
//! (`userland/native/block-test`), booted once.

use std::fs::File;

use anyhow::Result;
use banyan::root::Tree;
use banyan::run::{Config, Mode};
use banyan::{build, image, workspace};
use libtest_mimic::Trial;

use crate::machine::{Bench, LIMIT, disk};
use crate::suite::Suite;

const SOURCE: &str = include_str!("../../../userland/native/block-test/src/tests.rs");
static SUITE: Suite = Suite::new("block", "[block-test] ", SOURCE, boot);
/// The system.
const MANIFEST: &str = "images/systems/tests/block.toml";
/// Size of the disk; the task expects it.
const DISK_BYTES: u64 = 16 << 20;
/// A second disk, all zero, and five requests a second: the others wait, and are not begun.
const SLOW_DISK: &str = "-object throttle-group,id=five,x-iops-total=5 \
    -blockdev driver=null-co,node-name=zero,size=16777216,read-zeroes=on \
    -blockdev driver=throttle,node-name=slow,throttle-group=five,file=zero \
    -device virtio-blk-pci,disable-legacy=on,drive=slow";

/// The tests.
#[must_use]
pub fn tests() -> Vec<Trial> {
    SUITE.trials()
}

/// The lines with measurements.
///
/// # Errors
/// When the tests do not build or run.
pub fn figures() -> Result<Vec<&'static str>> {
    SUITE.figures()
}

fn boot() -> Result<String> {
    let mut bench = Bench::new("block-test", build::BLOCK_TEST)?;
    let (archive, content) = (bench.file("archive"), bench.file("disk"));
    let config = Config { manifest: workspace::source().join(MANIFEST), ..Config::new(Mode::Exec) };
    let image = image::build(&bench.programs, &config, &Tree::default(), &archive)?;
    File::create(&content)?.set_len(DISK_BYTES)?;
    let arguments: Vec<_> = disk(&content).into_iter().chain(SLOW_DISK.split_whitespace().map(String::from)).collect();
    bench.log_of(&image, &arguments, LIMIT)
}
