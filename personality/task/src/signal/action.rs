//! What a process does about each signal: `struct kernel_sigaction` and the table of them.

use super::{DefaultAction, SigSet, Signal};
use linux_abi::raw::general as raw;

/// `SIG_DFL`.
pub const SIG_DFL: u64 = 0;
/// `SIG_IGN`.
pub const SIG_IGN: u64 = 1;
/// Bytes of the structure that rt_sigaction(2) takes.
pub const ACTION_BYTES: usize = size_of::<raw::kernel_sigaction>();

/// Disposition of one signal.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Action {
    /// `SIG_DFL`, `SIG_IGN` or the handler's address.
    pub handler: u64,
    /// `SA_*`.
    pub flags: u64,
    /// Where the handler returns to.
    pub restorer: u64,
    /// What is blocked meanwhile.
    pub mask: SigSet,
}

impl Action {
    /// Whether a flag is set.
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag as u64 != 0
    }

    /// Reads `struct kernel_sigaction`; the uncatchable signals are taken out of the mask.
    pub fn from_bytes(bytes: &[u8; ACTION_BYTES]) -> Self {
        let word = |index: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[index * 8..index * 8 + 8]);
            u64::from_le_bytes(word)
        };
        // Flags that Linux 6.1 does not know are dropped, so that programs can probe for them.
        let known = raw::SA_NOCLDSTOP
            | raw::SA_NOCLDWAIT
            | raw::SA_SIGINFO
            | raw::SA_ONSTACK
            | raw::SA_RESTART
            | raw::SA_NODEFER
            | raw::SA_RESETHAND
            | raw::SA_RESTORER;
        let mask = SigSet(word(3)).without(SigSet::UNBLOCKABLE);
        Self { handler: word(0), flags: word(1) & u64::from(known), restorer: word(2), mask }
    }

    /// Writes `struct kernel_sigaction`.
    pub fn to_bytes(&self) -> [u8; ACTION_BYTES] {
        let mut bytes = [0; ACTION_BYTES];
        for (index, word) in [self.handler, self.flags, self.restorer, self.mask.0].iter().enumerate() {
            bytes[index * 8..index * 8 + 8].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// The dispositions of all signals; shared by threads (and `CLONE_SIGHAND`).
#[derive(Clone)]
pub struct Actions {
    table: [Action; Signal::MAX as usize],
}

impl Default for Actions {
    fn default() -> Self {
        Self { table: [Action::default(); Signal::MAX as usize] }
    }
}

impl Actions {
    /// A signal's disposition.
    pub fn get(&self, signal: Signal) -> Action {
        self.table[usize::from(signal.number()) - 1]
    }

    /// Changes a signal's disposition.
    pub fn set(&mut self, signal: Signal, action: Action) {
        self.table[usize::from(signal.number()) - 1] = action;
    }

    /// Whether the signal would do nothing.
    pub fn ignores(&self, signal: Signal) -> bool {
        match self.get(signal).handler {
            SIG_IGN => true,
            SIG_DFL => signal.default_action() == DefaultAction::Ignore,
            _ => false,
        }
    }

    /// The set of signals with a handler, and of those ignored on request, as `/proc/PID/status` shows them.
    pub fn caught_and_ignored(&self) -> (SigSet, SigSet) {
        let (mut caught, mut ignored) = (SigSet::EMPTY, SigSet::EMPTY);
        for (index, action) in self.table.iter().enumerate() {
            match action.handler {
                SIG_DFL => {}
                SIG_IGN => ignored.0 |= 1 << index,
                _ => caught.0 |= 1 << index,
            }
        }
        (caught, ignored)
    }

    /// execve(2): handlers go back to the default, ignored signals stay ignored.
    pub fn reset_handlers(&mut self) {
        for action in &mut self.table {
            let handler = if action.handler == SIG_IGN { SIG_IGN } else { SIG_DFL };
            *action = Action { handler, ..Action::default() };
        }
    }
}
