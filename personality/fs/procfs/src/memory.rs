//! Texts about a process's memory: `maps`, `smaps`, `statm`.

use crate::source::{Mapping, MemoryUse, ProcessSource};
use crate::tree::Subject;
use alloc::format;
use alloc::vec::Vec;
use linux_abi::Result;
use vfs::DeviceNumber;

/// Bytes of a page.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// Column at which names in `maps` begin.
const NAME_COLUMN: usize = 73;

/// `maps`.
pub(crate) fn maps(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    for mapping in source.mappings(subject.pid)? {
        show_mapping(&mapping, &mut text);
    }
    Ok(text)
}

/// `smaps`, with the figures that are known.
pub(crate) fn smaps(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    for mapping in source.mappings(subject.pid)? {
        show_mapping(&mapping, &mut text);
        let size = mapping.end.saturating_sub(mapping.start) / 1024;
        let resident = mapping.resident / 1024;
        let lines = format!(
            "Size:           {size:>8} kB\nKernelPageSize:        4 kB\nMMUPageSize:           4 kB\n\
             Rss:            {resident:>8} kB\nSwap:                  0 kB\n"
        );
        text.extend_from_slice(lines.as_bytes());
    }
    Ok(text)
}

fn show_mapping(mapping: &Mapping, text: &mut Vec<u8>) {
    let device = DeviceNumber::from_encoded(mapping.device);
    let letter = |is: bool, letter: char| if is { letter } else { '-' };
    let line = format!(
        "{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {} ",
        mapping.start,
        mapping.end,
        letter(mapping.read, 'r'),
        letter(mapping.write, 'w'),
        letter(mapping.execute, 'x'),
        if mapping.shared { 's' } else { 'p' },
        mapping.offset,
        device.major(),
        device.minor(),
        mapping.inode,
    );
    text.extend_from_slice(line.as_bytes());
    if !mapping.name.is_empty() {
        text.extend(core::iter::repeat_n(b' ', NAME_COLUMN.saturating_sub(line.len())));
        for &byte in &mapping.name {
            match byte {
                b'\n' => text.extend_from_slice(b"\\012"),
                _ => text.push(byte),
            }
        }
    }
    text.push(b'\n');
}

impl MemoryUse {
    /// Bytes in memory.
    pub(crate) fn resident(&self) -> u64 {
        self.resident_anonymous.saturating_add(self.resident_file).saturating_add(self.resident_shared)
    }
}

/// `statm`.
pub(crate) fn statm(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    let memory = source.process(subject.pid)?.memory.unwrap_or_default();
    let pages = |bytes: u64| bytes / PAGE_BYTES;
    let text = format!(
        "{} {} {} {} 0 {} 0\n",
        pages(memory.virtual_size),
        pages(memory.resident()),
        pages(memory.resident_file.saturating_add(memory.resident_shared)),
        pages(memory.text),
        pages(memory.data.saturating_add(memory.stack)),
    );
    Ok(text.into_bytes())
}
