//! Starting the other processors (Intel SDM 3A, 9.4): each is reset and told to start in real mode at a page below 1 MiB,
//! where the code below takes it to long mode and to its own stack.
//!
//! Four pages: the code with what it is told at the end; then a root table, and two tables under it that map the first 2 MiB to
//! where they are. The root's upper half is the kernel's.

use core::arch::global_asm;
use core::sync::atomic::{AtomicUsize, Ordering};

use ukernel_core::PhysAddr;

use crate::apic::{self, LocalApic};
use crate::object_store::{set_word, word};
use crate::{clock, cpu, remote};

/// Where in the first page the code finds what it is told: bytes from the page's start.
const TOLD: usize = 0xf00;
/// In words from there: root, stack, entry point, processor's number, limit and base of the GDT, the GDT.
const ROOT: usize = 0;
const STACK: usize = 1;
const ENTRY: usize = 2;
const NUMBER: usize = 3;
const GDT_POINTER: usize = 4;
const GDT: usize = 6;
/// The 64-bit code segment among them.
const CODE_SELECTOR: usize = 8;

/// How long to wait between reset and start, in milliseconds (the manual's figure).
const RESET_MS: u64 = 10;
/// How long a processor may take to start, in milliseconds: the real processor may be busy with others.
const START_MS: u64 = 30_000;

/// How many have started.
static STARTED: AtomicUsize = AtomicUsize::new(1);
/// Where each goes on.
static MAIN: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    static banyan_start_up: [u8; 0];
    static banyan_start_up_end: [u8; 0];
}

/// Starts processors, one after the other.
pub(crate) struct Starter {
    apic: LocalApic,
    stamps_per_ms: u64,
    page: PhysAddr,
}

impl Starter {
    pub(crate) fn new(
        apic: LocalApic,
        time_stamp_hz: u64,
        kernel_root: PhysAddr,
        page: PhysAddr,
        main: extern "C" fn() -> !,
    ) -> Self {
        assert!(page.0 < 1 << 20, "processors start below 1 MiB");
        MAIN.store(main as usize, Ordering::Relaxed);
        let table = |number: u64| page.offset(number * 4096);
        for index in 0..512 {
            let upper = if index < 256 { 0 } else { word(kernel_root, index) };
            set_word(table(1), index, upper);
            set_word(table(2), index, 0);
            set_word(table(3), index, 0);
        }
        // Present and writable; the last one large.
        set_word(table(1), 0, table(2).0 | 3);
        set_word(table(2), 0, table(3).0 | 3);
        set_word(table(3), 0, 0x83);
        let starter = Self { apic, stamps_per_ms: time_stamp_hz / 1000, page };
        starter.copy_code();
        starter.tell(ROOT, table(1).0);
        starter.tell(ENTRY, go_on as *const () as u64);
        let gdt = page.0 + (TOLD + GDT * 8) as u64;
        starter.tell(GDT_POINTER, 0x17 | gdt << 16);
        starter.tell(GDT_POINTER + 1, 0);
        starter.tell(GDT, 0);
        starter.tell(GDT + 1, 0x00af_9b00_0000_ffff);
        starter.tell(GDT + 2, 0x00cf_9300_0000_ffff);
        starter
    }

    fn copy_code(&self) {
        let start = &raw const banyan_start_up as *const u64;
        let bytes = &raw const banyan_start_up_end as usize - start as usize;
        assert!(bytes <= TOLD, "the code fits its page");
        for index in 0..bytes.div_ceil(8) {
            // SAFETY: the code and its padding to whole words are in the kernel's image.
            set_word(self.page, index, unsafe { start.wrapping_add(index).read_unaligned() });
        }
    }

    fn tell(&self, what: usize, value: u64) {
        set_word(self.page, TOLD / 8 + what, value);
    }

    fn wait(&self, ms: u64, done: impl Fn() -> bool) -> bool {
        let end = clock::time_stamp() + ms * self.stamps_per_ms;
        while clock::time_stamp() < end {
            if done() {
                return true;
            }
            core::hint::spin_loop();
        }
        done()
    }

    /// Start the processor with this local APIC as number `index`. Whether it did.
    pub(crate) fn start(&mut self, index: usize, id: u8) -> bool {
        self.tell(STACK, cpu::kernel_stack(index));
        self.tell(NUMBER, index as u64);
        let started = || STARTED.load(Ordering::Acquire) > index;
        self.apic.reset(id);
        self.wait(RESET_MS, || false);
        self.apic.start_up(id, self.page.0);
        // The second one is for processors that miss the first; those that run ignore it.
        if !self.wait(RESET_MS, started) {
            self.apic.start_up(id, self.page.0);
        }
        let done = self.wait(START_MS, started);
        if !done {
            crate::log_line!("processor {id} does not start");
        }
        done
    }
}

/// A new processor is in long mode, on its own stack.
extern "C" fn go_on(index: usize) -> ! {
    cpu::set_up(index);
    apic::enable();
    STARTED.store(index + 1, Ordering::Release);
    remote::lock();
    let main: *const () = core::ptr::without_provenance(MAIN.load(Ordering::Relaxed));
    // SAFETY: `Starter::new` stored it; a function's address.
    let main = unsafe { core::mem::transmute::<*const (), extern "C" fn() -> !>(main) };
    main()
}

// Real mode, at the start of the page: cs = page / 16. All addresses are offsets in the page.
global_asm!(
    ".balign 16",
    ".global banyan_start_up, banyan_start_up_end",
    ".code16",
    "banyan_start_up:",
    "cli",
    "cld",
    "mov ax, cs",
    "mov ds, ax",
    "movzx ebx, ax",
    "shl ebx, 4",
    // lgdt with a 32-bit base.
    ".byte 0x66, 0x0f, 0x01, 0x16",
    ".word {GDT_POINTER}",
    "mov eax, cr4",
    "or eax, 0x20",
    "mov cr4, eax",
    "mov eax, dword ptr [{ROOT}]",
    "mov cr3, eax",
    // Long mode and no-execute.
    "mov ecx, 0xc0000080",
    "rdmsr",
    "or eax, 0x900",
    "wrmsr",
    // The far jump's target is where this page is.
    // lea eax, [ebx + long]; mov [target], eax.
    ".byte 0x66, 0x67, 0x8d, 0x83",
    ".long banyan_start_up_long - banyan_start_up",
    ".byte 0x66, 0xa3",
    ".word banyan_start_up_target - banyan_start_up",
    "mov eax, cr0",
    "and eax, 0x9fffffff",
    "or eax, 0x80010001",
    "mov cr0, eax",
    ".byte 0x66, 0xea",
    "banyan_start_up_target:",
    ".long 0",
    ".word {CODE_SELECTOR}",
    ".code64",
    "banyan_start_up_long:",
    "xor eax, eax",
    "mov ss, ax",
    "mov ds, ax",
    "mov es, ax",
    "mov rsp, [rbx + {STACK}]",
    "mov rdi, [rbx + {NUMBER}]",
    "mov rax, [rbx + {ENTRY}]",
    "xor ebp, ebp",
    "call rax",
    "ud2",
    ".balign 8",
    "banyan_start_up_end:",
    ROOT = const TOLD + ROOT * 8,
    STACK = const TOLD + STACK * 8,
    ENTRY = const TOLD + ENTRY * 8,
    NUMBER = const TOLD + NUMBER * 8,
    GDT_POINTER = const TOLD + GDT_POINTER * 8,
    CODE_SELECTOR = const CODE_SELECTOR,
);
