//! Known bugs, each behind a feature of its name, that show that the model checker finds what it is for.
//!
//! All are off unless asked for, and cannot be asked for in a build that boots. Off, nothing of them is compiled.

use ukernel_abi::Rights;

/// A thread that stops stays in its run queue.
pub(crate) const MISSED_DEQUEUE: bool = cfg!(feature = "seeded-missed-dequeue");
/// A signal does not wake the bound thread that waits for a message.
pub(crate) const LOST_WAKEUP: bool = cfg!(feature = "seeded-lost-wakeup");
/// Other processors go on with what they remember of entries that have changed.
pub(crate) const MISSED_SHOOTDOWN: bool = cfg!(feature = "seeded-missed-shootdown");
/// What is done to a thread is done while it runs on another processor.
pub(crate) const MISSED_PULL: bool = cfg!(feature = "seeded-missed-pull");
/// A copy gets the rights that its maker asks for, not those that he has.
const RIGHTS_AMPLIFICATION: bool = cfg!(feature = "seeded-rights-amplification");

const _: () = assert!(
    !cfg!(target_os = "none")
        || !(MISSED_DEQUEUE || LOST_WAKEUP || RIGHTS_AMPLIFICATION || MISSED_SHOOTDOWN || MISSED_PULL),
    "a kernel with seeded bugs must not boot"
);

/// The rights of an endpoint's copy.
pub(crate) const fn copied_rights(held: Rights, wanted: Rights) -> Rights {
    if RIGHTS_AMPLIFICATION { wanted } else { held.and(wanted) }
}
