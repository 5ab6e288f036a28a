//! Small tests of the Linux ABI: `abi-tests NAME` runs one and prints what it saw, `abi-tests --list` names them.
//!
//! What is printed never depends on process ids, addresses or time, so that two systems can be compared.

mod faults;
mod files;
mod inet_sockets;
mod local_sockets;
mod memory;
mod processes;
mod readiness;
mod signals;
mod socket_lists;
mod threads;

/// What a test returns.
type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The tests of a family, by name.
type Tests = &'static [(&'static str, fn() -> Outcome)];

const TESTS: &[Tests] = &[
    faults::TESTS,
    files::TESTS,
    inet_sockets::TESTS,
    local_sockets::TESTS,
    memory::TESTS,
    processes::TESTS,
    readiness::TESTS,
    signals::TESTS,
    socket_lists::TESTS,
    threads::TESTS,
];

fn main() -> Outcome {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    for (name, test) in TESTS.iter().copied().flatten() {
        if wanted == "--list" {
            println!("{name}");
        } else if wanted == *name {
            return test();
        }
    }
    if wanted == "--list" { Ok(()) } else { Err(format!("no test {wanted:?}").into()) }
}

/// Says how a child ended.
fn describe(status: i32) -> String {
    if libc::WIFSIGNALED(status) {
        format!("signal {}", libc::WTERMSIG(status))
    } else if libc::WIFSTOPPED(status) {
        format!("stopped by {}", libc::WSTOPSIG(status))
    } else if libc::WIFCONTINUED(status) {
        "continued".into()
    } else {
        format!("exit {}", libc::WEXITSTATUS(status))
    }
}

/// Runs `child` in a process of its own and prints how it ended.
fn report_end(what: &str, child: impl FnOnce()) -> Outcome {
    let pid = legacy_programs::sys::spawn(|| {
        child();
        0
    })?;
    println!("{what}: {}", describe(legacy_programs::sys::wait(pid, 0)?.1));
    Ok(())
}

/// An error's number, or 0.
fn error_number<T>(result: std::io::Result<T>) -> i32 {
    result.err().and_then(|error| error.raw_os_error()).unwrap_or(0)
}
