//! Texts about one process or thread (proc(5)).

use crate::memory::PAGE_BYTES;
use crate::source::{Inspect, MemoryUse, ProcessSource, RunState, Snapshot};
use crate::tree::Subject;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;
use linux_abi::{Errno, Result};

/// Nanoseconds in a clock tick (`USER_HZ` is 100).
pub(crate) const TICK_NS: u64 = 10_000_000;
/// Longest name of a thread.
const NAME_BYTES: usize = 15;

fn snapshot(source: &dyn ProcessSource, subject: Subject) -> Result<Snapshot> {
    match subject.tid {
        Some(tid) => source.thread(subject.pid, tid),
        None => source.process(subject.pid),
    }
}

impl RunState {
    fn letter(self) -> char {
        self.description().chars().next().unwrap_or('?')
    }

    fn description(self) -> &'static str {
        match self {
            RunState::Running => "R (running)",
            RunState::Sleeping => "S (sleeping)",
            RunState::Waiting => "D (disk sleep)",
            RunState::Stopped => "T (stopped)",
            RunState::Traced => "t (tracing stop)",
            RunState::Zombie => "Z (zombie)",
            RunState::Dead => "X (dead)",
        }
    }
}

/// `stat`: 52 fields on a line.
pub(crate) fn stat(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    let facts = snapshot(source, subject)?;
    let sees_addresses = source.require_access(subject.pid, Inspect::Read).is_ok();
    let memory = facts.memory.unwrap_or_default();
    let mut text = format!("{} (", facts.tid).into_bytes();
    text.extend_from_slice(&facts.name);
    let mut rest = format!(
        ") {} {} {} {} {} {} {}",
        facts.state.letter(),
        facts.parent,
        facts.group,
        facts.session,
        facts.terminal as i32,
        facts.foreground,
        facts.flags,
    );
    let ticks = |ns: u64| ns / TICK_NS;
    let (own, children) = (&facts.usage, &facts.children_usage);
    let mut put = |value: u64| {
        let _infallible = write!(rest, " {value}");
    };
    for value in [own.minor_faults, children.minor_faults, own.major_faults, children.major_faults] {
        put(value);
    }
    for ns in [own.user_ns, own.system_ns, children.user_ns, children.system_ns] {
        put(ticks(ns));
    }
    let _infallible = write!(
        rest,
        " {} {} {} 0 {} {} {} {}",
        20 + facts.nice,
        facts.nice,
        facts.threads,
        ticks(facts.start_ns),
        memory.virtual_size,
        memory.resident() / PAGE_BYTES,
        facts.resident_limit,
    );
    show_addresses(&facts, &memory, sees_addresses, &mut rest);
    text.extend_from_slice(rest.as_bytes());
    Ok(text)
}

/// Fields 26 to 52 of `stat`: addresses, signals, and what follows.
fn show_addresses(facts: &Snapshot, memory: &MemoryUse, sees_addresses: bool, text: &mut String) {
    let layout = &memory.layout;
    let seen = |address: u64| if sees_addresses { address } else { 0 };
    // Who may not see addresses sees 1 for the text, as a sign that there is memory at all.
    let code = match (facts.memory.is_some(), sees_addresses) {
        (true, true) => layout.code,
        (true, false) => (1, 1),
        (false, _) => (0, 0),
    };
    // The first 31 signals, as the kernel shows them here.
    let low = |set: u64| set & 0x7fff_ffff;
    let signals = &facts.signals;
    let before_exit_signal: [u64; 12] = [
        code.0,
        code.1,
        seen(layout.stack_start),
        0,
        0,
        low(signals.pending),
        low(signals.blocked),
        low(signals.ignored),
        low(signals.caught),
        0,
        0,
        0,
    ];
    for value in before_exit_signal {
        let _infallible = write!(text, " {value}");
    }
    let _infallible = write!(text, " {} {} 0 0 0 0 0", facts.exit_signal, facts.processor);
    let (data, arguments, environment) = (layout.data, layout.arguments, layout.environment);
    for value in [data.0, data.1, layout.break_start, arguments.0, arguments.1, environment.0, environment.1] {
        let _infallible = write!(text, " {}", seen(value));
    }
    let _infallible = writeln!(text, " {}", if sees_addresses { facts.exit_code } else { 0 });
}

/// `status`: a line for each fact.
pub(crate) fn status(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    let facts = snapshot(source, subject)?;
    let mut text = b"Name:\t".to_vec();
    for &byte in &facts.name {
        match byte {
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\\' => text.extend_from_slice(b"\\\\"),
            _ => text.push(byte),
        }
    }
    let mut rest = String::from("\n");
    let _infallible = status_ids(&facts, &mut rest);
    if let Some(memory) = &facts.memory {
        let _infallible = status_memory(memory, &mut rest);
    }
    let _infallible = status_signals(source, &facts, &mut rest);
    text.extend_from_slice(rest.as_bytes());
    Ok(text)
}

fn status_ids(facts: &Snapshot, text: &mut String) -> core::fmt::Result {
    let row = |ids: [u32; 4]| ids.map(|id| id.to_string()).join("\t");
    let groups: String = facts.ids.groups.iter().map(|group| format!("{group} ")).collect();
    writeln!(text, "Umask:\t{:04o}", facts.umask)?;
    writeln!(text, "State:\t{}", facts.state.description())?;
    writeln!(text, "Tgid:\t{}\nNgid:\t0\nPid:\t{}\nPPid:\t{}", facts.pid, facts.tid, facts.parent)?;
    writeln!(text, "TracerPid:\t{}", facts.tracer)?;
    writeln!(text, "Uid:\t{}\nGid:\t{}", row(facts.ids.uids), row(facts.ids.gids))?;
    writeln!(text, "FDSize:\t{}\nGroups:\t{groups}", facts.descriptor_slots)?;
    writeln!(text, "NStgid:\t{}\nNSpid:\t{}", facts.pid, facts.tid)?;
    writeln!(text, "NSpgid:\t{}\nNSsid:\t{}", facts.group, facts.session)
}

fn status_memory(memory: &MemoryUse, text: &mut String) -> core::fmt::Result {
    let rows = [
        ("VmPeak", memory.virtual_peak),
        ("VmSize", memory.virtual_size),
        ("VmLck", memory.locked),
        ("VmPin", 0),
        ("VmHWM", memory.resident_peak.max(memory.resident())),
        ("VmRSS", memory.resident()),
        ("RssAnon", memory.resident_anonymous),
        ("RssFile", memory.resident_file),
        ("RssShmem", memory.resident_shared),
        ("VmData", memory.data),
        ("VmStk", memory.stack),
        ("VmExe", memory.text),
        ("VmLib", memory.library),
        ("VmPTE", memory.page_tables),
        ("VmSwap", 0),
        ("HugetlbPages", 0),
    ];
    for (name, bytes) in rows {
        writeln!(text, "{name}:\t{:>8} kB", bytes / 1024)?;
    }
    writeln!(text, "CoreDumping:\t0\nTHP_enabled:\t0")
}

fn status_signals(source: &dyn ProcessSource, facts: &Snapshot, text: &mut String) -> core::fmt::Result {
    let signals = &facts.signals;
    writeln!(text, "Threads:\t{}\nSigQ:\t{}/{}", facts.threads, signals.queued.0, signals.queued.1)?;
    let sets = [
        ("SigPnd", signals.pending),
        ("ShdPnd", signals.shared_pending),
        ("SigBlk", signals.blocked),
        ("SigIgn", signals.ignored),
        ("SigCgt", signals.caught),
    ];
    let capabilities = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].into_iter().zip(facts.ids.capabilities);
    for (name, set) in sets.into_iter().chain(capabilities) {
        writeln!(text, "{name}:\t{set:016x}")?;
    }
    writeln!(text, "NoNewPrivs:\t{}\nSeccomp:\t0\nSeccomp_filters:\t0", u8::from(facts.ids.no_new_privileges))?;
    let processors = source.system().processors.clamp(1, 63);
    writeln!(text, "Cpus_allowed:\t{:x}", (1u64 << processors) - 1)?;
    let last = processors - 1;
    let list = if last == 0 { "0".to_string() } else { format!("0-{last}") };
    writeln!(text, "Cpus_allowed_list:\t{list}")?;
    writeln!(text, "Mems_allowed:\t1\nMems_allowed_list:\t0")?;
    writeln!(text, "voluntary_ctxt_switches:\t{}", facts.switches.0)?;
    writeln!(text, "nonvoluntary_ctxt_switches:\t{}", facts.switches.1)
}

/// `cmdline`.
pub(crate) fn command_line(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    source.command_line(subject.pid)
}

/// `environ`.
pub(crate) fn environment(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    source.environment(subject.pid)
}

/// `auxv`.
pub(crate) fn auxiliary_vector(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    source.auxiliary_vector(subject.pid)
}

/// `comm`.
pub(crate) fn name(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    let mut name = snapshot(source, subject)?.name;
    name.push(b'\n');
    Ok(name)
}

/// A write to `comm`: cut to 15 bytes, a newline at the end left out.
pub(crate) fn set_name(source: &dyn ProcessSource, subject: Subject, bytes: &[u8]) -> Result<()> {
    let name = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let name = name.get(..NAME_BYTES).unwrap_or(name);
    source.set_name(subject.pid, subject.tid.unwrap_or(subject.pid), name)
}

/// `io`.
pub(crate) fn io(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    let [read, written, reads, writes] = source.io_counters(subject.pid)?;
    let text = format!(
        "rchar: {read}\nwchar: {written}\nsyscr: {reads}\nsyscw: {writes}\nread_bytes: 0\nwrite_bytes: 0\n\
         cancelled_write_bytes: 0\n"
    );
    Ok(text.into_bytes())
}

/// `limits`.
pub(crate) fn limits(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    const ROWS: [(&str, &str); 16] = [
        ("Max cpu time", "seconds"),
        ("Max file size", "bytes"),
        ("Max data size", "bytes"),
        ("Max stack size", "bytes"),
        ("Max core file size", "bytes"),
        ("Max resident set", "bytes"),
        ("Max processes", "processes"),
        ("Max open files", "files"),
        ("Max locked memory", "bytes"),
        ("Max address space", "bytes"),
        ("Max file locks", "locks"),
        ("Max pending signals", "signals"),
        ("Max msgqueue size", "bytes"),
        ("Max nice priority", ""),
        ("Max realtime priority", ""),
        ("Max realtime timeout", "us"),
    ];
    let show = |limit: u64| if limit == u64::MAX { "unlimited".to_string() } else { limit.to_string() };
    let mut text = format!("{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for ((name, unit), (soft, hard)) in ROWS.into_iter().zip(source.limits(subject.pid)?) {
        let _infallible = write!(text, "{name:<25} {:<20} {:<20} ", show(soft), show(hard));
        let _infallible = if unit.is_empty() { writeln!(text) } else { writeln!(text, "{unit:<10}") };
    }
    Ok(text.into_bytes())
}

/// `oom_score`: the adjustment on the scale from 0 to 2000, with the share of memory in use.
/// `loginuid`: nobody logs in here, which Linux shows as all ones.
pub(crate) fn login_uid(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    source.process(subject.pid).map(|_| format!("{}", u32::MAX).into_bytes())
}

pub(crate) fn oom_score(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    let facts = source.process(subject.pid)?;
    let total = source.system().memory_total.max(1);
    let used = facts.memory.map_or(0, |memory| memory.resident().saturating_add(memory.page_tables));
    let share = i64::try_from(used.saturating_mul(1000) / total).unwrap_or(1000);
    let score = (1000 + share + i64::from(facts.oom_score_adjustment)) * 2 / 3;
    Ok(format!("{}\n", if facts.oom_score_adjustment == -1000 { 0 } else { score.max(0) }).into_bytes())
}

/// `oom_score_adj`.
pub(crate) fn oom_score_adjustment(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    Ok(format!("{}\n", source.process(subject.pid)?.oom_score_adjustment).into_bytes())
}

/// A write to `oom_score_adj`.
pub(crate) fn set_oom_score_adjustment(source: &dyn ProcessSource, subject: Subject, bytes: &[u8]) -> Result<()> {
    let text = core::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?.trim();
    let value: i16 = text.parse().map_err(|_| Errno::EINVAL)?;
    if !(-1000..=1000).contains(&value) {
        return Err(Errno::EINVAL);
    }
    source.set_oom_score_adjustment(subject.pid, value)
}

/// `wchan`.
pub(crate) fn wait_channel(source: &dyn ProcessSource, subject: Subject) -> Result<Vec<u8>> {
    let channel = source.wait_channel(subject.pid, subject.tid.unwrap_or(subject.pid))?;
    Ok(if channel.is_empty() { b"0".to_vec() } else { channel.into_bytes() })
}
