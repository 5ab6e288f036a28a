//! The runtime of every task above the kernel: start-up, heap, threads, locks, time, log.
//!
//! The portable part ([`sync`], [`thread`], [`time`], [`env`], ...) sits on one of two back ends: `native` (kernel
//! objects) or, when compiled for Linux, `host` (the standard library), so that libraries and servers test on the host.
//!
//! A task's program names its main function with [`entry!`]: `rt::entry!(main);` and `fn main(env: &rt::Env)`. When `main`
//! returns, the other threads go on. A panic writes its message and a stack trace to the log and ends the task by a fault.
//!
//! Lock order: spin locks are leaves; nothing that sleeps or calls is done with one held.
#![no_std]

extern crate alloc;
#[cfg(target_os = "linux")]
extern crate std;

#[cfg(target_os = "linux")]
#[path = "host/mod.rs"]
mod os;
#[cfg(not(target_os = "linux"))]
#[expect(unsafe_code, reason = "start-up, thread-local blocks, heap and stacks are raw memory")]
#[path = "native/mod.rs"]
mod os;

pub mod cap;
#[expect(unsafe_code, reason = "an instruction that the compiler has no function for here")]
pub mod cpu;
pub mod env;
pub mod layout;
#[cfg_attr(target_os = "linux", expect(dead_code, reason = "there is no kernel log on the host"))]
mod logger;
#[expect(unsafe_code, reason = "mapped memory becomes a slice, shared memory is raw")]
pub mod memory;
pub mod object;
pub mod own;
#[expect(unsafe_code, reason = "the page is written as bytes")]
pub mod start_info;
pub mod sync;
pub mod thread;
pub mod time;

pub use env::Env;
pub use logger::log_raw;
#[cfg(not(target_os = "linux"))]
pub use os::{boot_archive, heap, root_info, start, start_root};
pub use ukernel_abi::Error;

/// Names the main function of a task: `fn(&rt::Env)`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        /// Where the root task starts the program: it has mapped a StartInfo, read-only, for good, and passes its address.
        #[unsafe(no_mangle)]
        extern "C" fn _start(info: &'static $crate::start_info::StartInfo) -> ! {
            $crate::start(info, $main)
        }
    };
}

/// Names the main function of the root task: `fn(&rt::Env)`.
#[macro_export]
macro_rules! root_entry {
    ($main:path) => {
        /// Where the kernel starts the program: it has mapped a RootInfo, read-only, for good, and passes its address.
        #[unsafe(no_mangle)]
        extern "C" fn _start(info: &'static $crate::RootInfo) -> ! {
            $crate::start_root(info, $main)
        }
    };
}

pub use ukernel_abi::boot::RootInfo;
