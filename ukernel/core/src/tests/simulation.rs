//! A machine of hash maps, and a kernel on it with one task whose threads make system calls by function calls.

use core::any::Any;
use core::num::NonZeroU64;
use std::boxed::Box;
use std::collections::HashMap;
use std::vec::Vec;

use ukernel_abi::{Call, MessageInfo, ObjectType, PAGE_BYTES};

use crate::{Cap, CapTable, Kernel, LineMask, Machine, Object, PhysAddr, Ref, SchedContext, SlotRef, Thread};

/// Memory and clock.
#[derive(Default)]
pub struct Simulation {
    objects: HashMap<u64, Box<dyn Any>>,
    pages: HashMap<u64, Box<[u64; 512]>>,
    pub now: u64,
    pub deadline: u64,
    pub log: Vec<u8>,
}

impl Simulation {
    /// All objects that were ever made of a type, with their references.
    pub fn all<T: Object>(&self) -> impl Iterator<Item = (Ref<T>, &T)> {
        self.objects.iter().filter_map(|(address, object)| {
            let object = object.downcast_ref::<T>()?;
            Some((Ref::from_address(NonZeroU64::new(*address)?), object))
        })
    }
}

impl Machine for Simulation {
    fn get<T: Object>(&self, object: Ref<T>) -> &T {
        self.objects[&object.address()].downcast_ref().expect("a reference has its object's type")
    }
    fn get_mut<T: Object>(&mut self, object: Ref<T>) -> &mut T {
        let object = self.objects.get_mut(&object.address()).expect("a reference has an object");
        object.downcast_mut().expect("a reference has its object's type")
    }
    fn create<T: Object>(&mut self, at: PhysAddr, value: T) -> Ref<T> {
        self.objects.insert(at.0, Box::new(value));
        Ref::from_address(NonZeroU64::new(at.0).expect("memory does not start at zero"))
    }
    fn zero(&mut self, at: PhysAddr, bytes: u64) {
        for page in (at.0..at.0 + bytes).step_by(PAGE_BYTES as usize) {
            self.pages.remove(&page);
        }
    }
    fn copy(&mut self, from: PhysAddr, to: PhysAddr, bytes: u64) {
        let page = |at: PhysAddr| PhysAddr(at.0 & !(PAGE_BYTES - 1));
        let word = |at: PhysAddr| (at.0 % PAGE_BYTES / 8) as usize;
        for index in 0..(bytes / 8) as usize {
            let value = self.word(page(from), word(from) + index);
            self.set_word(page(to), word(to) + index, value);
        }
    }
    fn word(&self, page: PhysAddr, index: usize) -> u64 {
        self.pages.get(&page.0).map_or(0, |words| words[index])
    }
    fn set_word(&mut self, page: PhysAddr, index: usize, value: u64) {
        assert_eq!(page.0 % PAGE_BYTES, 0);
        self.pages.entry(page.0).or_insert_with(|| Box::new([0; 512]))[index] = value;
    }
    fn window(&self, page: PhysAddr) -> u64 {
        page.0
    }
    fn fill_kernel_half(&mut self, _: PhysAddr) {}
    fn invalidate(&mut self, _: u64) {}
    fn invalidate_all(&mut self) {}
    fn switch(&mut self, _: Option<Ref<Thread>>, _: Option<Ref<Thread>>) {}
    fn switch_plain(&mut self, _: Ref<Thread>, _: Ref<Thread>) {}
    fn reload(&mut self, _: Ref<Thread>) {}
    fn retire_root(&mut self) {}
    fn root_writes(&self) -> u64 {
        0
    }
    fn fast_entries(&self) -> u64 {
        0
    }
    fn save_bases(&mut self, _: Ref<Thread>) {}
    fn load_bases(&mut self, _: Ref<Thread>) {}
    fn reset_fpu(&mut self, _: Ref<Thread>) {}
    fn forget(&mut self, _: Ref<Thread>) {}
    fn now(&self) -> u64 {
        self.now
    }
    fn set_deadline(&mut self, tsc: u64) {
        self.deadline = tsc;
    }
    fn quantum(&self) -> u64 {
        1000
    }
    fn interrupt_pending(&mut self) -> bool {
        false
    }
    fn route_line(&mut self, line: u32, _: u8, _: bool, _: bool) -> bool {
        line < 24
    }
    fn mask_line(&mut self, _: u32, _: LineMask) {}
    fn message_for(&self, vector: u8) -> (u64, u64) {
        (0xfee0_0000, u64::from(vector))
    }
    fn end_of_interrupt(&mut self) {}
    fn port_in(&mut self, _: u16, _: u8) -> u32 {
        0
    }
    fn port_out(&mut self, _: u16, _: u8, _: u32) {}
    fn log(&mut self, bytes: &[u8]) {
        self.log.extend(bytes);
    }
}

/// Slot of the untyped.
pub const POT: u64 = 1;
/// Slot of the table.
pub const TABLE: u64 = 2;
/// Slot of a VSpace with tables.
pub const VSPACE: u64 = 3;
/// First free slot.
pub const FREE: u64 = 8;
const TABLE_BITS: u8 = 7;
const POT_BYTES: u64 = 1 << 20;

/// Which code makes system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// The fast path where it can, else the general code.
    Fast,
    /// The general code alone.
    General,
}

/// A kernel with one CapTable, one VSpace and as many threads as a test wants.
pub struct World {
    pub kernel: Kernel<Simulation>,
    pub table: Ref<CapTable>,
    pub path: Path,
    /// Calls that the fast path made.
    pub fast_calls: u64,
    next: u64,
}

impl World {
    pub fn new() -> Self {
        let mut kernel = Kernel::new(Simulation::default());
        let table = kernel.make_table(PhysAddr(0x10_0000), TABLE_BITS);
        let mut world = Self { kernel, table, path: Path::Fast, fast_calls: 0, next: 0x20_0000 };
        world.kernel.insert_root(world.slot(TABLE), Cap::CapTable(table));
        let pot = Cap::Untyped { base: PhysAddr(0x100_0000), bytes: POT_BYTES, used: 0, dirty: false };
        world.kernel.insert_root(world.slot(POT), pot);
        let vspace = world.kernel.make_vspace(PhysAddr(0x18_0000));
        world.kernel.insert_root(world.slot(VSPACE), Cap::VSpace(vspace));
        world.kernel.add_tables(vspace, PhysAddr(0x40_0000), 32);
        world
    }

    pub fn slot(&self, index: u64) -> SlotRef {
        self.kernel.get(self.table).slot(self.table, index).expect("a slot of the table")
    }

    pub fn cap(&self, index: u64) -> Cap {
        self.kernel.cap(self.slot(index))
    }

    /// A thread that can run, outside of the pot, with a message page.
    pub fn thread(&mut self, priority: u8) -> Ref<Thread> {
        let at = self.next;
        self.next += 0x4000;
        let thread = self.kernel.make_thread(PhysAddr(at));
        let time: Ref<SchedContext> = self.kernel.machine.create(PhysAddr(at + 0x1000), SchedContext::new());
        self.kernel.set_table(thread, self.slot(TABLE)).expect("the table is there");
        self.kernel.set_vspace(thread, self.slot(VSPACE)).expect("the VSpace is there");
        self.kernel.get_mut(thread).page = Some(PhysAddr(at + 0x2000));
        self.kernel.set_priority(thread, priority);
        self.kernel.bind_sched_context(time, thread);
        self.kernel.resume(thread);
        self.kernel.settle();
        thread
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

    /// An invocation.
    pub fn invoke(&mut self, thread: Ref<Thread>, cap: u64, method: u32, words: &[u64]) -> u64 {
        let page = self.kernel.get(thread).page.expect("test threads have pages");
        for (index, word) in words.iter().enumerate().skip(6) {
            self.kernel.machine.set_word(page, index, *word);
        }
        self.call(thread, Call::Invoke, cap, MessageInfo::new(method, words.len()), words)
    }

    /// Retype one object into a slot.
    pub fn make(&mut self, thread: Ref<Thread>, object: ObjectType, size: u64, slot: u64) -> u64 {
        self.invoke(thread, POT, ukernel_abi::invoke::untyped::RETYPE, &[object as u64, size, 1, slot, 0])
    }

    /// Make a thread the running one, whatever the scheduler would choose.
    fn run(&mut self, thread: Ref<Thread>) {
        if self.kernel.current == Some(thread) {
            return;
        }
        if let Some(current) = self.kernel.current.take() {
            self.kernel.enqueue(current, crate::scheduler::End::Front);
        }
        self.kernel.dequeue(thread);
        self.kernel.current = Some(thread);
        self.kernel.loaded = Some(thread);
    }
}
