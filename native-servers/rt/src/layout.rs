//! Where things lie in a task's address space: agreed between the root task, `rt` and the host tool.
//!
//! All addresses are offsets from the task's base: 0, or [`MASTER_START`](ukernel_abi::MASTER_START) for
//! `space = "master"`. A master's whole world fits the 512 GiB of its slot.

/// Where the host tool places an ordinary program.
pub const PROGRAM: u64 = 0x40_0000;
/// Where the host tool places a master's program, from its base.
pub const MASTER_PROGRAM: u64 = 0x4000_0000;

/// The [`StartInfo`](crate::start_info::StartInfo) page; the options' text follows it.
pub const START_INFO: u64 = 0x20_0000_0000;
/// Pages of the StartInfo and the options.
pub const START_INFO_PAGES: u64 = 4;
/// The main thread's message page; its thread-local block lies in the page after it.
pub const MESSAGE_PAGE: u64 = START_INFO + 0x10_0000;
/// The main thread's thread-local block.
pub const THREAD_LOCAL: u64 = MESSAGE_PAGE + 0x1000;
/// Upper end of the main thread's stack.
pub const STACK_TOP: u64 = 0x22_0000_0000;
/// Start of the heap.
pub const HEAP: u64 = 0x24_0000_0000;
/// Stacks and message pages of further threads.
pub const THREADS: u64 = 0x28_0000_0000;
/// End of the thread area.
pub const THREADS_END: u64 = 0x38_0000_0000;
/// What [`memory::map`](crate::memory::map) maps.
pub const MAPPINGS: u64 = 0x38_0000_0000;
/// End of the mappings.
pub const MAPPINGS_END: u64 = 0x48_0000_0000;
/// From here to the end of the slot (0x80_0000_0000) a server may use addresses as it likes: the personality's direct map
/// is there.
pub const OWN: u64 = 0x48_0000_0000;
