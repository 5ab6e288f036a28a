//! Start-up of the root task, which the kernel starts itself: there is no StartInfo yet, no heap and no thread-local
//! block.

use ukernel_abi::boot::{self, RootInfo, slot};
use ukernel_user::object::{MapRange, Retype};
use ukernel_user::{Attachment, Cap, Memory, ObjectType, Rights, Untyped, VSpace};

use super::local::{Local, set_fs};
use super::start;
use crate::start_info::{StartInfo, name_bytes};
use crate::thread::RawThread;
use crate::{Env, layout};

/// Bytes of the root task's heap.
const HEAP_BYTES: u64 = 2 << 20;
/// Page-table pages for the root task's own needs.
const TABLES: u64 = 32;
/// Priority of the root task's threads: it serves the faults of all others.
const PRIORITY: u64 = 254;

/// Slots used before the slot allocator knows its range.
const HEAP_SLOT: u64 = slot::FREE_FIRST;
const ATTACHMENT_SLOT: u64 = slot::FREE_FIRST + 1;
const FIRST_FREE: u64 = slot::FREE_FIRST + 2;
/// Slots of the root task's CapTable.
const TABLE_SLOTS: u64 = 4096;

/// The first thread's thread-local block.
#[repr(C, align(4096))]
struct LocalPage([u8; 4096]);

static mut LOCAL_PAGE: LocalPage = LocalPage([0; 4096]);
static mut START_INFO: StartInfo = StartInfo::EMPTY;

/// Starts the root task: where [`root_entry!`](crate::root_entry) leads to.
///
/// # Panics
/// Where there is no memory to start with.
pub fn start_root(root_info: &'static RootInfo, main: fn(&Env)) -> ! {
    let local = (&raw mut LOCAL_PAGE).cast::<Local>();
    let stack = (boot::ROOT_STACK_ADDRESS, boot::ROOT_STACK_ADDRESS + boot::ROOT_STACK_BYTES);
    let raw = RawThread {
        thread: Cap::new(slot::THREAD),
        sched_context: Cap::new(slot::SCHED_CONTEXT),
        notification: Cap::NULL,
    };
    // SAFETY: a page of this task's own, which nobody else uses.
    unsafe { Local::write(local, boot::ROOT_MESSAGE_PAGE, raw, stack) };
    // SAFETY: just written, and static.
    unsafe { set_fs(local) };

    let untyped = largest_untyped(root_info);
    map_heap(untyped);
    let start_info = &raw mut START_INFO;
    // SAFETY: the only thread, and this is the only use before it becomes shared and constant.
    unsafe { start_info.write(describe(root_info, untyped, local as u64, stack)) };
    // SAFETY: static, and not written again.
    start::start(unsafe { &*start_info }, main)
}

/// The Untyped that the root task's own objects come from.
fn largest_untyped(info: &RootInfo) -> Cap<Untyped> {
    let count = (info.untyped_count as usize).min(boot::MAX_RANGES);
    let largest = (0..count).max_by_key(|index| info.untypeds[*index].bytes).expect("there is memory");
    Cap::new(slot::UNTYPED_FIRST + largest as u64)
}

fn map_heap(untyped: Cap<Untyped>) {
    let create = |object, size, first_slot| {
        let what = Retype { object, size, count: 1, first_slot, table: Cap::NULL };
        untyped.retype(&what).expect("the largest untyped has room for the root task's heap");
    };
    create(ObjectType::Memory, HEAP_BYTES, HEAP_SLOT);
    create(ObjectType::Attachment, 0, ATTACHMENT_SLOT);
    let vspace: Cap<VSpace> = Cap::new(slot::VSPACE);
    vspace.donate(untyped, TABLES).expect("the largest untyped has room for page tables");
    let (memory, attachment): (Cap<Memory>, Cap<Attachment>) = (Cap::new(HEAP_SLOT), Cap::new(ATTACHMENT_SLOT));
    let rights = Rights::READ.or(Rights::WRITE);
    memory.attach(vspace, layout::HEAP, HEAP_BYTES, rights, attachment).expect("the root task's space is empty there");
    let pages = MapRange::new(layout::HEAP, rights, 0, HEAP_BYTES / ukernel_abi::PAGE_BYTES);
    attachment.map(&[pages]).expect("the root task's space is empty there");
}

fn describe(info: &RootInfo, untyped: Cap<Untyped>, local: u64, stack: (u64, u64)) -> StartInfo {
    StartInfo {
        name: name_bytes("root").expect("four bytes fit"),
        tsc_hz: info.tsc_hz,
        cpus: info.cpus,
        priority: PRIORITY,
        cap_table: slot::CAP_TABLE,
        vspace: slot::VSPACE,
        thread: slot::THREAD,
        sched_context: slot::SCHED_CONTEXT,
        untyped: untyped.slot(),
        log: slot::LOG,
        first_free_slot: FIRST_FREE,
        free_slots: TABLE_SLOTS - FIRST_FREE,
        heap: layout::HEAP,
        heap_bytes: HEAP_BYTES,
        stack_low: stack.0,
        stack_high: stack.1,
        message_page: boot::ROOT_MESSAGE_PAGE,
        thread_local: local,
        ..StartInfo::EMPTY
    }
}

/// What the kernel told the root task.
///
/// # Panics
/// In any other task.
#[must_use]
pub fn root_info() -> &'static RootInfo {
    assert_eq!(crate::own::log().slot(), slot::LOG, "only the root task has a RootInfo");
    // SAFETY: the kernel mapped it there, read-only, for good, in the root task, where we are.
    unsafe { &*(boot::ROOT_INFO_ADDRESS as *const RootInfo) }
}

/// The boot archive.
///
/// # Panics
/// In any other task than the root task.
#[must_use]
pub fn boot_archive() -> &'static [u8] {
    let bytes = root_info().archive_bytes as usize;
    // SAFETY: as in `root_info`.
    unsafe { core::slice::from_raw_parts(boot::ROOT_ARCHIVE_ADDRESS as *const u8, bytes) }
}
