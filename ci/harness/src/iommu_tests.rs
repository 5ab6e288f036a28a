//! The disk behind an IOMMU: in both placements, while its driver moves and dies.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan::disk::{Disk, Storage};
use banyan::run::{Config, Iommu, Mode, Vm};
use libtest_mimic::Trial;

use crate::disk_tests::is_clean;
use crate::trial;

/// How long a script may take; it takes seconds.
const LIMIT: Duration = Duration::from_secs(240);
/// What the kernel says in its log.
const ISOLATED: &str = "[ukernel] IOMMU: devices reach what their IoSpaces map";

/// Copies of a file are written and made durable while both services move to and fro and the driver is killed.
const WRITE: &str = r#"
mkdir /w && cd /w || exit 1
seq 1 100000 > big; md5sum big > sums
(i=0; while [ $i -lt 24 ]; do cp big c$i && sync || echo failed; i=$((i+1)); done; touch done) &
for round in 1 2 3; do for to in native personality; do for s in fs block; do
    echo migrate $s $to > /proc/banyan/services || echo no move
done; done; done
echo migrate block native > /proc/banyan/services && echo moved
for kill in 1 2; do cp big k$kill; echo kill block > /proc/banyan/services && echo killed; sync; done
wait; [ -e done ] && echo done
for i in c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 c10 c11 c12 c13 c14 c15 c16 c17 c18 c19 c20 c21 c22 c23 k1 k2; do
    echo "$(md5sum < big | cut -d' ' -f1)  $i"
done >> sums; sync; grep -c . sums
"#;
const WRITTEN: &str = "moved\nkilled\nkilled\ndone\n27\n";
/// All of it is read again, from the disk.
const READ: &str = "cd /w && md5sum -c sums | grep -c OK";

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![trial("iommu: the disk is whole after moves and deaths of its driver", whole)]
}

fn whole() -> Result<()> {
    let disk = std::env::temp_dir().join(format!("banyan-iommu-test-{}.img", std::process::id()));
    let result = write_and_read(&disk);
    // It may never have been made.
    let _ = std::fs::remove_file(&disk);
    result
}

fn write_and_read(disk: &Path) -> Result<()> {
    let log = says(disk, Iommu::Present, WRITE, WRITTEN)?;
    ensure!(log.contains(ISOLATED), "the kernel does not use the IOMMU:\n{log}");
    is_clean(disk)?;
    // A machine without IOMMU finds the same.
    let log = says(disk, Iommu::Absent, READ, "27\n")?;
    ensure!(!log.contains(ISOLATED) && log.contains("[ukernel] no IOMMU"), "there is an IOMMU:\n{log}");
    Ok(())
}

/// Runs a script on a machine with this disk; its log.
fn says(disk: &Path, iommu: Iommu, script: &str, expected: &str) -> Result<String> {
    let mut config = Config::new(Mode::Exec);
    config.iommu = iommu;
    config.storage = Storage::Disk(Disk::Kept(PathBuf::from(disk)));
    let vm = Vm::start(&config)?;
    let output = vm.exec(script, b"", LIMIT).with_context(|| vm.explained_log().unwrap_or_default())?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    vm.power_off(LIMIT);
    let log = vm.explained_log()?;
    ensure!(printed == expected, "printed: {printed}\nerrors: {errors}\nlog: {}", crate::suite::end(&log));
    Ok(log)
}
