//! epoll, eventfd, timerfd, and the limit of descriptors.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::{Errno, dup};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags};
use rustix::time::{timerfd_create, timerfd_gettime, timerfd_settime};

use crate::{Outcome, Tests, describe, error_number};
use legacy_programs::sys;

pub const TESTS: Tests = &[
    ("epoll-levels-and-edges", levels_and_edges),
    ("epoll-one-shot", one_shot),
    ("epoll-errors", errors),
    ("epoll-of-closed-descriptors", closed_descriptors),
    ("epoll-in-epoll", nested),
    ("epoll-wakes-up", wakes_up),
    ("epoll-takes-turns", takes_turns),
    ("eventfd", event_counter),
    ("timerfd", timer),
    ("descriptor-limit-is-raised", descriptor_limit),
];

const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// What a wait reports: events and data, in order of the data.
pub fn reported(epoll: &OwnedFd, limit: usize, timeout: Option<&Timespec>) -> Result<String, Errno> {
    let mut events = vec![Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; limit];
    let count = epoll::wait(epoll, events.as_mut_slice(), timeout)?;
    let mut all: Vec<_> = events[..count].iter().map(|&Event { flags, data }| (data.u64(), flags.bits())).collect();
    all.sort_unstable();
    Ok(format!("{all:x?}"))
}

/// What is ready now.
pub fn ready(epoll: &OwnedFd) -> String {
    reported(epoll, 8, Some(&NOW)).unwrap_or_else(|error| format!("error {}", error.raw_os_error()))
}

/// Watches a file and says how that went.
pub fn watch(epoll: &OwnedFd, file: impl AsFd, data: u64, flags: EventFlags) -> i32 {
    number(epoll::add(epoll, file, EventData::new_u64(data), flags))
}

fn modify(epoll: &OwnedFd, file: impl AsFd, data: u64, flags: EventFlags) -> i32 {
    number(epoll::modify(epoll, file, EventData::new_u64(data), flags))
}

fn number<T>(result: Result<T, Errno>) -> i32 {
    result.err().map_or(0, Errno::raw_os_error)
}

fn new_epoll() -> Result<OwnedFd, Errno> {
    epoll::create(CreateFlags::CLOEXEC)
}

fn levels_and_edges() -> Outcome {
    let epoll = new_epoll()?;
    let (mut reader, mut writer) = pipe()?;
    let (mut edge_reader, mut edge_writer) = pipe()?;
    watch(&epoll, &reader, 1, EventFlags::IN);
    watch(&epoll, &edge_reader, 2, EventFlags::IN | EventFlags::ET);
    watch(&epoll, &writer, 3, EventFlags::OUT | EventFlags::ET);
    println!("empty: {}, again {}", ready(&epoll), ready(&epoll));
    writer.write_all(b"xy")?;
    edge_writer.write_all(b"xy")?;
    println!("written: {}, again {}", ready(&epoll), ready(&epoll));
    edge_writer.write_all(b"z")?;
    println!("more: {}, again {}", ready(&epoll), ready(&epoll));
    reader.read_exact(&mut [0; 2])?;
    edge_reader.read_exact(&mut [0; 2])?;
    println!("read: {}", ready(&epoll));
    drop((writer, edge_writer));
    println!("closed: {}, again {}", ready(&epoll), ready(&epoll));
    Ok(())
}

fn one_shot() -> Outcome {
    let epoll = new_epoll()?;
    let (mut reader, mut writer) = pipe()?;
    watch(&epoll, &reader, 1, EventFlags::IN | EventFlags::ONESHOT);
    writer.write_all(b"x")?;
    println!("once: {}, again {}", ready(&epoll), ready(&epoll));
    writer.write_all(b"x")?;
    println!("more is not told: {}", ready(&epoll));
    modify(&epoll, &reader, 2, EventFlags::IN | EventFlags::ONESHOT);
    println!("asked again: {}, again {}", ready(&epoll), ready(&epoll));
    modify(&epoll, &reader, 3, EventFlags::OUT);
    println!("other events: {}", ready(&epoll));
    modify(&epoll, &reader, 4, EventFlags::IN | EventFlags::ET);
    println!("edge of what is there: {}, again {}", ready(&epoll), ready(&epoll));
    reader.read_exact(&mut [0; 2])?;
    modify(&epoll, &reader, 5, EventFlags::IN);
    println!("empty: {}", ready(&epoll));
    epoll::delete(&epoll, &reader)?;
    writer.write_all(b"x")?;
    println!("removed: {}", ready(&epoll));
    Ok(())
}

fn errors() -> Outcome {
    let epoll = new_epoll()?;
    let other = new_epoll()?;
    let (reader, writer) = pipe()?;
    println!("twice: {} {}", watch(&epoll, &reader, 1, EventFlags::IN), watch(&epoll, &reader, 1, EventFlags::IN));
    println!("changed, not there: {}", modify(&epoll, &writer, 1, EventFlags::OUT));
    println!("removed, not there: {}", number(epoll::delete(&epoll, &writer)));
    println!("itself: {}", watch(&epoll, &epoll, 1, EventFlags::IN));
    println!("no epoll: {}", number(epoll::delete(&reader, &writer)));
    println!("a file: {}", watch(&epoll, File::open("/proc/self/exe")?, 1, EventFlags::IN));
    println!("a folder: {}", watch(&epoll, File::open("/bin")?, 1, EventFlags::IN));
    println!("the null device: {}", watch(&epoll, File::open("/dev/null")?, 1, EventFlags::IN));
    let exclusive = EventFlags::EXCLUSIVE | EventFlags::IN;
    println!("exclusive: {}", watch(&epoll, &writer, 1, exclusive));
    println!("changed: {}", modify(&epoll, &writer, 1, EventFlags::OUT));
    println!("exclusive epoll: {}", watch(&epoll, &other, 1, exclusive));
    println!("exclusive once: {}", watch(&other, &reader, 1, exclusive | EventFlags::ONESHOT));
    println!("exclusively urgent: {}", watch(&other, &reader, 1, exclusive | EventFlags::PRI));
    raw_errors();
    Ok(())
}

/// What no library lets one do.
fn raw_errors() {
    use std::os::fd::AsRawFd;
    let Ok(epoll) = new_epoll() else { return };
    let fd = epoll.as_raw_fd() as u64;
    let call = |number: i64, arguments| sys::raw_call(number as u64, arguments);
    println!("size 0: {}", call(libc::SYS_epoll_create, [0; 6]));
    println!("unknown flags: {}", call(libc::SYS_epoll_create1, [1, 0, 0, 0, 0, 0]));
    println!("no events: {}", call(libc::SYS_epoll_wait, [fd, 0x1000, 0, 0, 0, 0]));
    println!("wild place: {}", call(libc::SYS_epoll_wait, [fd, u64::MAX - 5, 1, 0, 0, 0]));
    println!("wild event: {}", call(libc::SYS_epoll_ctl, [fd, 1, 0, 8, 0, 0]));
    println!("no descriptor: {}", call(libc::SYS_epoll_ctl, [fd, 2, 999, 0, 0, 0]));
    println!("unknown operation: {}", call(libc::SYS_epoll_ctl, [fd, 9, fd, 0, 0, 0]));
    let (Ok((_reader, writer)), event) = (pipe(), [4u32, 0, 0]) else { return };
    call(libc::SYS_epoll_ctl, [fd, 1, writer.as_raw_fd() as u64, event.as_ptr() as u64, 0, 0]);
    println!("nowhere to report to: {}", call(libc::SYS_epoll_wait, [fd, 8, 1, 0, 0, 0]));
    println!("reported all the same: {}", ready(&epoll));
    println!("bad mask size: {}", call(libc::SYS_epoll_pwait, [fd, 8, 1, 0, event.as_ptr() as u64, 3]));
    let bad_time = [0i64, 1_000_000_000];
    println!("bad time: {}", call(libc::SYS_epoll_pwait2, [fd, 8, 1, bad_time.as_ptr() as u64, 0, 0]));
}

fn closed_descriptors() -> Outcome {
    let epoll = new_epoll()?;
    let (reader, mut writer) = pipe()?;
    watch(&epoll, &reader, 1, EventFlags::IN);
    let duplicate = dup(&reader)?;
    println!("the duplicate as well: {}", watch(&epoll, &duplicate, 2, EventFlags::IN));
    writer.write_all(b"x")?;
    println!("both: {}", ready(&epoll));
    drop(reader);
    println!("one closed: {}", ready(&epoll));
    drop(duplicate);
    println!("both closed: {}", ready(&epoll));
    // The same number again, for something else.
    let (again, _writer) = pipe()?;
    println!("the number again: {}", watch(&epoll, &again, 3, EventFlags::IN));
    println!("nothing there: {}", ready(&epoll));
    Ok(())
}

fn nested() -> Outcome {
    let chain = |length: usize| -> Result<_, Errno> {
        let epolls = (0..length).map(|_| new_epoll()).collect::<Result<Vec<_>, _>>()?;
        let links = (1..length).map(|outer| watch(&epolls[outer], &epolls[outer - 1], 1, EventFlags::IN));
        let links: Vec<_> = links.collect();
        Ok((epolls, links))
    };
    let (epolls, links) = chain(4)?;
    println!("a chain: {links:?}");
    // Versions of Linux differ by one in what is too long.
    println!("a long one: {}", chain(10)?.1.contains(&Errno::LOOP.raw_os_error()));
    println!("a circle: {}", watch(&epolls[0], &epolls[3], 1, EventFlags::IN));
    let (mut reader, mut writer) = pipe()?;
    println!("a pipe below: {}", watch(&epolls[0], &reader, 2, EventFlags::IN));
    println!("quiet: {}", ready(&epolls[3]));
    writer.write_all(b"x")?;
    println!("heard: {}, still {}", ready(&epolls[3]), ready(&epolls[3]));
    reader.read_exact(&mut [0])?;
    println!("quiet: {}", ready(&epolls[3]));
    writer.write_all(b"x")?;
    println!("heard: {}, below {}", ready(&epolls[3]), ready(&epolls[0]));
    Ok(())
}

fn wakes_up() -> Outcome {
    let epoll = new_epoll()?;
    let (reader, mut writer) = pipe()?;
    watch(&epoll, &reader, 1, EventFlags::IN);
    let child = sys::spawn(|| {
        std::thread::sleep(Duration::from_millis(100));
        i32::from(writer.write_all(b"x").is_err())
    })?;
    println!("woken: {}", reported(&epoll, 4, None)?);
    println!("child {}", describe(sys::wait(child, 0)?.1));
    epoll::delete(&epoll, &reader)?;
    let start = Instant::now();
    let soon = Timespec { tv_sec: 0, tv_nsec: 30_000_000 };
    let end = reported(&epoll, 4, Some(&soon))?;
    println!("timed out: {end}, in time {}", start.elapsed() >= Duration::from_millis(30));
    sys::on_signal(libc::SIGALRM, ignore, libc::SA_RESTART)?;
    sys::alarm(1);
    println!("interrupted: {}", number(reported(&epoll, 4, None)));
    println!("added while waiting: {}", added_while_waiting(&epoll)?);
    Ok(())
}

extern "C" fn ignore(_: i32) {}

fn added_while_waiting(epoll: &OwnedFd) -> Result<String, Box<dyn std::error::Error>> {
    let (reader, mut writer) = pipe()?;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            watch(epoll, &reader, 9, EventFlags::IN);
            let _ = writer.write_all(b"x");
            std::thread::sleep(Duration::from_millis(200));
        });
        Ok(reported(epoll, 1, None)?)
    })
}

/// Three pipes, one report at a time: each gets its turn.
fn takes_turns() -> Outcome {
    let epoll = new_epoll()?;
    let mut pipes: Vec<(PipeReader, PipeWriter)> = (0..3).map(|_| pipe()).collect::<Result<_, _>>()?;
    for (number, (reader, writer)) in pipes.iter_mut().enumerate() {
        watch(&epoll, &*reader, number as u64, EventFlags::IN);
        writer.write_all(b"x")?;
    }
    for _ in 0..2 {
        let mut turns: Vec<_> = (0..3).map(|_| reported(&epoll, 1, Some(&NOW))).collect::<Result<_, _>>()?;
        turns.sort();
        println!("{turns:?}");
    }
    Ok(())
}

fn event_counter() -> Outcome {
    let counter = File::from(eventfd(3, EventfdFlags::NONBLOCK)?);
    let epoll = new_epoll()?;
    watch(&epoll, &counter, 1, EventFlags::IN | EventFlags::OUT | EventFlags::ET);
    let read = || {
        let mut bytes = [0; 8];
        (&counter).read(&mut bytes).map(|_| u64::from_le_bytes(bytes)).map_err(|error| error.raw_os_error())
    };
    let write = |value: u64| error_number((&counter).write(&value.to_le_bytes()));
    println!("start: {}, again {}", ready(&epoll), ready(&epoll));
    println!("read {:?}, then {:?}", read(), read());
    println!("edge: {}", ready(&epoll));
    println!("written {} {} {}", write(2), write(5), write(u64::MAX));
    println!("edge: {}, again {}", ready(&epoll), ready(&epoll));
    println!("full {} {}", write(u64::MAX - 8), write(1));
    println!("edge: {}", ready(&epoll));
    println!("read {:?}", read());
    println!("short {}", error_number((&counter).read(&mut [0; 7])));
    let semaphore = File::from(eventfd(2, EventfdFlags::NONBLOCK | EventfdFlags::SEMAPHORE)?);
    let taken: Vec<_> = (0..3).map(|_| error_number((&semaphore).read(&mut [0; 8]))).collect();
    println!("semaphore {taken:?}");
    Ok(())
}

fn timer() -> Outcome {
    const MS: i64 = 1_000_000;
    let timer = File::from(timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?);
    let epoll = new_epoll()?;
    watch(&epoll, &timer, 1, EventFlags::IN);
    let time = |ns| Timespec { tv_sec: 0, tv_nsec: ns };
    let read = || {
        let mut bytes = [0; 8];
        (&timer).read(&mut bytes).map(|_| u64::from_le_bytes(bytes)).map_err(|error| error.raw_os_error())
    };
    println!("not armed: {} {:?}", ready(&epoll), read());
    let every = |value, interval| Itimerspec { it_interval: time(interval), it_value: time(value) };
    let far = Itimerspec { it_interval: NOW, it_value: Timespec { tv_sec: 10_000, tv_nsec: 0 } };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &far)?;
    println!("armed: {}", ready(&epoll));
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every(50 * MS, 0))?;
    println!("expired: {}, read {:?} {:?}", reported(&epoll, 1, None)?, read(), read());
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every(10 * MS, 10 * MS))?;
    std::thread::sleep(Duration::from_millis(100));
    println!("several: {}", read().is_ok_and(|count| count >= 9));
    let left = timerfd_gettime(&timer)?;
    println!("left {} of {}", left.it_value.tv_nsec <= 10 * MS, left.it_interval.tv_nsec);
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &every(1, 0))?;
    // It expires at once, but by an interrupt: it may be looked at before.
    println!("in the past: {}, read {:?}", reported(&epoll, 1, None)?, read());
    let old = timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every(0, 0))?;
    println!("disarmed: {} {}, {:?}", old.it_value.tv_nsec, old.it_interval.tv_nsec, read());
    println!("short {}", error_number((&timer).read(&mut [0; 4])));
    println!("bad time {}", number(timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every(1_000_000_000, 0))));
    println!("write {}", error_number((&timer).write(&[0; 8])));
    Ok(())
}

/// Root raises the hard limit; nobody else does.
fn descriptor_limit() -> Outcome {
    let set = |current, maximum| {
        number(setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: Some(maximum) }))
    };
    println!("raised {}, beyond {}", set(10_032, 10_032), set(10_032, 1 << 30));
    let limit = getrlimit(Resource::Nofile);
    println!("{:?} {:?}", limit.current, limit.maximum);
    println!("used {}", error_number(dup_to(10_000)));
    let child = sys::spawn(|| {
        let lowered = set(100, 9000);
        i32::from(sys::become_user(1).is_err() || lowered != 0) * 100 + set(100, 10_000)
    })?;
    println!("without rights {}", describe(sys::wait(child, 0)?.1));
    Ok(())
}

fn dup_to(number: i32) -> std::io::Result<()> {
    let result = sys::raw_call(libc::SYS_dup2 as u64, [1, number as u64, 0, 0, 0, 0]);
    if result < 0 { Err(std::io::Error::from_raw_os_error(-result as i32)) } else { Ok(()) }
}
