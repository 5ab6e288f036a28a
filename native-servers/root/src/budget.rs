//! How many bytes a task's nest needs: the kernel's way of carving, computed in advance.

use manifest::{Ram, Task};
use ukernel_abi::{LARGE_PAGE_BYTES, ObjectType, PAGE_BYTES};

use crate::plan::{Content, Layout};

/// Page-table pages that one level of tables may need beyond what is full.
const TABLE_LEVELS: u64 = 4;
/// Entries of a page table.
const ENTRIES: u64 = 512;

/// Carves in thought.
#[derive(Clone, Copy, Debug, Default)]
struct Budget {
    used: u64,
}

impl Budget {
    /// As the kernel does: alignment to a slot, a page, or a large page (`ukernel/core/src/retype.rs`).
    fn take(&mut self, object: ObjectType, size: u64) {
        let bytes = object.bytes(size).unwrap_or(0);
        let align = match object {
            ObjectType::Memory | ObjectType::Untyped if bytes >= LARGE_PAGE_BYTES => LARGE_PAGE_BYTES,
            ObjectType::Memory | ObjectType::Untyped => PAGE_BYTES,
            _ => ukernel_abi::object::SLOT_BYTES,
        };
        self.used = self.used.next_multiple_of(align) + bytes;
    }
}

/// Scheduling contexts that the root task makes for a task.
#[must_use]
pub fn contexts(task: &Task) -> u8 {
    task.time.map_or(1, |time| time.contexts)
}

/// Page-table pages that a layout needs at most, the root included.
#[must_use]
pub fn tables(layout: &Layout) -> u64 {
    let per_piece = |pages: u64| pages.div_ceil(ENTRIES) + TABLE_LEVELS;
    1 + layout.pieces.iter().map(|piece| per_piece(piece.pages)).sum::<u64>()
}

/// Bytes of the ground of a task's nest: what [`create`](crate::create) carves, in that order.
#[must_use]
pub fn nest_bytes(task: &Task, layout: &Layout) -> u64 {
    let mut budget = Budget::default();
    budget.take(ObjectType::CapTable, task.slot_bits.into());
    budget.take(ObjectType::Thread, 0);
    (0..contexts(task)).for_each(|_| budget.take(ObjectType::SchedContext, 0));
    budget.take(ObjectType::VSpace, 0);
    budget.take(ObjectType::Memory, tables(layout) * PAGE_BYTES);
    layout.pieces.iter().for_each(|_| budget.take(ObjectType::Attachment, 0));
    for piece in layout.pieces.iter().filter(|piece| !matches!(piece.content, Content::Archive(_))) {
        budget.take(ObjectType::Memory, piece.pages * PAGE_BYTES);
    }
    budget.take(ObjectType::Untyped, task.untyped_bytes);
    task.irqs.iter().for_each(|_| budget.take(ObjectType::Irq, 0));
    if let Ram::Bytes(bytes) = task.ram {
        budget.take(ObjectType::Memory, bytes);
    }
    budget.used.next_multiple_of(PAGE_BYTES)
}
