//! Lines that strace 6.1 printed for the same calls.

use crate::{Call, End, Memory, SignalDetail, SignalEvent, Tracer};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Pieces of memory by address.
#[derive(Default)]
pub(crate) struct Pieces(BTreeMap<u64, Vec<u8>>);

impl Memory for Pieces {
    fn read(&self, address: u64, into: &mut [u8]) -> usize {
        let Some((start, bytes)) = self.0.range(..=address).next_back() else { return 0 };
        let rest = bytes.get((address - start) as usize..).unwrap_or(&[]);
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        count
    }
}

impl Pieces {
    pub(crate) fn with(mut self, address: u64, bytes: &[u8]) -> Self {
        self.0.insert(address, bytes.to_vec());
        self
    }

    pub(crate) fn words(self, address: u64, words: &[u64]) -> Self {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.with(address, &bytes)
    }
}

fn number(name: &str) -> u64 {
    (0..500).find(|&number| crate::calls::name(number) == name).expect("a known call")
}

pub(crate) fn line(memory: &Pieces, name: &str, arguments: &[u64], result: i64) -> String {
    changed(memory, memory, name, arguments, result)
}

/// The line of a call whose memory changes while it runs.
pub(crate) fn changed(before: &Pieces, after: &Pieces, name: &str, arguments: &[u64], result: i64) -> String {
    let mut tracer = Tracer::new();
    let mut out = String::new();
    let mut six = [0; 6];
    six[..arguments.len()].copy_from_slice(arguments);
    tracer.entry(7, Call { number: number(name), arguments: six }, before, &mut out);
    tracer.exit(7, result, after, &mut out);
    out.trim_end().to_string()
}

/// -1 in an argument of 32 bits.
pub(crate) const MINUS_ONE: u64 = u32::MAX as u64;

const AT_FDCWD: u64 = -100i32 as u32 as u64;

#[test]
fn files_are_shown_as_strace_shows_them() {
    let memory = Pieces::default()
        .with(0x1000, b"/tmp/ts/zz\0")
        .with(0x2000, b"ab\n\t\x01\x012\xff\"\\cdefghijklmnopqrstuvwxyz0123456789");
    let cases = [
        (
            line(&memory, "write", &[6, 0x2000, 45], 45),
            r#"write(6, "ab\n\t\1\0012\377\"\\cdefghijklmnopqrstuvwx"..., 45) = 45"#,
        ),
        (
            line(&memory, "read", &[5, 0x7ffce1a6f9e0, 100], -11),
            "read(5, 0x7ffce1a6f9e0, 100)            = -1 EAGAIN (Resource temporarily unavailable)",
        ),
        (line(&memory, "close", &[3], 0), "close(3)                                = 0"),
        (
            line(&memory, "openat", &[AT_FDCWD, 0x1000, 0o1102, 0o640], 9),
            r#"openat(AT_FDCWD, "/tmp/ts/zz", O_RDWR|O_CREAT|O_TRUNC, 0640) = 9"#,
        ),
        (
            line(&memory, "openat", &[AT_FDCWD, 0x1000, 0o200000], -20),
            r#"openat(AT_FDCWD, "/tmp/ts/zz", O_RDONLY|O_DIRECTORY) = -1 ENOTDIR (Not a directory)"#,
        ),
        (line(&memory, "access", &[0x1000, 0], 0), r#"access("/tmp/ts/zz", F_OK)              = 0"#),
        (line(&memory, "umask", &[0o22], 0o22), "umask(022)                              = 022"),
        (line(&memory, "lseek", &[0, 0, 1], 0), "lseek(0, 0, SEEK_CUR)                   = 0"),
        (
            line(&memory, "fcntl", &[0, 3], 0x8000),
            "fcntl(0, F_GETFL)                       = 0x8000 (flags O_RDONLY|O_LARGEFILE)",
        ),
        (line(&memory, "fcntl", &[0, 4, 0o4002], 0), "fcntl(0, F_SETFL, O_RDWR|O_NONBLOCK)    = 0"),
        (line(&memory, "getdents64", &[12, 0x9000, 4096], 0), "getdents64(12, 0x9000 /* 0 entries */, 4096) = 0"),
    ];
    for (shown, expected) in cases {
        assert_eq!(shown, expected);
    }
}

#[test]
fn memory_and_signals_are_shown_as_strace_shows_them() {
    let memory = Pieces::default()
        .words(0x1000, &[0x55e4d81af6e9, 0x1400_0000, 0x7f221c5bb050, 0x10002])
        .words(0x2000, &[!0x1_8000_0000])
        .words(0x3000, &[8192 * 1024, u64::MAX]);
    assert_eq!(
        line(&memory, "mmap", &[0, 4096, 3, 0x22, u64::MAX, 0], 0x7f221c769000),
        "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f221c769000"
    );
    assert_eq!(
        line(&memory, "mprotect", &[0x7f221c769000, 4096, 0], 0),
        "mprotect(0x7f221c769000, 4096, PROT_NONE) = 0"
    );
    assert_eq!(
        line(&memory, "rt_sigaction", &[10, 0x1000, 0, 8], 0),
        "rt_sigaction(SIGUSR1, {sa_handler=0x55e4d81af6e9, sa_mask=[INT CHLD], sa_flags=SA_RESTORER|SA_RESTART, \
         sa_restorer=0x7f221c5bb050}, NULL, 8) = 0"
    );
    assert_eq!(
        line(&memory, "rt_sigprocmask", &[2, 0x2000, 0, 8], 0),
        "rt_sigprocmask(SIG_SETMASK, ~[RTMIN RT_1], NULL, 8) = 0"
    );
    assert_eq!(
        line(&memory, "prlimit64", &[0, 3, 0, 0x3000], 0),
        "prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0"
    );
    assert_eq!(
        line(&memory, "clone", &[0x1200011, 0, 0, 0x7f221c57ca10, 0], 19517),
        "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, \
         child_tidptr=0x7f221c57ca10) = 19517"
    );
}

#[test]
fn waiting_and_polling_are_shown_as_strace_shows_them() {
    let memory = Pieces::default()
        .words(0x1000, &[0x300])
        .with(0x2000, &[5, 0, 0, 0, 1, 0, 0, 0, 6, 0, 0, 0, 5, 0, 4, 0])
        .words(0x3000, &[0, 1])
        .with(0x4000, b"/none\0")
        .words(0x5000, &[0x6000, 0x6010, 0])
        .with(0x6000, b"ls\0")
        .with(0x6010, b"-l\0")
        .words(0x7000, &[0x6000, 0]);
    assert_eq!(
        line(&memory, "wait4", &[-1i32 as u32 as u64, 0x1000, 3, 0], 19518),
        "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], WNOHANG|WSTOPPED, NULL) = 19518"
    );
    assert_eq!(
        line(&memory, "poll", &[0x2000, 2, 10], 1),
        "poll([{fd=5, events=POLLIN}, {fd=6, events=POLLIN|POLLOUT}], 2, 10) = 1 ([{fd=6, revents=POLLOUT}])"
    );
    assert_eq!(
        line(&memory, "ppoll", &[0x2000, 2, 0x3000, 0, 8], 1),
        "ppoll([{fd=5, events=POLLIN}, {fd=6, events=POLLIN|POLLOUT}], 2, {tv_sec=0, tv_nsec=1}, NULL, 8) = 1 \
         ([{fd=6, revents=POLLOUT}], left {tv_sec=0, tv_nsec=1})"
    );
    assert_eq!(
        line(&memory, "futex", &[0x7ffce1a6f34c, 0x80, 0, 0x3000], -110),
        "futex(0x7ffce1a6f34c, FUTEX_WAIT_PRIVATE, 0, {tv_sec=0, tv_nsec=1}) = -1 ETIMEDOUT (Connection timed out)"
    );
    assert_eq!(
        line(&memory, "execve", &[0x4000, 0x5000, 0x7000], -2),
        r#"execve("/none", ["ls", "-l"], 0x7000 /* 1 var */) = -1 ENOENT (No such file or directory)"#
    );
}

#[test]
fn an_unknown_call_is_shown_by_its_number() {
    let mut out = String::new();
    let mut tracer = Tracer::new();
    tracer.entry(1, Call { number: 500, arguments: [1, 2, 3, 4, 5, 6] }, &Pieces::default(), &mut out);
    tracer.exit(1, -38, &Pieces::default(), &mut out);
    let expected = "syscall_0x1f4(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -1 ENOSYS (Function not implemented)\n";
    assert_eq!(out, expected);
}

#[test]
fn threads_interrupt_each_others_lines() {
    let memory = Pieces::default().words(0x1000, &[0x300]);
    let mut tracer = Tracer::new();
    let mut out = String::new();
    let any = -1i32 as u32 as u64;
    tracer.entry(1, Call { number: number("wait4"), arguments: [any, 0x1000, 0, 0, 0, 0] }, &memory, &mut out);
    tracer.entry(2, Call { number: number("exit_group"), arguments: [3, 0, 0, 0, 0, 0] }, &memory, &mut out);
    tracer.ended(2, End::Exited(3), &mut out);
    tracer.exit(1, 2, &memory, &mut out);
    let detail = SignalDetail::Child { pid: 2, uid: 0, status: 3, user_ticks: 0, system_ticks: 0 };
    tracer.signal(1, &SignalEvent { signal: 17, code: 1, detail }, &mut out);
    tracer.ended(1, End::Killed { signal: 11, core: false }, &mut out);
    let expected = "wait4(-1,  <unfinished ...>\n\
        [pid     2] exit_group(3)               = ?\n\
        [pid     2] +++ exited with 3 +++\n\
        <... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL) = 2\n\
        --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=2, si_uid=0, si_status=3, si_utime=0, si_stime=0} ---\n\
        +++ killed by SIGSEGV +++\n";
    assert_eq!(out, expected);
}

proptest! {
    #[test]
    fn no_call_and_no_memory_break_the_tracer(
        number in 0u64..470, arguments in any::<[u64; 6]>(), small in any::<[u8; 6]>(), result in any::<i64>(),
        failed in any::<bool>(), bytes in any::<Vec<u8>>(),
    ) {
        let memory = Pieces::default().with(0, &bytes);
        let mut tracer = Tracer::new();
        let mut out = String::new();
        let near = small.map(u64::from);
        for arguments in [arguments, near] {
            tracer.entry(1, Call { number, arguments }, &memory, &mut out);
            let result = if failed { -(result & 0xfff) } else { result & 0xffff };
            tracer.exit(1, result, &memory, &mut out);
        }
        prop_assert!(out.ends_with('\n'));
    }
}
