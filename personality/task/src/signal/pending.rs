//! Signals that wait to be delivered, of one thread or of a whole process.

use super::{SigInfo, SigSet, Signal};
use alloc::collections::VecDeque;

/// A queue of pending signals. Invariant: a signal is in `set` exactly if it is in `queue` or in `bare`.
#[derive(Default)]
pub struct Pending {
    set: SigSet,
    /// Signals that were raised when the queue was full: they have no info.
    bare: SigSet,
    queue: VecDeque<SigInfo>,
}

/// What became of a signal that was raised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Raised {
    /// It is pending now.
    Queued,
    /// One was pending already, and standard signals do not count.
    Merged,
    /// The queue is full; for a standard signal its number alone was kept.
    Full,
}

impl Pending {
    /// The signals that are pending.
    pub fn set(&self) -> SigSet {
        self.set
    }

    /// Number of queued infos.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// Raises a signal; at most `limit` are queued with info.
    pub fn raise(&mut self, info: SigInfo, limit: usize) -> Raised {
        let signal = info.signal;
        if !signal.is_realtime() && self.set.contains(signal) {
            return Raised::Merged;
        }
        if self.queue.len() >= limit {
            // Linux keeps a standard signal even then, and a real-time signal from kill(2) as well; sigqueue(3) is told.
            if !signal.is_realtime() || info.code == linux_abi::raw::general::SI_USER as i32 {
                self.set.insert(signal);
                self.bare.insert(signal);
            }
            return Raised::Full;
        }
        self.set.insert(signal);
        self.queue.push_back(info);
        Raised::Queued
    }

    /// Takes the most urgent signal that is not in `blocked`.
    pub fn take_next(&mut self, blocked: SigSet) -> Option<SigInfo> {
        let signal = self.set.without(blocked).first()?;
        self.take(signal)
    }

    /// Takes the oldest instance of a signal.
    pub fn take(&mut self, signal: Signal) -> Option<SigInfo> {
        if !self.set.contains(signal) {
            return None;
        }
        let Some(index) = self.queue.iter().position(|info| info.signal == signal) else {
            self.bare.remove(signal);
            self.set.remove(signal);
            return Some(SigInfo::user(signal, 0, 0));
        };
        let info = self.queue.remove(index)?;
        if !self.bare.contains(signal) && !self.queue.iter().any(|info| info.signal == signal) {
            self.set.remove(signal);
        }
        Some(info)
    }

    /// Forgets all signals of a set.
    pub fn discard(&mut self, signals: SigSet) {
        if self.set.and(signals).is_empty() {
            return;
        }
        self.set = self.set.without(signals);
        self.bare = self.bare.without(signals);
        self.queue.retain(|info| !signals.contains(info.signal));
    }
}
