//! A process: the threads that share a number, and what they share besides memory and files.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering};

use linux_abi::raw::general as raw;
use rt::sync::Mutex;
use sync::WaitQueue;
use vfs::Path;

use crate::signal::{Actions, Pending, Signal};
use crate::timer::ProcessTimers;
use crate::{ExitStatus, Limits, Pid, Task, TraceSink, TrapMechanism, Usage};

/// What the threads of a process are to do as a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupState {
    /// All are to end, with this status.
    pub exiting: Option<ExitStatus>,
    /// All but this one are to end: it executes another program.
    pub executing: Option<Pid>,
    /// All are to stop, because of this signal.
    pub stopped: Option<Signal>,
}

/// A process.
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// Its threads, the first one first.
    pub tasks: Mutex<Vec<Arc<Task>>>,
    /// What they are to do.
    pub group: Mutex<GroupState>,
    /// What signals do; shared by `CLONE_SIGHAND`.
    pub actions: Mutex<Arc<Mutex<Actions>>>,
    /// Signals that any thread may take.
    pub pending: Mutex<Pending>,
    /// Stopped threads wait here.
    pub resumed: WaitQueue,
    /// A thread that executes another program waits here for the others to end.
    pub alone: WaitQueue,
    /// How often it was sent `SIGCONT` or `SIGKILL`; changes under the lock of `group`. A stop signal that was taken before
    /// such a one came stops nothing.
    pub continues: AtomicU64,
    /// How many signals it was sent together with others; changes under the lock of [`crate::send_together`].
    pub group_signals: AtomicU64,
    /// Those who wait for children wait here.
    pub children: WaitQueue,
    /// Resource limits.
    pub limits: Mutex<Limits>,
    /// The program.
    pub executable: Mutex<Option<Path>>,
    /// Interval timers and the like.
    pub timers: Mutex<ProcessTimers>,
    /// Held while one of them expires, until its signal is sent.
    pub(crate) expiry: Mutex<()>,
    /// Use by threads that have ended.
    pub ended_usage: Mutex<Usage>,
    /// `PR_SET_DUMPABLE`.
    pub dumpable: AtomicBool,
    /// `oom_score_adj`.
    pub oom_score_adjustment: AtomicI32,
    /// `nice` value.
    pub nice: AtomicI32,
    /// `personality(2)`.
    pub persona: AtomicU64,
    /// When it started, monotonic.
    pub start_ns: u64,
    /// Where the text of its traced calls goes, if they are traced; inherited.
    pub trace: Mutex<Option<Arc<dyn TraceSink>>>,
    /// The host's session whose command it belongs to, or 0; inherited.
    pub host_session: AtomicU64,
    /// How its traps reach the personality: a [`TrapMechanism`] as number; inherited.
    pub(crate) trap_mechanism: AtomicU8,
}

impl Process {
    /// A process without threads.
    pub fn new(pid: Pid, limits: Limits, actions: Arc<Mutex<Actions>>) -> Self {
        Self {
            pid,
            tasks: Mutex::new(Vec::new()),
            group: Mutex::new(GroupState::default()),
            actions: Mutex::new(actions),
            pending: Mutex::new(Pending::default()),
            resumed: WaitQueue::new(),
            alone: WaitQueue::new(),
            continues: AtomicU64::new(0),
            group_signals: AtomicU64::new(0),
            children: WaitQueue::new(),
            limits: Mutex::new(limits),
            executable: Mutex::new(None),
            timers: Mutex::new(ProcessTimers::default()),
            expiry: Mutex::new(()),
            ended_usage: Mutex::new(Usage::default()),
            dumpable: AtomicBool::new(true),
            oom_score_adjustment: AtomicI32::new(0),
            nice: AtomicI32::new(0),
            persona: AtomicU64::new(0),
            start_ns: rt::time::now_ns(),
            trace: Mutex::new(None),
            host_session: AtomicU64::new(0),
            trap_mechanism: AtomicU8::new(TrapMechanism::Vcpu as u8),
        }
    }

    /// The dispositions.
    pub fn actions(&self) -> Arc<Mutex<Actions>> {
        self.actions.lock().clone()
    }

    /// Most signals that may be queued.
    pub fn signal_limit(&self) -> usize {
        let soft = self.limits.lock().0[raw::RLIMIT_SIGPENDING as usize].0;
        usize::try_from(soft).unwrap_or(usize::MAX).min(4096)
    }

    /// A snapshot of its threads.
    pub fn task_list(&self) -> Vec<Arc<Task>> {
        self.tasks.lock().clone()
    }

    /// The first thread, while there is one.
    pub fn first_task(&self) -> Option<Arc<Task>> {
        self.tasks.lock().first().cloned()
    }

    /// Tells all threads that there is something to attend to.
    pub fn notify_all(&self) {
        for task in self.task_list() {
            task.notify();
        }
    }

    /// Tells all threads but one.
    pub(crate) fn notify_others(&self, task: &Task) {
        for other in self.task_list() {
            if other.tid() != task.tid() {
                other.notify();
            }
        }
    }

    /// What it has used so far.
    pub fn usage(&self) -> Usage {
        let mut usage = *self.ended_usage.lock();
        for task in self.task_list() {
            usage.add(&task.usage());
        }
        usage
    }

    /// Whether it is on its way out.
    pub fn is_exiting(&self) -> bool {
        self.group.lock().exiting.is_some()
    }

    /// Whether tracing of calls is on.
    pub fn is_traced(&self) -> bool {
        self.trace.lock().is_some()
    }

    /// How its traps reach the personality.
    pub fn trap_mechanism(&self) -> TrapMechanism {
        TrapMechanism::from_number(self.trap_mechanism.load(Ordering::Acquire))
    }

    /// Sets how its traps reach the personality, from each thread's next trap on.
    pub fn set_trap_mechanism(&self, mechanism: TrapMechanism) {
        self.trap_mechanism.store(mechanism as u8, Ordering::Release);
        for task in self.task_list() {
            task.nudge();
        }
    }

    /// Sets the host's session.
    pub fn set_host_session(&self, session: u64) {
        self.host_session.store(session, Ordering::Relaxed);
    }
}
