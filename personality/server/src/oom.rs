//! When memory runs out: one process is killed, and those who need memory wait for what it had.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use rt::sync::Mutex;
use task::signal::{SigInfo, Signal};
use task::{Process, Task, send_to_process, system};

/// How long a thread waits for a victim's memory before it looks again.
const PATIENCE_NS: u64 = 5_000_000;
/// `oom_score_adj` that spares a process.
const SPARED: i64 = -1000;

/// Only one victim is chosen at a time.
static CHOOSING: Mutex<()> = Mutex::new(());

/// What the one who needs memory does now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Relief {
    /// Try again.
    TryAgain,
    /// Give up: it is to end.
    GiveUp,
}

/// Makes room, for a task that needs memory. No lock may be held but those that come before the task tree.
pub(crate) fn relieve(task: &Task) -> Relief {
    if task.process.is_exiting() {
        task.notify_self();
        return Relief::GiveUp;
    }
    let choosing = CHOOSING.lock();
    // Pages of files that can be written and read again cost nobody's life.
    if diskfs::relieve() {
        return Relief::TryAgain;
    }
    let all = system().processes();
    let is_dying = all.iter().any(|process| process.is_exiting() && resident_pages(process) > 0);
    if !is_dying {
        match worst(&all) {
            Some(victim) => kill(victim),
            // Everybody is spared: then it is whoever asks.
            None => kill(&task.process),
        }
    }
    drop(choosing);
    if task.process.is_exiting() {
        return Relief::GiveUp;
    }
    rt::thread::sleep_until(rt::time::now_ns() + PATIENCE_NS);
    Relief::TryAgain
}

fn worst(all: &[Arc<Process>]) -> Option<&Arc<Process>> {
    let total = guest_memory::frames::stats().total as i64;
    let scored = all.iter().filter_map(|process| {
        let adjustment = i64::from(process.oom_score_adjustment.load(Ordering::Relaxed));
        let pages = resident_pages(process);
        (pages > 0 && adjustment > SPARED).then(|| (pages as i64 + adjustment * total / 1000, process))
    });
    scored.max_by_key(|(score, _)| *score).map(|(_, process)| process)
}

fn resident_pages(process: &Process) -> u64 {
    let resources = process.task_list().iter().find_map(|task| task.try_resources());
    resources.map_or(0, |resources| resources.space.resident_pages().0)
}

fn kill(victim: &Process) {
    log::warn!("out of memory: process {} is killed, {} KiB", victim.pid, resident_pages(victim) * 4);
    send_to_process(victim, SigInfo::kernel(Signal::SIGKILL));
}
