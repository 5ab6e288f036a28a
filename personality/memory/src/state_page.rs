//! The page through which a master and the kernel exchange a legacy thread's registers.

use core::cell::UnsafeCell;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use linux_abi::Result;
pub use ukernel_abi::vcpu::State;

use crate::Frame;

/// The state page of one Vcpu: a frame of its own.
///
/// The kernel writes it while its master is inside `VcpuEnter` or takes a fix-up; masters look at it in between,
/// debuggers while the thread is stopped. [`StatePage::with`] keeps those apart.
pub struct StatePage {
    frame: Frame,
    in_use: AtomicBool,
}

impl StatePage {
    /// A page of zeros.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn new() -> Result<Self> {
        Ok(Self { frame: Frame::alloc_zeroed()?, in_use: AtomicBool::new(false) })
    }

    /// The frame, to tell the kernel where the page is.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Looks at and changes the registers. `f` must neither touch user memory nor call `with` again for this page.
    pub fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        while self.in_use.swap(true, Ordering::Acquire) {
            rt::thread::yield_now();
        }
        let cell: &UnsafeCell<State> = {
            // SAFETY: the frame is a page, aligned and larger than a `State`, kept by `self`, and any bytes are a value.
            unsafe { self.frame.address().cast::<UnsafeCell<State>>().as_ref() }
        };
        // SAFETY: `in_use` makes this the only reference; the kernel writes only during calls that `f` must not make.
        let result = f(unsafe { &mut *cell.get() });
        self.in_use.store(false, Ordering::Release);
        result
    }

    /// A copy of the registers.
    #[must_use]
    pub fn snapshot(&self) -> State {
        self.with(|state| state.clone())
    }
}

impl fmt::Debug for StatePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StatePage({:?})", self.frame)
    }
}
