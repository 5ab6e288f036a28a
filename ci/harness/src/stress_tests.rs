//! Mixed load on several processors, which checks itself (`userland/legacy`, `stress`), while the disk's services move.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan::disk::{Disk, Storage};
use banyan::root::Root;
use banyan::run::{Config, Mode, Vm};
use libtest_mimic::Trial;

use crate::{shared, suite, trial};

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// How long programs start new rounds.
    pub seconds: u32,
    /// Between two moves of a service.
    pub pause_seconds: u32,
    /// Where the random numbers come from.
    pub seed: u64,
}

/// In a test.
pub const SHORT: Amount = Amount { seconds: 8, pause_seconds: 2, seed: 1 };
const CPUS: u8 = 4;
const MEMORY_BYTES: u64 = 1 << 30;
/// What a round in progress at the end, boot and shutdown may take.
const GRACE: Duration = Duration::from_secs(900);

/// First the threads that give pages back have all processors to themselves: among others a processor changes its address space, and
/// so forgets its translations, too often to show that it should have been told. Then services move to and fro in the background;
/// a move that fails is a line of its own.
const SCRIPT: &str = "/tests/stress shootdown 2 SEED /alone >/dev/null || echo alone: status $?
mkdir /stress
(while sleep PAUSE; do for move in 'fs native' 'block native' 'fs personality' 'block personality'; do
    echo migrate $move >/proc/banyan/services || echo not moved: $move; sleep PAUSE
done; done) &
/tests/stress SECONDS SEED /stress || echo status $?
kill $!
echo processors: $(nproc)";

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![trial("stress: mixed load on four processors finds nothing", || stress(SHORT).map(|line| println!("{line}")))]
}

/// Runs it; what was done, in a line.
///
/// # Errors
/// When a program, a move or the system complains.
pub fn stress(amount: Amount) -> Result<String> {
    let mut config = Config::new(Mode::Exec);
    config.root = Root::Path(shared::prepared()?.root.clone());
    config.storage = Storage::Disk(Disk::Fresh);
    config.cpus = CPUS;
    config.memory_bytes = MEMORY_BYTES;
    let script = SCRIPT
        .replace("PAUSE", &amount.pause_seconds.to_string())
        .replace("SECONDS", &amount.seconds.to_string())
        .replace("SEED", &amount.seed.to_string());
    let vm = Vm::start(&config)?;
    let limit = Duration::from_secs(amount.seconds.into()) + GRACE;
    let output = vm.exec(&script, b"", limit).with_context(|| vm.explained_log().unwrap_or_default())?;
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let log = vm.explained_log()?;
    let lines: Vec<_> = text.lines().collect();
    let [done, processors] = lines.as_slice() else {
        anyhow::bail!("it printed:\n{text}{errors}\n{}", suite::end(&log));
    };
    let is_right = done.ends_with("; 0 found something") && *processors == format!("processors: {CPUS}");
    ensure!(is_right && output.status.code() == 0, "it printed:\n{text}{errors}\n{}", suite::end(&log));
    ensure!(!log.contains("panicked"), "somebody panicked:\n{}", suite::end(&log));
    Ok((*done).into())
}
