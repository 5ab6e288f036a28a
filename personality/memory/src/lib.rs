//! The personality's one unsafe crate: page frames, the memory of the process being served, processor state.
//!
//! * [`frames`]: the pool of 4 KiB [`Frame`]s, reference-counted, in RAM that is mapped linearly (the *direct map*)
//! * [`user`]: copying to and from the current process; its addresses are the newtype [`UserAddr`], never pointers
//! * [`io`]: [`Sink`] and [`Source`], what a `read` writes into and a `write` reads from
//! * [`PageSource`]: what a file implements so that it can be mapped
//! * [`fpu`]: saving, restoring and checking floating-point state
//! * [`Window`]: memory shared with a server, through which pages of files come and go
//! * [`StatePage`]: the page that a master and the kernel share for foreign execution
//!
//! Two back ends: `native` (kernel objects, fix-ups) and `host` (an arena and a translator per thread), the latter
//! so that everything above tests on the host.
//!
//! Lock order: the frame pool's spin lock is a leaf. User memory is touched with no lock held that the page-fault path
//! needs.
#![no_std]

extern crate alloc;
#[cfg(target_os = "linux")]
extern crate std;

mod addr;
#[expect(unsafe_code, reason = "floating-point state is saved and restored by instructions of its own")]
pub mod fpu;
#[expect(unsafe_code, reason = "frames are raw memory in the direct map")]
mod frame;
#[expect(unsafe_code, reason = "the frame table lies in the memory that it describes")]
pub mod frames;
pub mod io;
mod page_source;
#[expect(unsafe_code, reason = "structures are copied as bytes")]
mod plain;
#[expect(unsafe_code, reason = "the state page is shared with the kernel")]
mod state_page;
#[expect(unsafe_code, reason = "the memory of the served process is reached by address")]
pub mod user;
#[expect(unsafe_code, reason = "windows are memory shared with servers")]
mod window;

#[cfg(test)]
#[path = "native/copy.rs"]
#[expect(unsafe_code, reason = "the target's copy routines, tested here without faults")]
mod native_copy;
#[cfg(test)]
mod tests;

#[cfg(target_os = "linux")]
#[path = "host/mod.rs"]
#[expect(unsafe_code, reason = "the host's arena and user memory are raw memory")]
pub mod host;
#[cfg(not(target_os = "linux"))]
#[path = "native/mod.rs"]
#[expect(unsafe_code, reason = "the direct map and the memory of the served process are raw memory")]
pub mod native;

#[cfg(target_os = "linux")]
pub(crate) use host as os;
#[cfg(not(target_os = "linux"))]
pub(crate) use native as os;

pub use addr::{PAGE_BYTES, USER_END, UserAddr};
pub use frame::Frame;
pub use io::{Sink, SliceSink, SliceSource, Source, UserIo, UserSegment, VecSink};
pub use page_source::{CutOff, Mappings, PageSource, mappings, set_mappings};
pub use plain::{Plain, bytes_of, bytes_of_mut, zeroed};
pub use state_page::{State, StatePage};
pub use user::{
    atomic_load_u32, compare_exchange_u32, fault_in, read_bytes, read_c_string, read_value, set_fault_handler,
    try_compare_exchange_u32, try_load_u32, write_bytes, write_value, write_zeros,
};
pub use window::Window;
