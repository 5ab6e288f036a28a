//! Who runs: priorities and quanta. Within a priority the order is round robin by quanta. `run_queue` has who waits for a turn,
//! `lending` who has which scheduling context, and `budget` counts the time.

use ukernel_abi::trace::Kind;

use crate::context::Resume;
use crate::cpu::NOWHERE;
use crate::fault::DEBUG;
use crate::run_queue::End;
use crate::trace::Event;
use crate::{Kernel, Machine, Ref, State, Thread};

impl<M: Machine> Kernel<M> {
    /// A blocked or stopped thread can go on.
    pub(crate) fn make_ready(&mut self, thread: Ref<Thread>) {
        self.get_mut(thread).state = State::Ready;
        self.enqueue_waiting(thread);
    }

    /// Put a thread that may be able to run into its run queue, unless it runs.
    pub(crate) fn enqueue_waiting(&mut self, thread: Ref<Thread>) {
        if !self.is_running(thread) {
            self.enqueue(thread, End::Back);
        }
    }

    /// A thread's scheduling context or root is another, or has other properties. The thread is in no run queue.
    pub(crate) fn note_home(&mut self, thread: Ref<Thread>) {
        let t = self.get(thread);
        let (mut home, mut fast_home, mut limited) = (NOWHERE, NOWHERE, false);
        if let Some(context) = t.sched_context.filter(|_| t.root.0 != 0) {
            let c = self.get(context);
            limited = c.limit.is_some();
            home = if c.waiting { NOWHERE } else { c.cpu };
            fast_home = if limited || t.foreign { NOWHERE } else { c.cpu };
        }
        let t = self.get_mut(thread);
        (t.home, t.fast_home, t.limited) = (home, fast_home, limited);
    }

    /// A thread can go on and, where nobody of higher priority waits, does so at once in place of the current one, which
    /// has just blocked.
    pub(crate) fn hand_over(&mut self, thread: Ref<Thread>) {
        let t = self.get_mut(thread);
        t.state = State::Ready;
        self.fetch(thread);
        let here = self.cpu();
        let t = self.get(thread);
        if t.home == here.index && i32::from(t.priority) >= here.run_queues.highest() {
            self.cpu_mut().current = Some(thread);
        } else {
            self.enqueue(thread, End::Back);
        }
    }

    /// Pick the thread to run and load it; the last step of every kernel entry. `None`: nobody can run.
    pub fn settle(&mut self) -> Option<Ref<Thread>> {
        if self.cpu().account.busy {
            self.charge();
        }
        self.cpu_mut().summoned = false;
        self.choose();
        let (loaded, current) = (self.cpu().loaded, self.cpu().current);
        if current != loaded {
            self.counters.switches += 1;
            self.trace(move |_| Event { other: loaded, ..Event::new(Kind::Schedule, current) });
            self.machine.switch(loaded, current);
            self.cpu_mut().loaded = current;
            if let Some(thread) = current {
                self.cpu_mut().active = self.get(thread).vspace;
                if self.get(thread).context.resume == Resume::STEPPED {
                    return self.tell_step();
                }
            }
        }
        let limited = current.is_some_and(|thread| self.get(thread).limited);
        if limited || self.cpu().account.busy {
            self.start_account();
        }
        current
    }

    /// Let the running thread go on, or another one if it cannot or that is more urgent.
    #[inline(always)]
    fn choose(&mut self) {
        let highest = self.cpu().run_queues.highest();
        if let Some(thread) = self.cpu().current {
            let t = self.get(thread);
            if t.state == State::Ready && t.home == self.cpu().index {
                if i32::from(t.priority) >= highest {
                    return;
                }
                self.enqueue(thread, End::Front);
            } else if t.runnable() {
                self.enqueue(thread, End::Back);
            }
        }
        self.pick(highest);
    }

    /// The thread that was to go on has made a step of which nobody was told yet; who runs then.
    #[cold]
    #[inline(never)]
    fn tell_step(&mut self) -> Option<Ref<Thread>> {
        self.exception(DEBUG, 0, 0);
        self.settle()
    }

    /// This processor is about to halt for want of a thread.
    pub fn begin_idle(&mut self) {
        self.counters.halted += 1;
        self.counters.idle = self.counters.idle.wrapping_sub(self.machine.now());
    }

    /// This processor is not halted any more.
    pub fn end_idle(&mut self) {
        self.counters.halted -= 1;
        self.counters.idle = self.counters.idle.wrapping_add(self.machine.now());
    }

    /// How long processors were halted until now, in ticks, all of them together.
    pub(crate) fn idle_time(&self) -> u64 {
        self.counters.idle.wrapping_add(self.counters.halted.wrapping_mul(self.machine.now()))
    }

    fn pick(&mut self, highest: i32) {
        let chosen = match usize::try_from(highest) {
            Ok(priority) => self.take_first(priority),
            Err(_) => self.steal(),
        };
        self.cpu_mut().current = chosen;
        self.note_idle();
        if chosen.is_some() {
            self.start_quantum();
        }
    }

    /// Begin a quantum: somebody else's turn comes after it.
    #[inline(always)]
    pub(crate) fn start_quantum(&mut self) {
        let now = self.machine.now();
        // A quantum may be short by what is left of the one before: that saves setting the timer at each switch.
        if self.cpu().quantum_end <= now {
            self.cpu_mut().quantum_end = now.saturating_add(self.machine.quantum());
        }
        if self.cpu().programmed > self.cpu().quantum_end {
            self.program_timer();
        }
    }

    /// The quantum is over: let the next thread of the same priority run.
    pub(crate) fn end_quantum(&mut self, now: u64) {
        self.cpu_mut().quantum_end = now.saturating_add(self.machine.quantum());
        if let Some(thread) = self.cpu().current
            && self.get(thread).runnable()
        {
            let priority = i32::from(self.get(thread).priority);
            if self.cpu().run_queues.highest() >= priority {
                self.enqueue(thread, End::Back);
                self.cpu_mut().current = None;
            }
        }
    }

    /// The running thread gives way to others of its priority; limited time is over until its refill.
    pub(crate) fn yield_now(&mut self, thread: Ref<Thread>) {
        if self.cpu().account.busy {
            self.give_up_budget();
        }
        let equals = self.cpu().run_queues.highest() >= i32::from(self.get(thread).priority);
        if equals && self.cpu().current == Some(thread) {
            self.enqueue(thread, End::Back);
            self.cpu_mut().current = None;
        }
    }

    /// Change a thread's priority.
    pub(crate) fn set_priority(&mut self, thread: Ref<Thread>, priority: u8) {
        self.dequeue(thread);
        self.get_mut(thread).priority = priority;
        if self.is_running(thread) {
            let home = self.get(thread).home;
            if home != NOWHERE {
                self.summon(home);
            }
        } else {
            self.enqueue(thread, End::Back);
        }
    }
}
