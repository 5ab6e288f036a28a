//! Wild calls on sockets and epolls: descriptors that are some, addresses and messages that are nearly right.

use crate::random::Random;
use crate::sys::{Mapping, raw_call};

/// The calls, of which those that create come more than once.
const CALLS: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_socketpair,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_sendto,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_dup,
    libc::SYS_close,
];

const FAMILIES: [u64; 3] = [libc::AF_UNIX as u64, libc::AF_INET as u64, libc::AF_INET6 as u64];
const KINDS: [u64; 3] = [libc::SOCK_STREAM as u64, libc::SOCK_DGRAM as u64, libc::SOCK_SEQPACKET as u64];
const DESCRIPTORS: u64 = 24;
/// Bytes of the mapping that are used; records begin at multiples of [`RECORD_BYTES`].
const USED_BYTES: u64 = 4096;
const RECORD_BYTES: u64 = 64;

/// Fills the memory with addresses, messages, ancillary data and whatever else.
pub fn prepare(random: &mut Random, memory: &Mapping) {
    for record in 0..USED_BYTES / RECORD_BYTES {
        let start = record * RECORD_BYTES;
        let words = match random.below(4) {
            0 => address(random),
            1 => message(random, memory),
            2 => control(random),
            _ => std::array::from_fn(|_| random.next_u64()),
        };
        for (index, byte) in words.iter().flat_map(|word| word.to_le_bytes()).enumerate() {
            memory.write(start as usize + index, byte);
        }
    }
}

/// A local socket's abstract name, or a low loopback address.
fn address(random: &mut Random) -> [u64; 8] {
    let port = (40_000 + random.below(8) as u16).to_be();
    match random.below(3) {
        0 => [u64::from(libc::AF_UNIX as u16) | random.below(4) << 24, 0, 0, 0, 0, 0, 0, 0],
        1 => [u64::from(libc::AF_INET as u16) | u64::from(port) << 16 | 0x0100_007f << 32, 0, 0, 0, 0, 0, 0, 0],
        _ => [u64::from(libc::AF_INET6 as u16) | u64::from(port) << 16, 0, 1 << 56, 0, 0, 0, 0, 0],
    }
}

/// `struct mmsghdr`, whose pointers lead into the same memory.
fn message(random: &mut Random, memory: &Mapping) -> [u64; 8] {
    let mut place = || record(random, memory);
    let [name, vector, control] = [place(), place(), place()];
    [name, random.below(120), vector, random.below(4), control, random.below(128), 0, 0]
}

/// Descriptors or credentials.
fn control(random: &mut Random) -> [u64; 8] {
    let kind = 1 + random.below(3);
    let files = random.below(DESCRIPTORS) | random.below(DESCRIPTORS) << 32;
    [16 + random.below(3) * 4, 1 | kind << 32, files, files, 24, 1 | kind << 32, files, 0]
}

fn record(random: &mut Random, memory: &Mapping) -> u64 {
    memory.address() as u64 + random.below(USED_BYTES / RECORD_BYTES) * RECORD_BYTES
}

/// Makes one call.
pub fn call(random: &mut Random, memory: &Mapping) {
    if random.below(16) == 0 {
        prepare(random, memory);
    }
    let number = CALLS[random.below(CALLS.len() as u64) as usize];
    let mut arguments: [u64; 6] = std::array::from_fn(|_| match random.below(4) {
        0 => random.below(8),
        1 => random.below(200),
        2 => record(random, memory),
        _ => random.next_u64() >> random.below(64),
    });
    arguments[0] = random.below(DESCRIPTORS);
    match number {
        libc::SYS_socket | libc::SYS_socketpair => {
            let nonblocking = libc::SOCK_NONBLOCK as u64;
            arguments[..3].copy_from_slice(&[pick(random, FAMILIES), pick(random, KINDS) | nonblocking, 0]);
            arguments[3] = record(random, memory);
        }
        libc::SYS_bind | libc::SYS_connect => {
            arguments[1..3].copy_from_slice(&[record(random, memory), pick(random, [4, 16, 28])]);
        }
        libc::SYS_sendmsg | libc::SYS_recvmsg => arguments[1] = record(random, memory),
        libc::SYS_sendto | libc::SYS_recvfrom => {
            arguments[1..3].copy_from_slice(&[record(random, memory), random.below(3000)]);
            arguments[3] |= libc::MSG_DONTWAIT as u64;
        }
        libc::SYS_epoll_create1 | libc::SYS_timerfd_create => arguments[..2].copy_from_slice(&[random.below(2), 0]),
        libc::SYS_epoll_ctl => {
            arguments[1..4].copy_from_slice(&[1 + random.below(3), random.below(DESCRIPTORS), record(random, memory)]);
        }
        // Not to wait: the calls are to be many.
        libc::SYS_epoll_wait => arguments[3] = random.below(2),
        libc::SYS_accept4 => arguments[1..4].copy_from_slice(&[0, 0, libc::SOCK_NONBLOCK as u64]),
        _ => {}
    }
    let _ = raw_call(number as u64, arguments);
}

fn pick(random: &mut Random, from: [u64; 3]) -> u64 {
    from[random.below(3) as usize]
}
