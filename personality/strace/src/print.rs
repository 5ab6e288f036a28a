//! Printing of single values: numbers, addresses, flags, strings, as strace writes them.

use crate::memory::{self, Memory};
use crate::names::{self, Names};
use alloc::string::String;

/// Bytes of a string that are shown.
pub(crate) const STRING_BYTES: usize = 32;

/// Appends formatted text; writing to a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($format:tt)*) => {{
        use core::fmt::Write as _;
        let _infallible = write!($out, $($format)*);
    }};
}
pub(crate) use put;

/// An address, or `NULL`.
pub(crate) fn address(out: &mut String, address: u64) {
    if address == 0 { out.push_str("NULL") } else { put!(out, "{address:#x}") }
}

/// Flags joined by `|`; what has no name follows as a number.
pub(crate) fn flags(out: &mut String, names: Names, value: u64) {
    labelled_flags(out, names, value, "???");
}

/// As [`flags`]; where none has a name, `label` tells in a comment which ones were looked for.
pub(crate) fn labelled_flags(out: &mut String, names: Names, value: u64, label: &str) {
    if value == 0 {
        out.push('0');
        return;
    }
    let mut rest = value;
    let start = out.len();
    for &(mask, name) in names {
        if mask != 0 && rest & mask == mask {
            rest &= !mask;
            separate(out, start, '|');
            out.push_str(name);
        }
    }
    if rest != 0 {
        separate(out, start, '|');
        put!(out, "{rest:#x}");
        if rest == value {
            put!(out, " /* {label} */");
        }
    }
}

/// One of several names, or the number as a comment-marked hexadecimal.
pub(crate) fn constant(out: &mut String, names: Names, value: u64) {
    labelled_constant(out, names, value, "???");
}

/// As [`constant`], with `label` in the comment.
pub(crate) fn labelled_constant(out: &mut String, names: Names, value: u64, label: &str) {
    match names::exact(names, value) {
        Some(name) => out.push_str(name),
        None if value == 0 => put!(out, "0 /* {label} */"),
        None => put!(out, "{value:#x} /* {label} */"),
    }
}

/// A user's or group's number; -1 is none.
pub(crate) fn id(out: &mut String, id: u32) {
    if id == u32::MAX { out.push_str("-1") } else { put!(out, "{id}") }
}

/// Adds `separator` unless nothing was written since `start`.
pub(crate) fn separate(out: &mut String, start: usize, separator: char) {
    if out.len() > start {
        out.push(separator);
    }
}

/// Bytes as a C string literal without its quotes.
pub(crate) fn escaped(out: &mut String, bytes: &[u8]) {
    for (index, &byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0b => out.push_str("\\v"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            b' '..=b'~' => out.push(char::from(byte)),
            // Before a digit the number needs all its places.
            _ if bytes.get(index + 1).is_some_and(u8::is_ascii_digit) => put!(out, "\\{byte:03o}"),
            _ => put!(out, "\\{byte:o}"),
        }
    }
}

/// Up to [`STRING_BYTES`] bytes in quotes, with dots if there are more.
pub(crate) fn quoted(out: &mut String, bytes: &[u8]) {
    out.push('"');
    escaped(out, bytes.get(..STRING_BYTES).unwrap_or(bytes));
    out.push('"');
    if bytes.len() > STRING_BYTES {
        out.push_str("...");
    }
}

/// A buffer of `count` bytes in the process.
pub(crate) fn buffer(out: &mut String, memory: &dyn Memory, at: u64, count: u64) {
    let shown = usize::try_from(count).unwrap_or(usize::MAX).min(STRING_BYTES + 1);
    match memory::bytes(memory, at, shown) {
        Some(bytes) => quoted(out, &bytes),
        None => address(out, at),
    }
}

/// A buffer shown in hexadecimal escapes, as random bytes are.
pub(crate) fn hexadecimal(out: &mut String, memory: &dyn Memory, at: u64, count: u64) {
    let shown = usize::try_from(count).unwrap_or(usize::MAX).min(STRING_BYTES);
    let Some(bytes) = memory::bytes(memory, at, shown) else { return address(out, at) };
    out.push('"');
    bytes.iter().for_each(|byte| put!(out, "\\x{byte:02x}"));
    out.push('"');
    if count > STRING_BYTES as u64 {
        out.push_str("...");
    }
}

/// A path, whole.
pub(crate) fn path(out: &mut String, memory: &dyn Memory, at: u64) {
    match memory::path(memory, at) {
        Some(path) => {
            out.push('"');
            escaped(out, &path);
            out.push('"');
        }
        None => address(out, at),
    }
}

/// A zero-terminated string, cut as buffers are.
pub(crate) fn c_string(out: &mut String, memory: &dyn Memory, at: u64) {
    match memory::c_string(memory, at, STRING_BYTES + 1) {
        Some((string, _)) => quoted(out, &string),
        None => address(out, at),
    }
}

/// A signal's name, or its number.
pub(crate) fn signal(out: &mut String, number: u64) {
    match names::exact(names::SIGNAL, number) {
        Some(name) => out.push_str(name),
        None if number == 32 => out.push_str("SIGRTMIN"),
        None if (33..=64).contains(&number) => put!(out, "SIGRT_{}", number - 32),
        None => put!(out, "{}", number as i32),
    }
}

/// A set of signals; more than half of them as the complement.
pub(crate) fn signal_set(out: &mut String, set: u64) {
    let complement = set.count_ones() > 32;
    let shown = if complement { !set } else { set };
    if complement {
        out.push('~');
    }
    out.push('[');
    let start = out.len();
    for number in 1..=64u64 {
        if shown & (1 << (number - 1)) == 0 {
            continue;
        }
        separate(out, start, ' ');
        let mut name = String::new();
        signal(&mut name, number);
        out.push_str(name.strip_prefix("SIG").unwrap_or(&name));
    }
    out.push(']');
}

/// The bits of a mode: file type by name, the rest in octal.
pub(crate) fn mode(out: &mut String, mode: u32) {
    let kinds = [
        (0o140000, "SOCK"),
        (0o120000, "LNK"),
        (0o100000, "REG"),
        (0o060000, "BLK"),
        (0o040000, "DIR"),
        (0o020000, "CHR"),
        (0o010000, "FIFO"),
    ];
    if let Some((_, name)) = kinds.iter().find(|(bits, _)| mode & 0o170000 == *bits) {
        put!(out, "S_IF{name}|");
    }
    for (bit, name) in [(0o4000, "S_ISUID|"), (0o2000, "S_ISGID|"), (0o1000, "S_ISVTX|")] {
        if mode & bit != 0 {
            out.push_str(name);
        }
    }
    octal(out, mode & 0o777);
}

/// A number in octal with at least three digits.
pub(crate) fn octal(out: &mut String, value: u32) {
    if value == 0 { out.push_str("000") } else { put!(out, "{:0>3}", alloc::format!("0{value:o}")) }
}
