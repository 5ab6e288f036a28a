//! The table of system calls: number, name, handler, how well it is supported.
//!
//! One line a call, by number (arch/x86/entry/syscalls/syscall_64.tbl). What is not here is `ENOSYS`: System V IPC,
//! inotify, ptrace, namespaces, modules, asynchronous input and output, keys, and pidfds.

use crate::{Handler, epoll, fs, futex, mm, net, poll, process, signal, system, time};

/// How well a call is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// As on Linux, as far as the rest of the system goes.
    Full,
    /// In part; the note says which.
    Partial,
    /// It exists, and refuses whatever is asked.
    Refused,
}

/// A system call.
#[derive(Clone, Copy)]
pub struct Call {
    /// Its number.
    pub number: u32,
    /// Linux's name.
    pub name: &'static str,
    /// Its code.
    pub handler: Handler,
    /// How well it is supported.
    pub support: Support,
    /// What is missing, or nothing.
    pub note: &'static str,
}

/// Numbers are below this: `futex_waitv` of Linux 5.16 and `set_mempolicy_home_node` of 5.17 are the last of 6.1.
pub const CALLS: usize = 451;

macro_rules! calls {
    ($($number:literal $name:ident $support:ident $handler:path, $note:literal;)*) => {
        /// All calls that are supported, by number.
        pub static TABLE: &[Call] = &[$(Call {
            number: $number,
            name: stringify!($name),
            handler: $handler,
            support: Support::$support,
            note: $note,
        }),*];

        /// The handlers by number: what each call goes through.
        pub static HANDLERS: [Option<Handler>; CALLS] = {
            let mut handlers: [Option<Handler>; CALLS] = [None; CALLS];
            $(handlers[$number] = Some($handler as Handler);)*
            handlers
        };
    };
}

calls! {
    0 read Full fs::io::sys_read, "";
    1 write Full fs::io::sys_write, "";
    2 open Full fs::open::sys_open, "";
    3 close Full fs::open::sys_close, "";
    4 stat Full fs::stat::sys_stat, "";
    5 fstat Full fs::stat::sys_fstat, "";
    6 lstat Full fs::stat::sys_lstat, "";
    7 poll Full poll::sys_poll, "";
    8 lseek Full fs::io::sys_lseek, "";
    9 mmap Partial mm::map::sys_mmap, "no MAP_HUGETLB, MAP_32BIT";
    10 mprotect Full mm::range::sys_mprotect, "";
    11 munmap Full mm::map::sys_munmap, "";
    12 brk Full mm::map::sys_brk, "";
    13 rt_sigaction Full signal::action::sys_rt_sigaction, "";
    14 rt_sigprocmask Full signal::action::sys_rt_sigprocmask, "";
    15 rt_sigreturn Full signal::action::sys_rt_sigreturn, "";
    16 ioctl Partial fs::descriptor::sys_ioctl, "those of terminals, pipes, sockets and descriptors";
    17 pread64 Full fs::io::sys_pread64, "";
    18 pwrite64 Full fs::io::sys_pwrite64, "";
    19 readv Full fs::io::sys_readv, "";
    20 writev Full fs::io::sys_writev, "";
    21 access Full fs::stat::sys_access, "";
    22 pipe Full fs::open::sys_pipe, "";
    23 select Full poll::sys_select, "";
    24 sched_yield Full process::schedule::sys_sched_yield, "";
    25 mremap Full mm::map::sys_mremap, "";
    26 msync Full mm::range::sys_msync, "";
    27 mincore Full mm::range::sys_mincore, "";
    28 madvise Partial mm::range::sys_madvise, "advice without effect is accepted";
    32 dup Full fs::descriptor::sys_dup, "";
    33 dup2 Full fs::descriptor::sys_dup2, "";
    34 pause Full time::sleep::sys_pause, "";
    35 nanosleep Full time::sleep::sys_nanosleep, "";
    36 getitimer Full time::timers::sys_getitimer, "";
    37 alarm Full time::timers::sys_alarm, "";
    38 setitimer Full time::timers::sys_setitimer, "";
    39 getpid Full process::family::sys_getpid, "";
    40 sendfile Full fs::transfer::sys_sendfile, "";
    41 socket Partial net::socket::sys_socket, "AF_UNIX; AF_INET and AF_INET6 on the loopback";
    42 connect Full net::socket::sys_connect, "";
    43 accept Full net::socket::sys_accept, "";
    44 sendto Partial net::message::sys_sendto, "no out-of-band data";
    45 recvfrom Partial net::message::sys_recvfrom, "no out-of-band data";
    46 sendmsg Partial net::message::sys_sendmsg, "descriptors and credentials as ancillary data";
    47 recvmsg Partial net::message::sys_recvmsg, "descriptors and credentials as ancillary data";
    48 shutdown Full net::socket::sys_shutdown, "";
    49 bind Full net::socket::sys_bind, "";
    50 listen Full net::socket::sys_listen, "";
    51 getsockname Full net::socket::sys_getsockname, "";
    52 getpeername Full net::socket::sys_getpeername, "";
    53 socketpair Full net::socket::sys_socketpair, "";
    54 setsockopt Partial net::option::sys_setsockopt, "the usual ones";
    55 getsockopt Partial net::option::sys_getsockopt, "the usual ones";
    56 clone Partial process::clone::sys_clone, "no namespaces, no CLONE_PIDFD";
    57 fork Full process::clone::sys_fork, "";
    58 vfork Full process::clone::sys_vfork, "";
    59 execve Full process::exec::sys_execve, "";
    60 exit Full process::exit::sys_exit, "";
    61 wait4 Full process::wait::sys_wait4, "";
    62 kill Full signal::send::sys_kill, "";
    63 uname Full system::sys_uname, "";
    72 fcntl Partial fs::descriptor::sys_fcntl, "no leases, no signals on input";
    73 flock Full fs::lock::sys_flock, "";
    74 fsync Full fs::transfer::sys_fsync, "";
    75 fdatasync Full fs::transfer::sys_fsync, "";
    76 truncate Full fs::attributes::sys_truncate, "";
    77 ftruncate Full fs::attributes::sys_ftruncate, "";
    78 getdents Full fs::directory::sys_getdents, "";
    79 getcwd Full fs::directory::sys_getcwd, "";
    80 chdir Full fs::directory::sys_chdir, "";
    81 fchdir Full fs::directory::sys_fchdir, "";
    82 rename Full fs::names::sys_rename, "";
    83 mkdir Full fs::names::sys_mkdir, "";
    84 rmdir Full fs::names::sys_rmdir, "";
    85 creat Full fs::open::sys_creat, "";
    86 link Full fs::names::sys_link, "";
    87 unlink Full fs::names::sys_unlink, "";
    88 symlink Full fs::names::sys_symlink, "";
    89 readlink Full fs::names::sys_readlink, "";
    90 chmod Full fs::attributes::sys_chmod, "";
    91 fchmod Full fs::attributes::sys_fchmod, "";
    92 chown Full fs::attributes::sys_chown, "";
    93 fchown Full fs::attributes::sys_fchown, "";
    94 lchown Full fs::attributes::sys_lchown, "";
    95 umask Full fs::names::sys_umask, "";
    96 gettimeofday Full time::clock::sys_gettimeofday, "";
    97 getrlimit Full process::limits::sys_getrlimit, "";
    98 getrusage Partial process::limits::sys_getrusage, "time in the personality counts as the program's";
    99 sysinfo Partial system::sys_sysinfo, "no load averages";
    100 times Full process::limits::sys_times, "";
    102 getuid Full process::credentials::sys_getuid, "";
    103 syslog Partial system::sys_syslog, "the log is always empty";
    104 getgid Full process::credentials::sys_getgid, "";
    105 setuid Full process::credentials::sys_setuid, "";
    106 setgid Full process::credentials::sys_setgid, "";
    107 geteuid Full process::credentials::sys_geteuid, "";
    108 getegid Full process::credentials::sys_getegid, "";
    109 setpgid Full process::family::sys_setpgid, "";
    110 getppid Full process::family::sys_getppid, "";
    111 getpgrp Full process::family::sys_getpgrp, "";
    112 setsid Full process::family::sys_setsid, "";
    113 setreuid Full process::credentials::sys_setreuid, "";
    114 setregid Full process::credentials::sys_setregid, "";
    115 getgroups Full process::credentials::sys_getgroups, "";
    116 setgroups Full process::credentials::sys_setgroups, "";
    117 setresuid Full process::credentials::sys_setresuid, "";
    118 getresuid Full process::credentials::sys_getresuid, "";
    119 setresgid Full process::credentials::sys_setresgid, "";
    120 getresgid Full process::credentials::sys_getresgid, "";
    121 getpgid Full process::family::sys_getpgid, "";
    122 setfsuid Full process::credentials::sys_setfsuid, "";
    123 setfsgid Full process::credentials::sys_setfsgid, "";
    124 getsid Full process::family::sys_getsid, "";
    125 capget Full process::capability::sys_capget, "";
    126 capset Full process::capability::sys_capset, "";
    127 rt_sigpending Full signal::action::sys_rt_sigpending, "";
    128 rt_sigtimedwait Full signal::wait::sys_rt_sigtimedwait, "";
    129 rt_sigqueueinfo Partial signal::send::sys_rt_sigqueueinfo, "a full queue is not reported";
    130 rt_sigsuspend Full signal::wait::sys_rt_sigsuspend, "";
    131 sigaltstack Full signal::action::sys_sigaltstack, "";
    132 utime Full fs::times::sys_utime, "";
    133 mknod Full fs::names::sys_mknod, "";
    135 personality Partial process::control::sys_personality, "kept, without effect";
    137 statfs Full fs::stat::sys_statfs, "";
    138 fstatfs Full fs::stat::sys_fstatfs, "";
    140 getpriority Full process::limits::sys_getpriority, "";
    141 setpriority Partial process::limits::sys_setpriority, "kept, without effect on scheduling";
    142 sched_setparam Partial process::schedule::sys_sched_setparam, "no real-time policies";
    143 sched_getparam Full process::schedule::sys_sched_getparam, "";
    144 sched_setscheduler Partial process::schedule::sys_sched_setscheduler, "no real-time policies";
    145 sched_getscheduler Full process::schedule::sys_sched_getscheduler, "";
    146 sched_get_priority_max Full process::schedule::sys_sched_get_priority_max, "";
    147 sched_get_priority_min Full process::schedule::sys_sched_get_priority_min, "";
    148 sched_rr_get_interval Full process::schedule::sys_sched_rr_get_interval, "";
    149 mlock Full mm::range::sys_mlock, "";
    150 munlock Full mm::range::sys_munlock, "";
    151 mlockall Full mm::range::sys_mlockall, "";
    152 munlockall Full mm::range::sys_munlockall, "";
    153 vhangup Refused system::sys_forbidden, "";
    155 pivot_root Refused fs::mount::sys_pivot_root, "";
    157 prctl Partial process::control::sys_prctl, "names, death signals, subreapers, no_new_privs, the bounding set";
    158 arch_prctl Full process::control::sys_arch_prctl, "";
    159 adjtimex Partial time::clock::sys_adjtimex, "reads only";
    160 setrlimit Full process::limits::sys_setrlimit, "";
    161 chroot Full fs::directory::sys_chroot, "";
    162 sync Full fs::transfer::sys_sync, "";
    163 acct Refused system::sys_forbidden, "";
    164 settimeofday Partial time::clock::sys_settimeofday, "no time zone";
    165 mount Partial fs::mount::sys_mount, "no bind mounts of files, no propagation";
    166 umount2 Full fs::mount::sys_umount2, "";
    167 swapon Refused system::sys_forbidden, "";
    168 swapoff Refused system::sys_forbidden, "";
    169 reboot Full system::sys_reboot, "";
    170 sethostname Full system::sys_sethostname, "";
    171 setdomainname Full system::sys_setdomainname, "";
    172 iopl Refused system::sys_forbidden, "";
    173 ioperm Refused system::sys_forbidden, "";
    186 gettid Full process::family::sys_gettid, "";
    187 readahead Full fs::transfer::sys_readahead, "";
    188 setxattr Refused fs::xattr::sys_xattr_of_path, "no file has extended attributes";
    189 lsetxattr Refused fs::xattr::sys_xattr_of_link, "";
    190 fsetxattr Refused fs::xattr::sys_xattr_of_descriptor, "";
    191 getxattr Refused fs::xattr::sys_xattr_of_path, "";
    192 lgetxattr Refused fs::xattr::sys_xattr_of_link, "";
    193 fgetxattr Refused fs::xattr::sys_xattr_of_descriptor, "";
    194 listxattr Full fs::xattr::sys_listxattr, "";
    195 llistxattr Full fs::xattr::sys_llistxattr, "";
    196 flistxattr Full fs::xattr::sys_flistxattr, "";
    197 removexattr Refused fs::xattr::sys_xattr_of_path, "";
    198 lremovexattr Refused fs::xattr::sys_xattr_of_link, "";
    199 fremovexattr Refused fs::xattr::sys_xattr_of_descriptor, "";
    200 tkill Full signal::send::sys_tkill, "";
    201 time Full time::clock::sys_time, "";
    202 futex Partial futex::sys_futex, "no priority inheritance";
    203 sched_setaffinity Partial process::schedule::sys_sched_setaffinity, "only the set of all processors";
    204 sched_getaffinity Full process::schedule::sys_sched_getaffinity, "";
    213 epoll_create Full epoll::sys_epoll_create, "";
    217 getdents64 Full fs::directory::sys_getdents64, "";
    218 set_tid_address Full process::family::sys_set_tid_address, "";
    219 restart_syscall Full time::sleep::sys_restart_syscall, "";
    221 fadvise64 Full fs::transfer::sys_fadvise64, "";
    222 timer_create Partial time::timers::sys_timer_create, "not on the clocks of threads";
    223 timer_settime Full time::timers::sys_timer_settime, "";
    224 timer_gettime Full time::timers::sys_timer_gettime, "";
    225 timer_getoverrun Full time::timers::sys_timer_getoverrun, "";
    226 timer_delete Full time::timers::sys_timer_delete, "";
    227 clock_settime Full time::clock::sys_clock_settime, "";
    228 clock_gettime Full time::clock::sys_clock_gettime, "";
    229 clock_getres Full time::clock::sys_clock_getres, "";
    230 clock_nanosleep Partial time::sleep::sys_clock_nanosleep, "not on the clocks of processors";
    231 exit_group Full process::exit::sys_exit_group, "";
    232 epoll_wait Full epoll::sys_epoll_wait, "";
    233 epoll_ctl Full epoll::sys_epoll_ctl, "";
    234 tgkill Full signal::send::sys_tgkill, "";
    235 utimes Full fs::times::sys_utimes, "";
    247 waitid Full process::wait::sys_waitid, "";
    257 openat Full fs::open::sys_openat, "";
    258 mkdirat Full fs::names::sys_mkdirat, "";
    259 mknodat Full fs::names::sys_mknodat, "";
    260 fchownat Full fs::attributes::sys_fchownat, "";
    261 futimesat Full fs::times::sys_futimesat, "";
    262 newfstatat Full fs::stat::sys_newfstatat, "";
    263 unlinkat Full fs::names::sys_unlinkat, "";
    264 renameat Full fs::names::sys_renameat, "";
    265 linkat Full fs::names::sys_linkat, "";
    266 symlinkat Full fs::names::sys_symlinkat, "";
    267 readlinkat Full fs::names::sys_readlinkat, "";
    268 fchmodat Full fs::attributes::sys_fchmodat, "";
    269 faccessat Full fs::stat::sys_faccessat, "";
    270 pselect6 Full poll::sys_pselect6, "";
    271 ppoll Full poll::sys_ppoll, "";
    272 unshare Partial process::clone::sys_unshare, "no namespaces";
    273 set_robust_list Full process::family::sys_set_robust_list, "";
    274 get_robust_list Full process::family::sys_get_robust_list, "";
    280 utimensat Full fs::times::sys_utimensat, "";
    281 epoll_pwait Full epoll::sys_epoll_pwait, "";
    282 signalfd Full signal::signalfd::sys_signalfd, "";
    283 timerfd_create Partial time::timerfd::sys_timerfd_create, "not on clocks that wake a machine";
    284 eventfd Full fs::open::sys_eventfd, "";
    285 fallocate Full fs::attributes::sys_fallocate, "";
    286 timerfd_settime Partial time::timerfd::sys_timerfd_settime, "no cancellation when the wall clock is set";
    287 timerfd_gettime Full time::timerfd::sys_timerfd_gettime, "";
    288 accept4 Full net::socket::sys_accept4, "";
    289 signalfd4 Full signal::signalfd::sys_signalfd4, "";
    290 eventfd2 Full fs::open::sys_eventfd2, "";
    291 epoll_create1 Full epoll::sys_epoll_create1, "";
    292 dup3 Full fs::descriptor::sys_dup3, "";
    293 pipe2 Full fs::open::sys_pipe2, "";
    295 preadv Full fs::io::sys_preadv, "";
    296 pwritev Full fs::io::sys_pwritev, "";
    297 rt_tgsigqueueinfo Partial signal::send::sys_rt_tgsigqueueinfo, "a full queue is not reported";
    299 recvmmsg Partial net::message::sys_recvmmsg, "as recvmsg";
    302 prlimit64 Full process::limits::sys_prlimit64, "";
    305 clock_adjtime Partial time::clock::sys_clock_adjtime, "reads only";
    306 syncfs Full fs::transfer::sys_syncfs, "";
    307 sendmmsg Partial net::message::sys_sendmmsg, "as sendmsg";
    309 getcpu Full process::schedule::sys_getcpu, "";
    316 renameat2 Full fs::names::sys_renameat2, "";
    318 getrandom Full system::sys_getrandom, "";
    319 memfd_create Partial fs::open::sys_memfd_create, "no huge pages";
    322 execveat Full process::exec::sys_execveat, "";
    324 membarrier Partial mm::range::sys_membarrier, "global commands only";
    325 mlock2 Full mm::range::sys_mlock2, "";
    326 copy_file_range Full fs::transfer::sys_copy_file_range, "";
    327 preadv2 Full fs::io::sys_preadv2, "";
    328 pwritev2 Full fs::io::sys_pwritev2, "";
    332 statx Full fs::stat::sys_statx, "";
    435 clone3 Partial process::clone::sys_clone3, "no namespaces, no chosen numbers, no control groups";
    436 close_range Full fs::open::sys_close_range, "";
    437 openat2 Full fs::open::sys_openat2, "";
    439 faccessat2 Full fs::stat::sys_faccessat2, "";
    441 epoll_pwait2 Full epoll::sys_epoll_pwait2, "";
}

/// The call with this number.
pub fn lookup(number: u32) -> Option<&'static Call> {
    let index = TABLE.binary_search_by_key(&number, |call| call.number).ok()?;
    TABLE.get(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_agrees_with_the_array_of_handlers() {
        assert!(TABLE.is_sorted_by(|a, b| a.number < b.number));
        assert_eq!(HANDLERS.iter().flatten().count(), TABLE.len());
        assert_eq!(lookup(39).map(|call| call.name), Some("getpid"));
        assert!(lookup(29).is_none());
    }

    #[test]
    fn what_is_partial_says_why() {
        assert!(TABLE.iter().all(|call| (call.support != Support::Partial) || !call.note.is_empty()));
    }
}
