//! Descriptors, pipes, poll, and files.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write, pipe};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, OFlags, fcntl_getfl, fcntl_setfl, flock};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

use crate::{Outcome, Tests, describe, error_number};
use legacy_programs::sys;

pub const TESTS: Tests = &[
    ("pipe-capacity-and-errors", pipe_capacity),
    ("poll-of-pipes", poll_pipes),
    ("poll-wakes-up", poll_wakes),
    ("offsets-are-shared-by-fork", shared_offsets),
    ("append-and-holes", append_and_holes),
    ("open-flags", open_flags),
    ("close-on-exec", close_on_exec),
    ("locks-between-processes", locks),
    ("atomic-pipe-writes", atomic_writes),
];

fn pipe_capacity() -> Outcome {
    let (mut reader, mut writer) = pipe()?;
    fcntl_setfl(&writer, OFlags::NONBLOCK)?;
    let mut total = 0;
    let full = loop {
        match writer.write(&[7; 4096]) {
            Ok(count) => total += count,
            Err(error) => break error,
        }
    };
    println!("capacity {total}, then {:?}", full.raw_os_error());
    reader.read_exact(&mut [0; 4096])?;
    println!("one page read, written {}", writer.write(&[8; 4096])?);
    drop(writer);
    let mut rest = Vec::new();
    println!("read to the end {}", reader.read_to_end(&mut rest)?);
    let (reader, mut writer) = pipe()?;
    drop(reader);
    println!("without a reader: {}", error_number(writer.write(b"x")));
    Ok(())
}

fn poll_pipes() -> Outcome {
    let (reader, mut writer) = pipe()?;
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let look = |file: &dyn AsFd| -> Result<PollFlags, rustix::io::Errno> {
        let mut fds = [PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN | PollFlags::OUT)];
        poll(&mut fds, Some(&now))?;
        Ok(fds[0].revents())
    };
    println!("empty: {:?} {:?}", look(&reader)?, look(&writer)?);
    writer.write_all(b"x")?;
    println!("one byte: {:?}", look(&reader)?);
    drop(writer);
    println!("no writer: {:?}", look(&reader)?);
    let (reader, writer) = pipe()?;
    drop(reader);
    println!("no reader: {:?}", look(&writer)?);
    println!("a file: {:?}", look(&File::open("/bin/busybox")?)?);
    Ok(())
}

fn poll_wakes() -> Outcome {
    let (reader, mut writer) = pipe()?;
    let child = sys::spawn(|| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        i32::from(writer.write_all(b"x").is_err())
    })?;
    let mut fds = [PollFd::new(&reader, PollFlags::IN)];
    println!("woken by {}: {:?}", poll(&mut fds, None)?, fds[0].revents());
    println!("child {}", describe(sys::wait(child, 0)?.1));
    let (reader, _writer) = pipe()?;
    let soon = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    println!("timed out with {}", poll(&mut [PollFd::new(&reader, PollFlags::IN)], Some(&soon))?);
    Ok(())
}

fn shared_offsets() -> Outcome {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open("shared")?;
    file.write_all(b"abcdef")?;
    file.seek(SeekFrom::Start(1))?;
    let child = sys::spawn(|| i32::from((&file).read_exact(&mut [0; 2]).is_err()))?;
    sys::wait(child, 0)?;
    println!("offset after the child read 2: {}", file.stream_position()?);
    println!("own descriptor: {}", File::open("shared")?.stream_position()?);
    Ok(())
}

fn append_and_holes() -> Outcome {
    let file = OpenOptions::new().read(true).append(true).create(true).open("holes")?;
    (&file).write_all(b"abc")?;
    file.set_len(100_000)?;
    (&file).write_all(b"end")?;
    let mut bytes = vec![1; 100_003];
    file.read_exact_at(&mut bytes, 0)?;
    println!("{} {} {:?}", fs::metadata("holes")?.len(), bytes.iter().filter(|b| **b == 0).count(), &bytes[100_000..]);
    println!("beyond the end: {}", file.read_at(&mut bytes, 200_000)?);
    Ok(())
}

fn open_flags() -> Outcome {
    let flags = |path: &str, flags: i32| error_number(OpenOptions::new().read(true).custom_flags(flags).open(path));
    fs::write("file", "x")?;
    fs::create_dir("folder")?;
    std::os::unix::fs::symlink("file", "link")?;
    println!("O_DIRECTORY of a file {}", flags("file", libc::O_DIRECTORY));
    println!("O_NOFOLLOW of a link {}", flags("link", libc::O_NOFOLLOW));
    println!("a file as a folder {}", flags("file/x", 0));
    println!("missing {}", flags("missing", 0));
    println!("exclusive {}", error_number(OpenOptions::new().write(true).create_new(true).open("file")));
    println!("write to a folder {}", error_number(OpenOptions::new().write(true).open("folder")));
    println!("read of a folder {}", error_number(File::open("folder")?.read(&mut [0])));
    println!("write to a reader {}", error_number(File::open("file")?.write(b"x")));
    println!("flags kept {:?}", fcntl_getfl(OpenOptions::new().append(true).open("file")?)? & OFlags::APPEND);
    Ok(())
}

fn close_on_exec() -> Outcome {
    let file = File::open("/dev/null")?;
    let shell = |text: &str| std::process::Command::new("/bin/sh").arg("-c").arg(text).status();
    println!("kept {:?}", fcntl_getfd(&file)?);
    let number = std::os::fd::AsRawFd::as_raw_fd(&file);
    println!("{:?}", shell(&format!("test -e /proc/self/fd/{number}"))?.code());
    fcntl_setfd(&file, FdFlags::empty())?;
    println!("{:?}", shell(&format!("test -e /proc/self/fd/{number}"))?.code());
    Ok(())
}

fn locks() -> Outcome {
    let file = File::create("lock")?;
    flock(&file, FlockOperation::LockExclusive)?;
    let try_lock = || -> i32 {
        let other = File::open("lock").expect("it exists");
        flock(&other, FlockOperation::NonBlockingLockExclusive).err().map_or(0, |error| error.raw_os_error())
    };
    let child = sys::spawn(try_lock)?;
    println!("while locked: {}", describe(sys::wait(child, 0)?.1));
    flock(&file, FlockOperation::Unlock)?;
    let child = sys::spawn(try_lock)?;
    println!("after: {}", describe(sys::wait(child, 0)?.1));
    Ok(())
}

/// Four processes write 1,000-byte records, which must not mix.
fn atomic_writes() -> Outcome {
    let (mut reader, writer) = pipe()?;
    let mut children = Vec::new();
    for letter in b'a'..b'e' {
        let mut writer = writer.try_clone()?;
        children.push(sys::spawn(move || i32::from((0..50).any(|_| writer.write_all(&[letter; 1000]).is_err())))?);
    }
    drop(writer);
    let mut record = [0; 1000];
    let mut whole = 0;
    while reader.read_exact(&mut record).is_ok() {
        whole += u32::from(record.iter().all(|byte| *byte == record[0]));
    }
    for child in children {
        sys::wait(child, 0)?;
    }
    println!("{whole} whole records");
    Ok(())
}
