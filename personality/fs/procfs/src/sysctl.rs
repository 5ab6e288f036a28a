//! Texts below `/proc/sys`.

use crate::source::ProcessSource;
use alloc::format;
use alloc::vec::Vec;

/// Release that uname(2) tells as well.
pub(crate) const RELEASE: &str = "6.1.0-banyan";
/// Version that uname(2) tells as well.
pub(crate) const VERSION: &str = "#1 SMP";

fn line(text: impl core::fmt::Display) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

pub(crate) fn file_max(source: &dyn ProcessSource) -> Vec<u8> {
    line(source.system().open_files.1)
}

pub(crate) fn file_nr(source: &dyn ProcessSource) -> Vec<u8> {
    let (open, limit) = source.system().open_files;
    line(format_args!("{open}\t0\t{limit}"))
}

pub(crate) fn nr_open(_source: &dyn ProcessSource) -> Vec<u8> {
    line(vfs::open_file::table_limit())
}

pub(crate) fn pipe_max_size(_source: &dyn ProcessSource) -> Vec<u8> {
    line(1_048_576)
}

pub(crate) fn cap_last_cap(_source: &dyn ProcessSource) -> Vec<u8> {
    line(40)
}

pub(crate) fn domain_name(source: &dyn ProcessSource) -> Vec<u8> {
    with_newline(source.domain_name())
}

pub(crate) fn host_name(source: &dyn ProcessSource) -> Vec<u8> {
    with_newline(source.host_name())
}

fn with_newline(mut name: Vec<u8>) -> Vec<u8> {
    name.push(b'\n');
    name
}

pub(crate) fn ngroups_max(_source: &dyn ProcessSource) -> Vec<u8> {
    line(65_536)
}

pub(crate) fn os_release(_source: &dyn ProcessSource) -> Vec<u8> {
    line(RELEASE)
}

pub(crate) fn os_type(_source: &dyn ProcessSource) -> Vec<u8> {
    line("Linux")
}

pub(crate) fn version(_source: &dyn ProcessSource) -> Vec<u8> {
    line(VERSION)
}

pub(crate) fn overflow_id(_source: &dyn ProcessSource) -> Vec<u8> {
    line(65_534)
}

pub(crate) fn pid_max(_source: &dyn ProcessSource) -> Vec<u8> {
    line(32_768)
}

pub(crate) fn threads_max(source: &dyn ProcessSource) -> Vec<u8> {
    line(source.system().thread_limit)
}

pub(crate) fn entropy(_source: &dyn ProcessSource) -> Vec<u8> {
    line(256)
}

pub(crate) fn max_map_count(_source: &dyn ProcessSource) -> Vec<u8> {
    line(65_530)
}

pub(crate) fn mmap_min_addr(_source: &dyn ProcessSource) -> Vec<u8> {
    line(65_536)
}

/// 0: heuristic, as on a fresh Linux.
pub(crate) fn overcommit(_source: &dyn ProcessSource) -> Vec<u8> {
    line(0)
}

pub(crate) fn zero(_source: &dyn ProcessSource) -> Vec<u8> {
    line(0)
}

/// A random UUID (version 4), new at each reading.
pub(crate) fn uuid(source: &dyn ProcessSource) -> Vec<u8> {
    let mut bytes = [0; 16];
    source.random(&mut bytes);
    show_uuid(bytes)
}

/// A UUID that stays the same until the next boot: made from the time of boot.
pub(crate) fn boot_id(source: &dyn ProcessSource) -> Vec<u8> {
    let mut word = source.system().boot_seconds ^ 0x9e37_79b9_7f4a_7c15;
    let mut bytes = [0; 16];
    for chunk in bytes.chunks_exact_mut(8) {
        // splitmix64: spreads the time over all bits.
        word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        chunk.copy_from_slice(&(mixed ^ (mixed >> 27)).to_le_bytes());
    }
    show_uuid(bytes)
}

fn show_uuid(bytes: [u8; 16]) -> Vec<u8> {
    let number = u128::from_be_bytes(bytes);
    let number = (number & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or("");
    line(format_args!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
}
