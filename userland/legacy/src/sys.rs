//! Linux calls for single-threaded programs (fork, wait, signals) and for any (memory maps, raw calls).
//!
//! The wrappers are safe to call as these programs call them; each says what it rests on.

use std::ffi::CString;
use std::io;
use std::ptr::{self, NonNull};

/// Which side of a fork one is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The new process.
    Child,
    /// The caller, with the child's process id.
    Parent(i32),
}

/// The time-stamp counter.
#[must_use]
pub fn cycles() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and Linux lets programs use it.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// An instruction that does nothing, by which one who looks at the processor knows where the program is:
/// `nop dword ptr [rbx + rbx * 2 + 0x796e6142]`.
pub fn mark() {
    // SAFETY: it neither reads nor writes anything, registers and memory alike.
    unsafe { core::arch::asm!(".byte 0x0f, 0x1f, 0x84, 0x5b, 0x42, 0x61, 0x6e, 0x79", options(preserves_flags)) };
}

/// Makes a copy of this process.
///
/// # Errors
/// fork(2)'s.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the callers are single-threaded, so that the child may do anything.
    match check(unsafe { libc::fork() }.into())? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid as i32)),
    }
}

/// Ends the process at once, without flushing or destructors.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: ends the process; nothing of it is used afterwards.
    unsafe { libc::_exit(code) }
}

/// Runs `child` in a new process, which exits with its result; returns its process id.
///
/// # Errors
/// fork(2)'s.
pub fn spawn(child: impl FnOnce() -> i32) -> io::Result<i32> {
    match fork()? {
        Fork::Child => exit_now(child()),
        Fork::Parent(pid) => Ok(pid),
    }
}

/// Waits for a child and returns its wait status; `flags` are waitpid(2)'s.
///
/// # Errors
/// waitpid(2)'s.
pub fn wait(pid: i32, flags: i32) -> io::Result<(i32, i32)> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the result.
    let pid = check(unsafe { libc::waitpid(pid, &raw mut status, flags) }.into())?;
    Ok((pid as i32, status))
}

/// Replaces this process's program; returns only when that fails.
pub fn exec(path: &CString, arguments: &[CString]) -> io::Error {
    let mut pointers: Vec<_> = arguments.iter().map(|argument| argument.as_ptr()).collect();
    pointers.push(ptr::null());
    let environment = [ptr::null()];
    // SAFETY: strings and arrays end with a zero, and live until the call.
    unsafe { libc::execve(path.as_ptr(), pointers.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Calls the kernel with whatever numbers; the result is the kernel's (negative errors).
#[must_use]
pub fn raw_call(number: u64, arguments: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = arguments;
    let result: i64;
    // SAFETY: none, in general: wild calls may change this process's memory. Callers use it with arguments that are
    // known to be harmless, or in disposable children that expect to die.
    unsafe {
        core::arch::asm!(
            "syscall",
            inlateout("rax") number as i64 => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
        );
    }
    result
}

/// Installs a handler (which must only do what signal-safety(7) allows) with `flags` of sigaction(2).
///
/// # Errors
/// sigaction(2)'s.
pub fn on_signal(signal: i32, handler: extern "C" fn(i32), flags: i32) -> io::Result<()> {
    set_action(signal, handler as *const () as usize, flags)
}

/// Sets a signal back to its default action.
///
/// # Errors
/// sigaction(2)'s.
pub fn default_signal(signal: i32) -> io::Result<()> {
    set_action(signal, libc::SIG_DFL, 0)
}

fn set_action(signal: i32, action: usize, flags: i32) -> io::Result<()> {
    // SAFETY: all zeroes is a valid sigaction.
    let mut record: libc::sigaction = unsafe { std::mem::zeroed() };
    record.sa_sigaction = action;
    record.sa_flags = flags;
    // SAFETY: the record is valid, and the handler keeps to what is safe in handlers.
    check(unsafe { libc::sigaction(signal, &raw const record, ptr::null_mut()) }.into()).map(drop)
}

/// Sends a signal.
///
/// # Errors
/// kill(2)'s.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: touches no memory of this process.
    check(unsafe { libc::kill(pid, signal) }.into()).map(drop)
}

/// Blocks (`SIG_BLOCK`) or unblocks a signal.
///
/// # Errors
/// sigprocmask(2)'s.
pub fn mask(how: i32, signal: i32) -> io::Result<()> {
    // SAFETY: all zeroes is a valid, empty set.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid.
    check(unsafe { libc::sigaddset(&raw mut set, signal) }.into())?;
    // SAFETY: the set is valid; no old set is asked for.
    check(unsafe { libc::sigprocmask(how, &raw const set, ptr::null_mut()) }.into()).map(drop)
}

/// Whether a blocked signal is pending.
#[must_use]
pub fn is_pending(signal: i32) -> bool {
    // SAFETY: all zeroes is a valid, empty set.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is a valid place for the result.
    unsafe { libc::sigpending(&raw mut set) };
    // SAFETY: the set is valid.
    unsafe { libc::sigismember(&raw const set, signal) == 1 }
}

/// Gives signal handlers a stack of their own, which is never freed.
///
/// # Errors
/// sigaltstack(2)'s.
pub fn separate_signal_stack(bytes: usize) -> io::Result<()> {
    let stack = libc::stack_t { ss_sp: vec![0_u8; bytes].leak().as_mut_ptr().cast(), ss_flags: 0, ss_size: bytes };
    // SAFETY: the memory is leaked, so that the stack lives for ever.
    check(unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) }.into()).map(drop)
}

/// Starts the interval timer: SIGALRM after each `milliseconds`; 0 stops it.
///
/// # Errors
/// setitimer(2)'s.
pub fn interval_timer(milliseconds: i64) -> io::Result<()> {
    let period = libc::timeval { tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000 };
    let timer = libc::itimerval { it_interval: period, it_value: period };
    // SAFETY: the record is valid; no old value is asked for.
    check(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) }.into()).map(drop)
}

/// waitid(2) for a child: its `si_code` and `si_status`.
///
/// # Errors
/// waitid(2)'s.
pub fn wait_for_change(pid: i32, options: i32) -> io::Result<(i32, i32)> {
    // SAFETY: all zeroes is a valid siginfo.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is a valid place for the result.
    check(unsafe { libc::waitid(libc::P_PID, pid as u32, &raw mut info, options) }.into())?;
    // SAFETY: waitid fills in the fields of a child's change, or leaves zeroes.
    Ok((info.si_code, unsafe { info.si_status() }))
}

/// futex(2) on a word: `operation` with `value`, for at most `milliseconds`; the kernel's result.
#[must_use]
pub fn futex(word: &std::sync::atomic::AtomicU32, operation: i32, value: u32, milliseconds: i64) -> i64 {
    let limit = libc::timespec { tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000 };
    let arguments = [word.as_ptr() as u64, operation as u64, value.into(), (&raw const limit) as u64, 0, 0];
    raw_call(libc::SYS_futex as u64, arguments)
}

/// Arms the alarm clock; the signal ends a process that does not handle it.
pub fn alarm(seconds: u32) {
    // SAFETY: touches no memory.
    unsafe { libc::alarm(seconds) };
}

/// This process's id.
#[must_use]
pub fn pid() -> i32 {
    // SAFETY: cannot fail and touches no memory.
    unsafe { libc::getpid() }
}

/// Gives up all privileges for user and group `id`.
///
/// # Errors
/// setresgid(2)'s and setresuid(2)'s.
pub fn become_user(id: u32) -> io::Result<()> {
    // SAFETY: touches no memory.
    check(unsafe { libc::setgroups(0, ptr::null()) }.into())?;
    // SAFETY: touches no memory.
    check(unsafe { libc::setresgid(id, id, id) }.into())?;
    // SAFETY: touches no memory.
    check(unsafe { libc::setresuid(id, id, id) }.into()).map(drop)
}

/// An anonymous or file mapping; unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

impl Mapping {
    /// Maps `bytes` anonymous bytes with `protection` and `flags` of mmap(2).
    ///
    /// # Errors
    /// mmap(2)'s.
    pub fn anonymous(bytes: usize, protection: i32, flags: i32) -> io::Result<Self> {
        Self::map(bytes, protection, flags | libc::MAP_ANONYMOUS, -1)
    }

    /// Maps the start of a file.
    ///
    /// # Errors
    /// mmap(2)'s.
    pub fn file(file: &impl std::os::fd::AsRawFd, bytes: usize, protection: i32, flags: i32) -> io::Result<Self> {
        Self::map(bytes, protection, flags, file.as_raw_fd())
    }

    fn map(bytes: usize, protection: i32, flags: i32, file: i32) -> io::Result<Self> {
        // SAFETY: without an address, a mapping replaces nothing.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, file, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { start: NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?, bytes })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> usize {
        self.start.as_ptr() as usize
    }

    /// Reads a byte, which may fault.
    #[must_use]
    pub fn read(&self, offset: usize) -> u8 {
        let place = self.place(offset);
        // SAFETY: inside the mapping; if its protection forbids it, the process gets a signal, as the caller means.
        unsafe { place.read_volatile() }
    }

    /// Writes a byte, which may fault.
    pub fn write(&self, offset: usize, value: u8) {
        let place = self.place(offset);
        // SAFETY: as in `read`; nobody holds references into the mapping.
        unsafe { place.write_volatile(value) }
    }

    /// Reads an aligned word with the atomics of shared memory.
    #[must_use]
    pub fn atomic_u32(&self, offset: usize) -> &std::sync::atomic::AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.bytes, "an aligned word inside the mapping");
        let place = self.place(offset);
        // SAFETY: aligned, inside the mapping, which outlives the reference; other processes use atomics as well.
        unsafe { std::sync::atomic::AtomicU32::from_ptr(place.cast()) }
    }

    /// Changes the protection of a part.
    ///
    /// # Errors
    /// mprotect(2)'s.
    pub fn protect(&self, offset: usize, bytes: usize, protection: i32) -> io::Result<()> {
        let place = self.place(offset);
        // SAFETY: inside the mapping, into which no references exist.
        check(unsafe { libc::mprotect(place.cast(), bytes, protection) }.into()).map(drop)
    }

    /// Makes it larger or smaller; it may move.
    ///
    /// # Errors
    /// mremap(2)'s.
    pub fn resize(&mut self, bytes: usize) -> io::Result<()> {
        let start = self.start.as_ptr().cast();
        // SAFETY: the mapping is this value's own, and no references into it exist.
        let start = unsafe { libc::mremap(start, self.bytes, bytes, libc::MREMAP_MAYMOVE) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        self.start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        self.bytes = bytes;
        Ok(())
    }

    /// Tells the kernel about future use.
    ///
    /// # Errors
    /// madvise(2)'s.
    pub fn advise(&self, advice: i32) -> io::Result<()> {
        let start = self.start.as_ptr().cast();
        // SAFETY: the mapping is this value's own; contents may be lost, which no reference sees.
        check(unsafe { libc::madvise(start, self.bytes, advice) }.into()).map(drop)
    }

    /// Unmaps a part in the middle, which must not be used any more.
    ///
    /// # Errors
    /// munmap(2)'s.
    pub fn punch(&self, offset: usize, bytes: usize) -> io::Result<()> {
        let place = self.place(offset);
        // SAFETY: inside the mapping, into which no references exist.
        check(unsafe { libc::munmap(place.cast(), bytes) }.into()).map(drop)
    }

    fn place(&self, offset: usize) -> *mut u8 {
        assert!(offset < self.bytes, "inside the mapping");
        self.start.as_ptr().wrapping_add(offset)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let start = self.start.as_ptr().cast();
        // SAFETY: the mapping is this value's own, and nothing refers to it any more.
        unsafe { libc::munmap(start, self.bytes) };
    }
}

fn check(result: i64) -> io::Result<i64> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
