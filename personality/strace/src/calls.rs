//! What arguments and results can be, and how a call is printed that has some of them ([`table`](crate::table) says which).

use crate::addresses;
use crate::errors;
use crate::memory::Memory;
use crate::names::Names;
use crate::print::{self, put};
use crate::special;
use crate::structures;
use crate::table;
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
    /// `struct itimerspec`.
    TimerSpecification,
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
    /// `struct itimerspec`.
    OutTimerSpecification,
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
pub(crate) enum Shown {
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
                | OutTimerSpecification
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
pub(crate) struct Entry(pub(crate) &'static str, pub(crate) &'static [Kind], pub(crate) Shown);

/// The table, by name; numbers come from the table of names.
fn describe(name: &str) -> Option<&'static Entry> {
    table::CALLS.iter().find(|entry| entry.0 == name)
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
        Kind::IntervalTimer | Kind::OutIntervalTimer => structures::interval_timer(out, memory, value, "tv_usec"),
        Kind::TimerSpecification | Kind::OutTimerSpecification => {
            structures::interval_timer(out, memory, value, "tv_nsec");
        }
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
