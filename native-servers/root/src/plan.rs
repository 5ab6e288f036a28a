//! How a task's address space is laid out: pure functions from program and manifest to a list of pieces.

use alloc::string::String;
use alloc::vec::Vec;

use manifest::{Space, Task};
use rt::layout;
use ukernel_abi::{LARGE_PAGE_BYTES, MASTER_START, PAGE_BYTES, Rights};

use crate::archive::{PlacedSegment, Program};

/// A run of pages of an address space, and what is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Where it starts.
    pub address: u64,
    /// How many pages.
    pub pages: u64,
    /// The task's rights.
    pub rights: Rights,
    /// What is in them.
    pub content: Content,
}

/// What is in a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The archive's own pages, from this page of the archive on.
    Archive(u64),
    /// Fresh memory that starts with these bytes of the archive: a segment's.
    Copy(PlacedSegment),
    /// The StartInfo and the options.
    StartInfo,
    /// The message page and the thread-local block.
    Thread,
    /// The stack.
    Stack,
    /// Fresh memory.
    Zero,
}

/// An address space to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Base of the task's addresses.
    pub base: u64,
    /// Where its main thread starts.
    pub entry_point: u64,
    /// Its pieces, none overlapping another.
    pub pieces: Vec<Piece>,
    /// Lowest address of the stack.
    pub stack_low: u64,
}

impl Layout {
    /// Upper end of the stack.
    #[must_use]
    pub const fn stack_high(&self) -> u64 {
        self.base + layout::STACK_TOP
    }
}

/// Lays a task out.
///
/// # Errors
/// The program is not where programs of its kind must be, or its entry point is not in it.
pub fn lay_out(task: &Task, program: &Program) -> Result<Layout, String> {
    let (base, lowest) = match task.space {
        Space::Ordinary => (0, layout::PROGRAM),
        Space::Master => (MASTER_START, MASTER_START + layout::MASTER_PROGRAM),
    };
    let highest = base + layout::START_INFO;
    let mut pieces = Vec::new();
    for segment in &program.segments {
        if segment.address < lowest || segment.address + segment.pages * PAGE_BYTES > highest {
            return Err(alloc::format!("program {} has a segment at {:#x}", task.program, segment.address));
        }
        pieces.push(segment_piece(segment));
    }
    let starts_inside = program.segments.iter().any(|segment| {
        let range = segment.address..segment.address + segment.pages * PAGE_BYTES;
        segment.rights.contains(Rights::EXECUTE) && range.contains(&program.entry_point)
    });
    if !starts_inside {
        return Err(alloc::format!("program {} starts outside itself", task.program));
    }

    let stack_low = base + layout::STACK_TOP - task.stack_bytes;
    let writable = Rights::READ.or(Rights::WRITE);
    let mut add = |address, pages, rights, content| pieces.push(Piece { address, pages, rights, content });
    add(base + layout::START_INFO, layout::START_INFO_PAGES, Rights::READ, Content::StartInfo);
    add(base + layout::MESSAGE_PAGE, 2, writable, Content::Thread);
    add(stack_low, task.stack_bytes / PAGE_BYTES, writable, Content::Stack);
    // In pieces, since the kernel clears each in one go.
    for start in (0..task.heap_bytes).step_by(LARGE_PAGE_BYTES as usize) {
        let bytes = LARGE_PAGE_BYTES.min(task.heap_bytes - start);
        add(base + layout::HEAP + start, bytes / PAGE_BYTES, writable, Content::Zero);
    }
    Ok(Layout { base, entry_point: program.entry_point, pieces, stack_low })
}

/// Segments that the task cannot write and that have no zeros at their end stay in the archive.
fn segment_piece(segment: &PlacedSegment) -> Piece {
    let in_archive =
        !segment.rights.contains(Rights::WRITE) && segment.file_bytes.div_ceil(PAGE_BYTES) == segment.pages;
    let content = if in_archive { Content::Archive(segment.offset / PAGE_BYTES) } else { Content::Copy(*segment) };
    Piece { address: segment.address, pages: segment.pages, rights: segment.rights, content }
}

/// Starts the key of an option of the boot that only each task's first life is given, without this.
const ONCE: &str = "once.";

/// Which of a task's lives in this boot it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// The first.
    First,
    /// It was made before.
    Later,
}

/// The options' text of a task: its own, then, if it may see them, those of the boot. `once.KEY=VALUE` is `KEY=VALUE` in its
/// first life and nothing in the later ones.
#[must_use]
pub fn options(task: &Task, boot: &str, life: Life) -> String {
    let mut text = String::new();
    for (key, value) in &task.options {
        text.push_str(key);
        text.push('=');
        text.push_str(value);
        text.push('\n');
    }
    if task.boot_options {
        boot.lines().filter_map(|line| seen(line, life)).for_each(|line| {
            text.push_str(line);
            text.push('\n');
        });
    }
    text
}

/// An option of the boot as a task sees it, if it does.
fn seen(line: &str, life: Life) -> Option<&str> {
    match (line.strip_prefix(ONCE), life) {
        (None, _) => Some(line),
        (once, Life::First) => once,
        (Some(_), Life::Later) => None,
    }
}

/// The value of an option of the boot; of several with that key the last.
#[must_use]
pub fn option<'a>(boot: &'a str, key: &str) -> Option<&'a str> {
    let mut from_last = boot.lines().rev().filter_map(|line| line.split_once('='));
    from_last.find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// How to take all that is left of an Untyped: the bytes of each Memory to carve, in order.
///
/// `start` is the physical address of what is left. Up to the next large page boundary the first, then whole large pages,
/// so that the kernel's alignment of large Memories wastes nothing, then the rest.
#[must_use]
pub fn carve(start: u64, bytes: u64) -> Vec<u64> {
    const LARGE: u64 = ukernel_abi::LARGE_PAGE_BYTES;
    let Some(first) = start.checked_next_multiple_of(PAGE_BYTES) else { return Vec::new() };
    let end = start.saturating_add(bytes) / PAGE_BYTES * PAGE_BYTES;
    let Some(large) = first.checked_next_multiple_of(LARGE) else { return Vec::new() };
    let large_end = end / LARGE * LARGE;
    let pieces = if large < large_end {
        [large - first, large_end - large, end - large_end]
    } else {
        [end.saturating_sub(first), 0, 0]
    };
    pieces.into_iter().filter(|bytes| *bytes > 0).collect()
}
