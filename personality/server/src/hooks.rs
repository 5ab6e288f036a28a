//! What follows from events in the family of processes.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use interfaces::system::StopReason;
use rt::sync::{Condvar, Mutex};
use task::signal::Signal;
use task::{ChildEvent, ExitStatus, Hooks, Pid, Process};
use tty::Sessions;

use crate::{current, power};

/// The ends of processes that the personality itself started.
#[derive(Default)]
pub(crate) struct Ends(Mutex<BTreeMap<Pid, Arc<End>>>);

/// The end of one process.
#[derive(Default)]
pub(crate) struct End {
    status: Mutex<Option<i32>>,
    ended: Condvar,
}

impl End {
    /// Waits for it; the wait status.
    pub(crate) fn wait(&self) -> i32 {
        let mut status = self.status.lock();
        loop {
            match *status {
                Some(status) => return status,
                None => status = self.ended.wait(status),
            }
        }
    }

    fn set(&self, status: i32) {
        *self.status.lock() = Some(status);
        self.ended.notify_all();
    }
}

impl Ends {
    /// Where the end of a process will be told. To be asked before it starts.
    pub(crate) fn expect(&self, pid: Pid) -> Arc<End> {
        let end = Arc::new(End::default());
        self.0.lock().insert(pid, end.clone());
        end
    }
}

/// The hooks.
pub(crate) struct ServerHooks {
    /// Controlling terminals.
    pub(crate) sessions: Arc<Sessions>,
    /// Who waits for whose end.
    pub(crate) ends: Arc<Ends>,
}

impl Hooks for ServerHooks {
    fn signal_to_init(&self, signal: Signal) {
        // What busybox's halt, poweroff and reboot send.
        match signal {
            Signal::SIGUSR1 | Signal::SIGUSR2 => power::stop_soon(StopReason::Orderly),
            Signal::SIGTERM | Signal::SIGINT => power::stop_soon(StopReason::Restart),
            _ => {}
        }
    }

    fn session_leader_ended(&self, session: Pid) {
        self.sessions.leader_ended(session);
    }

    fn process_ended(&self, process: &Process) {
        let Some(end) = self.ends.0.lock().remove(&process.pid) else { return };
        let exiting = process.group.lock().exiting;
        // Its last thread may have called exit(2), which ends no group.
        let status = exiting.or_else(|| current::task().and_then(|task| task.requested_exit()));
        end.set(ChildEvent::Ended(status.unwrap_or(ExitStatus::Code(0))).wait_status());
    }
}
