//! Texts about the whole system (proc(5)).

use crate::process::TICK_NS;
use crate::source::{ProcessSource, SystemSnapshot};
use crate::sysctl::{RELEASE, VERSION};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

const NS_PER_SECOND: u64 = 1_000_000_000;

/// `meminfo`.
pub(crate) fn meminfo(source: &dyn ProcessSource) -> Vec<u8> {
    let facts = source.system();
    let cached = facts.memory_cached.saturating_add(facts.memory_shared);
    let available = facts.memory_free.saturating_add(facts.memory_cached);
    let anonymous = facts.memory_anonymous.saturating_add(facts.memory_shared);
    let rows = [
        ("MemTotal", facts.memory_total),
        ("MemFree", facts.memory_free),
        ("MemAvailable", available),
        ("Buffers", 0),
        ("Cached", cached),
        ("SwapCached", 0),
        ("Active", anonymous.saturating_add(facts.memory_cached)),
        ("Inactive", 0),
        ("Active(anon)", anonymous),
        ("Inactive(anon)", 0),
        ("Active(file)", facts.memory_cached),
        ("Inactive(file)", 0),
        ("Unevictable", 0),
        ("Mlocked", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("AnonPages", facts.memory_anonymous),
        ("Mapped", facts.memory_mapped),
        ("Shmem", facts.memory_shared),
        ("KReclaimable", 0),
        ("Slab", facts.memory_kernel),
        ("SReclaimable", 0),
        ("SUnreclaim", facts.memory_kernel),
        ("KernelStack", 0),
        ("PageTables", facts.memory_page_tables),
        ("NFS_Unstable", 0),
        ("Bounce", 0),
        ("WritebackTmp", 0),
        ("CommitLimit", facts.memory_total / 2),
        ("Committed_AS", facts.memory_anonymous),
        ("VmallocTotal", 0x7fff_ffff_fc00),
        ("VmallocUsed", 0),
        ("VmallocChunk", 0),
    ];
    let mut text = String::new();
    for (name, bytes) in rows {
        let label = format!("{name}:");
        let _infallible = writeln!(text, "{label:<15} {:>8} kB", bytes / 1024);
    }
    text.into_bytes()
}

/// `uptime`: seconds since boot, seconds idle over all processors.
pub(crate) fn uptime(source: &dyn ProcessSource) -> Vec<u8> {
    let facts = source.system();
    let show = |ns: u64| format!("{}.{:02}", ns / NS_PER_SECOND, ns % NS_PER_SECOND / TICK_NS);
    format!("{} {}\n", show(facts.uptime_ns), show(facts.idle_ns)).into_bytes()
}

/// `loadavg`.
pub(crate) fn loadavg(source: &dyn ProcessSource) -> Vec<u8> {
    let facts = source.system();
    let show = |load: u64| {
        // Rounded to hundredths, as the kernel does.
        let rounded = load.saturating_add(65_536 / 200);
        format!("{}.{:02}", rounded >> 16, ((rounded & 0xffff) * 100) >> 16)
    };
    let [one, five, fifteen] = facts.load.map(show);
    format!("{one} {five} {fifteen} {}/{} {}\n", facts.running, facts.threads, facts.last_pid).into_bytes()
}

/// `stat`.
pub(crate) fn stat(source: &dyn ProcessSource) -> Vec<u8> {
    let facts = source.system();
    let mut text = String::new();
    let _infallible = writeln!(text, "cpu  {}", processor_times(&facts, 1));
    let processors = facts.processors.max(1);
    for index in 0..processors {
        let _infallible = writeln!(text, "cpu{index} {}", processor_times(&facts, u64::from(processors)));
    }
    let _infallible = write!(
        text,
        "intr {}\nctxt {}\nbtime {}\nprocesses {}\nprocs_running {}\nprocs_blocked {}\nsoftirq 0\n",
        facts.interrupts, facts.switches, facts.boot_seconds, facts.forks, facts.running, facts.blocked,
    );
    text.into_bytes()
}

/// A processor's times in ticks: user, nice, system, idle, and six that are not told apart here.
fn processor_times(facts: &SystemSnapshot, share: u64) -> String {
    let ticks = |ns: u64| ns / TICK_NS / share;
    let (user, nice, system) = (ticks(facts.user_ns), ticks(facts.nice_ns), ticks(facts.system_ns));
    format!("{user} {nice} {system} {} 0 0 0 0 0 0", ticks(facts.idle_ns))
}

/// `version`.
pub(crate) fn version(_source: &dyn ProcessSource) -> Vec<u8> {
    format!("Linux version {RELEASE} (banyan@banyan) (rustc) {VERSION}\n").into_bytes()
}

/// `cmdline`: what a Linux on this console would have been started with.
pub(crate) fn command_line(_source: &dyn ProcessSource) -> Vec<u8> {
    b"console=ttyS0\n".to_vec()
}

/// `cpuinfo`.
pub(crate) fn cpuinfo(source: &dyn ProcessSource) -> Vec<u8> {
    let facts = source.system();
    let processors = facts.processors.max(1);
    let (mega, thousandths) = (facts.tsc_hz / 1_000_000, facts.tsc_hz / 1000 % 1000);
    let twice = facts.tsc_hz.saturating_mul(2) / 10_000;
    let mut text = String::new();
    for index in 0..processors {
        let _infallible = write!(
            text,
            "processor\t: {index}\nmodel name\t: x86-64 CPU\ncpu MHz\t\t: {mega}.{thousandths:03}\n\
             physical id\t: 0\nsiblings\t: {processors}\ncore id\t\t: {index}\ncpu cores\t: {processors}\n\
             bogomips\t: {}.{:02}\nclflush size\t: 64\ncache_alignment\t: 64\n\n",
            twice / 100,
            twice % 100,
        );
    }
    text.into_bytes()
}

/// `devices`.
pub(crate) fn devices(_source: &dyn ProcessSource) -> Vec<u8> {
    b"Character devices:\n  1 mem\n  4 ttyS\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n"
        .to_vec()
}

/// `swaps`: the heading alone.
pub(crate) fn swaps(_source: &dyn ProcessSource) -> Vec<u8> {
    b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".to_vec()
}

/// `vmstat`, with the figures that are known.
pub(crate) fn vmstat(source: &dyn ProcessSource) -> Vec<u8> {
    let facts = source.system();
    let pages = |bytes: u64| bytes / crate::memory::PAGE_BYTES;
    format!(
        "nr_free_pages {}\nnr_anon_pages {}\nnr_mapped {}\nnr_file_pages {}\nnr_shmem {}\npgfault {}\npgmajfault 0\n",
        pages(facts.memory_free),
        pages(facts.memory_anonymous),
        pages(facts.memory_mapped),
        pages(facts.memory_cached.saturating_add(facts.memory_shared)),
        pages(facts.memory_shared),
        facts.faults,
    )
    .into_bytes()
}

/// `filesystems`: the types that the caller's mount(2) knows.
pub(crate) fn filesystems(source: &dyn ProcessSource) -> Vec<u8> {
    let namespace = source.caller().and_then(|(pid, _)| source.namespace(pid).ok());
    let types = namespace.map(|namespace| namespace.types()).unwrap_or_default();
    let mut text = String::new();
    for kind in types {
        let mark = if kind.is_without_device() { "nodev" } else { "" };
        let _infallible = writeln!(text, "{mark}\t{}", kind.name());
    }
    text.into_bytes()
}

/// A file that is empty here: there are no block devices and no modules.
pub(crate) fn nothing(_source: &dyn ProcessSource) -> Vec<u8> {
    Vec::new()
}

/// `banyan/unknown-syscalls`: number and count of each call that was answered with `ENOSYS`.
pub(crate) fn unknown_calls(source: &dyn ProcessSource) -> Vec<u8> {
    let mut text = String::new();
    for (number, count) in source.unknown_calls() {
        let name = usize::try_from(number).ok().and_then(syscalls_table::Sysno::new).map_or("?", |call| call.name());
        let _infallible = writeln!(text, "{number} {name} {count}");
    }
    text.into_bytes()
}

/// `banyan/counters`.
pub(crate) fn counters(source: &dyn ProcessSource) -> Vec<u8> {
    let mut text = String::new();
    for (name, value) in source.counters() {
        let _infallible = writeln!(text, "{name} {value}");
    }
    text.into_bytes()
}

/// `banyan/services`: where the services run.
pub(crate) fn services(source: &dyn ProcessSource) -> Vec<u8> {
    source.services().into_bytes()
}

/// `banyan/threads`: all threads of the machine.
pub(crate) fn native_threads(source: &dyn ProcessSource) -> Vec<u8> {
    source.native_threads().into_bytes()
}

/// Moves a service, or makes a task die.
pub(crate) fn command_services(source: &dyn ProcessSource, text: &[u8]) -> linux_abi::Result<()> {
    let line = core::str::from_utf8(text).map_err(|_| linux_abi::Errno::EINVAL)?;
    source.command_services(line)
}

/// `banyan/trap`: how the reader's traps reach the personality.
pub(crate) fn trap_mechanism(source: &dyn ProcessSource) -> Vec<u8> {
    format!("{}\n", source.trap_mechanism()).into_bytes()
}

/// The writer's process chooses how its traps are to reach the personality.
pub(crate) fn set_trap_mechanism(source: &dyn ProcessSource, text: &[u8]) -> linux_abi::Result<()> {
    source.set_trap_mechanism(text.trim_ascii())
}
