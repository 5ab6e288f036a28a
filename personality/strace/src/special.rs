//! Arguments whose meaning depends on other arguments, and notes after results.

use crate::calls::Context;
use crate::memory::{self, Memory, Structure};
use crate::names;
use crate::print::{self, put};
use crate::structures;
use alloc::format;
use alloc::string::String;
use linux_abi::raw::general as linux;

/// Prints the argument of an index.
pub(crate) type Show = fn(&mut String, &Context<'_>, usize);

/// Strings of exec that are shown, and buffers, and descriptors.
const ITEMS: u64 = 32;

/// How many arguments a call has here: some have fewer by their flags.
pub(crate) fn argument_count(name: &str, context: &Context<'_>, known: usize) -> usize {
    const CREATES: u64 = 0o100 | 0o20000000;
    let creates = |flags: u64| if flags & CREATES == 0 { known - 1 } else { known };
    let is_node = |mode: u64| if matches!(mode & 0o170000, 0o020000 | 0o060000) { known } else { known - 1 };
    match name {
        "open" => creates(context.argument(1)),
        "openat" => creates(context.argument(2)),
        "mknod" => is_node(context.argument(1)),
        "mknodat" => is_node(context.argument(2)),
        // F_GETFD, F_GETFL, F_GETOWN, F_GETSIG, F_GETPIPE_SZ, F_GET_SEALS take nothing.
        "fcntl" if matches!(context.argument(1), 1 | 3 | 9 | 11 | 1032 | 1034) => 2,
        "mremap" if context.argument(3) & 2 == 0 => 4,
        // Waking takes a count alone.
        "futex" if matches!(context.argument(1) & 0x7f, 7) => 2,
        "prctl" if context.argument(0) == 3 => 1,
        _ => known,
    }
}

/// What follows a result in parentheses.
pub(crate) fn note(name: &str, context: &Context<'_>) -> String {
    let Some(result) = context.result.filter(|_| !context.failed()) else { return String::new() };
    match name {
        "poll" | "ppoll" | "select" | "pselect6" if result == 0 => String::from(" (Timeout)"),
        "poll" | "ppoll" => polled(context),
        "select" | "pselect6" => selected(context),
        "fcntl" if context.argument(1) == 3 => {
            let mut text = String::from(" (flags ");
            open_flags(&mut text, result as u32);
            text.push(')');
            text
        }
        "fcntl" if context.argument(1) == 1 && result & 1 != 0 => String::from(" (flags FD_CLOEXEC)"),
        _ => String::new(),
    }
}

/// Open flags, the access mode first.
pub(crate) fn open_flags(out: &mut String, flags: u32) {
    out.push_str(["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"].get((flags & 3) as usize).unwrap_or(&""));
    if flags & !3 != 0 {
        out.push('|');
        print::flags(out, names::OPEN_FLAGS, u64::from(flags & !3));
    }
}

/// `O_*` flags without an access mode.
pub(crate) fn pipe_flags(out: &mut String, context: &Context<'_>, index: usize) {
    print::flags(out, names::OPEN_FLAGS, u64::from(context.argument(index) as u32));
}

/// An argument that is only an address.
pub(crate) fn address(out: &mut String, context: &Context<'_>, index: usize) {
    print::address(out, context.argument(index));
}

/// A device number of mknod(2).
pub(crate) fn device(out: &mut String, context: &Context<'_>, index: usize) {
    let number = context.argument(index);
    put!(out, "makedev({:#x}, {:#x})", (number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
}

/// A `struct timeval`.
pub(crate) fn timeval(out: &mut String, context: &Context<'_>, index: usize) {
    structures::time(out, context.memory, context.argument(index), "tv_usec");
}

/// Shows the items of an array in brackets, until one says that it was the last that could be read.
pub(crate) fn array(out: &mut String, count: u64, mut item: impl FnMut(&mut String, u64) -> bool) {
    out.push('[');
    for index in 0..count.min(ITEMS) {
        if index > 0 {
            out.push_str(", ");
        }
        if !item(out, index) {
            return out.push(']');
        }
    }
    if count > ITEMS {
        out.push_str(", ...");
    }
    out.push(']');
}

/// Strings of exec, up to the null pointer.
pub(crate) fn strings(out: &mut String, memory: &dyn Memory, at: u64) {
    let pointer = |index: u64| Structure::read(memory, at.wrapping_add(index * 8), 8).map(|word| word.u64(0));
    if pointer(0).is_none() {
        return print::address(out, at);
    }
    let count = (0..=ITEMS).take_while(|&index| pointer(index).is_some_and(|string| string != 0)).count();
    array(out, count as u64, |out, index| {
        print::c_string(out, memory, pointer(index).unwrap_or(0));
        true
    });
}

/// The environment of exec: its address and length.
pub(crate) fn environment(out: &mut String, memory: &dyn Memory, at: u64) {
    print::address(out, at);
    if at == 0 {
        return;
    }
    let is_string =
        |index: &u64| Structure::read(memory, at.wrapping_add(index * 8), 8).is_some_and(|word| word.u64(0) != 0);
    let count = (0..65_536).take_while(is_string).count();
    put!(out, " /* {count} var{} */", if count == 1 { "" } else { "s" });
}

/// Buffers of readv and writev; of those read into, only what was filled.
pub(crate) fn vectors(out: &mut String, context: &Context<'_>, index: usize, filled: Option<i64>) {
    vectors_at(out, context.memory, context.argument(index), context.argument(index + 1), filled);
}

/// The `count` buffers at `at`; of those read into, only the `filled` bytes.
pub(crate) fn vectors_at(out: &mut String, memory: &dyn Memory, at: u64, count: u64, filled: Option<i64>) {
    let mut left = filled.map(|bytes| bytes.max(0) as u64);
    if at == 0 || count > 0 && Structure::read(memory, at, 16).is_none() {
        return print::address(out, at);
    }
    array(out, count, |out, item| {
        let place = at.wrapping_add(item * 16);
        let Some(vector) = Structure::read(memory, place, 16) else {
            put!(out, "... /* {place:#x} */");
            return false;
        };
        let length = vector.u64(8);
        let shown = left.map_or(length, |left| left.min(length));
        left = left.map(|left| left - shown);
        out.push_str("{iov_base=");
        print::buffer(out, memory, vector.u64(0), shown);
        put!(out, ", iov_len={length}}}");
        true
    });
}

/// A wait status; where no child was waited for, its address.
pub(crate) fn wait_status(out: &mut String, context: &Context<'_>, at: u64) {
    if context.result == Some(0) {
        print::address(out, at);
    } else {
        structures::wait_status(out, context.memory, at);
    }
}

/// Directory entries: their address and number.
pub(crate) fn entries(out: &mut String, context: &Context<'_>, at: u64) {
    let bytes = context.result.unwrap_or(0).max(0) as u64;
    let (mut offset, mut count) = (0u64, 0u32);
    while offset < bytes && count < 65_536 {
        let Some(entry) = Structure::read(context.memory, at.wrapping_add(offset), 18) else { break };
        if entry.u16(16) == 0 {
            break;
        }
        offset += u64::from(entry.u16(16));
        count += 1;
    }
    print::address(out, at);
    put!(out, " /* {count} entries */");
}

/// `struct pollfd` array with what was asked for.
pub(crate) fn poll(out: &mut String, context: &Context<'_>, index: usize) {
    let (at, count) = (context.argument(index), context.argument(index + 1));
    if count == 0 || Structure::read(context.memory, at, 8).is_none() {
        return if count == 0 && at != 0 { out.push_str("[]") } else { print::address(out, at) };
    }
    array(out, count, |out, item| {
        let Some(poll) = Structure::read(context.memory, at.wrapping_add(item * 8), 8) else { return false };
        put!(out, "{{fd={}", poll.i32(0));
        if poll.i32(0) >= 0 {
            out.push_str(", events=");
            print::flags(out, names::POLL_EVENTS, u64::from(poll.u16(4)));
        }
        out.push('}');
        true
    });
}

fn polled(context: &Context<'_>) -> String {
    let (at, count) = (context.argument(0), context.argument(1));
    let mut text = String::from(" ([");
    let start = text.len();
    for item in 0..count.min(1024) {
        let Some(poll) = Structure::read(context.memory, at.wrapping_add(item * 8), 8) else { break };
        if poll.u16(6) == 0 {
            continue;
        }
        if text.len() > start {
            text.push_str(", ");
        }
        put!(text, "{{fd={}, revents=", poll.i32(0));
        print::flags(&mut text, names::POLL_EVENTS, u64::from(poll.u16(6)));
        text.push('}');
    }
    text.push(']');
    // Of ppoll: what is left of the time.
    if context.call.number == u64::from(linux::__NR_ppoll) && context.argument(2) != 0 {
        text.push_str(", left ");
        structures::time(&mut text, context.memory, context.argument(2), "tv_nsec");
    }
    text.push(')');
    text
}

/// Descriptors of a set, as numbers in brackets.
fn members(out: &mut String, memory: &dyn Memory, at: u64, limit: u64) -> Option<usize> {
    let bytes = memory::bytes(memory, at, usize::try_from(limit.min(1024).div_ceil(64) * 8).ok()?)?;
    let start = out.len();
    let mut count = 0;
    for number in 0..limit.min(1024) as usize {
        if bytes.get(number / 8).is_some_and(|byte| byte & (1 << (number % 8)) != 0) {
            print::separate(out, start, ' ');
            put!(out, "{number}");
            count += 1;
        }
    }
    Some(count)
}

/// An `fd_set`.
pub(crate) fn fd_set(out: &mut String, context: &Context<'_>, index: usize) {
    let at = context.argument(index);
    let mut text = String::new();
    match members(&mut text, context.memory, at, (context.argument(0) as i32).max(0) as u64) {
        Some(_) => put!(out, "[{text}]"),
        None => print::address(out, at),
    }
}

fn selected(context: &Context<'_>) -> String {
    let limit = (context.argument(0) as i32).max(0) as u64;
    let mut text = String::from(" (");
    let start = text.len();
    for (index, label) in [(1, "in"), (2, "out"), (3, "except")] {
        let mut set = String::new();
        if members(&mut set, context.memory, context.argument(index), limit).is_some_and(|count| count > 0) {
            if text.len() > start {
                text.push_str(", ");
            }
            put!(text, "{label} [{set}]");
        }
    }
    let left = context.argument(4);
    if left != 0 {
        text.push_str(", left ");
        let part = if context.call.number == 23 { "tv_usec" } else { "tv_nsec" };
        structures::time(&mut text, context.memory, left, part);
    }
    text.push(')');
    text
}

/// Supplementary groups.
pub(crate) fn groups(out: &mut String, context: &Context<'_>, index: usize) {
    let at = context.argument(index);
    let count = context.result.unwrap_or(0).max(0) as u64;
    if context.failed() || at == 0 || context.argument(0) == 0 {
        return print::address(out, at);
    }
    array(out, count, |out, item| {
        structures::show(out, context.memory, at.wrapping_add(item * 4), 4, |out, group| put!(out, "{}", group.u32(0)));
        true
    });
}

/// An ioctl's command.
pub(crate) fn ioctl_command(out: &mut String, context: &Context<'_>, index: usize) {
    let command = u64::from(context.argument(index) as u32);
    match command {
        // Sound cards use the same number, and strace tells both.
        0x5402 => out.push_str("SNDCTL_TMR_START or TCSETS"),
        0x5403 => out.push_str("SNDCTL_TMR_STOP or TCSETSW"),
        0x5404 => out.push_str("SNDCTL_TMR_CONTINUE or TCSETSF"),
        _ => match names::exact(names::IOCTL, command) {
            Some(name) => out.push_str(name),
            None => raw_ioctl(out, command),
        },
    }
}

fn raw_ioctl(out: &mut String, command: u64) {
    let direction = match command >> 30 & 3 {
        0 => "_IOC_NONE",
        1 => "_IOC_WRITE",
        2 => "_IOC_READ",
        _ => "_IOC_READ|_IOC_WRITE",
    };
    let (kind, number, size) = (command >> 8 & 0xff, command & 0xff, command >> 16 & 0x3fff);
    let size = if size == 0 { String::from("0") } else { format!("{size:#x}") };
    put!(out, "_IOC({direction}, {kind:#x}, {number:#x}, {size})");
}

/// An ioctl's argument, by its command.
pub(crate) fn ioctl_argument(out: &mut String, context: &Context<'_>, index: usize) {
    let at = context.argument(index);
    let command = context.argument(1) as u32;
    let fills = matches!(command, 0x5401 | 0x5413 | 0x540f | 0x5411 | 0x541b | 0x8004_5430 | 0x5429);
    if context.failed() && fills {
        return print::address(out, at);
    }
    match command {
        0x5401..=0x5404 => structures::terminal_settings(out, context.memory, at),
        0x5413 | 0x5414 => structures::window(out, context.memory, at),
        // TIOCGPGRP, TIOCSPGRP, TIOCOUTQ, FIONREAD, FIONBIO, TIOCPKT, TIOCGPTN, TIOCSPTLCK, TIOCGSID
        0x540f | 0x5410 | 0x5411 | 0x541b | 0x5421 | 0x5420 | 0x8004_5430 | 0x4004_5431 | 0x5429 => {
            structures::show(out, context.memory, at, 4, |out, int| put!(out, "[{}]", int.i32(0)));
        }
        // Commands whose argument is a number.
        0x5409 | 0x540e | 0x5425 => put!(out, "{}", at as i32),
        0x540a => put!(out, "{}", ["TCOOFF", "TCOON", "TCIOFF", "TCION"].get(at as usize).unwrap_or(&"?")),
        0x540b => put!(out, "{}", ["TCIFLUSH", "TCOFLUSH", "TCIOFLUSH"].get(at as usize).unwrap_or(&"?")),
        0x5441 => put!(out, "{at:#x}"),
        _ => print::address(out, at),
    }
}

/// A fcntl's argument, by its command.
pub(crate) fn fcntl_argument(out: &mut String, context: &Context<'_>, index: usize) {
    let value = context.argument(index);
    match context.argument(1) {
        2 => print::flags(out, names::FD_FLAGS, value),
        4 => open_flags(out, value as u32),
        5 | 36 if context.failed() => print::address(out, value),
        5 | 36 => structures::file_lock(out, context.memory, value, true),
        6 | 7 | 37 | 38 => structures::file_lock(out, context.memory, value, false),
        10 => print::signal(out, value),
        0 | 8 | 1030 | 1031 => put!(out, "{}", value as i32),
        _ => put!(out, "{value:#x}"),
    }
}

/// A prctl's argument, by its command.
pub(crate) fn prctl_argument(out: &mut String, context: &Context<'_>, index: usize) {
    let value = context.argument(index);
    match context.argument(0) {
        15 => print::c_string(out, context.memory, value),
        16 if !context.failed() => print::c_string(out, context.memory, value),
        1 => print::signal(out, value),
        16 | 2 | 37 => print::address(out, value),
        _ => put!(out, "{value}"),
    }
}

/// All of clone's arguments, by name.
pub(crate) fn clone(out: &mut String, context: &Context<'_>, _index: usize) {
    let flags = context.argument(0);
    out.push_str("child_stack=");
    print::address(out, context.argument(1));
    out.push_str(", flags=");
    let start = out.len();
    if flags & !0xff != 0 {
        print::flags(out, names::CLONE_FLAGS, flags & !0xff);
    }
    if flags & 0xff != 0 {
        print::separate(out, start, '|');
        print::signal(out, flags & 0xff);
    }
    if out.len() == start {
        out.push('0');
    }
    // CLONE_PARENT_SETTID, CLONE_PIDFD; CLONE_SETTLS; CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID
    for (mask, label, index) in
        [(0x0010_1000, "parent_tid", 2), (0x0008_0000, "tls", 4), (0x0120_0000, "child_tidptr", 3)]
    {
        if flags & mask != 0 {
            put!(out, ", {label}=");
            print::address(out, context.argument(index));
        }
    }
}

/// A futex operation.
pub(crate) fn futex_operation(out: &mut String, context: &Context<'_>, index: usize) {
    let operation = context.argument(index);
    match names::exact(names::FUTEX, operation & 0x7f) {
        Some(name) => out.push_str(name),
        None => put!(out, "{:#x}", operation & 0x7f),
    }
    if operation & 0x80 != 0 {
        out.push_str("_PRIVATE");
    }
    if operation & 0x100 != 0 {
        out.push_str("|FUTEX_CLOCK_REALTIME");
    }
}

/// What follows a futex operation.
pub(crate) fn futex_rest(out: &mut String, context: &Context<'_>, index: usize) {
    let operation = context.argument(1) & 0x7f;
    put!(out, "{}", context.argument(index) as u32);
    let time = |out: &mut String| {
        out.push_str(", ");
        structures::time(out, context.memory, context.argument(3), "tv_nsec");
    };
    match operation {
        // FUTEX_WAIT, FUTEX_LOCK_PI
        0 | 6 => time(out),
        // FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET
        9 | 10 => {
            if operation == 9 {
                time(out);
            }
            match context.argument(5) as u32 {
                u32::MAX => out.push_str(", FUTEX_BITSET_MATCH_ANY"),
                bits => put!(out, ", {bits:#x}"),
            }
        }
        // FUTEX_REQUEUE, FUTEX_CMP_REQUEUE
        3 | 4 => {
            put!(out, ", {}, ", context.argument(3) as u32);
            print::address(out, context.argument(4));
            if operation == 4 {
                put!(out, ", {}", context.argument(5) as u32);
            }
        }
        // FUTEX_WAKE_OP
        5 => {
            put!(out, ", {}, ", context.argument(3) as u32);
            print::address(out, context.argument(4));
            put!(out, ", {:#x}", context.argument(5) as u32);
        }
        _ => {}
    }
}
