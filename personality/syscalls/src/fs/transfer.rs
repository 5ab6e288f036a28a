//! Copying between descriptors, and writing through: sendfile, copy_file_range, fsync and relatives, fadvise.

use alloc::vec;
use alloc::vec::Vec;

use guest_memory::{SliceSink, SliceSource, UserAddr, read_value, write_value};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::Task;
use vfs::{FileKind, OpenFile, OpenFlags, Positioning};

use super::{TRANSFER_LIMIT_BYTES, file, offset};
use crate::{Args, SysResult};

const STEP_BYTES: usize = 64 * 1024;

/// An offset that a call may get by pointer, instead of the description's own.
struct Offset {
    address: UserAddr,
    value: u64,
}

impl Offset {
    fn read(file: &OpenFile, address: UserAddr) -> Result<Offset> {
        let value = if address.is_null() { file.offset() } else { offset(read_value(address)?)? };
        Ok(Offset { address, value })
    }

    /// Stores where the transfer ended, in the process or in the description.
    fn finish(&self, file: &OpenFile) -> Result<()> {
        if self.address.is_null() {
            return file.seek(vfs::SeekFrom::Start(self.value as i64)).map(drop);
        }
        write_value(self.address, &self.value)
    }
}

/// Moves bytes from `input` at `from` until `count`, the end of the file, or `write` takes less than it is given.
fn pump(
    input: &OpenFile,
    from: &mut Offset,
    count: usize,
    mut write: impl FnMut(&[u8]) -> Result<usize>,
) -> Result<usize> {
    let mut buffer: Vec<u8> = vec![0; STEP_BYTES.min(count)];
    let mut total = 0;
    while total < count {
        let wanted = buffer.len().min(count - total);
        let mut sink = SliceSink::new(buffer.get_mut(..wanted).unwrap_or_default());
        let got = input.read_at(from.value, &mut sink)?;
        let written = match write(buffer.get(..got).unwrap_or_default()) {
            Ok(written) => written,
            Err(error) if total == 0 => return Err(error),
            Err(_) => break,
        };
        total += written;
        from.value = from.value.saturating_add(written as u64);
        if written < wanted {
            break;
        }
    }
    Ok(total)
}

/// sendfile(2)
pub fn sys_sendfile(task: &Task, args: &Args) -> SysResult {
    let (output, input) = (file(task, args.int(0))?, file(task, args.int(1))?);
    input.require_readable()?;
    output.require_writable()?;
    if input.path().dentry.kind() == FileKind::Directory {
        return Err(Errno::EINVAL);
    }
    if input.file().positioning() == Positioning::Stream {
        return Err(if args.addr(2).is_null() { Errno::EINVAL } else { Errno::ESPIPE });
    }
    if output.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::EINVAL);
    }
    let mut from = Offset::read(&input, args.addr(2))?;
    let count = args.size(3).min(TRANSFER_LIMIT_BYTES);
    let moved = pump(&input, &mut from, count, |bytes| output.write(&mut SliceSource::new(bytes)));
    if moved == Err(Errno::EPIPE) {
        task.raise_signal(raw::SIGPIPE);
    }
    let moved = moved?;
    from.finish(&input)?;
    Ok(moved as u64)
}

/// copy_file_range(2)
pub fn sys_copy_file_range(task: &Task, args: &Args) -> SysResult {
    let (input, output) = (file(task, args.int(0))?, file(task, args.int(2))?);
    if args.uint(5) != 0 {
        return Err(Errno::EINVAL);
    }
    input.require_readable()?;
    output.require_writable()?;
    if output.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::EBADF);
    }
    for file in [&input, &output] {
        match file.path().dentry.kind() {
            FileKind::Regular => {}
            FileKind::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
    }
    let mut from = Offset::read(&input, args.addr(1))?;
    let mut to = Offset::read(&output, args.addr(3))?;
    let rest = input.file().size()?.saturating_sub(from.value);
    let count = (args.size(4) as u64).min(rest).min(TRANSFER_LIMIT_BYTES as u64);
    let distance = from.value.abs_diff(to.value);
    if core::ptr::addr_eq(alloc::sync::Arc::as_ptr(input.inode()), alloc::sync::Arc::as_ptr(output.inode()))
        && distance < count
    {
        return Err(Errno::EINVAL);
    }
    let moved = pump(&input, &mut from, count as usize, |bytes| {
        let written = output.write_at(to.value, &mut SliceSource::new(bytes))?;
        to.value = to.value.saturating_add(written as u64);
        Ok(written)
    })?;
    from.finish(&input)?;
    to.finish(&output)?;
    Ok(moved as u64)
}

/// sync(2)
pub fn sys_sync(task: &Task, _args: &Args) -> SysResult {
    for mount in task.fs().namespace().mounts() {
        // sync(2) reports nothing; fsync(2) of a file that lost something does.
        let _ = mount.file_system().sync();
    }
    Ok(0)
}

/// fsync(2), fdatasync(2)
pub fn sys_fsync(task: &Task, args: &Args) -> SysResult {
    file(task, args.int(0))?.file().sync().map(|()| 0)
}

/// syncfs(2)
pub fn sys_syncfs(task: &Task, args: &Args) -> SysResult {
    file(task, args.int(0))?.path().mount.file_system().sync().map(|()| 0)
}

/// fadvise64(2): advice is checked; there is nothing to read ahead in memory.
pub fn sys_fadvise64(task: &Task, args: &Args) -> SysResult {
    let file = file(task, args.int(0))?;
    if file.path().dentry.kind() == FileKind::Fifo {
        return Err(Errno::ESPIPE);
    }
    if (args.raw(2) as i64) < 0 || args.uint(3) > raw::POSIX_FADV_NOREUSE {
        return Err(Errno::EINVAL);
    }
    Ok(0)
}

/// readahead(2)
pub fn sys_readahead(task: &Task, args: &Args) -> SysResult {
    let file = file(task, args.int(0))?;
    file.require_readable()?;
    if file.path().dentry.kind() == FileKind::Regular { Ok(0) } else { Err(Errno::EINVAL) }
}
