//! Foreign execution: the state page of a Vcpu.
//!
//! A thread with a Vcpu of its own (its *master*) calls [`Call::VcpuEnter`](crate::Call::VcpuEnter) and becomes the
//! code that [`State`] describes, in ring 3, under the *legacy view* of its VSpace, where only the lower half is mapped.
//! Each `syscall`, exception and page fault of that code, and a kick, ends it: its registers are in [`State`] again and
//! `VcpuEnter` returns. Interrupts do not end it.
//!
//! The kernel trusts nothing here: `rflags` is masked to [`USER_FLAGS`] (interrupts stay on), a non-canonical `rip` or
//! segment base makes `VcpuEnter` return [`ExitReason::Exception`] with vector 13 at once.
//!
//! After `syscall`, `rcx` and `r11` hold `rip` and `rflags`, as Linux programs expect. Where the master changes
//! `rip`, `rcx` or `r11` in between, the kernel returns by `iretq` and all registers are as the page says.

/// The page shared between master and kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct State {
    /// General registers.
    pub rax: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub rbx: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub rcx: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub rdx: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub rsi: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub rdi: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub rbp: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub rsp: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub r8: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub r9: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub r10: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub r11: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub r12: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub r13: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub r14: u64,
    #[expect(missing_docs, reason = "a register's name says it")]
    pub r15: u64,
    /// Instruction pointer. After a `syscall`: of the next instruction; after a fault: of the faulting one.
    pub rip: u64,
    /// Flags.
    pub rflags: u64,
    /// Base of `fs`.
    pub fs_base: u64,
    /// Base of `gs`.
    pub gs_base: u64,
    /// Why the foreign code last stopped: an [`ExitReason`] as number.
    pub exit_reason: u64,
    /// Exception vector of an [`ExitReason::Exception`].
    pub vector: u64,
    /// Error code of the exception, or 0.
    pub error_code: u64,
    /// Faulting address of a page fault.
    pub fault_address: u64,
    /// Of the last fix-up taken by the *master* (see `Vcpu::SET_FIXUPS`): its faulting address (a page fault),
    /// or all ones (general protection: a non-canonical address).
    pub fixup_address: u64,
    /// Of the last fix-up: the processor's error code.
    pub fixup_error: u64,
}

/// Words of [`State`] that are registers: its first ones.
pub const REGISTER_WORDS: usize = 20;
/// Words of [`State`] that describe why foreign code stopped, registers included: its first ones.
pub const TRAP_WORDS: usize = 24;

impl State {
    /// The first words, in order.
    #[must_use]
    pub const fn trap_words(&self) -> [u64; TRAP_WORDS] {
        [
            self.rax,
            self.rbx,
            self.rcx,
            self.rdx,
            self.rsi,
            self.rdi,
            self.rbp,
            self.rsp,
            self.r8,
            self.r9,
            self.r10,
            self.r11,
            self.r12,
            self.r13,
            self.r14,
            self.r15,
            self.rip,
            self.rflags,
            self.fs_base,
            self.gs_base,
            self.exit_reason,
            self.vector,
            self.error_code,
            self.fault_address,
        ]
    }

    /// Replaces the first words, in order.
    pub const fn set_trap_words(&mut self, words: &[u64; TRAP_WORDS]) {
        [
            self.rax,
            self.rbx,
            self.rcx,
            self.rdx,
            self.rsi,
            self.rdi,
            self.rbp,
            self.rsp,
            self.r8,
            self.r9,
            self.r10,
            self.r11,
            self.r12,
            self.r13,
            self.r14,
            self.r15,
            self.rip,
            self.rflags,
            self.fs_base,
            self.gs_base,
            self.exit_reason,
            self.vector,
            self.error_code,
            self.fault_address,
        ] = *words;
    }
}

/// Byte offset of [`State`] within its page; the rest of the page is the master's own.
pub const STATE_OFFSET: u64 = 0;

/// Why foreign code stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum ExitReason {
    /// The `syscall` instruction.
    Syscall = 1,
    /// An exception; `vector`, `error_code`, `fault_address` say which.
    Exception = 2,
    /// Somebody kicked the Vcpu, now or since it was last entered.
    Kick = 3,
}

impl ExitReason {
    /// The reason with this number, if there is one.
    pub const fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Syscall,
            2 => Self::Exception,
            3 => Self::Kick,
            _ => return None,
        })
    }
}

/// Flags that foreign code may have set: CF PF AF ZF SF TF DF OF RF AC ID.
pub const USER_FLAGS: u64 = 0x25_0dd5 | 1 << 8;
/// Most fix-ups of one Vcpu.
pub const MAX_FIXUPS: usize = 8;
