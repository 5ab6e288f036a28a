//! The boot archive, as far as the kernel reads it: the root task's entry.

use core::mem::offset_of;

use ukernel_abi::boot::{Entry, Header, KIND_PROGRAM, MAGIC, MAX_SEGMENTS, Segment};
use ukernel_abi::{MASTER_START, PAGE_BYTES, Rights, USER_END};

use crate::Physical;

/// The root task as the archive describes it, checked.
#[derive(Clone, Copy, Debug)]
pub struct RootProgram {
    /// Its segments.
    pub segments: [Segment; MAX_SEGMENTS],
    /// How many are valid.
    pub segment_count: usize,
    /// Where it starts.
    pub entry_point: u64,
}

/// Find and check the root task in the archive of `bytes` bytes at `start`. `None`: the archive is damaged.
pub fn root_program(memory: &impl Physical, start: u64, bytes: u64) -> Option<RootProgram> {
    if memory.bytes::<8>(start)? != MAGIC || memory.u64(start + offset_of!(Header, bytes) as u64)? > bytes {
        return None;
    }
    let entries = memory.u64(start + offset_of!(Header, entries) as u64)?;
    let root = memory.u64(start + offset_of!(Header, root) as u64)?;
    if root >= entries || entries > bytes / size_of::<Entry>() as u64 {
        return None;
    }
    let entry = start + size_of::<Header>() as u64 + root * size_of::<Entry>() as u64;
    let field = |offset: usize| memory.u64(entry + offset as u64);
    let count = field(offset_of!(Entry, segment_count))?;
    if field(offset_of!(Entry, kind))? != KIND_PROGRAM || count == 0 || count > MAX_SEGMENTS as u64 {
        return None;
    }
    let mut program = RootProgram {
        segments: [Segment::default(); MAX_SEGMENTS],
        segment_count: count as usize,
        entry_point: field(offset_of!(Entry, entry_point))?,
    };
    let mut lowest = PAGE_BYTES;
    for (index, segment) in program.segments.iter_mut().enumerate().take(count as usize) {
        let at = entry + (offset_of!(Entry, segments) + index * size_of::<Segment>()) as u64;
        *segment = Segment {
            address: memory.u64(at + offset_of!(Segment, address) as u64)?,
            offset: memory.u64(at + offset_of!(Segment, offset) as u64)?,
            file_bytes: memory.u64(at + offset_of!(Segment, file_bytes) as u64)?,
            memory_bytes: memory.u64(at + offset_of!(Segment, memory_bytes) as u64)?,
            rights: memory.u64(at + offset_of!(Segment, rights) as u64)?,
        };
        lowest = check(segment, bytes, lowest)?;
    }
    (program.entry_point < USER_END).then_some(program)
}

/// Check a segment that must not start below `lowest`; returns where the next may start.
fn check(segment: &Segment, archive_bytes: u64, lowest: u64) -> Option<u64> {
    let file_end = segment.offset.checked_add(segment.file_bytes)?;
    let end = segment.address.checked_add(segment.memory_bytes)?.checked_next_multiple_of(PAGE_BYTES)?;
    let aligned = (segment.address | segment.offset).is_multiple_of(PAGE_BYTES);
    let sized = segment.memory_bytes >= segment.file_bytes && segment.memory_bytes > 0;
    let rights = Rights::from_bits(segment.rights);
    let exclusive = !rights.contains(Rights::WRITE.or(Rights::EXECUTE)) && rights.contains(Rights::READ);
    let placed = segment.address >= lowest && end < ukernel_abi::boot::ROOT_ARCHIVE_ADDRESS && end < MASTER_START;
    (aligned && sized && exclusive && placed && file_end <= archive_bytes).then_some(end)
}
