//! What the kernel's logic needs from the machine below it, and the references by which it names objects.
//!
//! A [`Ref<T>`] is the address of an object of type `T`. Core makes one only where it creates the object
//! ([`Machine::create`]), keeps it only where the object's destruction removes it, and so never follows a stale one: that is
//! the invariant on which the hardware's implementation of [`Machine::get`] rests.

use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU64;

use crate::io_faults::IoFault;
use crate::io_space::{IoView, Source};
use crate::io_table::IoTables;
use crate::{Cpu, Thread};

/// A physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub struct PhysAddr(pub u64);

impl PhysAddr {
    /// The address `bytes` further on.
    #[must_use]
    pub const fn offset(self, bytes: u64) -> Self {
        Self(self.0 + bytes)
    }
}

/// Marks the types that live in retyped memory.
pub trait Object: Sized + 'static {
    /// Whether the kernel has still to do with it, though no capability names it.
    fn is_unfinished(&self) -> bool {
        false
    }
}

/// A reference to a kernel object.
#[repr(transparent)]
pub struct Ref<T> {
    address: NonZeroU64,
    object: PhantomData<fn() -> T>,
}

impl<T> Ref<T> {
    /// For implementations of [`Machine`] only: the object at this address of theirs.
    pub const fn from_address(address: NonZeroU64) -> Self {
        Self { address, object: PhantomData }
    }

    /// The machine's address of the object.
    pub const fn address(self) -> u64 {
        self.address.get()
    }

    /// As `part`, with fewer instructions. `None`: past the end of all addresses, where nothing is.
    #[inline(always)]
    pub(crate) const fn checked_part<U>(self, bytes: u64) -> Option<Ref<U>> {
        match self.address.checked_add(bytes) {
            Some(address) => Some(Ref { address, object: PhantomData }),
            None => None,
        }
    }

    /// The object of type `U` that was created `bytes` behind the start of this one.
    #[must_use]
    pub(crate) const fn part<U>(self, bytes: u64) -> Ref<U> {
        Ref { address: self.address.saturating_add(bytes), object: PhantomData }
    }
}

impl<T> Clone for Ref<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Ref<T> {}
impl<T> PartialEq for Ref<T> {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}
impl<T> Eq for Ref<T> {}
impl<T> fmt::Debug for Ref<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{:x}", self.address)
    }
}

/// The machine: object memory, page tables, processor, interrupt controllers, clock.
pub trait Machine {
    /// Whether the kernel on this machine traces its events, while somebody has given it memory for them.
    const TRACES: bool;

    /// The object.
    fn get<T: Object>(&self, object: Ref<T>) -> &T;
    /// The object, to change it.
    fn get_mut<T: Object>(&mut self, object: Ref<T>) -> &mut T;
    /// Make raw memory an object. Objects that are parts of one allocation keep their distance as addresses.
    fn create<T: Object>(&mut self, at: PhysAddr, value: T) -> Ref<T>;

    /// Make zeros so many empty slots, one behind the other.
    fn create_slots(&mut self, at: PhysAddr, count: u64);

    /// The block of the processor that the kernel runs on now.
    fn cpu(&self) -> &Cpu;
    /// The same, to change it.
    fn cpu_mut(&mut self) -> &mut Cpu;
    /// How many processors there are.
    fn cpus(&self) -> usize;
    /// The block of the processor with this number.
    fn cpu_at(&self, index: usize) -> &Cpu;
    /// The same, to change it.
    fn cpu_at_mut(&mut self, index: usize) -> &mut Cpu;
    /// Have another processor enter the kernel, soon.
    fn summon(&mut self, cpu: usize);
    /// Have a set of other processors do something, each by itself, before this returns.
    fn call(&mut self, cpus: u32, what: RemoteCall);

    /// Fill with zeros: a multiple of 64 bytes, in memory that holds no object.
    fn zero(&mut self, at: PhysAddr, bytes: u64);
    /// Copy bytes between pages that hold no object.
    fn copy(&mut self, from: PhysAddr, to: PhysAddr, bytes: u64);
    /// Read word `index` of a page that holds no object (a page table, a message page, a state page).
    fn word(&self, page: PhysAddr, index: usize) -> u64;
    /// Write a word likewise.
    fn set_word(&mut self, page: PhysAddr, index: usize, value: u64);

    /// The machine's own address of a page that holds no object, as its entry code uses it.
    fn window(&self, page: PhysAddr) -> u64;
    /// A new root page table's upper half: the kernel's own mappings.
    fn fill_kernel_half(&mut self, root: PhysAddr);
    /// Drop what the processor remembers of this address in the active address space.
    fn invalidate(&mut self, address: u64);
    /// Drop all that it remembers of the active address space.
    fn invalidate_all(&mut self);
    /// Leave thread `from` and make `to` the one that the next return to user space continues.
    fn switch(&mut self, from: Option<Ref<Thread>>, to: Option<Ref<Thread>>);
    /// The same for two threads that are both `plain`.
    fn switch_plain(&mut self, from: Ref<Thread>, to: Ref<Thread>);
    /// The running thread's address-space root or Vcpu changed: load it.
    fn reload(&mut self, thread: Ref<Thread>);
    /// The tables that the processor translates through are about to go: use the kernel's own.
    fn retire_root(&mut self);
    /// How often another root page table was loaded.
    fn root_writes(&self) -> u64;
    /// How often the kernel was entered on ways that no method of `Kernel` hears of: fast Vcpu exits and entries.
    fn fast_entries(&self) -> u64;
    /// Tracing is on or off: while it is on, the entry code's own ways into and out of Vcpus are not taken.
    fn set_tracing(&mut self, on: bool);
    /// Store the processor's segment bases (and whatever else is kept in the processor) to the running thread's context.
    fn save_bases(&mut self, thread: Ref<Thread>);
    /// Load the segment bases from the running thread's context.
    fn load_bases(&mut self, thread: Ref<Thread>);
    /// Give a thread fresh FPU state; it may be the running one.
    fn reset_fpu(&mut self, thread: Ref<Thread>);
    /// The thread is about to be destroyed.
    fn forget(&mut self, thread: Ref<Thread>);

    /// The time-stamp counter.
    fn now(&self) -> u64;
    /// Interrupt at this time-stamp (soon, if in the past); replaces an earlier setting. `u64::MAX`: never.
    fn set_deadline(&mut self, tsc: u64);
    /// Ticks of the time-stamp counter in so many nanoseconds.
    fn ticks(&self, nanoseconds: u64) -> u64;
    /// Nanoseconds in so many ticks.
    fn nanoseconds(&self, ticks: u64) -> u64;
    /// Ticks of a scheduling quantum.
    fn quantum(&self) -> u64;
    /// Whether an interrupt waits to be handled, or another processor for the kernel: a long operation is to be left.
    fn interrupt_pending(&mut self) -> bool;

    /// Route an I/O APIC line to `vector`, masked. `false`: no such line.
    fn route_line(&mut self, line: u32, vector: u8, level: bool, active_low: bool) -> bool;
    /// Mask or unmask an I/O APIC line.
    fn mask_line(&mut self, line: u32, mask: LineMask);
    /// Address and data that make a message-signalled interrupt of this device arrive as `vector`.
    fn message_for(&mut self, vector: u8, source: Source) -> (u64, u64);
    /// Nothing that a device sends is to arrive as `vector` any more, where there is an IOMMU.
    fn forget_vector(&mut self, vector: u8);
    /// Tell the local APIC that the interrupt was taken.
    fn end_of_interrupt(&mut self);

    /// The tables that the IOMMU walks; `None`: there is no IOMMU.
    fn io_tables(&self) -> Option<IoTables>;
    /// How many IoSpaces it tells apart, number 0 included.
    fn io_domains(&self) -> u16;
    /// A page has become a table of the IOMMU's.
    fn publish_io_table(&mut self, table: PhysAddr);
    /// Write words of such a table from one on, so that the IOMMU sees them.
    fn set_io_words(&mut self, table: PhysAddr, first: usize, words: impl Iterator<Item = u64>);
    /// The same for one word.
    fn set_io_word(&mut self, table: PhysAddr, index: usize, value: u64) {
        self.set_io_words(table, index, core::iter::once(value));
    }
    /// Set what a device reaches; when this returns it reaches nothing else. `false`: there is no room for devices on its bus.
    fn set_io_view(&mut self, source: Source, view: IoView) -> bool;
    /// Entries that were not present were set in the tables of this domain.
    fn io_added(&mut self, domain: u16);
    /// Entries were removed: when this returns no device reaches memory through them.
    fn io_removed(&mut self, domain: u16);
    /// The next thing that a device was refused, since the last one that was taken.
    fn take_io_fault(&mut self) -> Option<IoFault>;

    /// Read a port with a width of 1, 2 or 4 bytes.
    fn port_in(&mut self, port: u16, width: u8) -> u32;
    /// Write a port with a width of 1, 2 or 4 bytes.
    fn port_out(&mut self, port: u16, width: u8, value: u32);
    /// Append bytes to the log.
    fn log(&mut self, bytes: &[u8]);
}

/// What one processor can have another do, which does it wherever it is, without the kernel's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteCall {
    /// Store what the processor holds of its running thread, and do not return to it.
    Unload(Ref<Thread>),
    /// Drop what the processor remembers of this address.
    Invalidate(u64),
    /// Drop all that it remembers of user addresses.
    InvalidateAll,
    /// The tables that it translates through are about to go: use the kernel's own.
    RetireRoot,
}

/// Whether an interrupt line is to be masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineMask {
    /// No interrupts.
    Masked,
    /// Interrupts arrive.
    Open,
}
