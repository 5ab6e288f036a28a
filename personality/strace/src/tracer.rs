//! Joins entries and exits of several threads to lines, with `[pid N]`, `<unfinished ...>` and `<... resumed>` as
//! `strace -f` has them.

use crate::calls;
use crate::memory::Memory;
use crate::print::{self, put};
use crate::signals::SignalEvent;
use alloc::collections::BTreeMap;
use alloc::string::String;
use linux_abi::Errno;

/// Column at which results begin.
const RESULT_COLUMN: usize = 40;

/// A call as it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Number.
    pub number: u64,
    /// Arguments.
    pub arguments: [u64; 6],
}

/// How a thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By exit, with this status.
    Exited(u8),
    /// By this signal; with a core dump or not.
    Killed {
        /// The signal.
        signal: u32,
        /// A core was dumped.
        core: bool,
    },
}

/// A thread in the middle of a call.
struct Open {
    call: Call,
    entered: calls::Entered,
    /// The line was broken off for another thread.
    unfinished: bool,
}

/// Writes the trace of a group of threads.
#[derive(Default)]
pub struct Tracer {
    threads: BTreeMap<i32, Option<Open>>,
    /// The thread whose line has no end yet, and the line's length so far.
    current: Option<(i32, usize)>,
}

impl Tracer {
    /// Makes a tracer that knows no threads yet.
    pub const fn new() -> Self {
        Self { threads: BTreeMap::new(), current: None }
    }

    /// A thread enters a call. Appends text to `out`, perhaps without a newline.
    pub fn entry(&mut self, thread: i32, call: Call, memory: &dyn Memory, out: &mut String) {
        self.threads.entry(thread).or_insert(None);
        self.interrupt(out);
        let start = out.len();
        self.prefix(thread, out);
        let entered = calls::entry(&call, memory, out);
        self.threads.insert(thread, Some(Open { call, entered, unfinished: false }));
        self.current = Some((thread, out.len().saturating_sub(start)));
    }

    /// The call that the thread entered returned `result`, or a negative error number.
    pub fn exit(&mut self, thread: i32, result: i64, memory: &dyn Memory, out: &mut String) {
        let Some(open) = self.threads.get_mut(&thread).and_then(Option::take) else { return };
        let mut length = match self.current.take() {
            Some((current, length)) if current == thread => length,
            other => {
                self.current = other;
                self.interrupt(out);
                0
            }
        };
        let start = out.len();
        if length == 0 {
            self.prefix(thread, out);
            if open.unfinished {
                put!(out, "<... {} resumed>", calls::name(open.call.number));
            }
        }
        let note = calls::exit(&open.call, &open.entered, result, memory, out);
        out.push(')');
        length += out.len().saturating_sub(start);
        (length..RESULT_COLUMN - 1).for_each(|_| out.push(' '));
        out.push_str(" = ");
        calls::show_result(&open.call, result, out);
        out.push_str(&note);
        out.push('\n');
    }

    /// A signal is about to be delivered to a thread.
    pub fn signal(&mut self, thread: i32, event: &SignalEvent, out: &mut String) {
        self.interrupt(out);
        self.prefix(thread, out);
        event.show(out);
        out.push('\n');
    }

    /// A thread was stopped by a signal.
    pub fn stopped(&mut self, thread: i32, signal: u32, out: &mut String) {
        self.interrupt(out);
        self.prefix(thread, out);
        out.push_str("--- stopped by ");
        print::signal(out, u64::from(signal));
        out.push_str(" ---\n");
    }

    /// A thread ended; a call that it was in has no result.
    pub fn ended(&mut self, thread: i32, end: End, out: &mut String) {
        if let Some(Some(open)) = self.threads.get_mut(&thread).map(Option::take) {
            self.end_call(thread, &open, out);
        }
        self.interrupt(out);
        self.prefix(thread, out);
        match end {
            End::Exited(status) => put!(out, "+++ exited with {status} +++"),
            End::Killed { signal, core } => {
                out.push_str("+++ killed by ");
                print::signal(out, u64::from(signal));
                out.push_str(if core { " (core dumped) +++" } else { " +++" });
            }
        }
        out.push('\n');
        self.threads.remove(&thread);
    }

    fn end_call(&mut self, thread: i32, open: &Open, out: &mut String) {
        let start = out.len();
        let mut length = 0;
        match self.current.take() {
            Some((current, so_far)) if current == thread => {
                length = so_far;
                out.push(')');
            }
            other => {
                self.current = other;
                self.interrupt(out);
                self.prefix(thread, out);
                put!(out, "<... {} resumed>)", calls::name(open.call.number));
            }
        }
        length += out.len().saturating_sub(start);
        (length..RESULT_COLUMN - 1).for_each(|_| out.push(' '));
        out.push_str(" = ?\n");
    }

    /// Breaks off the line that another thread is in.
    fn interrupt(&mut self, out: &mut String) {
        let Some((thread, _)) = self.current.take() else { return };
        out.push_str(" <unfinished ...>\n");
        if let Some(Some(open)) = self.threads.get_mut(&thread) {
            open.unfinished = true;
        }
    }

    /// With several threads, each line says whose it is.
    fn prefix(&self, thread: i32, out: &mut String) {
        if self.threads.len() > 1 {
            put!(out, "[pid {thread:>5}] ");
        }
    }
}

/// A result below zero and above -4096 is an error.
pub(crate) fn error_of(result: i64) -> Option<Errno> {
    ((-4095..0).contains(&result)).then(|| Errno::from_number(result.unsigned_abs() as u16))
}
