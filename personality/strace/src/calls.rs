//! What each call's arguments are, and how its result is shown. Calls that are not here are shown with six (or as many
//! as they are known to have) hexadecimal arguments.

use crate::addresses;
use crate::errors;
use crate::events;
use crate::memory::Memory;
use crate::messages;
use crate::names::{self, Names};
use crate::print::{self, put};
use crate::socket_names;
use crate::socket_options;
use crate::sockets;
use crate::special;
use crate::structures;
use crate::tracer::{Call, error_of};
use alloc::format;
use alloc::string::String;

/// What an argument is. Kinds whose name begins with `Out` are filled by the call and shown at its exit.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A signed 32-bit number.
    Int,
    /// A signed 64-bit number.
    Long,
    /// An unsigned 64-bit number.
    Size,
    /// An unsigned 32-bit number, -1 shown as such: user and group ids.
    Id,
    /// An unsigned 32-bit number.
    Unsigned,
    /// A number in hexadecimal.
    Hex,
    /// An offset, zero as 0 and others in hexadecimal.
    Offset,
    /// An address.
    Address,
    /// A directory descriptor or `AT_FDCWD`.
    Directory,
    /// Permission bits.
    Mode,
    /// A mode with a file type.
    FileMode,
    /// A path.
    Path,
    /// A string, cut.
    Text,
    /// A buffer whose length is the argument of this index.
    Buffer(usize),
    /// Flags.
    Flags(Names),
    /// Flags with a name for none of them.
    FlagsOrNone(Names, &'static str),
    /// Flags, with what strace calls them where none is known.
    LabelledFlags(Names, &'static str),
    /// One of some names.
    Constant(Names),
    /// One of some names, with what strace calls others.
    LabelledConstant(Names, &'static str),
    /// Open flags, with the access mode first.
    OpenFlags,
    /// A signal.
    Signal,
    /// A set of signals.
    SignalSet,
    /// `struct sigaction`.
    SignalAction,
    /// `stack_t`.
    SignalStack,
    /// `struct timespec`.
    Time,
    /// `struct itimerval`.
    IntervalTimer,
    /// `struct rlimit`.
    Limits,
    /// Strings of exec.
    Strings,
    /// Environment of exec: only counted.
    Environment,
    /// Buffers of writev, counted by the next argument.
    Vectors,
    /// Something of its own.
    Special(special::Show),
    /// A buffer that the result's bytes were read into.
    OutBuffer,
    /// As `OutBuffer`, in hexadecimal.
    OutRandom,
    /// A string that was stored.
    OutText,
    /// Buffers of readv.
    OutVectors,
    /// Two descriptors.
    OutPair,
    /// A number in brackets.
    OutInt,
    /// `struct stat`.
    OutStat,
    /// `struct statfs`.
    OutStatfs,
    /// `struct timespec`.
    OutTime,
    /// `struct timeval`.
    OutTimeval,
    /// `struct itimerval`.
    OutIntervalTimer,
    /// `struct rlimit`.
    OutLimits,
    /// `struct rusage`.
    OutUsage,
    /// `struct utsname`.
    OutSystemName,
    /// `struct sysinfo`.
    OutSystemInformation,
    /// `struct tms`.
    OutProcessTimes,
    /// A set of signals.
    OutSignalSet,
    /// `struct sigaction`.
    OutSignalAction,
    /// `stack_t`.
    OutSignalStack,
    /// A wait status.
    OutWaitStatus,
    /// Directory entries: only the address and their number.
    OutEntries,
    /// Left of a sleep, stored only when interrupted.
    OutRemaining,
    /// Something of its own, filled by the call.
    OutSpecial(special::Show),
}

/// How a result is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Decimal,
    Address,
    Octal,
    /// Of fcntl: a number or flags.
    Flags,
    Never,
}

/// What the printers see.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) call: &'a Call,
    pub(crate) memory: &'a dyn Memory,
    /// None at the entry.
    pub(crate) result: Option<i64>,
    /// The length that stood in the process at the entry, where the call replaces it.
    pub(crate) length_before: Option<i32>,
}

/// What an entry leaves for the exit.
pub(crate) struct Entered {
    /// Arguments that were printed.
    printed: usize,
    length_before: Option<i32>,
}

impl Context<'_> {
    pub(crate) fn argument(&self, index: usize) -> u64 {
        self.call.arguments.get(index).copied().unwrap_or(0)
    }

    pub(crate) fn failed(&self) -> bool {
        self.result.is_some_and(|result| error_of(result).is_some())
    }
}

impl Kind {
    fn is_output(self) -> bool {
        use Kind::*;
        matches!(
            self,
            OutBuffer
                | OutRandom
                | OutText
                | OutVectors
                | OutPair
                | OutInt
                | OutStat
                | OutStatfs
                | OutTime
                | OutTimeval
                | OutIntervalTimer
                | OutLimits
                | OutUsage
                | OutSystemName
                | OutSystemInformation
                | OutProcessTimes
                | OutSignalSet
                | OutSignalAction
                | OutSignalStack
                | OutWaitStatus
                | OutEntries
                | OutRemaining
                | OutSpecial(_)
        )
    }
}

/// A call: its name, its arguments, its result.
struct Entry(&'static str, &'static [Kind], Shown);

/// The table, by name; numbers come from the table of names.
fn describe(name: &str) -> Option<&'static Entry> {
    CALLS.iter().find(|entry| entry.0 == name)
}

/// Name of a call.
pub(crate) fn name(number: u64) -> String {
    match usize::try_from(number).ok().and_then(syscalls_table::Sysno::new) {
        Some(call) => String::from(call.name()),
        None => format!("syscall_{number:#x}"),
    }
}

fn arguments(name: &str) -> &'static [Kind] {
    use Kind::Hex;
    describe(name).map_or(&[Hex, Hex, Hex, Hex, Hex, Hex], |entry| entry.1)
}

/// Prints a call's name and the arguments known at its entry; returns what the exit needs to know.
pub(crate) fn entry(call: &Call, memory: &dyn Memory, out: &mut String) -> Entered {
    let name = name(call.number);
    let kinds = arguments(&name);
    let context = Context { call, memory, result: None, length_before: None };
    put!(out, "{name}(");
    let count = special::argument_count(&name, &context, kinds.len());
    let mut printed = 0;
    for kind in kinds.iter().take(count).take_while(|kind| !kind.is_output()) {
        show_argument(*kind, printed, &context, out);
        printed += 1;
        if printed < count {
            out.push_str(", ");
        }
    }
    Entered { printed, length_before: addresses::length_before(&name, &context) }
}

/// Prints the other arguments; returns a note to follow the result.
pub(crate) fn exit(call: &Call, entered: &Entered, result: i64, memory: &dyn Memory, out: &mut String) -> String {
    let name = name(call.number);
    let kinds = arguments(&name);
    let context = Context { call, memory, result: Some(result), length_before: entered.length_before };
    let count = special::argument_count(&name, &context, kinds.len());
    for (index, kind) in kinds.iter().enumerate().take(count).skip(entered.printed) {
        show_argument(*kind, index, &context, out);
        if index + 1 < count {
            out.push_str(", ");
        }
    }
    special::note(&name, &context)
}

/// Prints a result.
pub(crate) fn show_result(call: &Call, result: i64, out: &mut String) {
    let shown = describe(&name(call.number)).map_or(Shown::Decimal, |entry| entry.2);
    if let Some(error) = error_of(result) {
        let text = match error.number() {
            512 => "? ERESTARTSYS (To be restarted if SA_RESTART is set)",
            513 => "? ERESTARTNOINTR (To be restarted)",
            514 => "? ERESTARTNOHAND (To be restarted if no handler)",
            516 => "? ERESTART_RESTARTBLOCK (Interrupted by signal)",
            _ => "",
        };
        if text.is_empty() {
            put!(out, "-1 {} ({})", error.name(), errors::message(error));
        } else {
            out.push_str(text);
        }
        return;
    }
    match shown {
        Shown::Address => put!(out, "{result:#x}"),
        Shown::Octal => print::octal(out, result as u32),
        Shown::Never => out.push('?'),
        // F_GETFD and F_GETFL give flags.
        Shown::Flags if result != 0 && matches!(call.arguments.get(1), Some(1 | 3)) => put!(out, "{result:#x}"),
        Shown::Decimal | Shown::Flags => put!(out, "{result}"),
    }
}

fn show_argument(kind: Kind, index: usize, context: &Context<'_>, out: &mut String) {
    let value = context.argument(index);
    let memory = context.memory;
    if kind.is_output() && (context.failed() || value == 0) && !matches!(kind, Kind::OutSpecial(_)) {
        return print::address(out, value);
    }
    match kind {
        Kind::Int => put!(out, "{}", value as i32),
        Kind::Long => put!(out, "{}", value as i64),
        Kind::Size => put!(out, "{value}"),
        Kind::Id => print::id(out, value as u32),
        Kind::Unsigned => put!(out, "{}", value as u32),
        Kind::Hex => put!(out, "{value:#x}"),
        Kind::Offset if value == 0 => out.push('0'),
        Kind::Offset => put!(out, "{value:#x}"),
        Kind::Address => print::address(out, value),
        Kind::Directory if value as i32 == -100 => out.push_str("AT_FDCWD"),
        Kind::Directory => put!(out, "{}", value as i32),
        Kind::Mode => print::octal(out, value as u32),
        Kind::FileMode => print::mode(out, value as u32),
        Kind::Path => print::path(out, memory, value),
        Kind::Text => print::c_string(out, memory, value),
        Kind::Buffer(length) => print::buffer(out, memory, value, context.argument(length)),
        Kind::Flags(names) => print::flags(out, names, u64::from(value as u32)),
        Kind::FlagsOrNone(_, none) if value as u32 == 0 => out.push_str(none),
        Kind::FlagsOrNone(names, _) => print::flags(out, names, u64::from(value as u32)),
        Kind::LabelledFlags(names, label) => print::labelled_flags(out, names, u64::from(value as u32), label),
        Kind::LabelledConstant(names, label) => print::labelled_constant(out, names, u64::from(value as u32), label),
        Kind::Constant(names) => print::constant(out, names, u64::from(value as u32)),
        Kind::OpenFlags => special::open_flags(out, value as u32),
        Kind::Signal => print::signal(out, u64::from(value as u32)),
        Kind::SignalSet | Kind::OutSignalSet => structures::signal_set(out, memory, value),
        Kind::SignalAction | Kind::OutSignalAction => structures::signal_action(out, memory, value),
        Kind::SignalStack | Kind::OutSignalStack => structures::signal_stack(out, memory, value),
        Kind::Time | Kind::OutTime => structures::time(out, memory, value, "tv_nsec"),
        Kind::IntervalTimer | Kind::OutIntervalTimer => structures::interval_timer(out, memory, value),
        Kind::Limits | Kind::OutLimits => structures::limits(out, memory, value),
        Kind::Strings => special::strings(out, memory, value),
        Kind::Environment => special::environment(out, memory, value),
        Kind::Vectors => special::vectors(out, context, index, None),
        Kind::OutVectors => special::vectors(out, context, index, context.result),
        Kind::Special(show) | Kind::OutSpecial(show) => show(out, context, index),
        Kind::OutBuffer => print::buffer(out, memory, value, context.result.unwrap_or(0) as u64),
        Kind::OutRandom => print::hexadecimal(out, memory, value, context.result.unwrap_or(0) as u64),
        Kind::OutText => print::path(out, memory, value),
        Kind::OutPair => {
            structures::show(out, memory, value, 8, |out, pair| put!(out, "[{}, {}]", pair.i32(0), pair.i32(4)))
        }
        Kind::OutInt => structures::show(out, memory, value, 4, |out, int| put!(out, "[{}]", int.i32(0))),
        Kind::OutStat => structures::stat(out, memory, value),
        Kind::OutStatfs => structures::file_system(out, memory, value),
        Kind::OutTimeval => structures::time(out, memory, value, "tv_usec"),
        Kind::OutUsage => structures::usage(out, memory, value),
        Kind::OutSystemName => structures::system_name(out, memory, value),
        Kind::OutSystemInformation => structures::system_information(out, memory, value),
        Kind::OutProcessTimes => structures::process_times(out, memory, value),
        Kind::OutWaitStatus => special::wait_status(out, context, value),
        Kind::OutEntries => special::entries(out, context, value),
        // Only an interrupted sleep stores what is left; else the address is shown.
        Kind::OutRemaining => print::address(out, value),
    }
}

use Kind::*;

const FAMILY: Kind = LabelledConstant(socket_names::FAMILY, "AF_???");
const MESSAGE_FLAGS: Kind = LabelledFlags(socket_names::MESSAGE_FLAGS, "MSG_???");
const TIMERFD_FLAGS: Kind = LabelledFlags(events::TIMERFD_FLAGS, "TFD_???");
const STORED_ADDRESS: Kind = OutSpecial(addresses::stored);
const STORED_LENGTH: Kind = OutSpecial(addresses::stored_length);

static CALLS: &[Entry] = &[
    Entry("read", &[Int, OutBuffer, Size], Shown::Decimal),
    Entry("write", &[Int, Buffer(2), Size], Shown::Decimal),
    Entry("open", &[Path, OpenFlags, Mode], Shown::Decimal),
    Entry("openat", &[Directory, Path, OpenFlags, Mode], Shown::Decimal),
    Entry("creat", &[Path, Mode], Shown::Decimal),
    Entry("close", &[Int], Shown::Decimal),
    Entry("close_range", &[Size, Size, Flags(names::CLOSE_RANGE_FLAGS)], Shown::Decimal),
    Entry("stat", &[Path, OutStat], Shown::Decimal),
    Entry("fstat", &[Int, OutStat], Shown::Decimal),
    Entry("lstat", &[Path, OutStat], Shown::Decimal),
    Entry("newfstatat", &[Directory, Path, OutStat, Flags(names::AT_FLAGS)], Shown::Decimal),
    Entry("statfs", &[Path, OutStatfs], Shown::Decimal),
    Entry("fstatfs", &[Int, OutStatfs], Shown::Decimal),
    Entry("poll", &[Special(special::poll), Size, Int], Shown::Decimal),
    Entry("ppoll", &[Special(special::poll), Size, Time, SignalSet, Size], Shown::Decimal),
    Entry(
        "select",
        &[Int, Special(special::fd_set), Special(special::fd_set), Special(special::fd_set), Special(special::timeval)],
        Shown::Decimal,
    ),
    Entry(
        "pselect6",
        &[Int, Special(special::fd_set), Special(special::fd_set), Special(special::fd_set), Time, Address],
        Shown::Decimal,
    ),
    Entry("lseek", &[Int, Long, Constant(names::SEEK)], Shown::Decimal),
    Entry(
        "mmap",
        &[Address, Size, FlagsOrNone(names::PROTECTION, "PROT_NONE"), Flags(names::MAP_FLAGS), Int, Offset],
        Shown::Address,
    ),
    Entry("mprotect", &[Address, Size, FlagsOrNone(names::PROTECTION, "PROT_NONE")], Shown::Decimal),
    Entry("munmap", &[Address, Size], Shown::Decimal),
    Entry("brk", &[Address], Shown::Address),
    Entry("mremap", &[Address, Size, Size, Flags(names::MREMAP_FLAGS), Address], Shown::Address),
    Entry("msync", &[Address, Size, Flags(names::MSYNC_FLAGS)], Shown::Decimal),
    Entry("madvise", &[Address, Size, Constant(names::ADVICE)], Shown::Decimal),
    Entry("mlock", &[Address, Size], Shown::Decimal),
    Entry("munlock", &[Address, Size], Shown::Decimal),
    Entry("rt_sigaction", &[Signal, SignalAction, OutSignalAction, Size], Shown::Decimal),
    Entry("rt_sigprocmask", &[Constant(names::SIGMASK_HOW), SignalSet, OutSignalSet, Size], Shown::Decimal),
    Entry("rt_sigpending", &[OutSignalSet, Size], Shown::Decimal),
    Entry("rt_sigsuspend", &[SignalSet, Size], Shown::Decimal),
    Entry("rt_sigtimedwait", &[SignalSet, OutSpecial(special::address), Time, Size], Shown::Decimal),
    Entry("rt_sigreturn", &[], Shown::Decimal),
    Entry("sigaltstack", &[SignalStack, OutSignalStack], Shown::Decimal),
    Entry("ioctl", &[Int, Special(special::ioctl_command), OutSpecial(special::ioctl_argument)], Shown::Decimal),
    Entry("pread64", &[Int, OutBuffer, Size, Long], Shown::Decimal),
    Entry("pwrite64", &[Int, Buffer(2), Size, Long], Shown::Decimal),
    Entry("readv", &[Int, OutVectors, Size], Shown::Decimal),
    Entry("writev", &[Int, Vectors, Size], Shown::Decimal),
    Entry("preadv", &[Int, OutVectors, Size, Long], Shown::Decimal),
    Entry("pwritev", &[Int, Vectors, Size, Long], Shown::Decimal),
    Entry("access", &[Path, FlagsOrNone(names::ACCESS, "F_OK")], Shown::Decimal),
    Entry("faccessat", &[Directory, Path, FlagsOrNone(names::ACCESS, "F_OK")], Shown::Decimal),
    Entry(
        "faccessat2",
        &[Directory, Path, FlagsOrNone(names::ACCESS, "F_OK"), Flags(names::AT_ACCESS_FLAGS)],
        Shown::Decimal,
    ),
    Entry("pipe", &[OutPair], Shown::Decimal),
    Entry("pipe2", &[OutPair, Special(special::pipe_flags)], Shown::Decimal),
    Entry("sched_yield", &[], Shown::Decimal),
    Entry("dup", &[Int], Shown::Decimal),
    Entry("dup2", &[Int, Int], Shown::Decimal),
    Entry("dup3", &[Int, Int, Special(special::pipe_flags)], Shown::Decimal),
    Entry("pause", &[], Shown::Decimal),
    Entry("nanosleep", &[Time, OutRemaining], Shown::Decimal),
    Entry("clock_nanosleep", &[Constant(names::CLOCK), Flags(names::TIMER_FLAGS), Time, OutRemaining], Shown::Decimal),
    Entry("clock_gettime", &[Constant(names::CLOCK), OutTime], Shown::Decimal),
    Entry("clock_getres", &[Constant(names::CLOCK), OutTime], Shown::Decimal),
    Entry("clock_settime", &[Constant(names::CLOCK), Time], Shown::Decimal),
    Entry("gettimeofday", &[OutTimeval, Address], Shown::Decimal),
    Entry("getitimer", &[Constant(names::ITIMER), OutIntervalTimer], Shown::Decimal),
    Entry("setitimer", &[Constant(names::ITIMER), IntervalTimer, OutIntervalTimer], Shown::Decimal),
    Entry("alarm", &[Size], Shown::Decimal),
    Entry("getpid", &[], Shown::Decimal),
    Entry("gettid", &[], Shown::Decimal),
    Entry("getppid", &[], Shown::Decimal),
    Entry("getuid", &[], Shown::Decimal),
    Entry("geteuid", &[], Shown::Decimal),
    Entry("getgid", &[], Shown::Decimal),
    Entry("getegid", &[], Shown::Decimal),
    Entry("getpgrp", &[], Shown::Decimal),
    Entry("setsid", &[], Shown::Decimal),
    Entry("sync", &[], Shown::Decimal),
    Entry("sendfile", &[Int, Int, Address, Size], Shown::Decimal),
    Entry("copy_file_range", &[Int, Address, Int, Address, Size, Offset], Shown::Decimal),
    Entry("clone", &[Special(special::clone)], Shown::Decimal),
    Entry("fork", &[], Shown::Decimal),
    Entry("vfork", &[], Shown::Decimal),
    Entry("execve", &[Path, Strings, Environment], Shown::Decimal),
    Entry("exit", &[Int], Shown::Never),
    Entry("exit_group", &[Int], Shown::Never),
    Entry("wait4", &[Int, OutWaitStatus, Flags(names::WAIT_FLAGS), OutUsage], Shown::Decimal),
    Entry(
        "waitid",
        &[Constant(names::WAITID_TYPE), Int, OutSpecial(special::address), Flags(names::WAIT_FLAGS), OutUsage],
        Shown::Decimal,
    ),
    Entry("kill", &[Int, Signal], Shown::Decimal),
    Entry("tkill", &[Int, Signal], Shown::Decimal),
    Entry("tgkill", &[Int, Int, Signal], Shown::Decimal),
    Entry("uname", &[OutSystemName], Shown::Decimal),
    Entry("fcntl", &[Int, Constant(names::FCNTL), OutSpecial(special::fcntl_argument)], Shown::Flags),
    Entry("flock", &[Int, Flags(names::FLOCK)], Shown::Decimal),
    Entry("fsync", &[Int], Shown::Decimal),
    Entry("fdatasync", &[Int], Shown::Decimal),
    Entry("truncate", &[Path, Long], Shown::Decimal),
    Entry("ftruncate", &[Int, Long], Shown::Decimal),
    Entry("getdents64", &[Int, OutEntries, Size], Shown::Decimal),
    Entry("getcwd", &[OutText, Size], Shown::Decimal),
    Entry("chdir", &[Path], Shown::Decimal),
    Entry("fchdir", &[Int], Shown::Decimal),
    Entry("chroot", &[Path], Shown::Decimal),
    Entry("rename", &[Path, Path], Shown::Decimal),
    Entry("renameat", &[Directory, Path, Directory, Path], Shown::Decimal),
    Entry("renameat2", &[Directory, Path, Directory, Path, Flags(names::RENAME_FLAGS)], Shown::Decimal),
    Entry("mkdir", &[Path, Mode], Shown::Decimal),
    Entry("mkdirat", &[Directory, Path, Mode], Shown::Decimal),
    Entry("rmdir", &[Path], Shown::Decimal),
    Entry("link", &[Path, Path], Shown::Decimal),
    Entry("linkat", &[Directory, Path, Directory, Path, Flags(names::AT_FLAGS)], Shown::Decimal),
    Entry("unlink", &[Path], Shown::Decimal),
    Entry("unlinkat", &[Directory, Path, Flags(names::UNLINK_FLAGS)], Shown::Decimal),
    Entry("symlink", &[Path, Path], Shown::Decimal),
    Entry("symlinkat", &[Path, Directory, Path], Shown::Decimal),
    Entry("readlink", &[Path, OutBuffer, Size], Shown::Decimal),
    Entry("readlinkat", &[Directory, Path, OutBuffer, Size], Shown::Decimal),
    Entry("chmod", &[Path, Mode], Shown::Decimal),
    Entry("fchmod", &[Int, Mode], Shown::Decimal),
    Entry("fchmodat", &[Directory, Path, Mode], Shown::Decimal),
    Entry("chown", &[Path, Id, Id], Shown::Decimal),
    Entry("lchown", &[Path, Id, Id], Shown::Decimal),
    Entry("fchown", &[Int, Id, Id], Shown::Decimal),
    Entry("fchownat", &[Directory, Path, Id, Id, Flags(names::AT_FLAGS)], Shown::Decimal),
    Entry("mknod", &[Path, FileMode, Special(special::device)], Shown::Decimal),
    Entry("mknodat", &[Directory, Path, FileMode, Special(special::device)], Shown::Decimal),
    Entry("umask", &[Mode], Shown::Octal),
    Entry("utimensat", &[Directory, Path, Address, Flags(names::AT_FLAGS)], Shown::Decimal),
    Entry("mount", &[Path, Path, Text, Flags(names::MOUNT_FLAGS), Text], Shown::Decimal),
    Entry("umount2", &[Path, Flags(names::UMOUNT_FLAGS)], Shown::Decimal),
    Entry("getrlimit", &[Constant(names::RESOURCE), OutLimits], Shown::Decimal),
    Entry("setrlimit", &[Constant(names::RESOURCE), Limits], Shown::Decimal),
    Entry("prlimit64", &[Int, Constant(names::RESOURCE), Limits, OutLimits], Shown::Decimal),
    Entry("getrusage", &[Constant(names::USAGE_WHO), OutUsage], Shown::Decimal),
    Entry("sysinfo", &[OutSystemInformation], Shown::Decimal),
    Entry("times", &[OutProcessTimes], Shown::Decimal),
    Entry("setuid", &[Id], Shown::Decimal),
    Entry("setgid", &[Id], Shown::Decimal),
    Entry("setreuid", &[Id, Id], Shown::Decimal),
    Entry("setregid", &[Id, Id], Shown::Decimal),
    Entry("setresuid", &[Id, Id, Id], Shown::Decimal),
    Entry("setresgid", &[Id, Id, Id], Shown::Decimal),
    Entry("getresuid", &[OutInt, OutInt, OutInt], Shown::Decimal),
    Entry("getresgid", &[OutInt, OutInt, OutInt], Shown::Decimal),
    Entry("getgroups", &[Int, OutSpecial(special::groups)], Shown::Decimal),
    Entry("setpgid", &[Int, Int], Shown::Decimal),
    Entry("getpgid", &[Int], Shown::Decimal),
    Entry("getsid", &[Int], Shown::Decimal),
    Entry("getpriority", &[Constant(names::PRIORITY_WHICH), Int], Shown::Decimal),
    Entry("setpriority", &[Constant(names::PRIORITY_WHICH), Int, Int], Shown::Decimal),
    Entry("sched_getscheduler", &[Int], Shown::Decimal),
    Entry("arch_prctl", &[Constant(names::ARCH_PRCTL), Address], Shown::Decimal),
    Entry("prctl", &[Constant(names::PRCTL), OutSpecial(special::prctl_argument)], Shown::Decimal),
    Entry("set_tid_address", &[Address], Shown::Decimal),
    Entry("set_robust_list", &[Address, Size], Shown::Decimal),
    Entry("rseq", &[Offset, Hex, Offset, Hex], Shown::Decimal),
    Entry("futex", &[Address, Special(special::futex_operation), Special(special::futex_rest)], Shown::Decimal),
    Entry("getrandom", &[OutRandom, Size, Flags(names::RANDOM_FLAGS)], Shown::Decimal),
    Entry("memfd_create", &[Text, Flags(names::MEMFD_FLAGS)], Shown::Decimal),
    Entry("sethostname", &[Buffer(1), Size], Shown::Decimal),
    Entry("socket", &[FAMILY, Special(sockets::kind), Special(sockets::protocol)], Shown::Decimal),
    Entry("socketpair", &[FAMILY, Special(sockets::kind), Unsigned, OutPair], Shown::Decimal),
    Entry("bind", &[Int, Special(addresses::given), Int], Shown::Decimal),
    Entry("connect", &[Int, Special(addresses::given), Int], Shown::Decimal),
    Entry("listen", &[Int, Int], Shown::Decimal),
    Entry("accept", &[Int, STORED_ADDRESS, STORED_LENGTH], Shown::Decimal),
    Entry(
        "accept4",
        &[Int, STORED_ADDRESS, STORED_LENGTH, LabelledFlags(socket_names::TYPE_FLAGS, "SOCK_???")],
        Shown::Decimal,
    ),
    Entry("getsockname", &[Int, STORED_ADDRESS, STORED_LENGTH], Shown::Decimal),
    Entry("getpeername", &[Int, STORED_ADDRESS, STORED_LENGTH], Shown::Decimal),
    Entry("sendto", &[Int, Buffer(2), Size, MESSAGE_FLAGS, Special(addresses::given), Int], Shown::Decimal),
    Entry(
        "recvfrom",
        &[Int, OutSpecial(sockets::received), Size, MESSAGE_FLAGS, STORED_ADDRESS, STORED_LENGTH],
        Shown::Decimal,
    ),
    Entry("sendmsg", &[Int, Special(messages::sent), MESSAGE_FLAGS], Shown::Decimal),
    Entry("recvmsg", &[Int, OutSpecial(messages::received), MESSAGE_FLAGS], Shown::Decimal),
    Entry("shutdown", &[Int, LabelledConstant(socket_names::SHUT, "SHUT_???")], Shown::Decimal),
    Entry(
        "setsockopt",
        &[Int, Special(socket_options::level), Special(socket_options::name), Special(socket_options::given), Int],
        Shown::Decimal,
    ),
    Entry(
        "getsockopt",
        &[
            Int,
            Special(socket_options::level),
            Special(socket_options::name),
            OutSpecial(socket_options::stored),
            OutSpecial(addresses::replaced_length),
        ],
        Shown::Decimal,
    ),
    Entry("epoll_create", &[Int], Shown::Decimal),
    Entry("epoll_create1", &[LabelledFlags(events::EPOLL_CREATE_FLAGS, "EPOLL_???")], Shown::Decimal),
    Entry(
        "epoll_ctl",
        &[Int, LabelledConstant(events::EPOLL_OPERATION, "EPOLL_CTL_???"), Int, Special(events::asked)],
        Shown::Decimal,
    ),
    Entry("epoll_wait", &[Int, OutSpecial(events::happened), Int, Int], Shown::Decimal),
    // What follows the events is read at the exit as well, and not at all when the call failed.
    Entry("epoll_pwait", &[Int, OutSpecial(events::happened), Int, Int, OutSignalSet, Size], Shown::Decimal),
    Entry("epoll_pwait2", &[Int, OutSpecial(events::happened), Int, OutTime, OutSignalSet, Size], Shown::Decimal),
    Entry("eventfd", &[Unsigned], Shown::Decimal),
    Entry("eventfd2", &[Unsigned, LabelledFlags(events::EVENTFD_FLAGS, "EFD_???")], Shown::Decimal),
    Entry("timerfd_create", &[LabelledConstant(names::CLOCK, "CLOCK_???"), TIMERFD_FLAGS], Shown::Decimal),
    Entry(
        "timerfd_settime",
        &[Int, TIMERFD_FLAGS, Special(events::timer_given), OutSpecial(events::timer_stored)],
        Shown::Decimal,
    ),
    Entry("timerfd_gettime", &[Int, OutSpecial(events::timer_stored)], Shown::Decimal),
];
