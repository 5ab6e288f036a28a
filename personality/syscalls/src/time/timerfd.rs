//! timerfd_create, timerfd_settime, timerfd_gettime.

use alloc::sync::Arc;

use guest_memory::{UserAddr, read_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::{Task, TimerFile};
use vfs::anonymous::{self, Reopen};
use vfs::{File, FileKind, OpenFile, OpenFlags};

use super::timers::write_itimerspec;
use super::{Timespec, realtime_deadline};
use crate::fs::open::install;
use crate::fs::{descriptor_limit, file, only_flags};
use crate::{Args, SysResult};

/// What the two kinds of clocks differ in is how absolute times are read.
struct WallClock(Arc<TimerFile>);

/// timerfd_create(2)
pub fn sys_timerfd_create(task: &Task, args: &Args) -> SysResult {
    let (clock, flags) = (args.uint(0), args.uint(1));
    only_flags(flags, raw::TFD_CREATE_FLAGS)?;
    let timer: Arc<dyn File> = match clock {
        raw::CLOCK_MONOTONIC | raw::CLOCK_BOOTTIME => TimerFile::new(),
        raw::CLOCK_REALTIME => Arc::new(WallClock(TimerFile::new())),
        // These wake a machine that sleeps, and need a right for it.
        raw::CLOCK_REALTIME_ALARM | raw::CLOCK_BOOTTIME_ALARM => return Err(Errno::EPERM),
        _ => return Err(Errno::EINVAL),
    };
    let status = OpenFlags::RDWR | (OpenFlags::from_open(flags) & OpenFlags::NONBLOCK);
    let file = anonymous::open_object(timer, "anon_inode:[timerfd]", FileKind::Regular, status, Reopen::Refused)?;
    install(&task.files(), descriptor_limit(task), file, flags & raw::TFD_CLOEXEC != 0)
}

/// The timer behind a descriptor, and whether its absolute times are the wall clock's.
fn timer(file: &OpenFile) -> Result<(&TimerFile, bool)> {
    match (file.downcast::<TimerFile>(), file.downcast::<WallClock>()) {
        (Some(timer), _) => Ok((timer, false)),
        (_, Some(wall)) => Ok((&wall.0, true)),
        _ => Err(Errno::EINVAL),
    }
}

/// timerfd_settime(2). Absolute times of the wall clock are turned into monotonic ones when they are set.
pub fn sys_timerfd_settime(task: &Task, args: &Args) -> SysResult {
    let [interval, value]: [[i64; 2]; 2] = read_value(args.addr(2))?;
    let flags = args.uint(1);
    // TFD_TIMER_CANCEL_ON_SET is not supported.
    only_flags(flags, raw::TFD_TIMER_ABSTIME)?;
    let (value, interval) = (Timespec(value).ns()?, Timespec(interval).ns()?);
    let file = file(task, args.int(0))?;
    let (timer, is_wall_clock) = timer(&file)?;
    let deadline = match value {
        0 => 0,
        _ if flags & raw::TFD_TIMER_ABSTIME == 0 => rt::time::now_ns().saturating_add(value),
        _ if is_wall_clock => realtime_deadline(value),
        _ => value,
    };
    let old = timer.set(deadline, interval);
    if args.addr(3) != UserAddr::NULL {
        write_itimerspec(args.addr(3), old)?;
    }
    Ok(0)
}

/// timerfd_gettime(2)
pub fn sys_timerfd_gettime(task: &Task, args: &Args) -> SysResult {
    let file = file(task, args.int(0))?;
    write_itimerspec(args.addr(1), timer(&file)?.0.setting())?;
    Ok(0)
}

impl File for WallClock {
    fn read(&self, offset: u64, sink: &mut dyn guest_memory::Sink, flags: OpenFlags) -> Result<usize> {
        self.0.read(offset, sink, flags)
    }

    fn poll<'a>(&'a self, table: &mut vfs::PollTable<'a>) -> vfs::PollEvents {
        self.0.poll(table)
    }

    fn ioctl(&self, command: u32, argument: u64) -> Result<u64> {
        self.0.ioctl(command, argument)
    }
}
