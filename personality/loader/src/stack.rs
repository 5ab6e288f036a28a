//! The initial stack: argument and environment strings, pointers to them, the auxiliary vector.
//!
//! From the top down: a zero word, the executed path, the environment's strings, the arguments' strings, the platform
//! name and 16 random bytes, then (at a multiple of 16) argc, argv, envp, auxv, upwards (System V ABI, AMD64, 3.4.1).

use alloc::vec::Vec;
use core::arch::x86_64::__cpuid;

use guest_memory::PAGE_BYTES;
use guest_memory::fpu::FpuState;
use linux_abi::raw::auxvec;
use linux_abi::{Errno, Result};
use mm::{AddressSpace, STACK_TOP};

/// Most bytes of one argument or environment string, with its zero byte (Linux's `MAX_ARG_STRLEN`).
pub const MAX_STRING_BYTES: usize = 131_072;
/// Most bytes of all of them, whatever the stack limit (three quarters of Linux's `_STK_LIM`).
const MAX_ARGUMENT_BYTES: u64 = (8 << 20) / 4 * 3;
/// Least that is allowed, whatever the stack limit (Linux's `ARG_MAX`).
const MIN_ARGUMENT_BYTES: u64 = 131_072;
const PLATFORM: &[u8] = b"x86_64\0";
/// `times(2)` counts in these.
const CLOCK_TICKS: u64 = 100;
/// Linux's `HWCAP2_FSGSBASE`.
const HWCAP2_FSGSBASE: u64 = 1 << 1;
/// Bytes of a signal frame besides the floating-point state, the red zone and alignment included.
const SIGNAL_FRAME_BYTES: u64 = 1024;

/// The ids that a program is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Real user.
    pub uid: u32,
    /// Effective user.
    pub euid: u32,
    /// Real group.
    pub gid: u32,
    /// Effective group.
    pub egid: u32,
    /// `execve` changed them: the program must not trust its environment.
    pub secure: bool,
}

/// What goes on the stack besides the arguments.
#[derive(Clone, Copy, Debug)]
pub struct StackContents<'a> {
    /// Environment strings, without zero bytes.
    pub environment: &'a [Vec<u8>],
    /// The ids.
    pub identity: Identity,
    /// Random bytes for the C library.
    pub random: [u8; 16],
    /// `RLIMIT_STACK`.
    pub stack_limit: u64,
    /// Address of the vDSO, or 0.
    pub vdso: u64,
}

/// What the loader found.
pub(crate) struct ProgramFacts {
    pub(crate) headers_address: u64,
    pub(crate) header_count: u64,
    pub(crate) interpreter_base: u64,
    pub(crate) entry: u64,
}

/// A finished stack.
pub(crate) struct Built {
    pub(crate) pointer: u64,
    pub(crate) arg_start: u64,
    pub(crate) arg_end: u64,
    pub(crate) env_end: u64,
}

/// Checks the size of arguments and environment together: `strings` of them, `bytes` with their zero bytes.
///
/// # Errors
/// `E2BIG`.
pub fn check_argument_bytes(strings: usize, bytes: usize, stack_limit: u64) -> Result<()> {
    let limit = (stack_limit / 4).clamp(MIN_ARGUMENT_BYTES, MAX_ARGUMENT_BYTES);
    let pointers = (strings as u64).saturating_mul(8);
    if pointers.saturating_add(bytes as u64) > limit { Err(Errno::E2BIG) } else { Ok(()) }
}

/// Writes the stack.
pub(crate) fn build(
    space: &AddressSpace,
    contents: &StackContents<'_>,
    arguments: &[Vec<u8>],
    executed_path: &[u8],
    facts: &ProgramFacts,
) -> Result<Built> {
    check_sizes(contents, arguments, executed_path)?;
    let mut strings = Strings::default();
    // Linux gives every program at least an empty first argument.
    let empty = [Vec::new()];
    let arguments = if arguments.is_empty() { &empty } else { arguments };
    let platform = strings.push_raw(PLATFORM);
    let random = strings.push_raw(&contents.random);
    let argv: Vec<usize> = arguments.iter().map(|argument| strings.push(argument)).collect();
    let args_end = strings.bytes.len();
    let envp: Vec<usize> = contents.environment.iter().map(|variable| strings.push(variable)).collect();
    let env_end = strings.bytes.len();
    let path = strings.push(executed_path);
    strings.push_raw(&[0; 8]);

    let base = (STACK_TOP - strings.bytes.len() as u64) & !15;
    let at = |offset: usize| base + offset as u64;
    let mut words = Vec::with_capacity(argv.len() + envp.len() + 48);
    words.push(arguments.len() as u64);
    words.extend(argv.iter().map(|&offset| at(offset)));
    words.push(0);
    words.extend(envp.iter().map(|&offset| at(offset)));
    words.push(0);
    push_auxiliary(&mut words, contents, facts, [at(platform), at(random), at(path)]);

    let pointer = (base - words.len() as u64 * 8) & !15;
    let image: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    put(space, base, &strings.bytes)?;
    put(space, pointer, &image)?;
    let arg_start = argv.first().map_or(base, |&first| at(first));
    Ok(Built { pointer, arg_start, arg_end: at(args_end), env_end: at(env_end) })
}

fn check_sizes(contents: &StackContents<'_>, arguments: &[Vec<u8>], executed_path: &[u8]) -> Result<()> {
    let all = || arguments.iter().chain(contents.environment);
    if all().any(|string| string.len() >= MAX_STRING_BYTES) {
        return Err(Errno::E2BIG);
    }
    let bytes = all().map(|string| string.len() + 1).sum::<usize>() + executed_path.len() + 1;
    check_argument_bytes(all().count(), bytes, contents.stack_limit)
}

fn push_auxiliary(words: &mut Vec<u64>, contents: &StackContents<'_>, facts: &ProgramFacts, places: [u64; 3]) {
    let [platform, random, path] = places;
    let Identity { uid, euid, gid, egid, secure } = contents.identity;
    let signal_stack = (FpuState::frame_bytes() as u64 + SIGNAL_FRAME_BYTES).next_multiple_of(16);
    let mut push = |kind: u32, value: u64| words.extend([u64::from(kind), value]);
    if contents.vdso != 0 {
        push(auxvec::AT_SYSINFO_EHDR, contents.vdso);
    }
    push(auxvec::AT_HWCAP, u64::from(__cpuid(1).edx));
    push(auxvec::AT_PAGESZ, PAGE_BYTES);
    push(auxvec::AT_CLKTCK, CLOCK_TICKS);
    push(auxvec::AT_PHDR, facts.headers_address);
    push(auxvec::AT_PHENT, 56);
    push(auxvec::AT_PHNUM, facts.header_count);
    push(auxvec::AT_BASE, facts.interpreter_base);
    push(auxvec::AT_FLAGS, 0);
    push(auxvec::AT_ENTRY, facts.entry);
    push(auxvec::AT_UID, uid.into());
    push(auxvec::AT_EUID, euid.into());
    push(auxvec::AT_GID, gid.into());
    push(auxvec::AT_EGID, egid.into());
    push(auxvec::AT_SECURE, secure.into());
    push(auxvec::AT_RANDOM, random);
    push(auxvec::AT_HWCAP2, HWCAP2_FSGSBASE);
    push(auxvec::AT_MINSIGSTKSZ, signal_stack);
    push(auxvec::AT_EXECFN, path);
    push(auxvec::AT_PLATFORM, platform);
    push(auxvec::AT_NULL, 0);
}

fn put(space: &AddressSpace, addr: u64, bytes: &[u8]) -> Result<()> {
    if space.write(addr, bytes) == bytes.len() { Ok(()) } else { Err(Errno::E2BIG) }
}

/// Strings one after the other.
#[derive(Default)]
struct Strings {
    bytes: Vec<u8>,
}

impl Strings {
    /// Adds a string and a zero byte; its offset.
    fn push(&mut self, string: &[u8]) -> usize {
        let offset = self.push_raw(string);
        self.bytes.push(0);
        offset
    }

    fn push_raw(&mut self, bytes: &[u8]) -> usize {
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        offset
    }
}
