//! read, write and their vectored and positioned relatives.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest_memory::{UserAddr, UserIo, UserSegment, read_bytes};
use linux_abi::raw::general as raw;
use linux_abi::{Errno, Result};
use task::Task;
use vfs::{OpenFile, Positioning};

use super::{TRANSFER_LIMIT_BYTES, file, offset};
use crate::{Args, SysResult};

/// Most buffers of a vectored call (`UIO_MAXIOV`).
const VECTOR_LIMIT: usize = 1024;
const SIGNAL_PIPE: u32 = raw::SIGPIPE;
const SIGNAL_FILE_SIZE: u32 = raw::SIGXFSZ;

/// Where a transfer happens.
#[derive(Clone, Copy)]
enum Place {
    /// At the description's offset.
    Current,
    /// At a given one.
    At(u64),
}

pub(crate) fn buffer(address: UserAddr, count: usize) -> UserIo {
    UserIo::single(address, count.min(TRANSFER_LIMIT_BYTES))
}

/// Copies the `iovec`s of a vectored call.
pub(crate) fn vector(address: UserAddr, count: usize) -> Result<UserIo> {
    if count > VECTOR_LIMIT {
        return Err(Errno::EINVAL);
    }
    let mut words = alloc::vec![[0u8; 16]; count];
    read_bytes(address, words.as_flattened_mut())?;
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
    let segment = |entry: &[u8; 16]| {
        let (start, bytes) = entry.split_at(8);
        let bytes = isize::try_from(word(bytes)).map_err(|_| Errno::EINVAL)?;
        let start = UserAddr::new(word(start));
        if start.has_room_for(bytes as u64) {
            Ok(UserSegment { start, bytes: bytes as usize })
        } else {
            Err(Errno::EFAULT)
        }
    };
    let segments = words.iter().map(segment).collect::<Result<Vec<_>>>()?;
    let mut io = UserIo::vectored(segments)?;
    io.limit(TRANSFER_LIMIT_BYTES);
    Ok(io)
}

fn read_file(file: &OpenFile, mut io: UserIo, place: Place) -> SysResult {
    let count = match place {
        Place::Current => file.read(&mut io),
        Place::At(offset) => file.read_at(offset, &mut io),
    };
    count.map(|count| count as u64)
}

fn write_file(task: &Task, file: &OpenFile, mut io: UserIo, place: Place) -> SysResult {
    limit_to_file_size(task, file, &mut io, place)?;
    let count = match place {
        Place::Current => file.write(&mut io),
        Place::At(offset) => file.write_at(offset, &mut io),
    };
    if count == Err(Errno::EPIPE) {
        task.raise_signal(SIGNAL_PIPE);
    }
    count.map(|count| count as u64)
}

/// Cuts a write off at `RLIMIT_FSIZE`.
fn limit_to_file_size(task: &Task, file: &OpenFile, io: &mut UserIo, place: Place) -> Result<()> {
    let limit = task.soft_limit(raw::RLIMIT_FSIZE);
    if limit > i64::MAX as u64 || file.file().positioning() != Positioning::Seekable {
        return Ok(());
    }
    let start = match place {
        _ if file.flags().contains(vfs::OpenFlags::APPEND) => file.file().size()?,
        Place::Current => file.offset(),
        Place::At(offset) => offset,
    };
    match limit.checked_sub(start) {
        None | Some(0) if io.remaining_bytes() > 0 => {
            task.raise_signal(SIGNAL_FILE_SIZE);
            Err(Errno::EFBIG)
        }
        Some(room) => {
            io.limit(usize::try_from(room).unwrap_or(usize::MAX));
            Ok(())
        }
        None => Ok(()),
    }
}

/// read(2)
pub fn sys_read(task: &Task, args: &Args) -> SysResult {
    read_file(&*file(task, args.int(0))?, buffer(args.addr(1), args.size(2)), Place::Current)
}

/// write(2)
pub fn sys_write(task: &Task, args: &Args) -> SysResult {
    write_file(task, &*file(task, args.int(0))?, buffer(args.addr(1), args.size(2)), Place::Current)
}

/// pread64(2)
pub fn sys_pread64(task: &Task, args: &Args) -> SysResult {
    let place = Place::At(offset(args.raw(3))?);
    read_file(&*file(task, args.int(0))?, buffer(args.addr(1), args.size(2)), place)
}

/// pwrite64(2)
pub fn sys_pwrite64(task: &Task, args: &Args) -> SysResult {
    let place = Place::At(offset(args.raw(3))?);
    write_file(task, &*file(task, args.int(0))?, buffer(args.addr(1), args.size(2)), place)
}

/// readv(2)
pub fn sys_readv(task: &Task, args: &Args) -> SysResult {
    let file = file(task, args.int(0))?;
    file.require_readable()?;
    read_file(&file, vector(args.addr(1), args.size(2))?, Place::Current)
}

/// writev(2)
pub fn sys_writev(task: &Task, args: &Args) -> SysResult {
    let file = file(task, args.int(0))?;
    file.require_writable()?;
    write_file(task, &file, vector(args.addr(1), args.size(2))?, Place::Current)
}

/// Reads descriptor, vector and offset of `preadv` and its relatives.
fn positioned(task: &Task, args: &Args) -> Result<(Arc<OpenFile>, UserIo, Place)> {
    let place = Place::At(offset(args.raw(3))?);
    Ok((file(task, args.int(0))?, vector(args.addr(1), args.size(2))?, place))
}

/// preadv(2)
pub fn sys_preadv(task: &Task, args: &Args) -> SysResult {
    let (file, io, place) = positioned(task, args)?;
    read_file(&file, io, place)
}

/// pwritev(2)
pub fn sys_pwritev(task: &Task, args: &Args) -> SysResult {
    let (file, io, place) = positioned(task, args)?;
    write_file(task, &file, io, place)
}

/// Reads the arguments of `preadv2` and `pwritev2`: offset -1 is the description's own, no flag is supported.
fn positioned_with_flags(task: &Task, args: &Args) -> Result<(Arc<OpenFile>, UserIo, Place)> {
    if args.uint(5) != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    if args.raw(3) != u64::MAX {
        return positioned(task, args);
    }
    Ok((file(task, args.int(0))?, vector(args.addr(1), args.size(2))?, Place::Current))
}

/// preadv2(2)
pub fn sys_preadv2(task: &Task, args: &Args) -> SysResult {
    let (file, io, place) = positioned_with_flags(task, args)?;
    read_file(&file, io, place)
}

/// pwritev2(2)
pub fn sys_pwritev2(task: &Task, args: &Args) -> SysResult {
    let (file, io, place) = positioned_with_flags(task, args)?;
    write_file(task, &file, io, place)
}

/// lseek(2)
pub fn sys_lseek(task: &Task, args: &Args) -> SysResult {
    let file = file(task, args.int(0))?;
    let by = args.raw(1) as i64;
    let from = match args.uint(2) {
        raw::SEEK_SET => vfs::SeekFrom::Start(by),
        raw::SEEK_CUR => vfs::SeekFrom::Current(by),
        raw::SEEK_END => vfs::SeekFrom::End(by),
        raw::SEEK_DATA => vfs::SeekFrom::Data(by),
        raw::SEEK_HOLE => vfs::SeekFrom::Hole(by),
        _ => return Err(Errno::EINVAL),
    };
    file.seek(from)
}
