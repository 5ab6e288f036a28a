//! Which session has which controlling terminal, and `/dev/tty`, which names the caller's own.
//!
//! Locks: the table's lock is a leaf; neither a terminal's lock nor a [`JobControl`] method is taken under it.

use crate::file::TtyFile;
use crate::job_control::{JobControl, Pid};
use crate::terminal::Tty;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use linux_abi::{Errno, Result};
use rt::sync::Mutex;
use vfs::{CharDevice, DeviceNumber, OpenFlags, Opened};

/// Controlling terminals by session.
pub struct Sessions {
    terminals: Mutex<BTreeMap<Pid, Arc<Tty>>>,
    job_control: Arc<dyn JobControl>,
}

impl Sessions {
    /// Makes an empty table over the system's processes.
    pub fn new(job_control: Arc<dyn JobControl>) -> Arc<Self> {
        Arc::new(Self { terminals: Mutex::new(BTreeMap::new()), job_control })
    }

    /// The controlling terminal of a session.
    pub fn terminal(&self, session: Pid) -> Option<Arc<Tty>> {
        self.terminals.lock().get(&session).cloned()
    }

    /// To be called, without locks, when a session's leader has ended: its terminal is free again, the foreground
    /// group is told.
    pub fn leader_ended(&self, session: Pid) {
        if let Some(tty) = self.terminal(session) {
            tty.session_ended(session);
        }
    }

    pub(crate) fn job_control(&self) -> &dyn JobControl {
        &*self.job_control
    }

    pub(crate) fn remember(&self, session: Pid, tty: Arc<Tty>) {
        self.terminals.lock().insert(session, tty);
    }

    pub(crate) fn forget(&self, session: Pid) {
        // Dropped after the lock: this may be the last reference.
        let _tty = self.terminals.lock().remove(&session);
    }
}

/// The device `/dev/tty` (5:0).
pub struct OwnTerminal(pub Arc<Sessions>);

impl CharDevice for OwnTerminal {
    fn open(&self, _device: DeviceNumber, _flags: OpenFlags) -> Result<Opened> {
        let caller = self.0.job_control().caller().ok_or(Errno::ENXIO)?;
        let tty = self.0.terminal(caller.session).ok_or(Errno::ENXIO)?;
        let file: Arc<dyn vfs::File> = TtyFile::open(tty)?;
        Ok(file.into())
    }
}
