//! Texts of a made-up process, in the layout that Linux 6.1 prints.

use crate::source::*;
use crate::{ProcFs, Subject, process, system};
use alloc::sync::Arc;
use guest_memory::io::{SliceSink, SliceSource};
use linux_abi::{Errno, Result};
use std::sync::Mutex;
use vfs::{FileKind, Inode, Namespace, OpenFile, OpenFlags, Path};

#[derive(Default)]
pub(crate) struct Made {
    name: Mutex<Vec<u8>>,
    trap: Mutex<Vec<u8>>,
    hides: bool,
}

fn facts(name: Vec<u8>) -> Snapshot {
    Snapshot {
        tid: 42,
        pid: 42,
        parent: 1,
        group: 42,
        session: 7,
        tracer: 0,
        name,
        state: RunState::Sleeping,
        terminal: 0x440,
        foreground: 42,
        flags: 0x40_0000,
        usage: Usage { user_ns: 1_230_000_000, system_ns: 40_000_000, minor_faults: 100, major_faults: 0 },
        children_usage: Usage::default(),
        nice: 0,
        threads: 1,
        start_ns: 2_000_000_000,
        resident_limit: u64::MAX,
        exit_signal: 17,
        exit_code: 0,
        umask: 0o22,
        descriptor_slots: 256,
        ids: Ids { uids: [0; 4], gids: [0; 4], groups: vec![5], capabilities: [0; 5], no_new_privileges: false },
        signals: SignalSets::default(),
        memory: Some(MemoryUse {
            virtual_size: 3_133_440,
            resident_anonymous: 8192,
            layout: MemoryLayout { code: (0x1000, 0x2000), ..MemoryLayout::default() },
            ..MemoryUse::default()
        }),
        switches: (1, 2),
        processor: 0,
        dumpable: true,
        oom_score_adjustment: 0,
    }
}

impl ProcessSource for Made {
    fn caller(&self) -> Option<(Pid, Pid)> {
        Some((42, 43))
    }
    fn processes(&self) -> Vec<Pid> {
        vec![1, 42]
    }
    fn threads(&self, _pid: Pid) -> Result<Vec<Pid>> {
        Ok(vec![42, 43])
    }
    fn process(&self, pid: Pid) -> Result<Snapshot> {
        if pid == 42 { Ok(facts(self.name.lock().expect("unlocked").clone())) } else { Err(Errno::ESRCH) }
    }
    fn thread(&self, pid: Pid, tid: Pid) -> Result<Snapshot> {
        self.process(pid).map(|facts| Snapshot { tid, ..facts })
    }
    fn owner(&self, pid: Pid) -> Result<(u32, u32)> {
        if [1, 42].contains(&pid) { Ok((1000, 100)) } else { Err(Errno::ESRCH) }
    }
    fn require_access(&self, _pid: Pid, _how: Inspect) -> Result<()> {
        if self.hides { Err(Errno::EACCES) } else { Ok(()) }
    }
    fn command_line(&self, _pid: Pid) -> Result<Vec<u8>> {
        Ok(b"sleep\0ten\0".to_vec())
    }
    fn environment(&self, _pid: Pid) -> Result<Vec<u8>> {
        Ok(b"A=1\0".to_vec())
    }
    fn auxiliary_vector(&self, _pid: Pid) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
    fn mappings(&self, _pid: Pid) -> Result<Vec<Mapping>> {
        let cat = Mapping {
            start: 0x5647_cfa1_2000,
            end: 0x5647_cfa1_4000,
            read: true,
            write: false,
            execute: false,
            shared: false,
            offset: 0,
            device: 0xfe00,
            inode: 247_030,
            name: b"/usr/bin/cat".to_vec(),
            resident: 4096,
        };
        let anonymous = Mapping { write: true, device: 0, inode: 0, name: Vec::new(), ..cat.clone() };
        Ok(vec![cat, anonymous])
    }
    fn descriptors(&self, _pid: Pid) -> Result<Vec<i32>> {
        Ok(vec![0, 1])
    }
    fn descriptor(&self, _pid: Pid, _descriptor: i32) -> Result<Arc<OpenFile>> {
        Err(Errno::ENOENT)
    }
    fn executable(&self, _pid: Pid) -> Result<Path> {
        Err(Errno::ENOENT)
    }
    fn working_directory(&self, _pid: Pid) -> Result<Path> {
        Err(Errno::ENOENT)
    }
    fn root_directory(&self, _pid: Pid) -> Result<Path> {
        Err(Errno::ENOENT)
    }
    fn namespace(&self, _pid: Pid) -> Result<Arc<Namespace>> {
        Err(Errno::EINVAL)
    }
    fn limits(&self, _pid: Pid) -> Result<[(u64, u64); 16]> {
        Ok([(8_388_608, u64::MAX); 16])
    }
    fn io_counters(&self, _pid: Pid) -> Result<[u64; 4]> {
        Ok([1, 2, 3, 4])
    }
    fn wait_channel(&self, _pid: Pid, _tid: Pid) -> Result<String> {
        Ok(String::new())
    }
    fn set_name(&self, _pid: Pid, _tid: Pid, name: &[u8]) -> Result<()> {
        *self.name.lock().expect("unlocked") = name.to_vec();
        Ok(())
    }
    fn set_oom_score_adjustment(&self, _pid: Pid, _value: i16) -> Result<()> {
        Ok(())
    }
    fn system(&self) -> SystemSnapshot {
        SystemSnapshot {
            memory_total: 256 << 20,
            memory_free: 128 << 20,
            uptime_ns: 61_250_000_000,
            idle_ns: 50_000_000_000,
            load: [65_536 / 2, 0, 65_536],
            running: 1,
            threads: 9,
            last_pid: 42,
            processors: 1,
            ..SystemSnapshot::default()
        }
    }
    fn host_name(&self) -> Vec<u8> {
        b"banyan".to_vec()
    }
    fn domain_name(&self) -> Vec<u8> {
        b"(none)".to_vec()
    }
    fn random(&self, into: &mut [u8]) {
        into.fill(0xff);
    }
    fn unknown_calls(&self) -> Vec<(u64, u64)> {
        vec![(441, 3)]
    }
    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("forks", 5)]
    }
    fn services(&self) -> String {
        "service placement\n".into()
    }
    fn native_threads(&self) -> String {
        "uptime_us 7\n".into()
    }
    fn command_services(&self, line: &str) -> Result<()> {
        if line == "kill fs\n" { Ok(()) } else { Err(Errno::EINVAL) }
    }
    fn trap_mechanism(&self) -> &'static str {
        if self.trap.lock().expect("unlocked").is_empty() { "vcpu" } else { "exception-ipc" }
    }
    fn set_trap_mechanism(&self, name: &[u8]) -> Result<()> {
        if name != b"exception-ipc" {
            return Err(Errno::EINVAL);
        }
        *self.trap.lock().expect("unlocked") = name.to_vec();
        Ok(())
    }
}

pub(crate) fn root(source: Made) -> Arc<dyn Inode> {
    source.name.lock().expect("unlocked").extend_from_slice(b"a (b) c");
    ProcFs::make(Arc::new(source)).root()
}

pub(crate) fn find(root: &Arc<dyn Inode>, path: &str) -> Result<Arc<dyn Inode>> {
    path.split('/').try_fold(root.clone(), |inode, name| inode.lookup(name.as_bytes()))
}

pub(crate) fn text(root: &Arc<dyn Inode>, path: &str) -> String {
    let file = find(root, path).and_then(|inode| inode.open(OpenFlags::empty())).expect("it opens");
    let mut buffer = vec![0; 8192];
    let mut sink = SliceSink::new(&mut buffer);
    let count = file.read(0, &mut sink, OpenFlags::empty()).expect("it reads");
    String::from_utf8(buffer[..count].to_vec()).expect("it is text")
}

#[test]
fn stat_has_its_52_fields() {
    let stat = text(&root(Made::default()), "42/stat");
    let expected = "42 (a (b) c) S 1 42 7 1088 42 4194304 100 0 0 0 123 4 0 0 20 0 1 0 200 3133440 2 18446744073709551615 \
                    4096 8192 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
    assert_eq!(stat, expected);
    let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace().count();
    assert_eq!(fields + 2, 52);
}

#[test]
fn maps_has_names_in_column_73() {
    let maps = text(&root(Made::default()), "42/maps");
    let expected = "5647cfa12000-5647cfa14000 r--p 00000000 fe:00 247030                     /usr/bin/cat\n\
                    5647cfa12000-5647cfa14000 rw-p 00000000 00:00 0 \n";
    assert_eq!(maps, expected);
}

#[test]
fn status_lines_are_those_of_linux() {
    let status = text(&root(Made::default()), "42/status");
    for line in [
        "Name:\ta (b) c\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t42\nNgid:\t0\nPid:\t42\nPPid:\t1\nTracerPid:\t0\n",
        "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t256\nGroups:\t5 \n",
        "VmSize:\t    3060 kB\n",
        "VmRSS:\t       8 kB\n",
        "Threads:\t1\nSigQ:\t0/0\nSigPnd:\t0000000000000000\n",
        "Cpus_allowed:\t1\nCpus_allowed_list:\t0\n",
        "voluntary_ctxt_switches:\t1\nnonvoluntary_ctxt_switches:\t2\n",
    ] {
        assert!(status.contains(line), "{line:?} in {status}");
    }
}

#[test]
fn limits_has_the_columns_of_linux() {
    let limits = text(&root(Made::default()), "42/limits");
    assert!(limits.starts_with("Limit                     Soft Limit           Hard Limit           Units     \n"));
    assert!(limits.contains("Max cpu time              8388608              unlimited            seconds   \n"));
    assert!(limits.contains("Max nice priority         8388608              unlimited            \n"));
}

#[test]
fn the_systems_texts_have_the_formats_of_linux() {
    let root = root(Made::default());
    assert_eq!(text(&root, "uptime"), "61.25 50.00\n");
    assert_eq!(text(&root, "loadavg"), "0.50 0.00 1.00 1/9 42\n");
    assert!(text(&root, "meminfo").starts_with("MemTotal:         262144 kB\nMemFree:          131072 kB\n"));
    assert!(text(&root, "stat").starts_with("cpu  0 0 0 5000 0 0 0 0 0 0\ncpu0 0 0 0 5000 0 0 0 0 0 0\nintr "));
    assert_eq!(text(&root, "sys/kernel/osrelease"), "6.1.0-banyan\n");
    assert_eq!(text(&root, "sys/kernel/random/uuid"), "ffffffff-ffff-4fff-bfff-ffffffffffff\n");
    assert_eq!(text(&root, "banyan/unknown-syscalls"), "441 epoll_pwait2 3\n");
}

#[test]
fn names_that_do_not_exist_are_not_found() {
    let root = root(Made::default());
    for path in ["nothing", "0", "-1", "+42", "042", "99", "42/none", "42/task/44", "sys/none", "42/fd/99999999999"] {
        assert_eq!(find(&root, path).err(), Some(Errno::ENOENT), "{path}");
    }
    assert!(find(&root, "42/task/43/stat").is_ok());
    assert_eq!(find(&root, "self").and_then(|link| link.read_link()), Ok(b"42".to_vec()));
    assert_eq!(find(&root, "thread-self").and_then(|link| link.read_link()), Ok(b"42/task/43".to_vec()));
}

#[test]
fn directories_list_everything_once_and_resume() {
    let root = root(Made::default());
    let directory = root.clone().open(OpenFlags::empty()).expect("it opens");
    let mut names = Vec::new();
    let mut cookie = 2;
    // One entry at a time, as with a tiny buffer.
    loop {
        let (before, from) = (names.len(), cookie);
        let mut emit = |entry: vfs::DirectoryEntry<'_>| {
            if names.len() > before {
                return core::ops::ControlFlow::Break(());
            }
            names.push(String::from_utf8_lossy(entry.name).into_owned());
            cookie = entry.next_cookie;
            core::ops::ControlFlow::Continue(())
        };
        directory.read_directory(from, &mut emit).expect("it lists");
        if names.len() == before {
            break;
        }
    }
    for name in ["sys", "banyan", "meminfo", "self", "mounts", "net", "1", "42"] {
        assert_eq!(names.iter().filter(|listed| *listed == name).count(), 1, "{name} in {names:?}");
    }
    assert_eq!(find(&root, "42").map(|inode| inode.kind()), Ok(FileKind::Directory));
}

#[test]
fn other_users_processes_keep_their_secrets() {
    let root = root(Made { hides: true, ..Made::default() });
    let open = |path| find(&root, path).and_then(|inode| inode.open(OpenFlags::empty())).map(|_| ());
    assert_eq!(open("42/environ"), Err(Errno::EACCES));
    assert_eq!(open("42/maps"), Err(Errno::EACCES));
    assert_eq!(find(&root, "42/fd/0").err(), Some(Errno::EACCES));
    assert_eq!(open("42/cmdline"), Ok(()));
    assert!(text(&root, "42/stat").contains(" 1 1 0 0 0 "), "addresses are hidden");
}

#[test]
fn a_written_name_is_cut_to_15_bytes() {
    let made = Made::default();
    let subject = Subject { pid: 42, tid: None };
    assert_eq!(process::set_name(&made, subject, b"a-very-long-name-indeed\n"), Ok(()));
    assert_eq!(process::name(&made, subject), Ok(b"a-very-long-nam\n".to_vec()));
    assert_eq!(process::set_oom_score_adjustment(&made, subject, b"1001"), Err(Errno::EINVAL));
    assert_eq!(system::counters(&made), b"forks 5\n");
    let root = root(made);
    let file = find(&root, "42/comm").and_then(|inode| inode.open(OpenFlags::RDWR)).expect("it opens");
    assert_eq!(file.write(0, &mut SliceSource::new(b"new\n"), OpenFlags::RDWR), Ok(4));
}

#[test]
fn a_process_chooses_how_its_traps_arrive() {
    let root = root(Made::default());
    assert_eq!(text(&root, "banyan/trap"), "vcpu\n");
    let file = find(&root, "banyan/trap").and_then(|inode| inode.open(OpenFlags::RDWR)).expect("it opens");
    let write = |text: &[u8]| file.write(0, &mut SliceSource::new(text), OpenFlags::RDWR);
    assert_eq!(write(b"nothing\n"), Err(Errno::EINVAL));
    assert_eq!(write(b"exception-ipc\n"), Ok(14));
    assert_eq!(text(&root, "banyan/trap"), "exception-ipc\n");
    let file = find(&root, "banyan/services").and_then(|inode| inode.open(OpenFlags::RDWR)).expect("it opens");
    let write = |text: &[u8]| file.write(0, &mut SliceSource::new(text), OpenFlags::RDWR);
    assert_eq!((write(b"kill fs\n"), write(b"\xff"), write(b"x")), (Ok(8), Err(Errno::EINVAL), Err(Errno::EINVAL)));
    assert_eq!(text(&root, "banyan/threads"), "uptime_us 7\n");
    let counters = find(&root, "banyan/counters").and_then(|inode| inode.open(OpenFlags::RDWR));
    assert_eq!(counters.err(), Some(Errno::EACCES));
}
