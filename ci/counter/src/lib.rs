//! A plugin for QEMU: counts the instructions that the processor executes, and notes the count at each mark.
//!
//! A *mark* is an instruction that does nothing and that nobody else writes ([`MARK`]). Whatever executes in between is
//! counted, in programs and kernels alike; a processor that waits executes nothing. The counts go to the file that the
//! argument `counts=FILE` names, a line each.
//!
//! QEMU counts blocks as a whole: where a fault leaves one, what was left of it is counted all the same.

#[expect(unsafe_code, reason = "the emulator's interface for plugins is one of C")]
mod emulator;

use std::fs::File;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// `nop dword ptr [rbx + rbx * 2 + 0x796e6142]`.
const MARK: [u8; 8] = [0x0f, 0x1f, 0x84, 0x5b, 0x42, 0x61, 0x6e, 0x79];

/// Instructions so far. The emulated processor is one, so that nobody else adds.
static COUNT: AtomicU64 = AtomicU64::new(0);
static COUNTS: OnceLock<File> = OnceLock::new();

/// Looks at the arguments; whether they can be served.
fn start(arguments: &[String]) -> Result<(), String> {
    let name =
        arguments.iter().find_map(|argument| argument.strip_prefix("counts=")).ok_or("counts=FILE is missing")?;
    let file = File::create(name).map_err(|error| format!("cannot create {name}: {error}"))?;
    COUNTS.set(file).map_err(|_| "it was loaded twice".into())
}

/// A mark was executed.
fn marked() {
    let line = format!("{}\n", COUNT.load(Ordering::Relaxed));
    if let Some(mut file) = COUNTS.get()
        && let Err(error) = file.write_all(line.as_bytes())
    {
        // A count less than there were marks says the same to who reads them.
        eprintln!("counter: {error}");
    }
}
