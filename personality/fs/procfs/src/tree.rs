//! What exists in the file system: names, permissions, and who makes the text.

use crate::source::{Inspect, Pid, ProcessSource};
use crate::{links, memory, network, process, sysctl, system};
use alloc::vec::Vec;
use linux_abi::Result;

/// A file of the whole system.
pub(crate) struct SystemFile {
    /// Path below the root.
    pub(crate) path: &'static str,
    /// Permission bits.
    pub(crate) permissions: u32,
    /// Makes the text.
    pub(crate) show: fn(&dyn ProcessSource) -> Vec<u8>,
    /// Takes what was written.
    pub(crate) store: Option<StoreWhole>,
}

/// Takes what was written to a file of the whole system.
pub(crate) type StoreWhole = fn(&dyn ProcessSource, &[u8]) -> Result<()>;

/// Makes the text of a thread's file.
pub(crate) type Show = fn(&dyn ProcessSource, Subject) -> Result<Vec<u8>>;

/// Takes what was written to a thread's file.
pub(crate) type Store = fn(&dyn ProcessSource, Subject, &[u8]) -> Result<()>;

/// A file of each thread.
pub(crate) struct ThreadFile {
    pub(crate) name: &'static str,
    pub(crate) permissions: u32,
    /// Right that reading needs, beyond the permission bits.
    pub(crate) requires: Option<Inspect>,
    pub(crate) show: Show,
    pub(crate) store: Option<Store>,
}

/// A process, or one thread of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Subject {
    pub(crate) pid: Pid,
    /// None for the process as a whole.
    pub(crate) tid: Option<Pid>,
}

/// A link of each thread to a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkKind {
    Executable,
    WorkingDirectory,
    Root,
}

pub(crate) const LINKS: [(&str, LinkKind); 3] =
    [("cwd", LinkKind::WorkingDirectory), ("exe", LinkKind::Executable), ("root", LinkKind::Root)];

/// An inode of the file system.
#[derive(Clone, Copy)]
pub(crate) enum What {
    Root,
    /// A directory of system files, by its path.
    Directory(&'static str),
    SystemFile(&'static SystemFile),
    /// `/proc/self`.
    SelfLink,
    /// `/proc/thread-self`.
    ThreadSelfLink,
    /// `/proc/mounts`.
    MountsLink,
    /// `/proc/net`.
    NetworkLink,
    Process(Subject),
    Tasks(Pid),
    /// `net` of a process or thread: all see the same network.
    Network(Subject),
    ThreadFile(Subject, &'static ThreadFile),
    Link(Subject, LinkKind),
    Descriptors(Subject),
    Descriptor(Subject, i32),
    DescriptorInfos(Subject),
    DescriptorInfo(Subject, i32),
}

const fn file(path: &'static str, show: fn(&dyn ProcessSource) -> Vec<u8>) -> SystemFile {
    SystemFile { path, permissions: 0o444, show, store: None }
}

/// Files of the whole system.
pub(crate) static SYSTEM_FILES: &[SystemFile] = &[
    file("banyan/counters", system::counters),
    SystemFile {
        path: "banyan/services",
        permissions: 0o644,
        show: system::services,
        store: Some(system::command_services),
    },
    SystemFile { path: "banyan/threads", permissions: 0o400, show: system::native_threads, store: None },
    SystemFile {
        path: "banyan/trap",
        permissions: 0o666,
        show: system::trap_mechanism,
        store: Some(system::set_trap_mechanism),
    },
    file("banyan/unknown-syscalls", system::unknown_calls),
    file("cmdline", system::command_line),
    file("cpuinfo", system::cpuinfo),
    file("devices", system::devices),
    file("diskstats", system::nothing),
    file("filesystems", system::filesystems),
    file("loadavg", system::loadavg),
    file("meminfo", system::meminfo),
    file("modules", system::nothing),
    file("partitions", system::nothing),
    file("stat", system::stat),
    file("swaps", system::swaps),
    file("uptime", system::uptime),
    file("version", system::version),
    file("vmstat", system::vmstat),
    file("sys/fs/file-max", sysctl::file_max),
    file("sys/fs/file-nr", sysctl::file_nr),
    file("sys/fs/nr_open", sysctl::nr_open),
    file("sys/fs/pipe-max-size", sysctl::pipe_max_size),
    file("sys/kernel/cap_last_cap", sysctl::cap_last_cap),
    file("sys/kernel/domainname", sysctl::domain_name),
    file("sys/kernel/hostname", sysctl::host_name),
    file("sys/kernel/ngroups_max", sysctl::ngroups_max),
    file("sys/kernel/osrelease", sysctl::os_release),
    file("sys/kernel/ostype", sysctl::os_type),
    file("sys/kernel/overflowgid", sysctl::overflow_id),
    file("sys/kernel/overflowuid", sysctl::overflow_id),
    file("sys/kernel/pid_max", sysctl::pid_max),
    file("sys/kernel/random/boot_id", sysctl::boot_id),
    file("sys/kernel/random/entropy_avail", sysctl::entropy),
    file("sys/kernel/random/poolsize", sysctl::entropy),
    file("sys/kernel/random/uuid", sysctl::uuid),
    file("sys/kernel/randomize_va_space", sysctl::zero),
    file("sys/kernel/threads-max", sysctl::threads_max),
    file("sys/kernel/version", sysctl::version),
    file("sys/vm/max_map_count", sysctl::max_map_count),
    file("sys/vm/mmap_min_addr", sysctl::mmap_min_addr),
    file("sys/vm/overcommit_memory", sysctl::overcommit),
    file("sys/vm/swappiness", sysctl::zero),
];

/// Files of a process's network: all see the same.
pub(crate) static NETWORK_FILES: &[SystemFile] = &[
    file("net/dev", network::devices),
    file("net/if_inet6", network::ipv6_addresses),
    file("net/raw", network::raw),
    file("net/raw6", network::raw6),
    file("net/route", network::routes),
    file("net/tcp", network::tcp),
    file("net/tcp6", network::tcp6),
    file("net/udp", network::udp),
    file("net/udp6", network::udp6),
    file("net/unix", network::unix),
];

const fn shown(name: &'static str, show: Show) -> ThreadFile {
    ThreadFile { name, permissions: 0o444, requires: None, show, store: None }
}

const fn guarded(name: &'static str, permissions: u32, show: Show) -> ThreadFile {
    ThreadFile { name, permissions, requires: Some(Inspect::Read), show, store: None }
}

const fn writable(name: &'static str, show: Show, store: Store) -> ThreadFile {
    ThreadFile { name, permissions: 0o644, requires: None, show, store: Some(store) }
}

/// Files of each process and thread.
pub(crate) static THREAD_FILES: &[ThreadFile] = &[
    guarded("auxv", 0o400, process::auxiliary_vector),
    shown("cmdline", process::command_line),
    writable("comm", process::name, process::set_name),
    guarded("environ", 0o400, process::environment),
    guarded("io", 0o400, process::io),
    shown("limits", process::limits),
    shown("loginuid", process::login_uid),
    guarded("maps", 0o444, memory::maps),
    shown("mountinfo", links::mount_info),
    shown("mounts", links::mounts),
    shown("oom_score", process::oom_score),
    writable("oom_score_adj", process::oom_score_adjustment, process::set_oom_score_adjustment),
    guarded("smaps", 0o444, memory::smaps),
    shown("stat", process::stat),
    shown("statm", memory::statm),
    shown("status", process::status),
    shown("wchan", process::wait_channel),
];

/// Names directly below a directory of system files, each once: the name and what it is.
pub(crate) fn children(directory: &str) -> Vec<(&'static str, What)> {
    children_among(SYSTEM_FILES, directory)
}

/// What is in the folder `net` of every process.
pub(crate) fn network_children() -> Vec<(&'static str, What)> {
    children_among(NETWORK_FILES, "net")
}

fn children_among(files: &'static [SystemFile], directory: &str) -> Vec<(&'static str, What)> {
    let mut found: Vec<(&'static str, What)> = Vec::new();
    for file in files {
        let rest = match directory {
            "" => Some(file.path),
            _ => file.path.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/')),
        };
        let Some(rest) = rest else { continue };
        match rest.split_once('/') {
            None => found.push((rest, What::SystemFile(file))),
            Some((name, below)) if found.last().is_none_or(|(last, _)| *last != name) => {
                let length = file.path.len().saturating_sub(below.len() + 1);
                found.push((name, What::Directory(file.path.get(..length).unwrap_or(file.path))));
            }
            Some(_) => {}
        }
    }
    found
}
