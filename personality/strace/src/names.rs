//! Names of flags and constants, by call, in the order in which strace prints them.

use linux_abi::raw::{general as linux, ioctl, prctl};

/// Values and their names.
pub(crate) type Names = &'static [(u64, &'static str)];

/// The name of exactly this value.
pub(crate) fn exact(names: Names, value: u64) -> Option<&'static str> {
    names.iter().find(|(known, _)| *known == value).map(|(_, name)| *name)
}

pub(crate) const OPEN_FLAGS: Names = &[
    (linux::O_WRONLY as u64, "O_WRONLY"),
    (linux::O_RDWR as u64, "O_RDWR"),
    (linux::O_CREAT as u64, "O_CREAT"),
    (linux::O_EXCL as u64, "O_EXCL"),
    (linux::O_NOCTTY as u64, "O_NOCTTY"),
    (linux::O_TRUNC as u64, "O_TRUNC"),
    (linux::O_APPEND as u64, "O_APPEND"),
    (linux::O_NONBLOCK as u64, "O_NONBLOCK"),
    (linux::O_SYNC as u64, "O_SYNC"),
    (linux::O_DSYNC as u64, "O_DSYNC"),
    (linux::FASYNC as u64, "FASYNC"),
    (linux::O_DIRECT as u64, "O_DIRECT"),
    (linux::O_LARGEFILE as u64, "O_LARGEFILE"),
    (linux::O_TMPFILE as u64, "O_TMPFILE"),
    (linux::O_DIRECTORY as u64, "O_DIRECTORY"),
    (linux::O_NOFOLLOW as u64, "O_NOFOLLOW"),
    (linux::O_NOATIME as u64, "O_NOATIME"),
    (linux::O_CLOEXEC as u64, "O_CLOEXEC"),
    (linux::O_PATH as u64, "O_PATH"),
];

pub(crate) const PROTECTION: Names = &[
    (linux::PROT_READ as u64, "PROT_READ"),
    (linux::PROT_WRITE as u64, "PROT_WRITE"),
    (linux::PROT_EXEC as u64, "PROT_EXEC"),
    (linux::PROT_GROWSDOWN as u64, "PROT_GROWSDOWN"),
    (linux::PROT_GROWSUP as u64, "PROT_GROWSUP"),
];

pub(crate) const MAP_FLAGS: Names = &[
    (linux::MAP_SHARED_VALIDATE as u64, "MAP_SHARED_VALIDATE"),
    (linux::MAP_SHARED as u64, "MAP_SHARED"),
    (linux::MAP_PRIVATE as u64, "MAP_PRIVATE"),
    (linux::MAP_FIXED as u64, "MAP_FIXED"),
    (linux::MAP_ANONYMOUS as u64, "MAP_ANONYMOUS"),
    (linux::MAP_NORESERVE as u64, "MAP_NORESERVE"),
    (linux::MAP_POPULATE as u64, "MAP_POPULATE"),
    (linux::MAP_NONBLOCK as u64, "MAP_NONBLOCK"),
    (linux::MAP_GROWSDOWN as u64, "MAP_GROWSDOWN"),
    (linux::MAP_DENYWRITE as u64, "MAP_DENYWRITE"),
    (linux::MAP_EXECUTABLE as u64, "MAP_EXECUTABLE"),
    (linux::MAP_LOCKED as u64, "MAP_LOCKED"),
    (linux::MAP_HUGETLB as u64, "MAP_HUGETLB"),
    (linux::MAP_STACK as u64, "MAP_STACK"),
    (linux::MAP_SYNC as u64, "MAP_SYNC"),
    (linux::MAP_FIXED_NOREPLACE as u64, "MAP_FIXED_NOREPLACE"),
];

pub(crate) const MREMAP_FLAGS: Names = &[
    (linux::MREMAP_MAYMOVE as u64, "MREMAP_MAYMOVE"),
    (linux::MREMAP_FIXED as u64, "MREMAP_FIXED"),
    (linux::MREMAP_DONTUNMAP as u64, "MREMAP_DONTUNMAP"),
];

pub(crate) const MSYNC_FLAGS: Names = &[
    (linux::MS_ASYNC as u64, "MS_ASYNC"),
    (linux::MS_INVALIDATE as u64, "MS_INVALIDATE"),
    (linux::MS_SYNC as u64, "MS_SYNC"),
];

pub(crate) const ADVICE: Names = &[
    (linux::MADV_NORMAL as u64, "MADV_NORMAL"),
    (linux::MADV_RANDOM as u64, "MADV_RANDOM"),
    (linux::MADV_SEQUENTIAL as u64, "MADV_SEQUENTIAL"),
    (linux::MADV_WILLNEED as u64, "MADV_WILLNEED"),
    (linux::MADV_DONTNEED as u64, "MADV_DONTNEED"),
    (linux::MADV_FREE as u64, "MADV_FREE"),
    (linux::MADV_REMOVE as u64, "MADV_REMOVE"),
    (linux::MADV_DONTFORK as u64, "MADV_DONTFORK"),
    (linux::MADV_DOFORK as u64, "MADV_DOFORK"),
    (linux::MADV_HUGEPAGE as u64, "MADV_HUGEPAGE"),
    (linux::MADV_NOHUGEPAGE as u64, "MADV_NOHUGEPAGE"),
    (linux::MADV_DONTDUMP as u64, "MADV_DONTDUMP"),
    (linux::MADV_DODUMP as u64, "MADV_DODUMP"),
    (linux::MADV_POPULATE_READ as u64, "MADV_POPULATE_READ"),
    (linux::MADV_POPULATE_WRITE as u64, "MADV_POPULATE_WRITE"),
];

pub(crate) const POLL_EVENTS: Names = &[
    (linux::POLLIN as u64, "POLLIN"),
    (linux::POLLPRI as u64, "POLLPRI"),
    (linux::POLLOUT as u64, "POLLOUT"),
    (linux::POLLRDNORM as u64, "POLLRDNORM"),
    (linux::POLLWRNORM as u64, "POLLWRNORM"),
    (linux::POLLRDBAND as u64, "POLLRDBAND"),
    (linux::POLLWRBAND as u64, "POLLWRBAND"),
    (linux::POLLERR as u64, "POLLERR"),
    (linux::POLLHUP as u64, "POLLHUP"),
    (linux::POLLNVAL as u64, "POLLNVAL"),
    (linux::POLLRDHUP as u64, "POLLRDHUP"),
];

pub(crate) const CLONE_FLAGS: Names = &[
    (linux::CLONE_VM as u64, "CLONE_VM"),
    (linux::CLONE_FS as u64, "CLONE_FS"),
    (linux::CLONE_FILES as u64, "CLONE_FILES"),
    (linux::CLONE_SIGHAND as u64, "CLONE_SIGHAND"),
    (linux::CLONE_PIDFD as u64, "CLONE_PIDFD"),
    (linux::CLONE_PTRACE as u64, "CLONE_PTRACE"),
    (linux::CLONE_VFORK as u64, "CLONE_VFORK"),
    (linux::CLONE_PARENT as u64, "CLONE_PARENT"),
    (linux::CLONE_THREAD as u64, "CLONE_THREAD"),
    (linux::CLONE_NEWNS as u64, "CLONE_NEWNS"),
    (linux::CLONE_SYSVSEM as u64, "CLONE_SYSVSEM"),
    (linux::CLONE_SETTLS as u64, "CLONE_SETTLS"),
    (linux::CLONE_PARENT_SETTID as u64, "CLONE_PARENT_SETTID"),
    (linux::CLONE_CHILD_CLEARTID as u64, "CLONE_CHILD_CLEARTID"),
    (linux::CLONE_DETACHED as u64, "CLONE_DETACHED"),
    (linux::CLONE_UNTRACED as u64, "CLONE_UNTRACED"),
    (linux::CLONE_CHILD_SETTID as u64, "CLONE_CHILD_SETTID"),
    (linux::CLONE_NEWCGROUP as u64, "CLONE_NEWCGROUP"),
    (linux::CLONE_NEWUTS as u64, "CLONE_NEWUTS"),
    (linux::CLONE_NEWIPC as u64, "CLONE_NEWIPC"),
    (linux::CLONE_NEWUSER as u64, "CLONE_NEWUSER"),
    (linux::CLONE_NEWPID as u64, "CLONE_NEWPID"),
    (linux::CLONE_NEWNET as u64, "CLONE_NEWNET"),
    (linux::CLONE_IO as u64, "CLONE_IO"),
];

pub(crate) const SIGACTION_FLAGS: Names = &[
    (linux::SA_RESTORER as u64, "SA_RESTORER"),
    (linux::SA_ONSTACK as u64, "SA_ONSTACK"),
    (linux::SA_RESTART as u64, "SA_RESTART"),
    (linux::SA_NODEFER as u64, "SA_NODEFER"),
    (linux::SA_RESETHAND as u64, "SA_RESETHAND"),
    (linux::SA_SIGINFO as u64, "SA_SIGINFO"),
    (linux::SA_NOCLDSTOP as u64, "SA_NOCLDSTOP"),
    (linux::SA_NOCLDWAIT as u64, "SA_NOCLDWAIT"),
];

pub(crate) const SIGMASK_HOW: Names = &[
    (linux::SIG_BLOCK as u64, "SIG_BLOCK"),
    (linux::SIG_UNBLOCK as u64, "SIG_UNBLOCK"),
    (linux::SIG_SETMASK as u64, "SIG_SETMASK"),
];

pub(crate) const WAIT_FLAGS: Names = &[
    (linux::WNOHANG as u64, "WNOHANG"),
    (linux::WSTOPPED as u64, "WSTOPPED"),
    (linux::WEXITED as u64, "WEXITED"),
    (linux::WCONTINUED as u64, "WCONTINUED"),
    (linux::WNOWAIT as u64, "WNOWAIT"),
    (linux::__WCLONE as u64, "__WCLONE"),
    (linux::__WALL as u64, "__WALL"),
    (linux::__WNOTHREAD as u64, "__WNOTHREAD"),
];

pub(crate) const WAITID_TYPE: Names = &[
    (linux::P_ALL as u64, "P_ALL"),
    (linux::P_PID as u64, "P_PID"),
    (linux::P_PGID as u64, "P_PGID"),
    (linux::P_PIDFD as u64, "P_PIDFD"),
];

pub(crate) const ACCESS: Names =
    &[(linux::R_OK as u64, "R_OK"), (linux::W_OK as u64, "W_OK"), (linux::X_OK as u64, "X_OK")];

pub(crate) const AT_ACCESS_FLAGS: Names = &[
    (linux::AT_SYMLINK_NOFOLLOW as u64, "AT_SYMLINK_NOFOLLOW"),
    (linux::AT_EACCESS as u64, "AT_EACCESS"),
    (linux::AT_EMPTY_PATH as u64, "AT_EMPTY_PATH"),
];

pub(crate) const AT_FLAGS: Names = &[
    (linux::AT_SYMLINK_NOFOLLOW as u64, "AT_SYMLINK_NOFOLLOW"),
    (linux::AT_SYMLINK_FOLLOW as u64, "AT_SYMLINK_FOLLOW"),
    (linux::AT_NO_AUTOMOUNT as u64, "AT_NO_AUTOMOUNT"),
    (linux::AT_EMPTY_PATH as u64, "AT_EMPTY_PATH"),
    (linux::AT_STATX_FORCE_SYNC as u64, "AT_STATX_FORCE_SYNC"),
    (linux::AT_STATX_DONT_SYNC as u64, "AT_STATX_DONT_SYNC"),
];

pub(crate) const UNLINK_FLAGS: Names = &[(linux::AT_REMOVEDIR as u64, "AT_REMOVEDIR")];

pub(crate) const RENAME_FLAGS: Names = &[
    (linux::RENAME_NOREPLACE as u64, "RENAME_NOREPLACE"),
    (linux::RENAME_EXCHANGE as u64, "RENAME_EXCHANGE"),
    (linux::RENAME_WHITEOUT as u64, "RENAME_WHITEOUT"),
];

pub(crate) const SEEK: Names = &[
    (linux::SEEK_SET as u64, "SEEK_SET"),
    (linux::SEEK_CUR as u64, "SEEK_CUR"),
    (linux::SEEK_END as u64, "SEEK_END"),
    (linux::SEEK_DATA as u64, "SEEK_DATA"),
    (linux::SEEK_HOLE as u64, "SEEK_HOLE"),
];

pub(crate) const RESOURCE: Names = &[
    (linux::RLIMIT_CPU as u64, "RLIMIT_CPU"),
    (linux::RLIMIT_FSIZE as u64, "RLIMIT_FSIZE"),
    (linux::RLIMIT_DATA as u64, "RLIMIT_DATA"),
    (linux::RLIMIT_STACK as u64, "RLIMIT_STACK"),
    (linux::RLIMIT_CORE as u64, "RLIMIT_CORE"),
    (linux::RLIMIT_RSS as u64, "RLIMIT_RSS"),
    (linux::RLIMIT_NPROC as u64, "RLIMIT_NPROC"),
    (linux::RLIMIT_NOFILE as u64, "RLIMIT_NOFILE"),
    (linux::RLIMIT_MEMLOCK as u64, "RLIMIT_MEMLOCK"),
    (linux::RLIMIT_AS as u64, "RLIMIT_AS"),
    (linux::RLIMIT_LOCKS as u64, "RLIMIT_LOCKS"),
    (linux::RLIMIT_SIGPENDING as u64, "RLIMIT_SIGPENDING"),
    (linux::RLIMIT_MSGQUEUE as u64, "RLIMIT_MSGQUEUE"),
    (linux::RLIMIT_NICE as u64, "RLIMIT_NICE"),
    (linux::RLIMIT_RTPRIO as u64, "RLIMIT_RTPRIO"),
    (linux::RLIMIT_RTTIME as u64, "RLIMIT_RTTIME"),
];

pub(crate) const USAGE_WHO: Names =
    &[(linux::RUSAGE_SELF as u64, "RUSAGE_SELF"), (linux::RUSAGE_CHILDREN as u64, "RUSAGE_CHILDREN")];

pub(crate) const CLOCK: Names = &[
    (linux::CLOCK_REALTIME as u64, "CLOCK_REALTIME"),
    (linux::CLOCK_MONOTONIC as u64, "CLOCK_MONOTONIC"),
    (linux::CLOCK_PROCESS_CPUTIME_ID as u64, "CLOCK_PROCESS_CPUTIME_ID"),
    (linux::CLOCK_THREAD_CPUTIME_ID as u64, "CLOCK_THREAD_CPUTIME_ID"),
    (linux::CLOCK_MONOTONIC_RAW as u64, "CLOCK_MONOTONIC_RAW"),
    (linux::CLOCK_REALTIME_COARSE as u64, "CLOCK_REALTIME_COARSE"),
    (linux::CLOCK_MONOTONIC_COARSE as u64, "CLOCK_MONOTONIC_COARSE"),
    (linux::CLOCK_BOOTTIME as u64, "CLOCK_BOOTTIME"),
    (linux::CLOCK_REALTIME_ALARM as u64, "CLOCK_REALTIME_ALARM"),
    (linux::CLOCK_BOOTTIME_ALARM as u64, "CLOCK_BOOTTIME_ALARM"),
    (linux::CLOCK_TAI as u64, "CLOCK_TAI"),
];

pub(crate) const TIMER_FLAGS: Names = &[(linux::TIMER_ABSTIME as u64, "TIMER_ABSTIME")];

pub(crate) const ITIMER: Names = &[
    (linux::ITIMER_REAL as u64, "ITIMER_REAL"),
    (linux::ITIMER_VIRTUAL as u64, "ITIMER_VIRTUAL"),
    (linux::ITIMER_PROF as u64, "ITIMER_PROF"),
];

pub(crate) const FCNTL: Names = &[
    (linux::F_DUPFD as u64, "F_DUPFD"),
    (linux::F_GETFD as u64, "F_GETFD"),
    (linux::F_SETFD as u64, "F_SETFD"),
    (linux::F_GETFL as u64, "F_GETFL"),
    (linux::F_SETFL as u64, "F_SETFL"),
    (linux::F_GETLK as u64, "F_GETLK"),
    (linux::F_SETLK as u64, "F_SETLK"),
    (linux::F_SETLKW as u64, "F_SETLKW"),
    (linux::F_SETOWN as u64, "F_SETOWN"),
    (linux::F_GETOWN as u64, "F_GETOWN"),
    (linux::F_SETSIG as u64, "F_SETSIG"),
    (linux::F_GETSIG as u64, "F_GETSIG"),
    (linux::F_OFD_GETLK as u64, "F_OFD_GETLK"),
    (linux::F_OFD_SETLK as u64, "F_OFD_SETLK"),
    (linux::F_OFD_SETLKW as u64, "F_OFD_SETLKW"),
    (linux::F_DUPFD_CLOEXEC as u64, "F_DUPFD_CLOEXEC"),
    (linux::F_SETPIPE_SZ as u64, "F_SETPIPE_SZ"),
    (linux::F_GETPIPE_SZ as u64, "F_GETPIPE_SZ"),
    (linux::F_ADD_SEALS as u64, "F_ADD_SEALS"),
    (linux::F_GET_SEALS as u64, "F_GET_SEALS"),
];

pub(crate) const FD_FLAGS: Names = &[(linux::FD_CLOEXEC as u64, "FD_CLOEXEC")];

pub(crate) const LOCK_TYPE: Names =
    &[(linux::F_RDLCK as u64, "F_RDLCK"), (linux::F_WRLCK as u64, "F_WRLCK"), (linux::F_UNLCK as u64, "F_UNLCK")];

pub(crate) const FLOCK: Names = &[
    (linux::LOCK_SH as u64, "LOCK_SH"),
    (linux::LOCK_EX as u64, "LOCK_EX"),
    (linux::LOCK_NB as u64, "LOCK_NB"),
    (linux::LOCK_UN as u64, "LOCK_UN"),
];

pub(crate) const RANDOM_FLAGS: Names = &[
    (linux::GRND_NONBLOCK as u64, "GRND_NONBLOCK"),
    (linux::GRND_RANDOM as u64, "GRND_RANDOM"),
    (linux::GRND_INSECURE as u64, "GRND_INSECURE"),
];

pub(crate) const FUTEX: Names = &[
    (linux::FUTEX_WAIT as u64, "FUTEX_WAIT"),
    (linux::FUTEX_WAKE as u64, "FUTEX_WAKE"),
    (linux::FUTEX_FD as u64, "FUTEX_FD"),
    (linux::FUTEX_REQUEUE as u64, "FUTEX_REQUEUE"),
    (linux::FUTEX_CMP_REQUEUE as u64, "FUTEX_CMP_REQUEUE"),
    (linux::FUTEX_WAKE_OP as u64, "FUTEX_WAKE_OP"),
    (linux::FUTEX_LOCK_PI as u64, "FUTEX_LOCK_PI"),
    (linux::FUTEX_UNLOCK_PI as u64, "FUTEX_UNLOCK_PI"),
    (linux::FUTEX_TRYLOCK_PI as u64, "FUTEX_TRYLOCK_PI"),
    (linux::FUTEX_WAIT_BITSET as u64, "FUTEX_WAIT_BITSET"),
    (linux::FUTEX_WAKE_BITSET as u64, "FUTEX_WAKE_BITSET"),
    (linux::FUTEX_WAIT_REQUEUE_PI as u64, "FUTEX_WAIT_REQUEUE_PI"),
    (linux::FUTEX_CMP_REQUEUE_PI as u64, "FUTEX_CMP_REQUEUE_PI"),
    (linux::FUTEX_LOCK_PI2 as u64, "FUTEX_LOCK_PI2"),
];

pub(crate) const MOUNT_FLAGS: Names = &[
    (linux::MS_RDONLY as u64, "MS_RDONLY"),
    (linux::MS_NOSUID as u64, "MS_NOSUID"),
    (linux::MS_NODEV as u64, "MS_NODEV"),
    (linux::MS_NOEXEC as u64, "MS_NOEXEC"),
    (linux::MS_SYNCHRONOUS as u64, "MS_SYNCHRONOUS"),
    (linux::MS_REMOUNT as u64, "MS_REMOUNT"),
    (linux::MS_MANDLOCK as u64, "MS_MANDLOCK"),
    (linux::MS_DIRSYNC as u64, "MS_DIRSYNC"),
    (linux::MS_NOATIME as u64, "MS_NOATIME"),
    (linux::MS_NODIRATIME as u64, "MS_NODIRATIME"),
    (linux::MS_BIND as u64, "MS_BIND"),
    (linux::MS_MOVE as u64, "MS_MOVE"),
    (linux::MS_REC as u64, "MS_REC"),
    (linux::MS_SILENT as u64, "MS_SILENT"),
    (linux::MS_POSIXACL as u64, "MS_POSIXACL"),
    (linux::MS_UNBINDABLE as u64, "MS_UNBINDABLE"),
    (linux::MS_PRIVATE as u64, "MS_PRIVATE"),
    (linux::MS_SLAVE as u64, "MS_SLAVE"),
    (linux::MS_SHARED as u64, "MS_SHARED"),
    (linux::MS_RELATIME as u64, "MS_RELATIME"),
    (linux::MS_STRICTATIME as u64, "MS_STRICTATIME"),
    (linux::MS_LAZYTIME as u64, "MS_LAZYTIME"),
];

pub(crate) const UMOUNT_FLAGS: Names = &[
    (linux::MNT_FORCE as u64, "MNT_FORCE"),
    (linux::MNT_DETACH as u64, "MNT_DETACH"),
    (linux::MNT_EXPIRE as u64, "MNT_EXPIRE"),
    (linux::UMOUNT_NOFOLLOW as u64, "UMOUNT_NOFOLLOW"),
];

pub(crate) const MEMFD_FLAGS: Names = &[
    (linux::MFD_CLOEXEC as u64, "MFD_CLOEXEC"),
    (linux::MFD_ALLOW_SEALING as u64, "MFD_ALLOW_SEALING"),
    (linux::MFD_HUGETLB as u64, "MFD_HUGETLB"),
];

pub(crate) const CLOSE_RANGE_FLAGS: Names = &[(2, "CLOSE_RANGE_UNSHARE"), (4, "CLOSE_RANGE_CLOEXEC")];

pub(crate) const PRIORITY_WHICH: Names = &[
    (linux::PRIO_PROCESS as u64, "PRIO_PROCESS"),
    (linux::PRIO_PGRP as u64, "PRIO_PGRP"),
    (linux::PRIO_USER as u64, "PRIO_USER"),
];

pub(crate) const PRCTL: Names = &[
    (prctl::PR_SET_PDEATHSIG as u64, "PR_SET_PDEATHSIG"),
    (prctl::PR_GET_PDEATHSIG as u64, "PR_GET_PDEATHSIG"),
    (prctl::PR_GET_DUMPABLE as u64, "PR_GET_DUMPABLE"),
    (prctl::PR_SET_DUMPABLE as u64, "PR_SET_DUMPABLE"),
    (prctl::PR_GET_KEEPCAPS as u64, "PR_GET_KEEPCAPS"),
    (prctl::PR_SET_KEEPCAPS as u64, "PR_SET_KEEPCAPS"),
    (prctl::PR_SET_NAME as u64, "PR_SET_NAME"),
    (prctl::PR_GET_NAME as u64, "PR_GET_NAME"),
    (prctl::PR_GET_SECCOMP as u64, "PR_GET_SECCOMP"),
    (prctl::PR_SET_SECCOMP as u64, "PR_SET_SECCOMP"),
    (prctl::PR_CAPBSET_READ as u64, "PR_CAPBSET_READ"),
    (prctl::PR_CAPBSET_DROP as u64, "PR_CAPBSET_DROP"),
    (prctl::PR_GET_TIMERSLACK as u64, "PR_GET_TIMERSLACK"),
    (prctl::PR_SET_TIMERSLACK as u64, "PR_SET_TIMERSLACK"),
    (prctl::PR_SET_MM as u64, "PR_SET_MM"),
    (prctl::PR_SET_CHILD_SUBREAPER as u64, "PR_SET_CHILD_SUBREAPER"),
    (prctl::PR_GET_CHILD_SUBREAPER as u64, "PR_GET_CHILD_SUBREAPER"),
    (prctl::PR_SET_NO_NEW_PRIVS as u64, "PR_SET_NO_NEW_PRIVS"),
    (prctl::PR_GET_NO_NEW_PRIVS as u64, "PR_GET_NO_NEW_PRIVS"),
    (prctl::PR_SET_VMA as u64, "PR_SET_VMA"),
    (prctl::PR_CAP_AMBIENT as u64, "PR_CAP_AMBIENT"),
];

pub(crate) const ARCH_PRCTL: Names = &[
    (0x1001, "ARCH_SET_GS"),
    (0x1002, "ARCH_SET_FS"),
    (0x1003, "ARCH_GET_FS"),
    (0x1004, "ARCH_GET_GS"),
    (0x1011, "ARCH_GET_CPUID"),
    (0x1012, "ARCH_SET_CPUID"),
    (0x3001, "ARCH_CET_STATUS"),
];

pub(crate) const SIGALTSTACK_FLAGS: Names =
    &[(linux::SS_ONSTACK as u64, "SS_ONSTACK"), (linux::SS_DISABLE as u64, "SS_DISABLE")];

pub(crate) const TERMIOS_IFLAG: Names = &[
    (linux::IGNBRK as u64, "IGNBRK"),
    (linux::BRKINT as u64, "BRKINT"),
    (linux::IGNPAR as u64, "IGNPAR"),
    (linux::PARMRK as u64, "PARMRK"),
    (linux::INPCK as u64, "INPCK"),
    (linux::ISTRIP as u64, "ISTRIP"),
    (linux::INLCR as u64, "INLCR"),
    (linux::IGNCR as u64, "IGNCR"),
    (linux::ICRNL as u64, "ICRNL"),
    (linux::IUCLC as u64, "IUCLC"),
    (linux::IXON as u64, "IXON"),
    (linux::IXANY as u64, "IXANY"),
    (linux::IXOFF as u64, "IXOFF"),
    (linux::IMAXBEL as u64, "IMAXBEL"),
    (linux::IUTF8 as u64, "IUTF8"),
];

pub(crate) const TERMIOS_OFLAG: Names = &[
    (linux::OPOST as u64, "OPOST"),
    (linux::OLCUC as u64, "OLCUC"),
    (linux::ONLCR as u64, "ONLCR"),
    (linux::OCRNL as u64, "OCRNL"),
    (linux::ONOCR as u64, "ONOCR"),
    (linux::ONLRET as u64, "ONLRET"),
    (linux::OFILL as u64, "OFILL"),
    (linux::OFDEL as u64, "OFDEL"),
];

pub(crate) const TERMIOS_CFLAG: Names = &[
    (linux::CSTOPB as u64, "CSTOPB"),
    (linux::CREAD as u64, "CREAD"),
    (linux::PARENB as u64, "PARENB"),
    (linux::PARODD as u64, "PARODD"),
    (linux::HUPCL as u64, "HUPCL"),
    (linux::CLOCAL as u64, "CLOCAL"),
    (linux::CMSPAR as u64, "CMSPAR"),
    (linux::CRTSCTS as u64, "CRTSCTS"),
];

pub(crate) const TERMIOS_LFLAG: Names = &[
    (linux::ISIG as u64, "ISIG"),
    (linux::ICANON as u64, "ICANON"),
    (linux::XCASE as u64, "XCASE"),
    (linux::ECHO as u64, "ECHO"),
    (linux::ECHOE as u64, "ECHOE"),
    (linux::ECHOK as u64, "ECHOK"),
    (linux::ECHONL as u64, "ECHONL"),
    (linux::NOFLSH as u64, "NOFLSH"),
    (linux::IEXTEN as u64, "IEXTEN"),
    (linux::ECHOCTL as u64, "ECHOCTL"),
    (linux::ECHOPRT as u64, "ECHOPRT"),
    (linux::ECHOKE as u64, "ECHOKE"),
    (linux::FLUSHO as u64, "FLUSHO"),
    (linux::PENDIN as u64, "PENDIN"),
    (linux::TOSTOP as u64, "TOSTOP"),
    (linux::EXTPROC as u64, "EXTPROC"),
];

pub(crate) const SIGNAL: Names = &[
    (linux::SIGHUP as u64, "SIGHUP"),
    (linux::SIGINT as u64, "SIGINT"),
    (linux::SIGQUIT as u64, "SIGQUIT"),
    (linux::SIGILL as u64, "SIGILL"),
    (linux::SIGTRAP as u64, "SIGTRAP"),
    (linux::SIGABRT as u64, "SIGABRT"),
    (linux::SIGBUS as u64, "SIGBUS"),
    (linux::SIGFPE as u64, "SIGFPE"),
    (linux::SIGKILL as u64, "SIGKILL"),
    (linux::SIGUSR1 as u64, "SIGUSR1"),
    (linux::SIGSEGV as u64, "SIGSEGV"),
    (linux::SIGUSR2 as u64, "SIGUSR2"),
    (linux::SIGPIPE as u64, "SIGPIPE"),
    (linux::SIGALRM as u64, "SIGALRM"),
    (linux::SIGTERM as u64, "SIGTERM"),
    (linux::SIGSTKFLT as u64, "SIGSTKFLT"),
    (linux::SIGCHLD as u64, "SIGCHLD"),
    (linux::SIGCONT as u64, "SIGCONT"),
    (linux::SIGSTOP as u64, "SIGSTOP"),
    (linux::SIGTSTP as u64, "SIGTSTP"),
    (linux::SIGTTIN as u64, "SIGTTIN"),
    (linux::SIGTTOU as u64, "SIGTTOU"),
    (linux::SIGURG as u64, "SIGURG"),
    (linux::SIGXCPU as u64, "SIGXCPU"),
    (linux::SIGXFSZ as u64, "SIGXFSZ"),
    (linux::SIGVTALRM as u64, "SIGVTALRM"),
    (linux::SIGPROF as u64, "SIGPROF"),
    (linux::SIGWINCH as u64, "SIGWINCH"),
    (linux::SIGIO as u64, "SIGIO"),
    (linux::SIGPWR as u64, "SIGPWR"),
    (linux::SIGSYS as u64, "SIGSYS"),
];

pub(crate) const IOCTL: Names = &[
    (ioctl::TCGETS as u64, "TCGETS"),
    (ioctl::TCSETS as u64, "TCSETS"),
    (ioctl::TCSETSW as u64, "TCSETSW"),
    (ioctl::TCSETSF as u64, "TCSETSF"),
    (ioctl::TCGETS2 as u64, "TCGETS2"),
    (ioctl::TCSETS2 as u64, "TCSETS2"),
    (ioctl::TCSETSW2 as u64, "TCSETSW2"),
    (ioctl::TCSETSF2 as u64, "TCSETSF2"),
    (ioctl::TCGETA as u64, "TCGETA"),
    (ioctl::TCSETA as u64, "TCSETA"),
    (ioctl::TCSBRK as u64, "TCSBRK"),
    (ioctl::TCXONC as u64, "TCXONC"),
    (ioctl::TCFLSH as u64, "TCFLSH"),
    (ioctl::TCSBRKP as u64, "TCSBRKP"),
    (ioctl::TIOCEXCL as u64, "TIOCEXCL"),
    (ioctl::TIOCNXCL as u64, "TIOCNXCL"),
    (ioctl::TIOCSCTTY as u64, "TIOCSCTTY"),
    (ioctl::TIOCGPGRP as u64, "TIOCGPGRP"),
    (ioctl::TIOCSPGRP as u64, "TIOCSPGRP"),
    (ioctl::TIOCOUTQ as u64, "TIOCOUTQ"),
    (ioctl::TIOCSTI as u64, "TIOCSTI"),
    (ioctl::TIOCGWINSZ as u64, "TIOCGWINSZ"),
    (ioctl::TIOCSWINSZ as u64, "TIOCSWINSZ"),
    (ioctl::TIOCGETD as u64, "TIOCGETD"),
    (ioctl::TIOCSETD as u64, "TIOCSETD"),
    (ioctl::TIOCNOTTY as u64, "TIOCNOTTY"),
    (ioctl::TIOCGSID as u64, "TIOCGSID"),
    (ioctl::TIOCGPTN as u64, "TIOCGPTN"),
    (ioctl::TIOCSPTLCK as u64, "TIOCSPTLCK"),
    (ioctl::TIOCGPTLCK as u64, "TIOCGPTLCK"),
    (ioctl::TIOCGPTPEER as u64, "TIOCGPTPEER"),
    (ioctl::TIOCPKT as u64, "TIOCPKT"),
    (ioctl::TIOCVHANGUP as u64, "TIOCVHANGUP"),
    (ioctl::FIONREAD as u64, "FIONREAD"),
    (ioctl::FIONBIO as u64, "FIONBIO"),
    (ioctl::FIOASYNC as u64, "FIOASYNC"),
    (ioctl::FIOCLEX as u64, "FIOCLEX"),
    (ioctl::FIONCLEX as u64, "FIONCLEX"),
    (ioctl::FIOQSIZE as u64, "FIOQSIZE"),
    (ioctl::FS_IOC_GETFLAGS as u64, "FS_IOC_GETFLAGS"),
    (ioctl::FICLONE as u64, "FICLONE"),
];
