//! Structures behind pointers. Each prints itself, or the address where it cannot be read.

use crate::memory::{Memory, Structure};
use crate::names::{self, Names};
use crate::print::{self, put};
use alloc::string::String;

/// Prints a structure of `size` bytes at `at` by `show`.
pub(crate) fn show(
    out: &mut String,
    memory: &dyn Memory,
    at: u64,
    size: usize,
    show: impl FnOnce(&mut String, &Structure),
) {
    match Structure::read(memory, at, size) {
        Some(structure) => show(out, &structure),
        None => print::address(out, at),
    }
}

/// `struct stat` (stat(2)).
pub(crate) fn stat(out: &mut String, memory: &dyn Memory, at: u64) {
    show(out, memory, at, 144, |out, stat| {
        let mode = stat.u32(24);
        out.push_str("{st_mode=");
        print::mode(out, mode);
        if matches!(mode & 0o170000, 0o020000 | 0o060000) {
            device(out, ", st_rdev=", stat.u64(40));
        } else {
            put!(out, ", st_size={}", stat.i64(48));
        }
        out.push_str(", ...}");
    });
}

fn device(out: &mut String, label: &str, number: u64) {
    let major = ((number >> 8) & 0xfff) | ((number >> 32) & !0xfff);
    let minor = (number & 0xff) | ((number >> 12) & !0xff);
    put!(out, "{label}makedev({major:#x}, {minor:#x})");
}

/// Two 64-bit numbers: seconds and a fraction named `part`.
pub(crate) fn time(out: &mut String, memory: &dyn Memory, at: u64, part: &str) {
    show(out, memory, at, 16, |out, time| put!(out, "{{tv_sec={}, {part}={}}}", time.i64(0), time.u64(8)));
}

/// `struct itimerval` or `struct itimerspec`: two times with a fraction named `part`.
pub(crate) fn interval_timer(out: &mut String, memory: &dyn Memory, at: u64, part: &str) {
    show(out, memory, at, 32, |out, timer| {
        put!(out, "{{it_interval={{tv_sec={}, {part}={}}}, ", timer.i64(0), timer.u64(8));
        put!(out, "it_value={{tv_sec={}, {part}={}}}}}", timer.i64(16), timer.u64(24));
    });
}

/// `struct rlimit`.
pub(crate) fn limits(out: &mut String, memory: &dyn Memory, at: u64) {
    show(out, memory, at, 16, |out, limits| {
        out.push_str("{rlim_cur=");
        limit(out, limits.u64(0));
        out.push_str(", rlim_max=");
        limit(out, limits.u64(8));
        out.push('}');
    });
}

fn limit(out: &mut String, limit: u64) {
    if limit == u64::MAX {
        out.push_str("RLIM64_INFINITY");
    } else if limit > 1024 && limit.is_multiple_of(1024) {
        put!(out, "{}*1024", limit / 1024);
    } else {
        put!(out, "{limit}");
    }
}

/// `struct rusage`, abbreviated.
pub(crate) fn usage(out: &mut String, memory: &dyn Memory, at: u64) {
    show(out, memory, at, 144, |out, usage| {
        put!(out, "{{ru_utime={{tv_sec={}, tv_usec={}}}, ", usage.i64(0), usage.i64(8));
        put!(out, "ru_stime={{tv_sec={}, tv_usec={}}}, ...}}", usage.i64(16), usage.i64(24));
    });
}

/// The kernel's `struct sigaction`.
pub(crate) fn signal_action(out: &mut String, memory: &dyn Memory, at: u64) {
    show(out, memory, at, 32, |out, action| {
        out.push_str("{sa_handler=");
        match action.u64(0) {
            0 => out.push_str("SIG_DFL"),
            1 => out.push_str("SIG_IGN"),
            handler => put!(out, "{handler:#x}"),
        }
        out.push_str(", sa_mask=");
        print::signal_set(out, action.u64(24));
        out.push_str(", sa_flags=");
        print::flags(out, names::SIGACTION_FLAGS, action.u64(8) & 0xffff_ffff);
        if action.u64(8) & 0x0400_0000 != 0 {
            put!(out, ", sa_restorer={:#x}", action.u64(16));
        }
        out.push('}');
    });
}

/// A set of signals in the process.
pub(crate) fn signal_set(out: &mut String, memory: &dyn Memory, at: u64) {
    show(out, memory, at, 8, |out, set| print::signal_set(out, set.u64(0)));
}

/// `stack_t`.
pub(crate) fn signal_stack(out: &mut String, memory: &dyn Memory, at: u64) {
    show(out, memory, at, 24, |out, stack| {
        out.push_str("{ss_sp=");
        print::address(out, stack.u64(0));
        out.push_str(", ss_flags=");
        print::flags(out, names::SIGALTSTACK_FLAGS, u64::from(stack.u32(8)));
        put!(out, ", ss_size={}}}", stack.u64(16));
    });
}

/// `struct utsname`, abbreviated.
pub(crate) fn system_name(out: &mut String, memory: &dyn Memory, at: u64) {
    show(out, memory, at, 390, |out, name| {
        out.push_str("{sysname=");
        print::quoted(out, &name.text(0, 65));
        out.push_str(", nodename=");
        print::quoted(out, &name.text(65, 65));
        out.push_str(", ...}");
    });
}

/// `struct sysinfo`.
pub(crate) fn system_information(out: &mut String, memory: &dyn Memory, at: u64) {
    show(out, memory, at, 112, |out, info| {
        put!(out, "{{uptime={}, loads=[{}, {}, {}]", info.i64(0), info.u64(8), info.u64(16), info.u64(24));
        let fields = ["totalram", "freeram", "sharedram", "bufferram", "totalswap", "freeswap"];
        for (index, name) in fields.iter().enumerate() {
            put!(out, ", {name}={}", info.u64(32 + index * 8));
        }
        put!(out, ", procs={}, totalhigh={}", info.u16(80), info.u64(88));
        put!(out, ", freehigh={}, mem_unit={}}}", info.u64(96), info.u32(104));
    });
}

/// `struct tms`.
pub(crate) fn process_times(out: &mut String, memory: &dyn Memory, at: u64) {
    show(out, memory, at, 32, |out, times| {
        put!(out, "{{tms_utime={}, tms_stime={}, ", times.i64(0), times.i64(8));
        put!(out, "tms_cutime={}, tms_cstime={}}}", times.i64(16), times.i64(24));
    });
}

/// `struct winsize`.
pub(crate) fn window(out: &mut String, memory: &dyn Memory, at: u64) {
    show(out, memory, at, 8, |out, window| {
        put!(out, "{{ws_row={}, ws_col={}, ", window.u16(0), window.u16(2));
        put!(out, "ws_xpixel={}, ws_ypixel={}}}", window.u16(4), window.u16(6));
    });
}

/// `struct termios`, abbreviated.
pub(crate) fn terminal_settings(out: &mut String, memory: &dyn Memory, at: u64) {
    show(out, memory, at, 36, |out, termios| {
        let named = |out: &mut String, label: &str, table: Names, value: u32| {
            out.push_str(label);
            print::flags(out, table, u64::from(value));
        };
        named(out, "{c_iflag=", names::TERMIOS_IFLAG, termios.u32(0));
        let output = termios.u32(4);
        put!(out, ", c_oflag=NL{}|CR{}|TAB{}", output >> 8 & 1, output >> 9 & 3, output >> 11 & 3);
        put!(out, "|BS{}|VT{}|FF{}", output >> 13 & 1, output >> 14 & 1, output >> 15 & 1);
        // The delays' bits are shown above.
        if output & 0xff != 0 {
            named(out, "|", names::TERMIOS_OFLAG, output & 0xff);
        }
        let control = termios.u32(8);
        put!(out, ", c_cflag={}|CS{}", baud_name(control & 0x100f), 5 + (control >> 4 & 3));
        if control & 0xc000_0fc0 != 0 {
            named(out, "|", names::TERMIOS_CFLAG, control & 0xc000_0fc0);
        }
        named(out, ", c_lflag=", names::TERMIOS_LFLAG, termios.u32(12));
        out.push_str(", ...}");
    });
}

/// Name of a `CBAUD` value.
fn baud_name(bits: u32) -> &'static str {
    const LOW: [&str; 16] = [
        "B0", "B50", "B75", "B110", "B134", "B150", "B200", "B300", "B600", "B1200", "B1800", "B2400", "B4800",
        "B9600", "B19200", "B38400",
    ];
    const HIGH: [&str; 16] = [
        "BOTHER", "B57600", "B115200", "B230400", "B460800", "B500000", "B576000", "B921600", "B1000000", "B1152000",
        "B1500000", "B2000000", "B2500000", "B3000000", "B3500000", "B4000000",
    ];
    let table = if bits & 0x1000 == 0 { &LOW } else { &HIGH };
    table.get((bits & 0xf) as usize).copied().unwrap_or("B0")
}

/// `struct flock`.
pub(crate) fn file_lock(out: &mut String, memory: &dyn Memory, at: u64, with_owner: bool) {
    show(out, memory, at, 32, |out, lock| {
        out.push_str("{l_type=");
        print::constant(out, names::LOCK_TYPE, u64::from(lock.u16(0)));
        out.push_str(", l_whence=");
        print::constant(out, names::SEEK, u64::from(lock.u16(2)));
        put!(out, ", l_start={}, l_len={}", lock.i64(8), lock.i64(16));
        if with_owner {
            put!(out, ", l_pid={}", lock.i32(24));
        }
        out.push('}');
    });
}

/// A wait status in brackets.
pub(crate) fn wait_status(out: &mut String, memory: &dyn Memory, at: u64) {
    show(out, memory, at, 4, |out, status| {
        let status = status.u32(0);
        let (low, high) = (status & 0x7f, status >> 8 & 0xff);
        out.push_str("[{");
        if low == 0 {
            put!(out, "WIFEXITED(s) && WEXITSTATUS(s) == {high}");
        } else if status & 0xff == 0x7f {
            out.push_str("WIFSTOPPED(s) && WSTOPSIG(s) == ");
            print::signal(out, u64::from(high));
        } else if status & 0xffff == 0xffff {
            out.push_str("WIFCONTINUED(s)");
        } else {
            out.push_str("WIFSIGNALED(s) && WTERMSIG(s) == ");
            print::signal(out, u64::from(low));
            if status & 0x80 != 0 {
                out.push_str(" && WCOREDUMP(s)");
            }
        }
        out.push_str("}]");
    });
}

/// `struct statfs`, abbreviated to what identifies and sizes it.
pub(crate) fn file_system(out: &mut String, memory: &dyn Memory, at: u64) {
    const KINDS: Names = &[
        (0xef53, "EXT2_SUPER_MAGIC"),
        (0x0102_1994, "TMPFS_MAGIC"),
        (0x9fa0, "PROC_SUPER_MAGIC"),
        (0x1cd1, "DEVPTS_SUPER_MAGIC"),
        (0x6265_6572, "SYSFS_MAGIC"),
        (0x8584_58f6, "RAMFS_MAGIC"),
    ];
    show(out, memory, at, 120, |out, statfs| {
        out.push_str("{f_type=");
        match names::exact(KINDS, statfs.u64(0)) {
            Some(name) => out.push_str(name),
            None => put!(out, "{:#x}", statfs.u64(0)),
        }
        let names = ["f_bsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree"];
        for (index, name) in names.iter().enumerate() {
            put!(out, ", {name}={}", statfs.u64(8 + index * 8));
        }
        put!(out, ", f_fsid={{val=[{:#x}, {:#x}]}}", statfs.u32(56), statfs.u32(60));
        put!(out, ", f_namelen={}, f_frsize={}", statfs.u64(64), statfs.u64(72));
        put!(out, ", f_flags={:#x}}}", statfs.u64(80));
    });
}
