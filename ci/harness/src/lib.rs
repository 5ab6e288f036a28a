//! System tests: what runs on Banyan, what it is compared with, and the means to do so.
//!
//! `tests/system.rs` lists every test by name. [`cases`] are commands that must give what they give on Linux (whose
//! answers come from the crate `reference`); [`trap_tests`] are about the two trap mechanisms; [`injection_tests`] switch a
//! driver's bug on; [`move_tests`] move and kill services under load; [`power_tests`] cut the power; [`abuse`] overloads the
//! system; [`terminal_tests`], [`tool_tests`] and [`strace_tests`] run the host tool as a person would; [`guest_code_tests`]
//! has clippy look at the system's code. [`kernel_tests`] are the microkernel's, listed by `tests/kernel.rs`, [`block_tests`]
//! the block driver's, and [`hostile_tests`] those of a personality that wants the disk back, by `tests/block.rs`.

pub mod abuse;
pub mod block_tests;
pub mod cases;
pub mod compare;
pub mod crash_tests;
pub mod debugger_tests;
pub mod demo_tests;
pub mod disk_tests;
pub mod grant_tests;
pub mod guest_code_tests;
pub mod host_tests;
pub mod hostile_tests;
pub mod injection_tests;
pub mod iommu_tests;
pub mod kernel_tests;
mod machine;
pub mod move_tests;
pub mod perfetto;
pub mod power_tests;
pub mod shared;
pub mod strace_tests;
pub mod stress_tests;
mod suite;
pub mod supervisor_tests;
pub mod terminal;
pub mod terminal_tests;
pub mod tool;
pub mod tool_tests;
pub mod trace_rules;
pub mod trap_tests;
pub mod workshop;

use libtest_mimic::Trial;

/// All tests.
#[must_use]
pub fn tests() -> Vec<Trial> {
    let mut tests = compare::tests();
    tests.extend(trap_tests::tests());
    tests.extend(injection_tests::tests());
    tests.extend(abuse::tests());
    tests.extend(crash_tests::tests());
    tests.extend(disk_tests::tests());
    tests.extend(iommu_tests::tests());
    tests.extend(terminal_tests::tests());
    tests.extend(tool_tests::tests());
    tests.extend(debugger_tests::tests());
    tests.extend(host_tests::tests());
    tests.extend(guest_code_tests::tests());
    tests.extend(demo_tests::tests());
    tests.extend(move_tests::tests());
    tests.extend(power_tests::tests());
    tests.extend(strace_tests::tests());
    tests.extend(stress_tests::tests());
    tests
}

/// A test from a function; an error fails it with its whole chain of causes.
fn trial(name: impl Into<String>, test: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || test().map_err(|error| format!("{error:#}").into()))
}
