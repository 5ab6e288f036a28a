//! Processes as terminals see them.

use alloc::sync::Arc;

use linux_abi::Result;
use task::signal::{SigInfo, Signal};
use task::{send_to_group, send_to_process, system};
use tty::{Caller, JobControl, Pid, TerminalSignal};
use vfs::Capability;

use crate::current;

/// The contract between terminals and the task crate.
pub(crate) struct Jobs;

impl Jobs {
    /// For terminals.
    pub(crate) fn make() -> Arc<dyn JobControl> {
        Arc::new(Self)
    }
}

fn number(signal: TerminalSignal) -> Result<Signal> {
    Signal::new(signal.number().into())
}

impl JobControl for Jobs {
    fn caller(&self) -> Option<Caller> {
        let task = current::task()?;
        let uid = task.try_resources()?.credentials.fsuid;
        let tree = system().tree();
        let entry = tree.get(task.pid())?;
        Some(Caller { pid: task.pid(), group: entry.group, session: entry.session, uid })
    }

    fn caller_is_administrator(&self) -> bool {
        let resources = current::task().and_then(|task| task.try_resources());
        resources.is_some_and(|resources| resources.credentials.has(Capability::SysAdmin))
    }

    fn caller_disregards(&self, signal: TerminalSignal) -> bool {
        let (Some(task), Ok(signal)) = (current::task(), number(signal)) else { return false };
        let blocks = task.signals.lock().blocked.contains(signal);
        blocks || task.process.actions().lock().get(signal).handler == task::signal::SIG_IGN
    }

    fn is_orphaned(&self, group: Pid) -> bool {
        system().tree().is_orphaned(group, None)
    }

    fn session_of_group(&self, group: Pid) -> Option<Pid> {
        system().tree().session_of_group(group)
    }

    fn signal_group(&self, group: Pid, signal: TerminalSignal) {
        if let Ok(signal) = number(signal) {
            send_to_group(group, &SigInfo::kernel(signal));
        }
    }

    fn signal_process(&self, process: Pid, signal: TerminalSignal) {
        if let (Some(process), Ok(signal)) = (system().process(process), number(signal)) {
            send_to_process(&process, SigInfo::kernel(signal));
        }
    }
}
