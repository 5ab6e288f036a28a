//! What the host asks for: lines `name=number` in the archive's entry `options`, which may be missing.

use core::mem::size_of;

use ukernel_abi::boot::{Entry, Header, ROOT_ARCHIVE_ADDRESS, RootInfo};

use crate::machine::{peek, peek_byte};

/// Byte offsets of an entry's fields.
const OFFSET: u64 = core::mem::offset_of!(Entry, offset) as u64;
const BYTES: u64 = core::mem::offset_of!(Entry, bytes) as u64;
/// The entry's name, with the zero behind it.
const NAME: &[u8] = b"options\0";

/// The number behind `name=`, or `default`.
pub fn number(info: &RootInfo, name: &str, default: u64) -> u64 {
    let entries = peek(ROOT_ARCHIVE_ADDRESS + core::mem::offset_of!(Header, entries) as u64);
    let places =
        (0..entries).map(|index| ROOT_ARCHIVE_ADDRESS + size_of::<Header>() as u64 + index * size_of::<Entry>() as u64);
    let found = places.into_iter().find(|place| (0u64..).zip(NAME).all(|(at, byte)| peek_byte(place + at) == *byte));
    let Some(place) = found else { return default };
    let (offset, bytes) = (peek(place + OFFSET), peek(place + BYTES));
    if offset.checked_add(bytes).is_none_or(|end| end > info.archive_bytes) {
        return default;
    }
    let text = |at: u64| if at < bytes { peek_byte(ROOT_ARCHIVE_ADDRESS + offset + at) } else { b'\n' };
    (0..bytes).find_map(|at| value(&text, at, name)).unwrap_or(default)
}

/// The number of a line that starts at `at`, if its name is this one.
fn value(text: &impl Fn(u64) -> u8, at: u64, name: &str) -> Option<u64> {
    let starts_line = at == 0 || text(at - 1) == b'\n';
    let matches = (at..).zip(name.bytes().chain([b'='])).all(|(at, byte)| text(at) == byte);
    if !starts_line || !matches {
        return None;
    }
    let mut number = 0u64;
    for at in at + name.len() as u64 + 1.. {
        match text(at) {
            digit @ b'0'..=b'9' => number = number.saturating_mul(10).saturating_add(u64::from(digit - b'0')),
            _ => break,
        }
    }
    Some(number)
}
