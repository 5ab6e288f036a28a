//! The checker finds known bugs. Each is in the kernel's logic behind a feature, so each needs a build of its own, which
//! goes to a folder of its own.

use std::process::Command;

/// States in which a seeded bug must have shown itself.
const STATES: &str = "20000";

/// What the checker prints of a kernel with this bug.
fn counterexample(bug: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root).args(["run", "--quiet", "--locked", "-p", "kernel-model", "--features", bug]);
    cargo.args(["--target-dir", "target/seeded", "--", STATES]);
    let output = cargo.output().expect("cargo can be run again");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{bug} is not found: {text}{errors}");
    println!("{bug}: {text}");
    text
}

/// One after the other: they share a folder.
#[test]
fn each_seeded_bug_has_a_counterexample() {
    let queue = counterexample("seeded-missed-dequeue");
    assert!(queue.contains("is Stopped; in a run queue: true") && queue.contains("Thread::SUSPEND"), "{queue}");
    let rights = counterexample("seeded-rights-amplification");
    assert!(rights.contains("which is no child of") && rights.contains("CapTable::COPY"), "{rights}");
    let signal = counterexample("seeded-lost-wakeup");
    assert!(signal.contains("a lost wake-up") && signal.contains("Signal slot"), "{signal}");
    let shootdown = counterexample("seeded-missed-shootdown");
    assert!(shootdown.contains("remembers what is gone"), "{shootdown}");
    let pull = counterexample("seeded-missed-pull");
    assert!(pull.contains("the running thread cannot run") && pull.contains("Thread::SUSPEND"), "{pull}");
}
