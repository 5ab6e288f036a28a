//! Processes as `/proc` sees them.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use linux_abi::{Errno, Result};
use mm::area::Protection;
use procfs::{Inspect, Mapping, Pid, ProcessSource, Snapshot, SystemSnapshot};
use services::CommandError;
use task::{INIT, Task, TrapMechanism, system};
use tty::Sessions;
use vfs::{Capability, Namespace, OpenFile, Path};

use crate::load::{self, Load};
use crate::seats::Seats;
use crate::snapshot::{place, resources};
use crate::{current, disk, watch};

/// Most bytes of arguments, environment or auxiliary vector that are shown.
const STRINGS_LIMIT: u64 = 1 << 20;

/// The contract between procfs and the task crate.
pub(crate) struct Source {
    /// Controlling terminals.
    pub(crate) sessions: Arc<Sessions>,
    /// Where threads run.
    pub(crate) seats: Arc<Seats>,
    /// Load averages.
    pub(crate) load: Arc<Load>,
    /// The mounts.
    pub(crate) namespace: Arc<Namespace>,
}

/// A thread of a process.
fn thread_of(pid: Pid, tid: Pid) -> Result<Arc<Task>> {
    place(pid)?.process.task_list().into_iter().find(|task| task.tid() == tid).ok_or(Errno::ESRCH)
}

/// Part of a process's memory, as far as it can be read; empty without a memory.
fn read_memory(pid: Pid, range: impl FnOnce(&mm::Regions) -> (u64, u64)) -> Result<Vec<u8>> {
    let Some(resources) = resources(&place(pid)?.process) else { return Ok(Vec::new()) };
    let (start, end) = range(&resources.space.regions());
    let mut bytes = vec![0; end.saturating_sub(start).min(STRINGS_LIMIT) as usize];
    let count = resources.space.read(start, &mut bytes);
    bytes.truncate(count);
    Ok(bytes)
}

/// The auxiliary vector within the initial stack: behind the argument count and two lists of pointers.
fn find_auxiliary(stack: &[u8]) -> &[u8] {
    let word = |index: usize| {
        let bytes = stack.get(index * 8..index * 8 + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_le_bytes)
    };
    let Some(start) = (|| {
        let arguments = usize::try_from(word(0)?).ok()?;
        let mut index = arguments.checked_add(2).filter(|index| *index < stack.len())?;
        while word(index)? != 0 {
            index += 1;
        }
        Some(index + 1)
    })() else {
        return &[];
    };
    let mut end = start;
    while word(end).is_some_and(|kind| kind != 0) {
        end += 2;
    }
    stack.get(start * 8..((end + 2) * 8).min(stack.len())).unwrap_or_default()
}

impl ProcessSource for Source {
    fn caller(&self) -> Option<(Pid, Pid)> {
        current::task().map(|task| (task.pid(), task.tid()))
    }

    fn processes(&self) -> Vec<Pid> {
        system().tree().iter().map(|(pid, _)| pid).collect()
    }

    fn threads(&self, pid: Pid) -> Result<Vec<Pid>> {
        let mut threads: Vec<Pid> = place(pid)?.process.task_list().iter().map(|task| task.tid()).collect();
        if threads.is_empty() {
            threads.push(pid);
        }
        threads.sort_unstable();
        Ok(threads)
    }

    fn process(&self, pid: Pid) -> Result<Snapshot> {
        Ok(self.snapshot(&place(pid)?, None))
    }

    fn thread(&self, pid: Pid, tid: Pid) -> Result<Snapshot> {
        let place = place(pid)?;
        let tasks = place.process.task_list();
        match tasks.iter().find(|task| task.tid() == tid) {
            Some(task) => Ok(self.snapshot(&place, Some(task))),
            None if tasks.is_empty() && tid == pid => Ok(self.snapshot(&place, None)),
            None => Err(Errno::ESRCH),
        }
    }

    fn owner(&self, pid: Pid) -> Result<(u32, u32)> {
        let process = place(pid)?.process;
        let dumpable = process.dumpable.load(Ordering::Relaxed);
        let credentials = resources(&process).filter(|_| dumpable).map(|resources| resources.credentials);
        Ok(credentials.map_or((0, 0), |credentials| (credentials.euid, credentials.egid)))
    }

    fn require_access(&self, pid: Pid, _how: Inspect) -> Result<()> {
        let process = place(pid)?.process;
        let Some(caller) = current::task() else { return Ok(()) };
        if caller.pid() == pid {
            return Ok(());
        }
        let own = caller.try_resources().ok_or(Errno::ESRCH)?.credentials;
        if own.has(Capability::SysPtrace) {
            return Ok(());
        }
        let Some(target) = resources(&process) else { return Err(Errno::EACCES) };
        let target = target.credentials;
        let same_user = [target.uid, target.euid, target.suid].iter().all(|id| *id == own.fsuid);
        let same_group = [target.gid, target.egid, target.sgid].iter().all(|id| *id == own.fsgid);
        let dumpable = process.dumpable.load(Ordering::Relaxed);
        let subset = target.permitted & !own.permitted == 0;
        if same_user && same_group && dumpable && subset { Ok(()) } else { Err(Errno::EACCES) }
    }

    fn command_line(&self, pid: Pid) -> Result<Vec<u8>> {
        if pid == INIT {
            return Ok(b"init\0".to_vec());
        }
        read_memory(pid, |regions| (regions.arg_start, regions.arg_end))
    }

    fn environment(&self, pid: Pid) -> Result<Vec<u8>> {
        read_memory(pid, |regions| (regions.env_start, regions.env_end))
    }

    fn auxiliary_vector(&self, pid: Pid) -> Result<Vec<u8>> {
        let stack =
            read_memory(pid, |regions| (regions.stack_start, regions.stack_start.saturating_add(STRINGS_LIMIT)))?;
        Ok(find_auxiliary(&stack).to_vec())
    }

    fn mappings(&self, pid: Pid) -> Result<Vec<Mapping>> {
        let Some(resources) = resources(&place(pid)?.process) else { return Ok(Vec::new()) };
        let show = |area: mm::AreaReport| Mapping {
            start: area.start,
            end: area.end,
            read: area.protection.contains(Protection::READ),
            write: area.protection.contains(Protection::WRITE),
            execute: area.protection.contains(Protection::EXECUTE),
            shared: area.shared,
            offset: area.offset,
            device: area.object.as_ref().map_or(0, |object| object.device),
            inode: area.object.as_ref().map_or(0, |object| object.inode),
            name: area.object.map_or_else(|| area.label.as_bytes().to_vec(), |object| object.name.clone()),
            resident: area.resident_pages * 4096,
        };
        Ok(resources.space.report().into_iter().map(show).collect())
    }

    fn descriptors(&self, pid: Pid) -> Result<Vec<i32>> {
        Ok(resources(&place(pid)?.process).map_or_else(Vec::new, |resources| resources.files.numbers()))
    }

    fn descriptor(&self, pid: Pid, descriptor: i32) -> Result<Arc<OpenFile>> {
        let resources = resources(&place(pid)?.process).ok_or(Errno::ENOENT)?;
        resources.files.get_any(descriptor).map_err(|_| Errno::ENOENT)
    }

    fn executable(&self, pid: Pid) -> Result<Path> {
        let place = place(pid)?;
        let executable = place.process.executable.lock().clone();
        executable.filter(|_| place.ended.is_none()).ok_or(Errno::ENOENT)
    }

    fn working_directory(&self, pid: Pid) -> Result<Path> {
        match resources(&place(pid)?.process) {
            Some(resources) => Ok(resources.fs.working_directory()),
            None if pid == INIT => Ok(self.namespace.root()),
            None => Err(Errno::ENOENT),
        }
    }

    fn root_directory(&self, pid: Pid) -> Result<Path> {
        match resources(&place(pid)?.process) {
            Some(resources) => Ok(resources.fs.root()),
            None if pid == INIT => Ok(self.namespace.root()),
            None => Err(Errno::ENOENT),
        }
    }

    fn namespace(&self, pid: Pid) -> Result<Arc<Namespace>> {
        let place = place(pid)?;
        if place.ended.is_some() { Err(Errno::EINVAL) } else { Ok(self.namespace.clone()) }
    }

    fn limits(&self, pid: Pid) -> Result<[(u64, u64); 16]> {
        Ok(place(pid)?.process.limits.lock().0)
    }

    fn io_counters(&self, pid: Pid) -> Result<[u64; 4]> {
        // Not counted: that would cost every call something.
        place(pid).map(|_| [0; 4])
    }

    fn wait_channel(&self, pid: Pid, tid: Pid) -> Result<String> {
        if pid != INIT {
            thread_of(pid, tid)?;
        }
        Ok(String::new())
    }

    fn set_name(&self, pid: Pid, tid: Pid, name: &[u8]) -> Result<()> {
        let task = thread_of(pid, tid)?;
        if current::task().is_none_or(|caller| caller.pid() != pid) {
            return Err(Errno::EINVAL);
        }
        task.set_name(name);
        Ok(())
    }

    fn set_oom_score_adjustment(&self, pid: Pid, value: i16) -> Result<()> {
        let process = place(pid)?.process;
        let old = process.oom_score_adjustment.load(Ordering::Relaxed);
        let caller = current::task().and_then(|task| task.try_resources());
        let may_lower = caller.is_none_or(|resources| resources.credentials.has(Capability::SysResource));
        if i32::from(value) < old && !may_lower {
            return Err(Errno::EACCES);
        }
        process.oom_score_adjustment.store(value.into(), Ordering::Relaxed);
        Ok(())
    }

    fn system(&self) -> SystemSnapshot {
        self.system_snapshot()
    }

    fn host_name(&self) -> Vec<u8> {
        syscalls::system::host_name()
    }

    fn domain_name(&self) -> Vec<u8> {
        syscalls::system::domain_name()
    }

    fn random(&self, into: &mut [u8]) {
        devfs::random::fill(into);
    }

    fn unknown_calls(&self) -> Vec<(u64, u64)> {
        syscalls::unknown_calls().into_iter().map(|(number, count)| (number.into(), count)).collect()
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let frames = guest_memory::frames::stats();
        // Zero where the manifest grants no log capability.
        let [kernel_calls, switches, interrupts, faults, cr3_writes, kernel_entries] =
            rt::own::log().counters().unwrap_or_default();
        let mut counters = vec![
            ("kernel_calls", kernel_calls),
            ("thread_switches", switches),
            ("interrupts", interrupts),
            ("kernel_faults", faults),
            ("cr3_writes", cr3_writes),
            ("kernel_entries", kernel_entries),
            ("idle_ticks", rt::own::log().idle().unwrap_or_default()),
            ("exception_ipc_traps", crate::puppet::trap_count()),
            ("frames_total", frames.total),
            ("frames_free", frames.free),
            ("frames_heap", frames.heap),
            ("seats", self.seats.count() as u64),
            ("forks", system().forks.load(Ordering::Relaxed)),
            ("open_files", vfs::open_file::open_count()),
        ];
        counters.extend(disk::counters());
        counters
    }

    fn services(&self) -> String {
        disk::services().map_or_else(|| "no service: the root is in memory\n".into(), |services| services.table())
    }

    fn native_threads(&self) -> String {
        watch::table()
    }

    fn command_services(&self, line: &str) -> Result<()> {
        let services = disk::services().ok_or(Errno::ENOENT)?;
        services.command(line).map_err(|error| match error {
            CommandError::Misused => Errno::EINVAL,
            CommandError::Unknown => Errno::ENOENT,
            CommandError::State => Errno::EALREADY,
            CommandError::Refused => Errno::EPERM,
            CommandError::Failed | CommandError::Move(_) => Errno::EIO,
        })
    }

    fn trap_mechanism(&self) -> &'static str {
        current::task().map_or("", |task| task.process.trap_mechanism().name())
    }

    fn set_trap_mechanism(&self, name: &[u8]) -> Result<()> {
        let task = current::task().ok_or(Errno::EINVAL)?;
        let mechanism = TrapMechanism::from_name(name).ok_or(Errno::EINVAL)?;
        if mechanism == TrapMechanism::ExceptionIpc {
            self.seats.prepare_puppet(&task)?;
        }
        task.process.set_trap_mechanism(mechanism);
        Ok(())
    }
}

impl Source {
    fn system_snapshot(&self) -> SystemSnapshot {
        let frames = guest_memory::frames::stats();
        let (used, faults, last_pid) = totals();
        let uptime_ns = rt::time::now_ns();
        let files = self.file_pages();
        let anonymous = self.anonymous_pages();
        let threads = system().tree().thread_count() as u32;
        let running = load::count_running(&self.seats);
        SystemSnapshot {
            memory_total: frames.total * 4096,
            memory_free: frames.free * 4096,
            memory_cached: diskfs::cached_pages() * 4096,
            memory_shared: files * 4096,
            memory_anonymous: anonymous * 4096,
            memory_kernel: frames.heap * 4096,
            uptime_ns,
            idle_ns: uptime_ns.saturating_sub(used.user_ns).saturating_sub(used.system_ns),
            user_ns: used.user_ns,
            system_ns: used.system_ns,
            boot_seconds: vfs::clock::boot_time_ns() / 1_000_000_000,
            load: self.load.averages(),
            running,
            threads,
            last_pid,
            forks: system().forks.load(Ordering::Relaxed),
            faults,
            processors: rt::cpu::count(),
            tsc_hz: rt::time::tsc_hz(),
            open_files: (vfs::open_file::open_count(), crate::start::open_limit()),
            thread_limit: system().thread_limit as u64,
            ..SystemSnapshot::default()
        }
    }

    /// Pages of files in temporary file systems.
    fn file_pages(&self) -> u64 {
        // Only of those: a disk is asked over a message, and has no pages here that are not counted elsewhere.
        let mounts = self.namespace.mounts().into_iter();
        let in_memory = mounts.filter(|mount| matches!(mount.file_system().type_name(), "tmpfs" | "devtmpfs"));
        let in_memory = in_memory.map(|mount| mount.file_system().statistics());
        in_memory.map(|s| s.blocks.saturating_sub(s.free_blocks)).sum()
    }

    fn anonymous_pages(&self) -> u64 {
        let spaces = system().processes().into_iter().filter_map(|process| resources(&process));
        spaces.map(|r| r.space.usage()).map(|u| u.resident.saturating_sub(u.resident_of_objects)).sum()
    }
}

/// Use of resources by all processes that ever were, their faults, and the youngest process's number.
fn totals() -> (task::Usage, u64, Pid) {
    let mut total = task::Usage::default();
    let (mut alive, mut last) = (Vec::new(), 0);
    {
        let tree = system().tree();
        for (pid, entry) in tree.iter() {
            total.add(&entry.usage);
            total.add(&entry.children_usage);
            if entry.ended.is_none() {
                alive.push(entry.process.clone());
            }
            last = pid.max(last);
        }
    }
    alive.iter().for_each(|process| total.add(&process.usage()));
    (total, total.minor_faults, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_auxiliary_vector_is_found_behind_the_pointers() {
        let words: [u64; 9] = [1, 0x1000, 0, 0x2000, 0, 6, 4096, 0, 0];
        let stack: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(find_auxiliary(&stack), &stack[40..72]);
        assert!(find_auxiliary(&stack[..20]).is_empty());
        assert!(find_auxiliary(&[0xff; 64]).is_empty());
    }
}
