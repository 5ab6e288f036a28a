//! Mount options of tmpfs(5): `size`, `nr_blocks`, `nr_inodes`, `mode`, `uid`, `gid`.

use alloc::format;
use alloc::string::String;

use linux_abi::{Errno, Result};

/// The options of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most pages that files may have.
    pub pages: u64,
    /// Most inodes (and further names of inodes).
    pub inodes: u64,
    /// Permissions of the root directory.
    pub permissions: u32,
    /// Owner of the root directory.
    pub uid: u32,
    /// Group of the root directory.
    pub gid: u32,
}

impl Options {
    /// Returns the defaults: half of the RAM, an inode for each two pages of RAM.
    #[must_use]
    pub fn for_ram() -> Options {
        let pages = ram_pages() / 2;
        Options { pages, inodes: pages, permissions: 0o1777, uid: 0, gid: 0 }
    }

    /// Applies the text of `mount -o`.
    ///
    /// # Errors
    /// `EINVAL` for an unknown option or a malformed value.
    pub fn changed_by(self, text: &str) -> Result<Options> {
        let mut options = self;
        for option in text.split(',').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name {
                "size" => options.pages = unlimited_if_zero(parse_size(value)?.div_ceil(4096)),
                "nr_blocks" => options.pages = unlimited_if_zero(parse_size(value)?),
                "nr_inodes" => options.inodes = parse_inodes(value)?,
                "mode" => options.permissions = parse(value, 8)? as u32 & 0o7777,
                "uid" => options.uid = u32::try_from(parse(value, 10)?).map_err(|_| Errno::EINVAL)?,
                "gid" => options.gid = u32::try_from(parse(value, 10)?).map_err(|_| Errno::EINVAL)?,
                // Accepted without effect: inode numbers have 64 bits here in any case.
                "inode64" => {}
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok(options)
    }

    /// Returns the options as `/proc/mounts` shows them: those that are not the default.
    pub(crate) fn show(&self) -> String {
        let default = Options::for_ram();
        let mut text = String::new();
        if self.pages != default.pages {
            text += &format!(",size={}k", self.pages.saturating_mul(4));
        }
        if self.inodes != default.inodes {
            text += &format!(",nr_inodes={}", self.inodes);
        }
        if self.permissions != default.permissions {
            text += &format!(",mode={:03o}", self.permissions);
        }
        if self.uid != 0 {
            text += &format!(",uid={}", self.uid);
        }
        if self.gid != 0 {
            text += &format!(",gid={}", self.gid);
        }
        text
    }
}

fn ram_pages() -> u64 {
    guest_memory::frames::stats().total as u64
}

/// Size 0 stands for no limit; half of the address space is as good.
fn unlimited_if_zero(value: u64) -> u64 {
    if value == 0 { u64::MAX / 2 } else { value }
}

/// Inodes cost heap, which must not run out: the default is the most that can be asked for.
fn parse_inodes(value: &str) -> Result<u64> {
    let most = Options::for_ram().inodes;
    Ok(unlimited_if_zero(parse_size(value)?).min(most))
}

fn parse(value: &str, radix: u32) -> Result<u64> {
    u64::from_str_radix(value, radix).map_err(|_| Errno::EINVAL)
}

/// Reads a number with a suffix `k`, `m`, `g` or `%` (of the RAM).
fn parse_size(value: &str) -> Result<u64> {
    let (number, unit) = match value.as_bytes().last() {
        Some(b'k' | b'K') => (value.len() - 1, 1 << 10),
        Some(b'm' | b'M') => (value.len() - 1, 1 << 20),
        Some(b'g' | b'G') => (value.len() - 1, 1 << 30),
        Some(b'%') => (value.len() - 1, ram_pages() * 4096 / 100),
        _ => (value.len(), 1),
    };
    let number = value.get(..number).ok_or(Errno::EINVAL)?;
    parse(number, 10)?.checked_mul(unit).ok_or(Errno::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_suffixes() {
        let options = Options::for_ram().changed_by("size=10k,mode=755,uid=3").expect("valid");
        assert_eq!((options.pages, options.permissions, options.uid), (3, 0o755, 3));
        assert_eq!(parse_size("2m"), Ok(2 << 20));
        assert_eq!(parse_size("5"), Ok(5));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["size=", "size=x", "size=99999999999g", "mode=9", "colour=blue", "uid=-1"] {
            assert_eq!(Options::for_ram().changed_by(text), Err(Errno::EINVAL), "{text}");
        }
    }
}
