//! Moves of the file system and of its disk's driver fail, each at every step, while programs use them: nobody sees an error,
//! and the disk is clean and complete afterwards.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use crate::{tool, trial};

/// What programs do meanwhile; each says at its end that all was as it should be. `$MEANWHILE` is what happens to the
/// services.
const LOAD: &str = r#"
mkdir -p /w/src; cd /w
i=0; while [ $i -lt 200 ]; do echo "file $i" > src/f$i; i=$((i+1)); done
seq 1 200000 > src/big; tar cf a.tar src; md5sum a.tar > sum; exec 9< src/f7; rm src/f7; cp -r src same
(i=0; while [ $i -lt 60 ]; do echo "line $i" >> log || echo append failed; sync; i=$((i+1)); done; echo appended; touch d1) &
(for r in 1 2 3; do rm -rf x; mkdir x; tar xf a.tar -C x; rm x/src/f7; diff -r src x/src && echo untarred; done; touch d2) &
(for r in 1 2 3 4; do find / -xdev | md5sum > /dev/null || echo find failed; done; echo found; touch d3) &
until [ -e d1 -a -e d2 -a -e d3 ]; do sh -c "$MEANWHILE"; done
wait; cat <&9; md5sum -c sum; wc -l < log; diff -r src same && echo same
"#;
/// What it prints, in the order of the alphabet.
const PRINTED: [&str; 9] =
    ["60", "a.tar: OK", "appended", "file 7", "found", "same", "untarred", "untarred", "untarred"];

/// Moves that fail at each of their steps, then moves that do not.
const FAILURES: &str = "for to in native personality; do for s in fs block; do for step in retire stop unserve release \
                        serve start open ready note; do \
                        echo migrate $s $to --fail-at $step 2>/dev/null >/proc/banyan/services; done; \
                        echo migrate $s $to 2>/dev/null >/proc/banyan/services; done; done; true";

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![trial("disk: moves that fail at any step are rolled back", failures)]
}

fn failures() -> Result<()> {
    let disk = std::env::temp_dir().join(format!("banyan-disk-test-{}.img", std::process::id()));
    let result = run(&disk);
    // It may never have been made.
    let _ = std::fs::remove_file(&disk);
    result
}

fn run(disk: &Path) -> Result<()> {
    let script = format!("export MEANWHILE='{FAILURES}'\n{LOAD}");
    let path = disk.to_str().context("a path of this test's own")?;
    let output = tool::run(&["run", "--disk", path, "--exec", &script], b"")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(lines == PRINTED, "printed: {text}\nerrors: {errors}");
    ensure!(!errors.contains("rror"), "{errors}");
    is_clean(disk)
}

/// Checks the disk as e2fsck does.
pub(crate) fn is_clean(disk: &Path) -> Result<()> {
    let places = ["/usr/sbin/e2fsck", "/sbin/e2fsck"].map(PathBuf::from);
    let program = places.into_iter().find(|place| place.exists()).unwrap_or_else(|| "e2fsck".into());
    let output = Command::new(program).arg("-fn").arg(disk).output().context("e2fsck does not run")?;
    ensure!(output.status.success(), "the disk is not clean: {}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}
