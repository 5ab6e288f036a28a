//! Where procfs gets its facts: the contract between this crate and the task crate.
//!
//! Everything is a snapshot taken while a file is opened or first read; no lock of this crate is held meanwhile. A
//! process that is gone gives `ESRCH`.

use crate::network_source::NetworkSource;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use linux_abi::Result;
use vfs::{Namespace, OpenFile, Path};

/// A process or thread number.
pub type Pid = i32;

/// State of a thread, by the letter that `ps` shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunState {
    /// Runs or could.
    Running,
    /// Sleeps, signals wake it.
    Sleeping,
    /// Sleeps, nothing but its event wakes it.
    Waiting,
    /// Stopped by a signal.
    Stopped,
    /// Stopped for its tracer.
    Traced,
    /// Ended, and not waited for.
    Zombie,
    /// Ended.
    Dead,
}

/// User and group ids of a thread: real, effective, saved, file access.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    /// User ids.
    pub uids: [u32; 4],
    /// Group ids.
    pub gids: [u32; 4],
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Capability sets: inheritable, permitted, effective, bounding, ambient.
    pub capabilities: [u64; 5],
    /// `PR_SET_NO_NEW_PRIVS` was called.
    pub no_new_privileges: bool,
}

/// Signal sets of a thread; bit `n - 1` stands for signal `n`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignalSets {
    /// Queued signals and their limit.
    pub queued: (u64, u64),
    /// Pending for the thread.
    pub pending: u64,
    /// Pending for the process.
    pub shared_pending: u64,
    /// Blocked.
    pub blocked: u64,
    /// Ignored.
    pub ignored: u64,
    /// Caught.
    pub caught: u64,
}

/// Sizes of an address space, in bytes; all zero for a zombie.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryUse {
    /// Mapped now, and the most ever.
    pub virtual_size: u64,
    /// The most ever mapped.
    pub virtual_peak: u64,
    /// Anonymous pages in memory.
    pub resident_anonymous: u64,
    /// Pages of files in memory.
    pub resident_file: u64,
    /// Pages of shared memory in memory.
    pub resident_shared: u64,
    /// The most ever in memory.
    pub resident_peak: u64,
    /// Locked pages.
    pub locked: u64,
    /// Writable private mappings, without the stack.
    pub data: u64,
    /// Stack.
    pub stack: u64,
    /// Program text.
    pub text: u64,
    /// Text of libraries.
    pub library: u64,
    /// Page tables.
    pub page_tables: u64,
    /// Bounds that `/proc/PID/stat` shows.
    pub layout: MemoryLayout,
}

/// Addresses within an address space.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryLayout {
    /// Program text.
    pub code: (u64, u64),
    /// Initialised data.
    pub data: (u64, u64),
    /// Start of the heap.
    pub break_start: u64,
    /// Bottom of the initial stack.
    pub stack_start: u64,
    /// Argument strings.
    pub arguments: (u64, u64),
    /// Environment strings.
    pub environment: (u64, u64),
}

/// Time and faults of a thread, a process, or its waited-for children.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Time in the program.
    pub user_ns: u64,
    /// Time in calls.
    pub system_ns: u64,
    /// Faults without I/O.
    pub minor_faults: u64,
    /// Faults with I/O.
    pub major_faults: u64,
}

/// Facts of one thread, or of a process with all its threads.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Thread number.
    pub tid: Pid,
    /// Process number.
    pub pid: Pid,
    /// Parent process.
    pub parent: Pid,
    /// Process group.
    pub group: Pid,
    /// Session.
    pub session: Pid,
    /// Tracer, or 0.
    pub tracer: Pid,
    /// Name, at most 15 bytes.
    pub name: Vec<u8>,
    /// State.
    pub state: RunState,
    /// Device number of the controlling terminal in Linux's encoding, or 0.
    pub terminal: u64,
    /// Foreground process group of that terminal, or -1.
    pub foreground: Pid,
    /// `PF_*` flags.
    pub flags: u32,
    /// Own use.
    pub usage: Usage,
    /// Use of waited-for children.
    pub children_usage: Usage,
    /// Nice value, -20 to 19.
    pub nice: i32,
    /// Threads in the process.
    pub threads: u32,
    /// Start, on the monotonic clock.
    pub start_ns: u64,
    /// Limit of resident memory (`RLIMIT_RSS`).
    pub resident_limit: u64,
    /// Signal that the parent gets at the end.
    pub exit_signal: i32,
    /// Wait status, once ended.
    pub exit_code: i32,
    /// Permission bits that new files lack.
    pub umask: u32,
    /// Size of the descriptor table.
    pub descriptor_slots: u32,
    /// Ids.
    pub ids: Ids,
    /// Signals.
    pub signals: SignalSets,
    /// Memory; none for a zombie.
    pub memory: Option<MemoryUse>,
    /// Voluntary and involuntary context switches.
    pub switches: (u64, u64),
    /// Processor it last ran on.
    pub processor: u32,
    /// Core dumps and tracing are allowed (`PR_SET_DUMPABLE`); else root owns its files here.
    pub dumpable: bool,
    /// `oom_score_adj`.
    pub oom_score_adjustment: i16,
}

/// One mapping, as in `/proc/PID/maps`.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// First byte.
    pub start: u64,
    /// Byte behind the last.
    pub end: u64,
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub execute: bool,
    /// Shared.
    pub shared: bool,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Device of the file in Linux's encoding, or 0.
    pub device: u64,
    /// Inode, or 0.
    pub inode: u64,
    /// Path of the file, or `[heap]`, `[stack]`, ...; empty for none.
    pub name: Vec<u8>,
    /// Bytes in memory.
    pub resident: u64,
}

/// Facts of the whole system.
#[derive(Clone, Debug, Default)]
pub struct SystemSnapshot {
    /// Memory in all, in bytes.
    pub memory_total: u64,
    /// Free memory.
    pub memory_free: u64,
    /// Pages of files, without shared memory.
    pub memory_cached: u64,
    /// Shared memory and temporary file systems.
    pub memory_shared: u64,
    /// Anonymous pages.
    pub memory_anonymous: u64,
    /// Pages mapped from files.
    pub memory_mapped: u64,
    /// The personality's own heap.
    pub memory_kernel: u64,
    /// Page tables.
    pub memory_page_tables: u64,
    /// Since boot.
    pub uptime_ns: u64,
    /// Time all processors together were idle.
    pub idle_ns: u64,
    /// Time in programs.
    pub user_ns: u64,
    /// Time in niced programs.
    pub nice_ns: u64,
    /// Time in calls.
    pub system_ns: u64,
    /// Boot, in seconds since 1970.
    pub boot_seconds: u64,
    /// Load averages over 1, 5 and 15 minutes, times 65,536.
    pub load: [u64; 3],
    /// Runnable threads.
    pub running: u32,
    /// Threads that wait for a device.
    pub blocked: u32,
    /// Threads in all.
    pub threads: u32,
    /// Youngest process number.
    pub last_pid: Pid,
    /// Processes created since boot.
    pub forks: u64,
    /// Context switches since boot.
    pub switches: u64,
    /// Interrupts since boot.
    pub interrupts: u64,
    /// Page faults since boot.
    pub faults: u64,
    /// Processors.
    pub processors: u32,
    /// Frequency of the time-stamp counter, in Hz.
    pub tsc_hz: u64,
    /// Open files, and their limit.
    pub open_files: (u64, u64),
    /// Limit of processes and threads.
    pub thread_limit: u64,
}

/// How much of another process the caller wants to see.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inspect {
    /// What `PTRACE_MODE_READ` covers: descriptors, links, maps, environment.
    Read,
    /// What only the process itself, its tracer or an administrator may have.
    Attach,
}

/// The processes and counters that procfs shows.
pub trait ProcessSource: NetworkSource + Send + Sync {
    /// Process and thread of the current call; none in a thread of the personality's own.
    fn caller(&self) -> Option<(Pid, Pid)>;

    /// All processes, ascending, zombies included.
    fn processes(&self) -> Vec<Pid>;

    /// Threads of a process, ascending.
    ///
    /// # Errors
    /// `ESRCH` if there is no such process.
    fn threads(&self, pid: Pid) -> Result<Vec<Pid>>;

    /// Facts of a process with all its threads.
    ///
    /// # Errors
    /// `ESRCH` if there is no such process.
    fn process(&self, pid: Pid) -> Result<Snapshot>;

    /// Facts of one thread of a process.
    ///
    /// # Errors
    /// `ESRCH` if there is no such thread in that process.
    fn thread(&self, pid: Pid, tid: Pid) -> Result<Snapshot>;

    /// Owner and group of a process's files, which is enough for `stat`: effective ids, or root if not dumpable.
    ///
    /// # Errors
    /// `ESRCH` if there is no such process.
    fn owner(&self, pid: Pid) -> Result<(u32, u32)>;

    /// Checks the caller's right to look into a process (ptrace(2), "Ptrace access mode checking").
    ///
    /// # Errors
    /// `EACCES` if it has none; `ESRCH` if there is no such process.
    fn require_access(&self, pid: Pid, how: Inspect) -> Result<()>;

    /// Argument strings, each ended by a zero byte; empty for a zombie.
    ///
    /// # Errors
    /// `ESRCH` if there is no such process.
    fn command_line(&self, pid: Pid) -> Result<Vec<u8>>;

    /// Environment strings, each ended by a zero byte; empty for a zombie.
    ///
    /// # Errors
    /// `ESRCH` if there is no such process.
    fn environment(&self, pid: Pid) -> Result<Vec<u8>>;

    /// Auxiliary vector as it lies on the stack.
    ///
    /// # Errors
    /// `ESRCH` if there is no such process.
    fn auxiliary_vector(&self, pid: Pid) -> Result<Vec<u8>>;

    /// Mappings, ascending.
    ///
    /// # Errors
    /// `ESRCH` if there is no such process.
    fn mappings(&self, pid: Pid) -> Result<Vec<Mapping>>;

    /// Open descriptors, ascending.
    ///
    /// # Errors
    /// `ESRCH` if there is no such process.
    fn descriptors(&self, pid: Pid) -> Result<Vec<i32>>;

    /// One open file.
    ///
    /// # Errors
    /// `ENOENT` if the descriptor is not open; `ESRCH` if there is no such process.
    fn descriptor(&self, pid: Pid, descriptor: i32) -> Result<Arc<OpenFile>>;

    /// Program file.
    ///
    /// # Errors
    /// `ENOENT` if it has none (a zombie); `ESRCH` if there is no such process.
    fn executable(&self, pid: Pid) -> Result<Path>;

    /// Working directory.
    ///
    /// # Errors
    /// `ENOENT` for a zombie; `ESRCH` if there is no such process.
    fn working_directory(&self, pid: Pid) -> Result<Path>;

    /// Root directory.
    ///
    /// # Errors
    /// `ENOENT` for a zombie; `ESRCH` if there is no such process.
    fn root_directory(&self, pid: Pid) -> Result<Path>;

    /// Mounts that a process sees.
    ///
    /// # Errors
    /// `EINVAL` for a zombie; `ESRCH` if there is no such process.
    fn namespace(&self, pid: Pid) -> Result<Arc<Namespace>>;

    /// Resource limits by `RLIMIT_*` number: soft, hard; `u64::MAX` is none.
    ///
    /// # Errors
    /// `ESRCH` if there is no such process.
    fn limits(&self, pid: Pid) -> Result<[(u64, u64); 16]>;

    /// Bytes read and written, calls to read and write: `rchar`, `wchar`, `syscr`, `syscw`.
    ///
    /// # Errors
    /// `ESRCH` if there is no such process.
    fn io_counters(&self, pid: Pid) -> Result<[u64; 4]>;

    /// Name of the place where a thread waits, or empty.
    ///
    /// # Errors
    /// `ESRCH` if there is no such thread.
    fn wait_channel(&self, pid: Pid, tid: Pid) -> Result<String>;

    /// Names a thread; the caller has write permission.
    ///
    /// # Errors
    /// `EINVAL` if the thread is of another process than the caller's; `ESRCH` if there is none.
    fn set_name(&self, pid: Pid, tid: Pid, name: &[u8]) -> Result<()>;

    /// Sets `oom_score_adj`; the value is in range.
    ///
    /// # Errors
    /// `EACCES` to lower it without `CAP_SYS_RESOURCE`; `ESRCH` if there is no such process.
    fn set_oom_score_adjustment(&self, pid: Pid, value: i16) -> Result<()>;

    /// Facts of the whole system.
    fn system(&self) -> SystemSnapshot;

    /// Host name, changeable through `/proc/sys/kernel/hostname`.
    fn host_name(&self) -> Vec<u8>;

    /// NIS domain name.
    fn domain_name(&self) -> Vec<u8>;

    /// Random bytes, for `/proc/sys/kernel/random`.
    fn random(&self, into: &mut [u8]);

    /// Calls that were answered with `ENOSYS`: number and count.
    fn unknown_calls(&self) -> Vec<(u64, u64)>;

    /// The personality's own counters, by name.
    fn counters(&self) -> Vec<(&'static str, u64)>;

    /// The table of the services that have two homes, as text.
    fn services(&self) -> String;

    /// The table of all threads of the machine, of whatever task.
    fn native_threads(&self) -> String;

    /// Does what a line says that was written to `banyan/services`.
    ///
    /// # Errors
    /// `EINVAL` if it is no command, `ENOENT` for an unknown service or task, `EALREADY` if it is in that state, `EPERM`,
    /// `EIO` if it failed and everything is as before.
    fn command_services(&self, line: &str) -> Result<()>;

    /// How the caller's traps reach the personality: `vcpu` or `exception-ipc`; empty in a thread of the personality's own.
    fn trap_mechanism(&self) -> &'static str;

    /// Chooses that for the caller's process.
    ///
    /// # Errors
    /// `EINVAL` for another name; `EAGAIN` where there is no kernel memory for it.
    fn set_trap_mechanism(&self, name: &[u8]) -> Result<()>;
}
