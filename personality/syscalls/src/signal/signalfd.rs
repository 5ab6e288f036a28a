//! signalfd(2): pending signals as a file.
//!
//! The file holds nothing but a mask. Whose signals it shows depends on who looks, as on Linux: a thread reads and polls
//! its own and those of its process, even if another process made the file.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use guest_memory::Sink;
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use rt::sync::OnceCell;
use task::signal::{Fields, SigInfo, SigSet};
use task::{Task, signal_arrivals};
use vfs::anonymous::{self, Reopen};
use vfs::{File, FileKind, OpenFlags, PollEvents, PollTable};

use super::{check_size, read_set};
use crate::fs::open::install;
use crate::fs::{descriptor_limit, only_flags};
use crate::{Args, SysResult};

/// Flags of signalfd4(2), by the bits of `open`: include/uapi/linux/signalfd.h.
const SFD_CLOEXEC: u32 = raw::O_CLOEXEC;
const SFD_NONBLOCK: u32 = raw::O_NONBLOCK;

/// Size of `struct signalfd_siginfo`.
const RECORD_BYTES: usize = 128;

static CURRENT: OnceCell<fn() -> Option<Arc<Task>>> = OnceCell::new();

/// Says how the task of the calling thread is found. Once, at the start.
pub fn set_current(current: fn() -> Option<Arc<Task>>) {
    let _ = CURRENT.set(current);
}

fn current() -> Option<Arc<Task>> {
    CURRENT.get().and_then(|current| current())
}

/// Pending signals of whoever reads, as far as the mask has them.
struct SignalFile {
    mask: AtomicU64,
}

impl SignalFile {
    fn mask(&self) -> SigSet {
        SigSet(self.mask.load(Ordering::Acquire))
    }

    fn take(&self, task: &Task) -> Option<SigInfo> {
        super::take(task, self.mask())
    }
}

impl File for SignalFile {
    fn read(&self, _offset: u64, sink: &mut dyn Sink, flags: OpenFlags) -> Result<usize> {
        if sink.remaining() < RECORD_BYTES {
            return Err(Errno::EINVAL);
        }
        // A thread of the personality's own has no signals.
        let task = current().ok_or(Errno::EAGAIN)?;
        let mut next = match self.take(&task) {
            None if flags.is_nonblocking() => return Err(Errno::EAGAIN),
            None => Some(signal_arrivals().wait(None, || self.take(&task)).map_err(|_| Errno::ERESTARTSYS)?),
            found => found,
        };
        let mut done = 0;
        while let Some(info) = next {
            match sink.write(&record(&info)) {
                Ok(RECORD_BYTES) => done += RECORD_BYTES,
                Err(error) if done == 0 => return Err(error),
                Ok(_) if done == 0 => return Err(Errno::EFAULT),
                _ => break,
            }
            next = if sink.remaining() < RECORD_BYTES { None } else { self.take(&task) };
        }
        Ok(done)
    }

    fn poll<'a>(&'a self, table: &mut PollTable<'a>) -> PollEvents {
        table.add(signal_arrivals());
        let Some(task) = current() else { return PollEvents::empty() };
        let pending = task.signals.lock().pending.set().union(task.process.pending.lock().set());
        if pending.and(self.mask()).is_empty() { PollEvents::empty() } else { PollEvents::READABLE }
    }
}

/// A signal as `struct signalfd_siginfo`.
fn record(info: &SigInfo) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &u32::from(info.signal.number()).to_le_bytes());
    put(4, &info.errno.to_le_bytes());
    put(8, &info.code.to_le_bytes());
    match &info.fields {
        Fields::Sender { pid, uid, value } => {
            put(12, &pid.to_le_bytes());
            put(16, &uid.to_le_bytes());
            put(44, &value.to_le_bytes()[..4]);
            put(48, &value.to_le_bytes());
        }
        Fields::Timer { id, overrun, value } => {
            put(24, &id.to_le_bytes());
            put(32, &overrun.to_le_bytes());
            put(44, &value.to_le_bytes()[..4]);
            put(48, &value.to_le_bytes());
        }
        Fields::Child { pid, uid, status, user_ticks, system_ticks } => {
            put(12, &pid.to_le_bytes());
            put(16, &uid.to_le_bytes());
            put(40, &status.to_le_bytes());
            put(56, &user_ticks.to_le_bytes());
            put(64, &system_ticks.to_le_bytes());
        }
        Fields::Fault { address } => put(72, &address.to_le_bytes()),
        // As sigqueue(3) fills it: process, user, value.
        Fields::Raw(fields) => {
            put(12, &fields[..8]);
            put(44, &fields[8..12]);
            put(48, &fields[8..16]);
        }
    }
    bytes
}

/// signalfd(2): the call without flags
pub fn sys_signalfd(task: &Task, args: &Args) -> SysResult {
    signal_file(task, args, 0)
}

/// signalfd4(2)
pub fn sys_signalfd4(task: &Task, args: &Args) -> SysResult {
    signal_file(task, args, args.uint(3))
}

fn signal_file(task: &Task, args: &Args, flags: u32) -> SysResult {
    check_size(args.size(2))?;
    let mask = read_set(args.addr(1))?.without(SigSet::UNBLOCKABLE);
    only_flags(flags, SFD_CLOEXEC | SFD_NONBLOCK)?;
    let fd = args.int(0);
    if fd != -1 {
        let file = task.files().get(fd)?;
        let file = file.downcast::<SignalFile>().ok_or(Errno::EINVAL)?;
        file.mask.store(mask.0, Ordering::Release);
        // What is pending may be in the mask now.
        signal_arrivals().wake_all();
        return Ok(fd as u64);
    }
    let file = Arc::new(SignalFile { mask: AtomicU64::new(mask.0) });
    let status = OpenFlags::RDWR | (OpenFlags::from_open(flags) & OpenFlags::NONBLOCK);
    let file = anonymous::open_object(file, "anon_inode:[signalfd]", FileKind::Regular, status, Reopen::Refused)?;
    install(&task.files(), descriptor_limit(task), file, flags & SFD_CLOEXEC != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use task::signal::Signal;

    #[test]
    fn a_record_has_the_fields_of_its_cause() {
        let fields = Fields::Child { pid: 7, uid: 8, status: 9, user_ticks: 10, system_ticks: 11 };
        let bytes = record(&SigInfo { signal: Signal::SIGCHLD, errno: 0, code: 1, fields });
        let word = |at: usize| bytes[at..at + 4].to_vec();
        assert_eq!([0, 8, 12, 16, 40, 56, 64].map(|at| word(at)[0]), [17, 1, 7, 8, 9, 10, 11]);

        let fields = Fields::Sender { pid: 7, uid: 8, value: 0x1_0000_0002 };
        let bytes = record(&SigInfo { signal: Signal::SIGUSR1, errno: 0, code: -1, fields });
        assert_eq!((bytes[12], bytes[16], bytes[44], bytes[48], bytes[52]), (7, 8, 2, 2, 1));
    }

    #[test]
    fn what_is_too_small_for_a_record_is_refused() {
        let file = SignalFile { mask: AtomicU64::new(0) };
        let mut bytes = [0; RECORD_BYTES - 1];
        let result = file.read(0, &mut guest_memory::SliceSink::new(&mut bytes), OpenFlags::NONBLOCK);
        assert_eq!(result, Err(Errno::EINVAL));
    }
}
