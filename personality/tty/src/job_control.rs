//! What terminals need to know of processes: the contract between this crate and the task crate.
//!
//! Every method may take the task tree's lock, the outermost of the personality; so no lock of this crate is held
//! while one is called.

use linux_abi::raw::general as linux;

/// A process, process group or session number.
pub type Pid = i32;

/// The calling process's place in the family.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// Process number.
    pub pid: Pid,
    /// Process group.
    pub group: Pid,
    /// Session; the caller leads it if this equals `pid`.
    pub session: Pid,
    /// User id for file access, which new terminals belong to.
    pub uid: u32,
}

impl Caller {
    /// Tells whether the caller leads its session.
    pub fn leads_session(&self) -> bool {
        self.pid == self.session
    }
}

/// Signals that terminals send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum TerminalSignal {
    /// The terminal hung up.
    Hangup = linux::SIGHUP,
    /// Interrupt key.
    Interrupt = linux::SIGINT,
    /// Quit key.
    Quit = linux::SIGQUIT,
    /// Suspend key.
    Stop = linux::SIGTSTP,
    /// A background process reads.
    BackgroundRead = linux::SIGTTIN,
    /// A background process writes or changes settings.
    BackgroundWrite = linux::SIGTTOU,
    /// A stopped process is to see a hang-up.
    Continue = linux::SIGCONT,
    /// The window's size changed.
    WindowChanged = linux::SIGWINCH,
}

impl TerminalSignal {
    /// Linux's number.
    pub const fn number(self) -> u32 {
        self as u32
    }
}

/// Processes as terminals see them.
pub trait JobControl: Send + Sync {
    /// The process whose call the current thread serves; none in a thread of the personality's own.
    fn caller(&self) -> Option<Caller>;

    /// Tells whether the caller has `CAP_SYS_ADMIN`.
    fn caller_is_administrator(&self) -> bool;

    /// Tells whether the caller blocks or ignores `signal`.
    fn caller_disregards(&self, signal: TerminalSignal) -> bool;

    /// Tells whether a process group is orphaned: no member's parent is in another group of the session.
    fn is_orphaned(&self, group: Pid) -> bool;

    /// Session of a process group; none if the group does not exist.
    fn session_of_group(&self, group: Pid) -> Option<Pid>;

    /// Sends a signal, as from the kernel, to all processes of a group.
    fn signal_group(&self, group: Pid, signal: TerminalSignal);

    /// Sends a signal, as from the kernel, to a process.
    fn signal_process(&self, process: Pid, signal: TerminalSignal);
}
