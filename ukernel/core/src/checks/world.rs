//! A kernel with one CapTable, one VSpace and as many threads as wanted, which make system calls by function calls.
//!
//! What the kernel itself would hold at boot is in a table of its own that no thread reaches, so that each object is named
//! by a capability.

use std::vec;
use std::vec::Vec;

use ukernel_abi::{Call, MessageInfo, ObjectType, PAGE_BYTES};

use super::invariants::spaces::{living, table_pages};
use super::simulation::Simulation;
use super::step::Step;
use crate::run_queue::End;
use crate::vcpu::PAGE_FAULT;
use crate::{
    Cap, CapTable, Context, IoTables, Kernel, Machine, PhysAddr, Ref, SchedContext, SlotRef, State, Thread, Vcpu,
};

/// Slot of the untyped.
pub const POT: u64 = 1;
/// Slot of the table.
pub const TABLE: u64 = 2;
/// Slot of a VSpace with tables.
pub const VSPACE: u64 = 3;
/// First free slot.
pub const FREE: u64 = 8;
/// Where the untyped starts.
pub const POT_BASE: u64 = 0x100_0000;
const POT_BYTES: u64 = 1 << 20;
const TABLE_BITS: u8 = 7;
/// Where the table that nobody reaches is, and log2 of its slots.
const BOOT_TABLE: (u64, u8) = (0x8_0000, 4);
/// Page-table pages of the VSpace.
const TABLES: u64 = 32;

/// Which code makes system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// The fast path where it can, else the general code.
    Fast,
    /// The general code alone.
    General,
}

/// A kernel, and what a test knows of it.
#[derive(Clone)]
pub struct World {
    /// The kernel.
    pub kernel: Kernel<Simulation>,
    /// The CapTable of all threads.
    pub table: Ref<CapTable>,
    /// The threads, in the order in which they were made.
    pub threads: Vec<Ref<Thread>>,
    /// The call that each thread has come some way with and will make again.
    pub(super) unfinished: Vec<Option<Step>>,
    /// What each processor waits for the kernel with.
    pub(super) doors: Vec<Option<Step>>,
    /// Which code makes system calls.
    pub path: Path,
    /// Calls that the fast path made.
    pub fast_calls: u64,
    boot: Ref<CapTable>,
    next: u64,
    boot_slots: u64,
    /// VSpaces that had tables when the world was last tidied.
    spaces: usize,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A world without threads.
    #[must_use]
    pub fn new() -> Self {
        Self::sized(TABLE_BITS, POT_BYTES, TABLES)
    }

    /// A world with a table of 2^`bits` slots, so many bytes of untyped memory, and so many page-table pages.
    #[must_use]
    pub fn sized(bits: u8, pot_bytes: u64, tables: u64) -> Self {
        Self::with_cpus(1, bits, pot_bytes, tables)
    }

    /// The same on so many processors.
    #[must_use]
    pub fn with_cpus(cpus: u8, bits: u8, pot_bytes: u64, tables: u64) -> Self {
        let mut kernel = Kernel::new(Simulation::with_cpus(cpus));
        let boot = kernel.make_table(PhysAddr(BOOT_TABLE.0), BOOT_TABLE.1);
        let table = kernel.make_table(PhysAddr(0x10_0000), bits);
        let mut world = Self {
            kernel,
            table,
            threads: Vec::new(),
            unfinished: Vec::new(),
            doors: vec![None; cpus.into()],
            path: Path::Fast,
            fast_calls: 0,
            boot,
            next: 0x20_0000,
            boot_slots: 0,
            spaces: 0,
        };
        world.keep(Cap::CapTable(boot));
        world.kernel.insert_root(world.slot(TABLE), Cap::CapTable(table));
        let pot = Cap::Untyped { base: PhysAddr(POT_BASE), bytes: pot_bytes, used: 0, dirty: false, cleared: 0 };
        world.kernel.insert_root(world.slot(POT), pot);
        let vspace = world.kernel.make_vspace(PhysAddr(0x18_0000));
        world.kernel.insert_root(world.slot(VSPACE), Cap::VSpace(vspace));
        world.kernel.add_tables(vspace, PhysAddr(0x40_0000), tables);
        world
    }

    /// Hold a capability where no thread reaches it.
    fn keep(&mut self, cap: Cap) -> SlotRef {
        let slot = self.kernel.get(self.boot).slot(self.boot, self.boot_slots).expect("the boot table is large enough");
        self.boot_slots += 1;
        self.kernel.insert_root(slot, cap);
        slot
    }

    /// A slot of the table.
    #[must_use]
    pub fn slot(&self, index: u64) -> SlotRef {
        self.kernel.get(self.table).slot(self.table, index).expect("a slot of the table")
    }

    /// The capability in a slot of the table.
    #[must_use]
    pub fn cap(&self, index: u64) -> Cap {
        self.kernel.cap(self.slot(index))
    }

    /// A thread that can run, outside of the pot, with a message page.
    pub fn thread(&mut self, priority: u8) -> Ref<Thread> {
        let at = self.next;
        self.next += 0x4000;
        let thread = self.kernel.make_thread(PhysAddr(at));
        let time: Ref<SchedContext> = self.kernel.machine.create(PhysAddr(at + 0x1000), SchedContext::new());
        self.keep(Cap::Thread(thread));
        self.keep(Cap::SchedContext(time));
        self.kernel.set_table(thread, self.slot(TABLE)).expect("the table is there");
        self.kernel.set_vspace(thread, self.slot(VSPACE)).expect("the VSpace is there");
        self.kernel.get_mut(thread).page = Some(PhysAddr(at + 0x2000));
        self.kernel.set_priority(thread, priority);
        self.kernel.bind_sched_context(time, thread);
        self.kernel.resume(thread);
        self.kernel.settle();
        self.threads.push(thread);
        self.unfinished.push(None);
        thread
    }

    /// Put a capability to a thread into a slot of the table.
    pub fn give_thread(&mut self, thread: Ref<Thread>, slot: u64) {
        let slot = self.slot(slot);
        self.kernel.insert_root(slot, Cap::Thread(thread));
    }

    /// Put a capability to a thread's scheduling context into a slot of the table.
    pub fn give_time(&mut self, thread: Ref<Thread>, slot: u64) {
        let time = self.kernel.get(thread).sched_context.expect("threads of a world have time");
        let slot = self.slot(slot);
        self.kernel.insert_root(slot, Cap::SchedContext(time));
    }

    /// Give the machine an IOMMU, and put the right to give devices their IoSpaces into a slot of the table.
    pub fn give_devices(&mut self, slot: u64) {
        self.kernel.machine.iommu.tables = Some(IoTables { levels: 3, large_pages: true });
        let slot = self.slot(slot);
        self.kernel.insert_root(slot, Cap::IoControl);
    }

    /// Let a thread use another table from now on: the one in this slot.
    pub fn move_thread(&mut self, thread: Ref<Thread>, table: u64) {
        let slot = self.slot(table);
        self.kernel.set_table(thread, slot).expect("the slot holds a table");
    }

    /// Whether a thread can make a system call now.
    #[must_use]
    pub fn can_run(&self, thread: Ref<Thread>) -> bool {
        self.kernel.get(thread).runnable()
    }

    /// A thread's state.
    #[must_use]
    pub fn state(&self, thread: Ref<Thread>) -> State {
        self.kernel.get(thread).state
    }

    /// Let `thread` be the running one and make a system call; returns what is in `rax` afterwards.
    pub fn call(&mut self, thread: Ref<Thread>, call: Call, cap: u64, info: MessageInfo, words: &[u64]) -> u64 {
        self.run(thread);
        let context = &mut self.kernel.get_mut(thread).context;
        (context.rax, context.rdi, context.rsi) = (call as u64, cap, info.0);
        for (word, value) in context.words.iter_mut().zip(words) {
            *word = *value;
        }
        if self.path == Path::Fast && self.kernel.fast_system_call() {
            self.fast_calls += 1;
        } else {
            self.kernel.general_system_call();
        }
        self.kernel.settle();
        self.kernel.get(thread).context.rax
    }

    /// How many processors there are.
    #[must_use]
    pub fn cpus(&self) -> u64 {
        self.kernel.machine.cpus() as u64
    }

    /// Whether a thread may be the next to make a system call: it can, and nobody of higher priority could.
    #[must_use]
    pub fn may_be_next(&self, thread: Ref<Thread>) -> bool {
        let t = self.kernel.get(thread);
        let others = || self.threads.iter().map(|other| self.kernel.get(*other));
        let comes_first = |other: &Thread| other.home == t.home && other.priority > t.priority;
        t.runnable() && !others().any(|other| other.runnable() && comes_first(other))
    }

    /// So much time passes; on each processor the timer interrupts if it is set to that.
    pub fn tick(&mut self, ticks: u64) {
        self.kernel.machine.now += ticks;
        for cpu in 0..self.kernel.machine.cpus() {
            // Who waits for the kernel takes its interrupts behind that.
            if self.doors[cpu].is_none() {
                self.kernel.machine.go_to(cpu);
                self.take_timer_interrupt();
            }
        }
    }

    /// The timer interrupts here, if it is set to that; the processor chooses who goes on.
    pub(super) fn take_timer_interrupt(&mut self) {
        if self.kernel.cpu().programmed <= self.kernel.machine.now {
            self.kernel.timer_interrupt();
        }
        self.kernel.settle();
    }

    /// Let `thread` be the running one and touch memory that is not there.
    pub fn fault(&mut self, thread: Ref<Thread>) {
        self.run(thread);
        self.kernel.exception(PAGE_FAULT, 0, 0x1000);
        self.kernel.settle();
    }

    /// Let a thread's faults go to the endpoint in a slot of the table.
    pub fn handle_faults(&mut self, thread: Ref<Thread>, slot: u64) {
        let slot = self.slot(slot);
        self.kernel.set_fault_endpoint(thread, Some(slot)).expect("the slot holds an endpoint to send to");
    }

    /// An invocation.
    pub fn invoke(&mut self, thread: Ref<Thread>, cap: u64, method: u32, words: &[u64]) -> u64 {
        let page = self.page(thread);
        for (index, word) in words.iter().enumerate().skip(6) {
            self.kernel.machine.set_word(page, index, *word);
        }
        self.call(thread, Call::Invoke, cap, MessageInfo::new(method, words.len()), words)
    }

    /// Retype one object into a slot.
    pub fn make(&mut self, thread: Ref<Thread>, object: ObjectType, size: u64, slot: u64) -> u64 {
        self.invoke(thread, POT, ukernel_abi::invoke::untyped::RETYPE, &[object as u64, size, 1, slot, 0])
    }

    /// A thread's message page.
    #[must_use]
    pub fn page(&self, thread: Ref<Thread>) -> PhysAddr {
        self.kernel.get(thread).page.expect("threads of a world have pages")
    }

    /// Make a thread the running one, whatever the scheduler would choose: a timer interrupt can come at any time.
    pub(crate) fn run(&mut self, thread: Ref<Thread>) {
        if self.kernel.current() == Some(thread) {
            return;
        }
        self.kernel.charge();
        if let Some(current) = self.kernel.cpu_mut().current.take() {
            self.kernel.enqueue(current, End::Front);
        }
        self.kernel.dequeue(thread);
        let active = self.kernel.get(thread).vspace;
        let loaded = self.kernel.cpu().loaded;
        self.kernel.machine.switch(loaded, Some(thread));
        let cpu = self.kernel.cpu_mut();
        (cpu.current, cpu.loaded, cpu.active) = (Some(thread), Some(thread), active);
        self.kernel.start_account();
    }

    /// Forget what no thread will look at: registers and message pages of threads that do not wait to send (a program fills
    /// them before each call), and objects that are gone.
    pub fn tidy(&mut self) {
        for index in 0..self.threads.len() {
            let thread = self.threads[index];
            let kept = self.is_foreign(thread)
                || self.is_at_a_door(thread)
                || matches!(self.state(thread), State::Sending { .. });
            if !kept {
                self.kernel.get_mut(thread).context = Context::new();
                let page = self.page(thread);
                self.kernel.machine.zero(page, PAGE_BYTES);
            }
        }
        self.kernel.machine.forget_dead();
        let spaces = living(&self.kernel).count();
        if spaces != self.spaces {
            self.spaces = spaces;
            self.forget_pages();
        }
    }

    /// Forget what is in pages that are no page tables (any more) and that no thread has: it is zeroed before it is used.
    fn forget_pages(&mut self) {
        let mut kept: Vec<u64> = table_pages(&self.kernel).into_iter().map(|(page, _)| page).collect();
        kept.extend(self.threads.iter().map(|thread| self.page(*thread).0));
        kept.extend(self.kernel.machine.all::<Vcpu>().filter_map(|(_, vcpu)| vcpu.page).map(|page| page.0));
        let mut gone = Vec::new();
        self.kernel.machine.all_words(|address, _| gone.push(address & !(PAGE_BYTES - 1)));
        gone.dedup();
        for page in gone.into_iter().filter(|page| !kept.contains(page)) {
            self.kernel.machine.zero(PhysAddr(page), PAGE_BYTES);
        }
    }

    /// Become a copy of another world, in the memory that is there.
    pub fn copy_from(&mut self, other: &Self) {
        self.kernel.copy_from(&other.kernel);
        self.threads.clone_from(&other.threads);
        self.unfinished.clone_from(&other.unfinished);
        self.doors.clone_from(&other.doors);
        (self.table, self.path, self.fast_calls) = (other.table, other.path, other.fast_calls);
        (self.boot, self.next) = (other.boot, other.next);
        (self.boot_slots, self.spaces) = (other.boot_slots, other.spaces);
    }
}

impl Kernel<Simulation> {
    /// Become a copy.
    fn copy_from(&mut self, other: &Self) {
        let Self { machine, vectors, idle, stale, dead, ring, trace_slot, threads_made, threads, counters, io_spaces } =
            other;
        self.machine.copy_from(machine);
        (self.vectors, self.dead, self.counters) = (*vectors, *dead, *counters);
        (self.idle, self.stale) = (*idle, *stale);
        (self.ring, self.trace_slot, self.threads_made) = (*ring, *trace_slot, *threads_made);
        self.io_spaces.clone_from(io_spaces);
        self.threads = *threads;
    }
}
