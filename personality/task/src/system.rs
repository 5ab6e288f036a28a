//! All processes, and what the rest of the personality does for them.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU64;

use rt::sync::{Mutex, MutexGuard, OnceCell};

use crate::signal::{Actions, Signal};
use crate::{Limits, Pid, Process, Task, Tree, Workers};

/// What happens outside of this crate.
pub trait Hooks: Send + Sync {
    /// The first process was sent a signal that means something to it.
    fn signal_to_init(&self, signal: Signal);

    /// The leader of a session ended.
    fn session_leader_ended(&self, session: Pid);

    /// A process ended; it may already be gone from the tree.
    fn process_ended(&self, process: &Process);
}

/// Takes the text of traced calls.
pub trait TraceSink: Send + Sync {
    /// Takes text.
    fn write(&self, text: &[u8]);

    /// For whoever knows which kind of sink it is.
    fn as_any(&self) -> &dyn core::any::Any;
}

/// The system of processes.
pub struct System {
    tree: Mutex<Tree<Arc<Process>, Arc<Task>>>,
    /// Held while a signal goes to several processes, and while a process joins its parent's group.
    joining: Mutex<()>,
    /// Makes seats.
    pub workers: Box<dyn Workers>,
    /// What happens elsewhere.
    pub hooks: Box<dyn Hooks>,
    /// Most threads.
    pub thread_limit: usize,
    /// Processes made since the start.
    pub forks: AtomicU64,
}

static SYSTEM: OnceCell<System> = OnceCell::new();

impl System {
    /// A system with nothing but its first process, which has no threads.
    pub fn new(workers: Box<dyn Workers>, hooks: Box<dyn Hooks>, thread_limit: usize) -> Self {
        let actions = Arc::new(Mutex::new(Actions::default()));
        let init = Arc::new(Process::new(crate::INIT, Limits::initial(thread_limit as u64), actions));
        let tree = Mutex::new(Tree::new(init, thread_limit));
        Self { tree, joining: Mutex::new(()), workers, hooks, thread_limit, forks: AtomicU64::new(0) }
    }

    /// The family of processes.
    pub fn tree(&self) -> MutexGuard<'_, Tree<Arc<Process>, Arc<Task>>> {
        self.tree.lock()
    }

    /// Keeps processes from joining the family, or from being sent signals together. Taken before the tree's lock.
    pub(crate) fn joining(&self) -> MutexGuard<'_, ()> {
        self.joining.lock()
    }

    /// A process that has not ended.
    pub fn process(&self, pid: Pid) -> Option<Arc<Process>> {
        let tree = self.tree();
        tree.get(pid).filter(|entry| entry.ended.is_none()).map(|entry| entry.process.clone())
    }

    /// All processes that have not ended.
    pub fn processes(&self) -> Vec<Arc<Process>> {
        let tree = self.tree();
        tree.iter().filter(|(_, entry)| entry.ended.is_none()).map(|(_, entry)| entry.process.clone()).collect()
    }
}

/// Installs the one system. Once, at the start.
pub fn set_system(system: System) {
    assert!(SYSTEM.set(system).is_ok(), "the system is set once");
}

/// The system.
pub fn system() -> &'static System {
    SYSTEM.get().expect("the system is set before anything runs")
}
