//! Signal numbers and sets of them.

use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};

/// A signal number from 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Signal(u8);

macro_rules! signals {
    ($($name:ident)*) => {
        /// Linux's names.
        #[expect(missing_docs, reason = "signal(7) documents each name")]
        impl Signal {
            $(pub const $name: Self = Self(raw::$name as u8);)*
        }
    };
}

signals! {
    SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM
    SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO
    SIGPWR SIGSYS
}

/// What happens where no handler is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefaultAction {
    /// The process ends.
    Terminate,
    /// The process ends; elsewhere it would leave a core file, here it leaves none.
    Core,
    /// Nothing.
    Ignore,
    /// The process stops.
    Stop,
    /// The process continues.
    Continue,
}

impl Signal {
    /// Highest number.
    pub const MAX: u8 = 64;

    /// The signal with this number.
    ///
    /// # Errors
    /// `EINVAL` outside 1 to 64.
    pub fn new(number: u64) -> Result<Self> {
        match u8::try_from(number) {
            Ok(number @ 1..=Self::MAX) => Ok(Self(number)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether this is a real-time signal: queued even where one is pending already.
    pub const fn is_realtime(self) -> bool {
        self.0 >= raw::SIGRTMIN as u8
    }

    /// What happens where no handler is set (signal(7)).
    pub fn default_action(self) -> DefaultAction {
        match self {
            Self::SIGCHLD | Self::SIGURG | Self::SIGWINCH => DefaultAction::Ignore,
            Self::SIGCONT => DefaultAction::Continue,
            Self::SIGSTOP | Self::SIGTSTP | Self::SIGTTIN | Self::SIGTTOU => DefaultAction::Stop,
            Self::SIGQUIT | Self::SIGILL | Self::SIGTRAP | Self::SIGABRT | Self::SIGBUS | Self::SIGFPE => {
                DefaultAction::Core
            }
            Self::SIGSEGV | Self::SIGXCPU | Self::SIGXFSZ | Self::SIGSYS => DefaultAction::Core,
            _ => DefaultAction::Terminate,
        }
    }
}

/// A set of signals, as the 64-bit mask of the system calls.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SigSet(pub u64);

impl SigSet {
    /// No signals.
    pub const EMPTY: Self = Self(0);
    /// SIGKILL and SIGSTOP, which can be neither blocked nor caught.
    pub const UNBLOCKABLE: Self = Self(1 << (raw::SIGKILL - 1) | 1 << (raw::SIGSTOP - 1));
    /// The signals that stop.
    pub const STOPPING: Self =
        Self(1 << (raw::SIGSTOP - 1) | 1 << (raw::SIGTSTP - 1) | 1 << (raw::SIGTTIN - 1) | 1 << (raw::SIGTTOU - 1));
    /// Signals that faults raise; dequeued before others so that they hit the instruction that caused them.
    pub const SYNCHRONOUS: Self = Self(
        1 << (raw::SIGSEGV - 1)
            | 1 << (raw::SIGBUS - 1)
            | 1 << (raw::SIGILL - 1)
            | 1 << (raw::SIGTRAP - 1)
            | 1 << (raw::SIGFPE - 1)
            | 1 << (raw::SIGSYS - 1),
    );

    /// The set of one signal.
    pub const fn of(signal: Signal) -> Self {
        Self(1 << (signal.0 - 1))
    }

    /// Whether it holds the signal.
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & Self::of(signal).0 != 0
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds a signal.
    pub const fn insert(&mut self, signal: Signal) {
        self.0 |= Self::of(signal).0;
    }

    /// Takes a signal out.
    pub const fn remove(&mut self, signal: Signal) {
        self.0 &= !Self::of(signal).0;
    }

    /// Both sets' signals.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The lowest signal, synchronous ones first.
    pub fn first(self) -> Option<Signal> {
        let urgent = self.and(Self::SYNCHRONOUS);
        let set = if urgent.is_empty() { self } else { urgent };
        (!set.is_empty()).then(|| Signal(set.0.trailing_zeros() as u8 + 1))
    }
}
