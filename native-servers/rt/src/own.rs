//! The capabilities that every task has to itself, as start-up was told; on the host there are none.

use core::sync::atomic::{AtomicU64, Ordering};

use ukernel_user::{Cap, CapTable, Endpoint, Log, Untyped, VSpace};

macro_rules! own {
    ($($(#[$doc:meta])* $name:ident, $set:ident, $static:ident: $type:ty;)*) => {
        $(
            static $static: AtomicU64 = AtomicU64::new(0);

            $(#[$doc])*
            #[must_use]
            pub fn $name() -> Cap<$type> {
                Cap::new($static.load(Ordering::Relaxed))
            }

            #[cfg_attr(target_os = "linux", expect(dead_code, reason = "there is no start-up on the host"))]
            pub(crate) fn $set(cap: Cap<$type>) {
                $static.store(cap.slot(), Ordering::Relaxed);
            }
        )*
    };
}

own! {
    /// The task's CapTable.
    cap_table, set_cap_table, CAP_TABLE: CapTable;
    /// The task's VSpace (of a master: the one that its legacy VSpaces share).
    vspace, set_vspace, VSPACE: VSpace;
    /// The memory that pays for the task's kernel objects.
    untyped, set_untyped, UNTYPED: Untyped;
    /// The right to write to the kernel's log, if granted.
    log, set_log, LOG: Log;
    /// Where the task's faults are reported.
    fault_endpoint, set_fault_endpoint, FAULT_ENDPOINT: Endpoint;
}
