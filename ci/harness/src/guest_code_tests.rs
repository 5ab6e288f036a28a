//! Clippy looks at the freestanding programs as they are built for the target: code for the kernel alone (`rt::native`, say) is in no
//! host's build.

use banyan::{build, setup, workspace};
use libtest_mimic::{Completion, Trial};

/// Programs that are no part of the system.
const TESTS: [build::Program; 4] =
    [build::KERNEL_TEST, build::SUPERVISOR_TEST, build::GRANTS_TEST, build::HOSTILE_PERSONALITY];

/// The test; ignored where the compiler of the freestanding programs has no clippy.
#[must_use]
pub fn tests() -> Vec<Trial> {
    vec![Trial::ignorable_test("host: clippy has nothing to say about freestanding code", || {
        look().map_err(|error| format!("{error:#}").into())
    })]
}

fn look() -> anyhow::Result<Completion> {
    let tools = {
        let _lock = workspace::lock()?;
        setup::ensure()?
    };
    if !build::has_clippy(&tools) {
        return Ok(Completion::ignored_with("the compiler of the freestanding programs has no clippy"));
    }
    let programs: Vec<_> = build::PROGRAMS.iter().chain(build::BLOCK_TEST).chain(&TESTS).copied().collect();
    build::clippy(&tools, &programs)?;
    Ok(Completion::Completed)
}
