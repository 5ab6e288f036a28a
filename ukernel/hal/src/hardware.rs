//! The machine that the kernel's logic runs on.

use ukernel_core::{
    Cpu, Fpu, IoFault, IoTables, IoView, LineMask, MAX_CPUS, Machine, Object, PhysAddr, Ref, RemoteCall, Source, Thread,
};

use crate::apic::{self, CALL_VECTOR, IoApic, LocalApic, MAX_IO_APICS, SUMMONS_VECTOR};
use crate::object_store::{self, physical_to_virtual};
use crate::processors::Starter;
use crate::vtd::{self, Iommu, Remapped, Trigger};
use crate::{clock, cpu, entry, log, port, remote};

/// First entry of the kernel's half of a root page table: slot 256 belongs to masters.
const KERNEL_HALF: core::ops::Range<usize> = 257..512;
/// A scheduling quantum, in milliseconds.
const QUANTUM_MS: u64 = 5;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// The processor, its interrupt controllers and all memory, for a kernel that traces or not; in memory both are the same.
#[repr(C)]
pub struct Hardware<const TRACES: bool = false> {
    local_apic: LocalApic,
    io_apics: [Option<IoApic>; MAX_IO_APICS],
    /// Where the machine has one; and how each I/O APIC names itself to it.
    iommu: Option<(Iommu, [Source; MAX_IO_APICS])>,
    time_stamp_hz: u64,
    /// A root without user mappings.
    kernel_root: PhysAddr,
    /// How many processors there are.
    cpus: usize,
}

impl<const TRACES: bool> Hardware<TRACES> {
    /// The machine, once its parts are found; the root in use now becomes the kernel's own.
    pub fn new(local_apic: LocalApic, io_apics: [Option<IoApic>; MAX_IO_APICS], time_stamp_hz: u64) -> Self {
        let kernel_root = cpu::root();
        remote::set_kernel_root(kernel_root);
        apic::set_id(0, local_apic.id() as u8);
        Self { local_apic, io_apics, iommu: None, time_stamp_hz, kernel_root, cpus: 1 }
    }

    /// Let devices be held by the IOMMU from now on; `io_apics` says how the I/O APICs name themselves to it.
    pub fn set_iommu(&mut self, iommu: Iommu, io_apics: [Source; MAX_IO_APICS]) {
        self.iommu = Some((iommu, io_apics));
    }

    /// Translate through this root, or through the kernel's own for 0.
    fn set_root(&mut self, root: PhysAddr) {
        let root = if root == PhysAddr(0) { self.kernel_root } else { root };
        // The processor is asked, since the entry code changes the root as well when a Vcpu is entered or left.
        if cpu::root() != root {
            cpu::set_root(root);
        }
    }

    /// Start the other processors, with these local APICs; each goes on in `main`, when it gets the big lock. `page`: four pages
    /// of RAM below 1 MiB, used meanwhile. Stops at one that does not start.
    pub fn start_processors(&mut self, apic_ids: impl Iterator<Item = u8>, page: PhysAddr, main: extern "C" fn() -> !) {
        let own = self.local_apic.id() as u8;
        let mut starter = Starter::new(self.local_apic, self.time_stamp_hz, self.kernel_root, page, main);
        for id in apic_ids.filter(|id| *id != own) {
            if self.cpus == MAX_CPUS {
                return;
            }
            // It may wait for the lock before `start` has returned.
            apic::set_id(self.cpus, id);
            if !starter.start(self.cpus, id) {
                return;
            }
            self.cpus += 1;
        }
    }

    /// The processor this runs on has just started, and has the big lock.
    pub fn join(&mut self) {
        assert!(cpu::index() < self.cpus, "a processor started too late");
        cpu::set_root(self.kernel_root);
        self.local_apic.join();
    }

    /// The registers of the FPU become those that the thread, about to run, is to find.
    fn load_fpu(&mut self, thread: Ref<Thread>) {
        let holder = match self.get(thread).fpu {
            Fpu::Eager => thread,
            Fpu::Of(holder) if self.get(holder).fpu == Fpu::Eager => holder,
            Fpu::None | Fpu::Of(_) => return cpu::fpu().forbid(),
        };
        let here = cpu::index() as u8;
        cpu::fpu().load(holder, &mut self.get_mut(holder).fpu_cpu, here);
    }

    /// Unmap a page of the kernel's image, for a guard.
    pub fn unmap_kernel_page(&mut self, address: u64) {
        let mut table = self.kernel_root;
        for level in (2..=4).rev() {
            let entry = self.word(table, index(level, address));
            assert!(entry & 0x81 == 1, "the kernel's image is mapped by small pages");
            table = PhysAddr(entry & 0x000f_ffff_ffff_f000);
        }
        self.set_word(table, index(1, address), 0);
        self.invalidate(address);
    }

    /// Remove the loader's mappings from the lower half.
    pub fn drop_lower_half(&mut self) {
        for place in 0..256 {
            self.set_word(self.kernel_root, place, 0);
        }
        cpu::set_root(self.kernel_root);
    }
}

/// Whether the thread has a `gs` base of its own.
pub(crate) fn keeps_gs(thread: &Thread) -> bool {
    thread.foreign || thread.vcpu.is_some()
}

/// `value * to / from`, at most `u64::MAX`.
fn scaled(value: u64, to: u64, from: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(to) / u128::from(from.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

fn index(level: u32, address: u64) -> usize {
    (address >> (12 + 9 * (level - 1))) as usize & 511
}

impl<const TRACES: bool> Machine for Hardware<TRACES> {
    const TRACES: bool = TRACES;

    #[inline(always)]
    fn get<T: Object>(&self, object: Ref<T>) -> &T {
        object_store::get(object)
    }

    #[inline(always)]
    fn get_mut<T: Object>(&mut self, object: Ref<T>) -> &mut T {
        object_store::get_mut(object)
    }

    fn create<T: Object>(&mut self, at: PhysAddr, value: T) -> Ref<T> {
        object_store::create(at, value)
    }

    // `Slot` and `Cap` have layouts that say that zeros are an empty one.
    fn create_slots(&mut self, _: PhysAddr, _: u64) {}

    #[inline(always)]
    fn cpu(&self) -> &Cpu {
        cpu::kernel_part()
    }

    #[inline(always)]
    fn cpu_mut(&mut self) -> &mut Cpu {
        cpu::kernel_part_mut()
    }

    fn cpus(&self) -> usize {
        self.cpus
    }

    fn cpu_at(&self, index: usize) -> &Cpu {
        cpu::kernel_part_of(index)
    }

    fn cpu_at_mut(&mut self, index: usize) -> &mut Cpu {
        cpu::kernel_part_of_mut(index)
    }

    fn summon(&mut self, cpu: usize) {
        apic::interrupt(cpu, SUMMONS_VECTOR);
    }

    fn call(&mut self, cpus: u32, what: RemoteCall) {
        remote::begin(cpus, what);
        for cpu in (0..self.cpus).filter(|cpu| cpus & 1 << cpu != 0) {
            apic::interrupt(cpu, CALL_VECTOR);
        }
        remote::wait();
    }

    fn zero(&mut self, at: PhysAddr, bytes: u64) {
        object_store::zero(at, bytes);
    }

    fn copy(&mut self, from: PhysAddr, to: PhysAddr, bytes: u64) {
        object_store::copy(from, to, bytes);
    }

    #[inline(always)]
    fn word(&self, page: PhysAddr, index: usize) -> u64 {
        object_store::word(page, index)
    }

    #[inline(always)]
    fn set_word(&mut self, page: PhysAddr, index: usize, value: u64) {
        object_store::set_word(page, index, value);
    }

    fn window(&self, page: PhysAddr) -> u64 {
        physical_to_virtual(page)
    }

    fn fill_kernel_half(&mut self, root: PhysAddr) {
        for place in KERNEL_HALF {
            let entry = self.word(self.kernel_root, place);
            self.set_word(root, place, entry);
        }
    }

    fn invalidate(&mut self, address: u64) {
        x86_64::instructions::tlb::flush(x86_64::VirtAddr::new_truncate(address));
    }

    fn invalidate_all(&mut self) {
        cpu::set_root(cpu::root());
    }

    // Only foreign threads and those with a Vcpu keep a `gs` base of their own: the others find it zero, and what they set is
    // lost.
    fn switch(&mut self, from: Option<Ref<Thread>>, to: Option<Ref<Thread>>) {
        let mut from_gs = false;
        if let Some(from) = from {
            let t = self.get_mut(from);
            t.context.fs_base = cpu::fs_base();
            from_gs = keeps_gs(t);
            if from_gs {
                t.context.gs_base = cpu::gs_base();
            }
        }
        if self.cpus > 1 {
            cpu::fpu().store();
        }
        if let Some(to) = to {
            self.reload(to);
            let t = self.get(to);
            cpu::set_fs_base(t.context.fs_base);
            if keeps_gs(t) || from_gs {
                cpu::set_gs_base(if keeps_gs(t) { t.context.gs_base } else { 0 });
            }
            self.load_fpu(to);
        }
    }

    // Nothing of a plain thread is in the processor but `fs` and the root: with the one that leaves, FPU instructions trap and
    // no Vcpu is known to the entry code, and so it stays.
    #[inline(always)]
    fn switch_plain(&mut self, from: Ref<Thread>, to: Ref<Thread>) {
        let f = self.get_mut(from);
        f.context.fs_base = cpu::fs_base();
        let old_root = f.root;
        let t = self.get_mut(to);
        cpu::set_fs_base(t.context.fs_base);
        cpu::set_context(&raw mut t.context);
        let root = t.root;
        if root != old_root {
            cpu::set_root(root);
        }
    }

    fn reload(&mut self, thread: Ref<Thread>) {
        let t = self.get_mut(thread);
        let context = &raw mut t.context;
        let (vcpu, mut root) = (t.vcpu, t.root);
        let mut block = None;
        if let Some(vcpu) = vcpu {
            let v = self.get_mut(vcpu);
            block = Some(&raw mut *v);
            if v.foreign != 0 {
                root = PhysAddr(v.legacy_root);
            }
        }
        cpu::set_running(context, block);
        self.set_root(root);
    }

    fn retire_root(&mut self) {
        self.set_root(self.kernel_root);
    }

    fn root_writes(&self) -> u64 {
        (0..self.cpus).map(cpu::root_writes).sum()
    }

    fn fast_entries(&self) -> u64 {
        (0..self.cpus).map(cpu::fast_entries).sum()
    }

    fn set_tracing(&mut self, on: bool) {
        (0..self.cpus).for_each(|cpu| cpu::set_tracing(cpu, on));
    }

    fn save_bases(&mut self, thread: Ref<Thread>) {
        let (fs_base, gs_base) = (cpu::fs_base(), cpu::gs_base());
        let context = &mut self.get_mut(thread).context;
        (context.fs_base, context.gs_base) = (fs_base, gs_base);
    }

    fn load_bases(&mut self, thread: Ref<Thread>) {
        let context = &self.get(thread).context;
        cpu::set_fs_base(context.fs_base);
        cpu::set_gs_base(context.gs_base);
    }

    fn reset_fpu(&mut self, thread: Ref<Thread>) {
        cpu::fpu().reset(thread);
        self.get_mut(thread).fpu_cpu = u8::MAX;
        if cpu::is_running(&raw const self.get(thread).context) {
            self.load_fpu(thread);
        }
    }

    fn forget(&mut self, thread: Ref<Thread>) {
        cpu::fpu().forget(thread);
    }

    fn now(&self) -> u64 {
        clock::time_stamp()
    }

    fn set_deadline(&mut self, tsc: u64) {
        let stamps = if tsc == u64::MAX { tsc } else { tsc.saturating_sub(self.now()) };
        self.local_apic.set_timer(stamps);
    }

    fn ticks(&self, nanoseconds: u64) -> u64 {
        scaled(nanoseconds, self.time_stamp_hz, NS_PER_SECOND)
    }

    fn nanoseconds(&self, ticks: u64) -> u64 {
        scaled(ticks, NS_PER_SECOND, self.time_stamp_hz)
    }

    fn quantum(&self) -> u64 {
        self.time_stamp_hz / 1000 * QUANTUM_MS
    }

    fn interrupt_pending(&mut self) -> bool {
        entry::look_for_interrupts() || remote::is_lock_wanted()
    }

    fn route_line(&mut self, line: u32, vector: u8, level: bool, active_low: bool) -> bool {
        let processor = self.local_apic.id();
        let Some(index) = self.io_apics.iter().position(|apic| apic.is_some_and(|apic| apic.has(line))) else {
            return false;
        };
        let mut target = u64::from(processor) << 56;
        if let Some((iommu, io_apics)) = &mut self.iommu {
            let trigger = if level { Trigger::Level } else { Trigger::Edge };
            iommu.set_interrupt(Remapped { vector, source: io_apics[index], processor, trigger });
            target = vtd::io_apic_target(vector);
        }
        self.io_apics[index].is_some_and(|apic| apic.route(line, vector, level, active_low, target))
    }

    fn mask_line(&mut self, line: u32, mask: LineMask) {
        for apic in self.io_apics.iter().flatten() {
            apic.mask(line, mask);
        }
    }

    fn message_for(&mut self, vector: u8, source: Source) -> (u64, u64) {
        let processor = self.local_apic.id();
        if let Some((iommu, _)) = &mut self.iommu {
            iommu.set_interrupt(Remapped { vector, source, processor, trigger: Trigger::Edge });
            return vtd::message(vector.into());
        }
        // Physical destination, fixed delivery, edge (Intel SDM 3A, 11.11).
        (0xfee0_0000 | u64::from(processor) << 12, u64::from(vector))
    }

    fn forget_vector(&mut self, vector: u8) {
        if let Some((iommu, _)) = &mut self.iommu {
            iommu.forget_interrupt(vector);
        }
    }

    fn end_of_interrupt(&mut self) {
        self.local_apic.end_of_interrupt();
    }

    fn io_tables(&self) -> Option<IoTables> {
        self.iommu.as_ref().map(|(iommu, _)| iommu.tables())
    }

    fn io_domains(&self) -> u16 {
        self.iommu.as_ref().map_or(0, |(iommu, _)| iommu.domains())
    }

    fn publish_io_table(&mut self, table: PhysAddr) {
        if let Some((iommu, _)) = &mut self.iommu {
            iommu.publish(table);
        }
    }

    fn set_io_words(&mut self, table: PhysAddr, first: usize, words: impl Iterator<Item = u64>) {
        let Some((iommu, _)) = &mut self.iommu else { return };
        words.enumerate().for_each(|(offset, word)| iommu.set_word(table, first + offset, word));
    }

    fn set_io_view(&mut self, source: Source, view: IoView) -> bool {
        self.iommu.as_mut().is_some_and(|(iommu, _)| iommu.set_view(source, view))
    }

    fn io_added(&mut self, domain: u16) {
        if let Some((iommu, _)) = &mut self.iommu {
            iommu.added(domain);
        }
    }

    fn io_removed(&mut self, domain: u16) {
        if let Some((iommu, _)) = &mut self.iommu {
            iommu.removed(domain);
        }
    }

    fn take_io_fault(&mut self) -> Option<IoFault> {
        self.iommu.as_mut().and_then(|(iommu, _)| iommu.take_fault())
    }

    fn port_in(&mut self, port: u16, width: u8) -> u32 {
        port::read(port, width)
    }

    fn port_out(&mut self, port: u16, width: u8, value: u32) {
        port::write(port, width, value);
    }

    fn log(&mut self, bytes: &[u8]) {
        log::Log::bytes(bytes);
    }
}
