//! The table of all threads of the machine, of whatever task, for `/proc/banyan/threads`.

use alloc::string::String;
use core::fmt::Write;

use interfaces::System;
use interfaces::system::ThreadState;

use crate::power;

/// A line with the time since boot in microseconds, one with the columns' names, and one for each thread; the name comes last.
pub(crate) fn table() -> String {
    let mut text = String::new();
    let uptime_us = rt::time::now_ns() / 1000;
    // Writing to a text cannot fail.
    let _ = writeln!(text, "uptime_us {uptime_us}\nnumber state priority limit busy_us messages name");
    let Some(system) = power::system() else { return text };
    let mut first = 0;
    while let Ok(thread) = system.thread(first) {
        let state = match thread.state {
            ThreadState::Stopped => "stopped",
            ThreadState::Ready => "ready",
            ThreadState::Blocked => "blocked",
        };
        let (number, busy_us, name) = (thread.number, thread.busy_us, &thread.name);
        let (priority, limit, messages) = (thread.priority, thread.limit_permille, thread.messages);
        let _ = writeln!(text, "{number} {state} {priority} {limit} {busy_us} {messages} {name}");
        let Some(next) = number.checked_add(1) else { break };
        first = next;
    }
    text
}
