//! A machine without hardware: objects in a store for each type, and pages as the words that are not zero.
//!
//! It is small and flat, so that copying a whole system costs a microsecond. A type of object that the kernel gains needs
//! its line in [`stores!`]. References to objects that are gone are found: [`Simulation::forget_dead`] removes those
//! objects, and whoever follows a stale reference panics.

use core::any::Any;
use core::num::NonZeroU64;
use std::vec::Vec;

use ukernel_abi::PAGE_BYTES;
use ukernel_abi::object::SLOT_BYTES;

use super::iommu::Iommu;
use super::processor::Processor;
use super::store::{Store, Words};
use crate::{
    Attachment, CapTable, Cpu, Endpoint, IoFault, IoMapping, IoSpace, IoTables, IoView, Irq, LineMask, Machine,
    Notification, Object, PhysAddr, Ref, RemoteCall, Reply, SchedContext, Slot, Source, Thread, Timer, VSpace, Vcpu,
};

/// The stores: name, type, bytes of an object with all that is inside it.
macro_rules! stores {
    ($($name:ident: $object:ty, $bytes:expr;)+) => {
        /// All objects. Those in `slots` are parts of others.
        #[derive(Clone, Debug, Default)]
        struct Objects {
            slots: Store<Slot>,
            $($name: Store<$object>,)+
        }

        impl Objects {
            // Which store it is the compiler knows: each of the comparisons is true or false in each use.
            #[inline]
            fn of<T: Object>(&self) -> &Store<T> {
                if let Some(store) = (&self.slots as &dyn Any).downcast_ref() {
                    return store;
                }
                $(if let Some(store) = (&self.$name as &dyn Any).downcast_ref() {
                    return store;
                })+
                unreachable!("there is a store for each type of object")
            }

            #[inline]
            fn of_mut<T: Object>(&mut self) -> &mut Store<T> {
                if let Some(store) = (&mut self.slots as &mut dyn Any).downcast_mut() {
                    return store;
                }
                $(if let Some(store) = (&mut self.$name as &mut dyn Any).downcast_mut() {
                    return store;
                })+
                unreachable!("there is a store for each type of object")
            }

            fn copy_from(&mut self, other: &Self) {
                let Self { slots, $($name),+ } = other;
                self.slots.copy_from(slots);
                $(self.$name.copy_from($name);)+
            }

            /// Address, bytes and number of capabilities of each object, slots aside.
            fn extents(&self, mut add: impl FnMut(u64, u64, u32)) {
                $(for (at, object) in self.$name.iter() {
                    let bytes: fn(&$object) -> u64 = $bytes;
                    add(at.address(), bytes(object), object.caps);
                })+
            }

            /// Whether no capability names some object.
            fn some_are_dead(&self) -> bool {
                false $(|| self.$name.iter().any(|(_, object)| object.caps == 0 && !object.is_unfinished()))+
            }

            /// Remove the objects that no capability names.
            fn forget_dead(&mut self) {
                $(self.$name.retain(|_, object| object.caps > 0 || object.is_unfinished());)+
            }
        }
    };
}

stores! {
    tables: CapTable, |table| (table.slots() + 1) * SLOT_BYTES;
    threads: Thread, |_| 2048;
    vspaces: VSpace, |_| 1024;
    endpoints: Endpoint, |_| 64;
    replies: Reply, |_| 64;
    notifications: Notification, |_| 64;
    sched_contexts: SchedContext, |_| 256;
    timers: Timer, |_| 128;
    vcpus: Vcpu, |_| 1024;
    attachments: Attachment, |_| 128;
    irqs: Irq, |_| 128;
    io_spaces: IoSpace, |_| 512;
    io_mappings: IoMapping, |_| 128;
}

/// Nanoseconds of a tick: few ticks are a budget, so that a model has few states.
pub const NS_PER_TICK: u64 = 1000;

/// Memory, clock, and whether an interrupt waits.
#[derive(Clone)]
pub struct Simulation {
    objects: Objects,
    words: Words,
    cpus: Vec<Cpu>,
    processors: Vec<Processor>,
    /// The processor that the kernel runs on now.
    pub here: usize,
    /// The time-stamp counter.
    pub now: u64,
    /// An interrupt waits to be handled, always.
    pub interrupt: bool,
    /// The IOMMU; as it starts there is none.
    pub iommu: Iommu,
}

impl Default for Simulation {
    fn default() -> Self {
        Self::with_cpus(1)
    }
}

impl Simulation {
    /// A machine with so many processors.
    #[must_use]
    pub fn with_cpus(count: u8) -> Self {
        Self {
            objects: Objects::default(),
            words: Words::default(),
            cpus: (0..count).map(Cpu::new).collect(),
            processors: (0..count).map(|_| Processor::default()).collect(),
            here: 0,
            now: 0,
            interrupt: false,
            iommu: Iommu::default(),
        }
    }

    /// Give it one more processor.
    pub fn add_cpu(&mut self) {
        self.cpus.push(Cpu::new(self.cpus.len() as u8));
        self.processors.push(Processor::default());
    }

    /// A processor as it is outside the kernel.
    #[must_use]
    pub fn processor(&self, index: usize) -> &Processor {
        &self.processors[index]
    }

    pub(super) fn processor_mut(&mut self, index: usize) -> &mut Processor {
        &mut self.processors[index]
    }

    /// The root that a thread's code translates through.
    pub(super) fn root_of(&self, thread: Ref<Thread>) -> PhysAddr {
        let t = self.get(thread);
        let foreign = t.vcpu.map(|vcpu| self.get(vcpu)).filter(|vcpu| vcpu.foreign != 0);
        foreign.map_or(t.root, |vcpu| PhysAddr(vcpu.legacy_root))
    }

    /// What happens from now on happens on this processor.
    pub fn go_to(&mut self, cpu: usize) {
        assert!(cpu < self.cpus.len(), "there is such a processor");
        self.here = cpu;
    }

    /// All objects of a type, with their references, in order of address.
    pub fn all<T: Object>(&self) -> impl Iterator<Item = (Ref<T>, &T)> {
        self.objects.of::<T>().iter()
    }

    /// Whether there is such an object.
    pub fn exists<T: Object>(&self, object: Ref<T>) -> bool {
        self.objects.of::<T>().get(object.address()).is_some()
    }

    /// Index and value of the words of a page that are not zero.
    pub fn words(&self, page: PhysAddr) -> impl Iterator<Item = (usize, u64)> {
        self.words.of_page(page.0).iter().map(|(address, value)| ((address % PAGE_BYTES / 8) as usize, *value))
    }

    /// Address and value of all words that are not zero.
    pub fn all_words(&self, mut add: impl FnMut(u64, u64)) {
        self.words.all().iter().for_each(|(address, value)| add(*address, *value));
    }

    /// Start and end of each object, with the slots inside it, in order of address.
    pub fn extents(&self) -> Vec<(u64, u64)> {
        let mut extents = Vec::with_capacity(32);
        self.objects.extents(|start, bytes, _| extents.push((start, start + bytes)));
        extents.sort_unstable();
        extents
    }

    /// The same, of objects that capabilities name: the others are taken apart before memory is used again.
    pub fn named_extents(&self) -> Vec<(u64, u64)> {
        let mut extents = Vec::new();
        self.objects.extents(|start, bytes, caps| extents.extend((caps > 0).then_some((start, start + bytes))));
        extents
    }

    /// Remove the objects that no capability names, and the slots inside them. Whoever follows a reference to one panics.
    pub fn forget_dead(&mut self) {
        if !self.objects.some_are_dead() {
            return;
        }
        self.objects.forget_dead();
        let alive = self.extents();
        self.objects.slots.retain(|address, _| {
            let next = alive.partition_point(|(start, _)| *start <= address);
            next.checked_sub(1).is_some_and(|index| address < alive[index].1)
        });
    }

    /// Become a copy.
    pub fn copy_from(&mut self, other: &Self) {
        let Self { objects, words, cpus, processors, here, now, interrupt, iommu } = other;
        self.objects.copy_from(objects);
        self.words.copy_from(words);
        self.cpus.clone_from(cpus);
        self.processors.clone_from(processors);
        self.here = *here;
        (self.now, self.interrupt) = (*now, *interrupt);
        self.iommu.clone_from(iommu);
    }
}

impl Machine for Simulation {
    const TRACES: bool = true;

    fn get<T: Object>(&self, object: Ref<T>) -> &T {
        self.objects.of::<T>().get(object.address()).expect("a reference has an object of its type")
    }
    fn get_mut<T: Object>(&mut self, object: Ref<T>) -> &mut T {
        self.objects.of_mut::<T>().get_mut(object.address()).expect("a reference has an object of its type")
    }
    fn create<T: Object>(&mut self, at: PhysAddr, value: T) -> Ref<T> {
        self.objects.of_mut::<T>().insert(at.0, value);
        Ref::from_address(NonZeroU64::new(at.0).expect("memory does not start at zero"))
    }
    fn create_slots(&mut self, at: PhysAddr, count: u64) {
        for index in 0..count {
            self.create(at.offset(index * SLOT_BYTES), Slot::default());
        }
    }
    fn cpu(&self) -> &Cpu {
        &self.cpus[self.here]
    }
    fn cpu_mut(&mut self) -> &mut Cpu {
        &mut self.cpus[self.here]
    }
    fn cpus(&self) -> usize {
        self.cpus.len()
    }
    fn cpu_at(&self, index: usize) -> &Cpu {
        &self.cpus[index]
    }
    fn cpu_at_mut(&mut self, index: usize) -> &mut Cpu {
        &mut self.cpus[index]
    }
    fn summon(&mut self, _: usize) {}
    fn call(&mut self, cpus: u32, what: RemoteCall) {
        assert_eq!(cpus & 1 << self.here, 0, "a processor does not call itself");
        let called = self.processors.iter_mut().enumerate().filter(|(index, _)| cpus & 1 << index != 0);
        called.for_each(|(_, processor)| processor.serve(what));
    }
    fn zero(&mut self, at: PhysAddr, bytes: u64) {
        self.words.zero(at.0, bytes);
    }
    fn copy(&mut self, from: PhysAddr, to: PhysAddr, bytes: u64) {
        for offset in (0..bytes).step_by(8) {
            self.words.set(to.0 + offset, self.words.get(from.0 + offset));
        }
    }
    fn word(&self, page: PhysAddr, index: usize) -> u64 {
        self.words.get(page.0 + index as u64 * 8)
    }
    fn set_word(&mut self, page: PhysAddr, index: usize, value: u64) {
        assert_eq!(page.0 % PAGE_BYTES, 0);
        assert!(index < 512, "a page has 512 words");
        self.words.set(page.0 + index as u64 * 8, value);
    }
    fn window(&self, page: PhysAddr) -> u64 {
        page.0
    }
    fn fill_kernel_half(&mut self, _: PhysAddr) {}
    fn invalidate(&mut self, address: u64) {
        self.processors[self.here].forget(address);
    }
    fn invalidate_all(&mut self) {
        self.processors[self.here].remembered.clear();
    }
    fn switch(&mut self, _: Option<Ref<Thread>>, to: Option<Ref<Thread>>) {
        self.processors[self.here].runs = to;
        if let Some(to) = to {
            self.reload(to);
        }
    }
    fn switch_plain(&mut self, from: Ref<Thread>, to: Ref<Thread>) {
        assert!(self.get(from).plain && self.get(to).plain, "more than registers is to be switched");
        self.switch(Some(from), Some(to));
    }
    fn reload(&mut self, thread: Ref<Thread>) {
        let root = self.root_of(thread);
        self.processors[self.here].load(root);
    }
    fn retire_root(&mut self) {
        self.processors[self.here].load(PhysAddr(0));
    }
    fn root_writes(&self) -> u64 {
        0
    }
    fn fast_entries(&self) -> u64 {
        0
    }
    fn set_tracing(&mut self, _: bool) {}
    fn save_bases(&mut self, _: Ref<Thread>) {}
    fn load_bases(&mut self, _: Ref<Thread>) {}
    fn reset_fpu(&mut self, _: Ref<Thread>) {}
    fn forget(&mut self, _: Ref<Thread>) {}
    fn now(&self) -> u64 {
        self.now
    }
    fn set_deadline(&mut self, _: u64) {}
    fn ticks(&self, nanoseconds: u64) -> u64 {
        nanoseconds / NS_PER_TICK
    }
    fn nanoseconds(&self, ticks: u64) -> u64 {
        ticks.saturating_mul(NS_PER_TICK)
    }
    fn quantum(&self) -> u64 {
        1000
    }
    fn interrupt_pending(&mut self) -> bool {
        self.interrupt
    }
    fn route_line(&mut self, line: u32, _: u8, _: bool, _: bool) -> bool {
        line < 24
    }
    fn mask_line(&mut self, _: u32, _: LineMask) {}
    fn message_for(&mut self, vector: u8, _: Source) -> (u64, u64) {
        (0xfee0_0000, u64::from(vector))
    }
    fn forget_vector(&mut self, _: u8) {}
    fn io_tables(&self) -> Option<IoTables> {
        self.iommu.tables
    }
    fn io_domains(&self) -> u16 {
        256
    }
    fn publish_io_table(&mut self, _: PhysAddr) {}
    fn set_io_words(&mut self, table: PhysAddr, first: usize, words: impl Iterator<Item = u64>) {
        words.enumerate().for_each(|(offset, word)| self.set_word(table, first + offset, word));
    }
    fn set_io_view(&mut self, source: Source, view: IoView) -> bool {
        self.iommu.set_view(source, view)
    }
    fn io_added(&mut self, _: u16) {}
    fn io_removed(&mut self, domain: u16) {
        self.iommu.flushed = Some(domain);
    }
    fn take_io_fault(&mut self) -> Option<IoFault> {
        self.iommu.fault.take()
    }
    fn end_of_interrupt(&mut self) {}
    fn port_in(&mut self, _: u16, _: u8) -> u32 {
        0
    }
    fn port_out(&mut self, _: u16, _: u8, _: u32) {}
    fn log(&mut self, _: &[u8]) {}
}
