//! A thread's saved registers.
//!
//! The layout serves the entry code of `ukernel-hal`: the processor pushes `rip` to `ss` here itself when an exception or
//! interrupt comes from user space (`TSS.RSP0` points to the end), and the entry code pushes the rest below.

use ukernel_abi::vcpu::{REGISTER_WORDS, USER_FLAGS};

/// Saved registers, in ascending order of address.
#[derive(Clone, Debug, Default)]
#[repr(C, align(16))]
pub struct Context {
    /// Message words 0 to 5: rdx r8 r9 r10 r12 r13.
    pub words: [u64; 6],
    /// Capability in; badge out.
    pub rdi: u64,
    /// Message header.
    pub rsi: u64,
    /// Call number in; error code out.
    pub rax: u64,
    /// Slot of the Reply object.
    pub r14: u64,
    /// Slot of the endpoint (ReplyRecv).
    pub r15: u64,
    /// Callee-saved.
    pub rbx: u64,
    /// Callee-saved.
    pub rbp: u64,
    /// Lost in system calls, kept otherwise.
    pub rcx: u64,
    /// Lost in system calls, kept otherwise.
    pub r11: u64,
    /// How to go back to user space; pushed by the entry code in place of a vector number.
    pub resume: Resume,
    /// The exception's error code.
    pub error_code: u64,
    /// Instruction pointer.
    pub rip: u64,
    /// Code segment selector.
    pub cs: u64,
    /// Flags.
    pub rflags: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// Stack segment selector.
    pub ss: u64,
    /// Base of `fs` while the thread does not run.
    pub fs_base: u64,
    /// Base of `gs` while the thread does not run.
    pub gs_base: u64,
}

/// How a thread goes back to user space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Resume(pub u64);

impl Resume {
    /// It made a system call: `sysret`; rcx and r11 need no restoring.
    pub const SYSCALL: Self = Self(0);
    /// It was interrupted anywhere: `iretq`, all registers restored. Entry code stores the vector plus one here.
    pub const FULL: Self = Self(1);
    /// It made a step, which is over: a debug exception (vector 1) comes behind its instruction. Of a thread that does not run: it is
    /// told when it is to go on.
    pub(crate) const STEPPED: Self = Self(2);
    /// It executed `int3`, whose handler is told the address behind it.
    pub(crate) const BREAKPOINT: Self = Self(4);
}

/// Flags that a thread starts with: interrupts on, and the bit that is always one (Intel SDM 1, 3.4.3).
pub const INITIAL_FLAGS: u64 = 0x202;

/// Length of the `syscall` instruction.
const SYSCALL_BYTES: u64 = 2;

impl Context {
    /// That of a thread whose registers nobody has written: zeros, but what no thread may be without.
    pub(crate) fn new() -> Self {
        Self { rflags: INITIAL_FLAGS, resume: Resume::FULL, ..Self::default() }
    }

    /// Make the system call that was just made again, once the thread runs.
    pub(crate) fn repeat_call(&mut self) {
        self.rip = self.rip.wrapping_sub(SYSCALL_BYTES);
    }

    /// The registers in the order of a Vcpu's state page.
    pub(crate) const fn state_words(&self) -> [u64; REGISTER_WORDS] {
        let [rdx, r8, r9, r10, r12, r13] = self.words;
        [
            self.rax,
            self.rbx,
            self.rcx,
            rdx,
            self.rsi,
            self.rdi,
            self.rbp,
            self.rsp,
            r8,
            r9,
            r10,
            self.r11,
            r12,
            r13,
            self.r14,
            self.r15,
            self.rip,
            self.rflags,
            self.fs_base,
            self.gs_base,
        ]
    }

    /// Replace all registers of foreign code; flags are masked to those that it may have. The caller checks the addresses.
    pub(crate) const fn set_state_words(&mut self, words: &[u64; REGISTER_WORDS]) {
        let (rdx, r8, r9, r10, r12, r13, rflags);
        [
            self.rax,
            self.rbx,
            self.rcx,
            rdx,
            self.rsi,
            self.rdi,
            self.rbp,
            self.rsp,
            r8,
            r9,
            r10,
            self.r11,
            r12,
            r13,
            self.r14,
            self.r15,
            self.rip,
            rflags,
            self.fs_base,
            self.gs_base,
        ] = *words;
        self.words = [rdx, r8, r9, r10, r12, r13];
        self.rflags = rflags & USER_FLAGS | INITIAL_FLAGS;
        (self.resume, self.error_code) = (Resume::FULL, 0);
    }

    /// Forget all registers, and start at `rip` on `rsp`.
    pub(crate) fn start(&mut self, rip: u64, rsp: u64) {
        let (cs, ss) = (self.cs, self.ss);
        *self = Self { rip, rsp, cs, ss, rflags: INITIAL_FLAGS, resume: Resume::FULL, ..Self::default() };
    }
}
