//! Processes: trees of them and their statuses, pipes between them, signals to them.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use legacy_programs::random::Random;
use legacy_programs::sys;

use crate::{Outcome, bytes, digest, expect};

/// Statuses come back through three generations: forked, forked, and a program executed.
pub(super) fn trees(random: &mut Random, _folder: &Path) -> Outcome {
    let codes: Vec<i32> = (0..1 + random.below(4)).map(|_| random.below(256) as i32).collect();
    let mut children = Vec::new();
    for code in &codes {
        children.push((sys::spawn(|| parent_of(*code))?, *code));
    }
    for (pid, code) in children {
        let (waited, status) = sys::wait(pid, 0)?;
        expect(waited == pid && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == code, || {
            format!("process {waited} for {pid} ended with {status:#x}, expected was code {code}")
        })?;
    }
    let code = random.below(256) as i32;
    let status = Command::new(std::env::current_exe()?).args(["exit", &code.to_string()]).status()?;
    expect(status.code() == Some(code), || format!("a program ended with {status}, expected was code {code}"))
}

/// Its child's code, if memory that both had was not shared.
fn parent_of(code: i32) -> i32 {
    let own = AtomicU32::new(7);
    let child = sys::spawn(|| {
        own.store(8, Ordering::Relaxed);
        code
    });
    let Ok(child) = child else { return 255 - code };
    match sys::wait(child, 0) {
        Ok((pid, status)) if pid == child && libc::WIFEXITED(status) && own.load(Ordering::Relaxed) == 7 => {
            libc::WEXITSTATUS(status)
        }
        _ => 255 - code,
    }
}

/// Two programs in a row pass bytes on, and the last says what it saw.
pub(super) fn pipes(random: &mut Random, _folder: &Path) -> Outcome {
    let count = 1 + random.below(200_000) as usize;
    let sent = bytes(random, count);
    let mut cat = Command::new("/bin/cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let between = cat.stdout.take().ok_or("no pipe")?;
    let sum = Command::new(std::env::current_exe()?).arg("sum").stdin(between).stdout(Stdio::piped()).spawn()?;
    let mut input = cat.stdin.take().ok_or("no pipe")?;
    input.write_all(&sent)?;
    drop(input);
    let said = sum.wait_with_output()?;
    let status = cat.wait()?;
    let expected = format!("{} {}\n", sent.len(), digest(&sent));
    let is_right = status.success() && said.status.success() && said.stdout == expected.as_bytes();
    expect(is_right, || format!("{} instead of {expected}", String::from_utf8_lossy(&said.stdout)))
}

/// The last of the row.
pub(super) fn sum() -> Outcome {
    let mut seen = Vec::new();
    std::io::stdin().read_to_end(&mut seen)?;
    println!("{} {}", seen.len(), digest(&seen));
    Ok(())
}

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn handle(_signal: i32) {
    HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// Signals to itself are handled at once, one that waits behind a mask afterwards, and a child that loops dies of its own.
pub(super) fn signals(random: &mut Random, _folder: &Path) -> Outcome {
    sys::on_signal(libc::SIGUSR1, handle, 0)?;
    // Whoever was started in the background ignores it, and so would the child.
    sys::default_signal(libc::SIGINT)?;
    let before = HANDLED.load(Ordering::SeqCst);
    let count = 1 + random.below(50) as u32;
    for _ in 0..count {
        sys::kill(sys::pid(), libc::SIGUSR1)?;
    }
    sys::mask(libc::SIG_BLOCK, libc::SIGUSR1)?;
    sys::kill(sys::pid(), libc::SIGUSR1)?;
    let held = HANDLED.load(Ordering::SeqCst).wrapping_sub(before);
    sys::mask(libc::SIG_UNBLOCK, libc::SIGUSR1)?;
    let all = HANDLED.load(Ordering::SeqCst).wrapping_sub(before);
    expect(held == count && all == count + 1, || format!("of {count} and one more signals {held} and {all} came"))?;
    let mut child = Command::new("/bin/sh").args(["-c", "while :; do :; done"]).spawn()?;
    let signal = [libc::SIGTERM, libc::SIGKILL, libc::SIGINT][random.below(3) as usize];
    std::thread::sleep(std::time::Duration::from_millis(random.below(20)));
    sys::kill(child.id() as i32, signal)?;
    let status = child.wait()?;
    expect(status.signal() == Some(signal), || format!("a process ended with {status}, killed by {signal}"))
}
