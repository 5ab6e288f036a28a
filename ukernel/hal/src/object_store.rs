//! The direct map: all physical memory at [`DIRECT_MAP`], by which objects and pages are reached.
//!
//! A `Ref`'s address is the object's address in the direct map. Soundness rests on the invariant of `ukernel-core`
//! (see its `machine` module): a `Ref<T>` is made where a `T` is created, in memory retyped for it, and kept no longer than
//! the object lives; and on the exclusive borrow of the machine: no two references from `get_mut` exist at once.

use core::num::NonZeroU64;

use ukernel_core::{Object, PhysAddr, Ref};

/// Where the loader maps all physical memory.
pub const DIRECT_MAP: u64 = 0xffff_c000_0000_0000;

/// The address of physical memory in the direct map.
pub const fn physical_to_virtual(at: PhysAddr) -> u64 {
    DIRECT_MAP + at.0
}

/// The object that `at` refers to.
pub(crate) fn get<'a, T: Object>(at: Ref<T>) -> &'a T {
    // SAFETY: a live `Ref` is the address of a `T` (module header); the caller's borrow of the machine limits the lifetime.
    unsafe { &*(at.address() as *const T) }
}

/// The object that `at` refers to, to change it.
pub(crate) fn get_mut<'a, T: Object>(at: Ref<T>) -> &'a mut T {
    // SAFETY: as in `get`; the caller's exclusive borrow of the machine makes it the only reference.
    unsafe { &mut *(at.address() as *mut T) }
}

/// Make memory an object.
pub(crate) fn create<T: Object>(at: PhysAddr, value: T) -> Ref<T> {
    let address = physical_to_virtual(at);
    // SAFETY: core carved this memory from an untyped for this object; it is RAM in the direct map, aligned by retype.
    unsafe { (address as *mut T).write(value) };
    Ref::from_address(NonZeroU64::new(address).expect("the direct map is not at zero"))
}

fn word_at(page: PhysAddr, index: usize) -> *mut u64 {
    assert!(index < 512, "a page has 512 words");
    (physical_to_virtual(page) as *mut u64).wrapping_add(index)
}

/// Read a word of a page that holds no object.
pub(crate) fn word(page: PhysAddr, index: usize) -> u64 {
    // SAFETY: in the direct map and aligned; volatile, since user space may write the page meanwhile.
    unsafe { word_at(page, index).read_volatile() }
}

/// Write a word of a page that holds no object.
pub(crate) fn set_word(page: PhysAddr, index: usize, value: u64) {
    // SAFETY: in the direct map and aligned; core names only pages that hold no object.
    unsafe { word_at(page, index).write_volatile(value) };
}

/// Write a word of a page back to memory, for whoever does not see the processor's caches.
pub(crate) fn write_back(page: PhysAddr, index: usize) {
    // SAFETY: the address is mapped; the instruction changes no contents.
    unsafe { core::arch::asm!("clflush [{}]", in(reg) word_at(page, index), options(nostack, preserves_flags)) };
}

/// Fill with zeros: whole words of memory that holds no object.
pub(crate) fn zero(at: PhysAddr, bytes: u64) {
    // SAFETY: RAM in the direct map that core has carved for a new object, so nothing else refers to it.
    unsafe {
        core::arch::asm!("rep stosq", inout("rdi") physical_to_virtual(at) => _, inout("rcx") bytes / 8 => _, in("rax") 0u64,
            options(nostack, preserves_flags));
    }
}

/// Copy whole words between pages that hold no object. They may be the same page.
pub(crate) fn copy(from: PhysAddr, to: PhysAddr, bytes: u64) {
    // SAFETY: both are RAM in the direct map without objects; `rep movsq` is defined whatever user space writes meanwhile.
    unsafe {
        core::arch::asm!("rep movsq", inout("rsi") physical_to_virtual(from) => _, inout("rdi") physical_to_virtual(to) => _,
            inout("rcx") bytes.div_ceil(8) => _, options(nostack, preserves_flags));
    }
}

/// Read a word of physical memory, at an address that is a multiple of 8, for the kernel's start-up.
pub fn read_physical(at: PhysAddr) -> u64 {
    word(PhysAddr(at.0 & !0xfff), (at.0 as usize & 0xfff) / 8)
}
