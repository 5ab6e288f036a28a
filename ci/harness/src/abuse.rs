//! Tests that overload and abuse the system, each on a Banyan of its own: afterwards it must still work.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use banyan::run::{Output, Vm};
use libtest_mimic::Trial;

use crate::shared::{self, Processors};
use crate::trial;

/// Emulated systems take their time to run out of things.
const LIMIT: Duration = Duration::from_secs(900);

/// A test for each kind of abuse.
pub fn tests() -> Vec<Trial> {
    vec![
        trial("abuse: a fork bomb is refused and the system goes on", || {
            // Several times: who is born while the bomb is defused must not escape.
            survives("for i in 1 2 3 4 5; do /tests/abuse fork-bomb; done", &"refused: Some(11)\n".repeat(5))
        }),
        trial("abuse: a shell's fork bomb is answered, not suffered in silence", shell_bomb),
        trial("abuse: a full tmpfs refuses more", || survives("/tests/abuse fill /tmp/fill", "refused: Some(28)")),
        trial("abuse: memory runs out for the one who takes it", memory),
        trial("abuse: 30,000 random calls, and 6,000 on sockets", || {
            // The second only runs if the first survived.
            survives("/tests/abuse fuzz 1 30000 && /tests/abuse fuzz-sockets 1 6000", "survived 6000 calls")
        }),
        trial("abuse: 10,000 forks leave no trace", forks_leave_no_trace),
    ]
}

/// `command` says `expected`, and the system works afterwards.
fn survives(command: &str, expected: &str) -> Result<()> {
    let system = shared::start(Processors::Usual)?;
    let output = system.exec(command, b"", LIMIT)?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(text.contains(expected), "expected {expected:?} in:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    still_works(&system)
}

/// The bomb goes on and on; the system keeps answering, be it that it refuses another process.
fn shell_bomb() -> Result<()> {
    let system = shared::start(Processors::Usual)?;
    system.wait_ready(Some(Instant::now() + LIMIT)).map_err(|stop| anyhow!("{stop:?}"))?;
    let _bomb = system.open("b() { b | b & }; b")?;
    std::thread::sleep(Duration::from_secs(5));
    for _ in 0..20 {
        match system.exec("echo still here", b"", LIMIT) {
            Ok(output) if output.stdout == b"still here\n" => return Ok(()),
            // Its shell could not fork.
            Ok(_) => {}
            Err(error) => ensure!(format!("{error:#}").contains("EAGAIN"), "{error:#}"),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn memory() -> Result<()> {
    let system = shared::start(Processors::Usual)?;
    let output = system.exec("/tests/abuse memory", b"", LIMIT)?;
    let refused = String::from_utf8_lossy(&output.stdout).contains("refused: Some(12)");
    let killed = output.status.code() == 137;
    ensure!(refused || killed, "neither ENOMEM nor killed: {}", describe(&output));
    still_works(&system)
}

fn forks_leave_no_trace() -> Result<()> {
    let system = shared::start(Processors::Usual)?;
    let free = || -> Result<i64> {
        let output = system.exec("awk '/MemFree/ { print $2 }' /proc/meminfo", b"", LIMIT)?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    };
    // The first thousand fill the caches.
    system.exec("/tests/abuse fork-loop 1000", b"", LIMIT)?;
    let before = free()?;
    let output = system.exec("/tests/abuse fork-loop 10000", b"", LIMIT)?;
    ensure!(output.stdout == b"forked 10000\n", "{}", describe(&output));
    let lost_kib = before - free()?;
    ensure!(lost_kib < 1024, "10,000 forks lost {lost_kib} KiB");
    still_works(&system)
}

fn still_works(system: &Vm) -> Result<()> {
    let output = system.exec("echo works | tr a-z A-Z", b"", LIMIT)?;
    ensure!(output.stdout == b"WORKS\n", "afterwards: {}", describe(&output));
    Ok(())
}

fn describe(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    format!("status {:#06x}\n{}{}", output.status.0, text(&output.stdout), text(&output.stderr))
}
