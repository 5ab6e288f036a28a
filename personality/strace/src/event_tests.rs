//! Lines that strace 6.1 printed for options of sockets, and for epoll, eventfd and timerfd.

use crate::tests::{MINUS_ONE, Pieces, changed, line};
use proptest::prelude::*;

#[test]
fn options_are_set_as_strace_shows_it() {
    let memory = Pieces::default()
        .with(0x1000, &[1, 0, 0, 0, 5, 0, 0, 0])
        .words(0x2000, &[3, 500_000])
        .with(0x3000, b"cubic\0")
        .with(0x4000, b"\xe0\0\0\x01\x7f\0\0\x01")
        .with(0x5000, &[0; 20]);
    let cases: &[(&[u64], i64, &str)] = &[
        (&[19, 1, 2, 0x1000, 4], 0, "setsockopt(19, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0"),
        (&[3, 1, 13, 0x1000, 8], 0, "setsockopt(3, SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=5}, 8) = 0"),
        (&[3, 1, 13, 0x1000, 4], -22, "setsockopt(3, SOL_SOCKET, SO_LINGER, 0x1000, 4) = -1 EINVAL (Invalid argument)"),
        (
            &[3, 1, 20, 0x2000, 16],
            0,
            r#"setsockopt(3, SOL_SOCKET, SO_RCVTIMEO_OLD, "\3\0\0\0\0\0\0\0 \241\7\0\0\0\0\0", 16) = 0"#,
        ),
        (&[3, 1, 8, 0x1000, 2], -22, "setsockopt(3, SOL_SOCKET, SO_RCVBUF, 0x1000, 2) = -1 EINVAL (Invalid argument)"),
        (&[3, 6, 13, 0x3000, 5], 0, r#"setsockopt(3, SOL_TCP, TCP_CONGESTION, "cubic", 5) = 0"#),
        (&[3, 6, 1, 0x1000, 4], 0, "setsockopt(3, SOL_TCP, TCP_NODELAY, [1], 4) = 0"),
        (
            &[3, 0, 35, 0x4000, 8],
            -71,
            "setsockopt(3, SOL_IP, IP_ADD_MEMBERSHIP, {imr_multiaddr=inet_addr(\"224.0.0.1\"), \
             imr_interface=inet_addr(\"127.0.0.1\")}, 8) = -1 EPROTO (Protocol error)",
        ),
        (
            &[5, 41, 20, 0x5000, 20],
            -71,
            "setsockopt(5, SOL_IPV6, IPV6_ADD_MEMBERSHIP, {inet_pton(AF_INET6, \"::\", &ipv6mr_multiaddr), \
             ipv6mr_interface=0}, 20) = -1 EPROTO (Protocol error)",
        ),
        (
            &[3, 200, 200, 0x1000, 4],
            -92,
            "setsockopt(3, 0xc8 /* SOL_?? */, 200, [1], 4) = -1 ENOPROTOOPT (Protocol not available)",
        ),
        (
            &[3, 1, 200, 0x1000, 4],
            -92,
            "setsockopt(3, SOL_SOCKET, 0xc8 /* SO_??? */, [1], 4) = -1 ENOPROTOOPT (Protocol not available)",
        ),
    ];
    for (arguments, result, expected) in cases {
        assert_eq!(line(&memory, "setsockopt", arguments, *result), *expected);
    }
}

/// A length before and after, a value, a level and an option, and what is shown.
type Read<'a> = (i32, i32, &'a [u8], [u64; 2], &'a str);

#[test]
fn options_are_read_as_strace_shows_it() {
    let with = |value: &[u8], length: i32| Pieces::default().with(0x1000, value).with(0x2000, &length.to_le_bytes());
    let unknown_peer = [[0; 4], [0xff; 4], [0xff; 4]].concat();
    let cases: &[Read<'_>] = &[
        (4, 4, &[1, 0, 0, 0], [1, 3], "SOL_SOCKET, SO_TYPE, [1], [4]) = 0"),
        (8, 4, &[1, 0, 0, 0], [1, 3], "SOL_SOCKET, SO_TYPE, [1], [8 => 4]) = 0"),
        (2, 2, &[1, 0], [1, 3], r#"SOL_SOCKET, SO_TYPE, "\1\0", [2]) = 0"#),
        (4, 0, &[1, 0], [1, 25], "SOL_SOCKET, SO_BINDTODEVICE, 0x1000, [4 => 0]) = 0"),
        (4, 4, &[111, 0, 0, 0], [1, 4], "SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0"),
        (4, 4, &[0, 0, 0, 0], [1, 4], "SOL_SOCKET, SO_ERROR, [0], [4]) = 0"),
        (20, 8, &[1, 0, 0, 0, 5, 0, 0, 0], [1, 13], "SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=5}, [20 => 8]) = 0"),
        (4, 4, &[1, 0, 0, 0], [1, 13], "SOL_SOCKET, SO_LINGER, {l_onoff=1}, [4]) = 0"),
        (100, 12, &unknown_peer, [1, 17], "SOL_SOCKET, SO_PEERCRED, {pid=0, uid=-1, gid=-1}, [100 => 12]) = 0"),
        (4, 4, &[64, 0, 0, 0], [0, 2], "SOL_IP, IP_TTL, [64], [4]) = 0"),
    ];
    for (before, after, value, [level, option], expected) in cases {
        let arguments = [3, *level, *option, 0x1000, 0x2000];
        let shown = changed(&with(value, *before), &with(value, *after), "getsockopt", &arguments, 0);
        assert_eq!(shown, format!("getsockopt(3, {expected}"));
    }
    assert_eq!(
        line(&with(&[], -1), "getsockopt", &[3, 1, 3, 0, 0x2000], -22),
        "getsockopt(3, SOL_SOCKET, SO_TYPE, NULL, [-1]) = -1 EINVAL (Invalid argument)"
    );
}

/// `struct epoll_event`.
fn event(events: u32, data: u64) -> Vec<u8> {
    [&events.to_le_bytes()[..], &data.to_le_bytes()].concat()
}

#[test]
fn epoll_is_shown_as_strace_shows_it() {
    let two = [event(4, 0x1122_3344_5566_7788), event(5, 5)].concat();
    let memory = Pieces::default()
        .with(0x1000, &event(0x8000_0005, 7))
        .with(0x2000, &two)
        .with(0x3000, &event(0x800, 0))
        .with(0x4000, &event(u32::MAX, u64::MAX))
        .words(0x5000, &[2])
        .words(0x6000, &[0, 1000]);
    let cases: &[(&str, &[u64], i64, &str)] = &[
        ("epoll_create", &[10], 5, "epoll_create(10)                        = 5"),
        ("epoll_create1", &[0x80000], 7, "epoll_create1(EPOLL_CLOEXEC)            = 7"),
        ("epoll_create1", &[3], -22, "epoll_create1(0x3 /* EPOLL_??? */)      = -1 EINVAL (Invalid argument)"),
        (
            "epoll_ctl",
            &[8, 3, 3, 0x1000],
            0,
            "epoll_ctl(8, EPOLL_CTL_MOD, 3, {events=EPOLLIN|EPOLLOUT|EPOLLET, data={u32=7, u64=7}}) = 0",
        ),
        (
            "epoll_ctl",
            &[8, 3, 3, 0x3000],
            0,
            "epoll_ctl(8, EPOLL_CTL_MOD, 3, {events=0x800 /* EPOLL??? */, data={u32=0, u64=0}}) = 0",
        ),
        (
            "epoll_ctl",
            &[8, 3, 3, 0x4000],
            -22,
            "epoll_ctl(8, EPOLL_CTL_MOD, 3, {events=EPOLLIN|EPOLLPRI|EPOLLOUT|EPOLLERR|EPOLLHUP|EPOLLNVAL|EPOLLRDNORM|\
             EPOLLRDBAND|EPOLLWRNORM|EPOLLWRBAND|EPOLLMSG|EPOLLRDHUP|EPOLLEXCLUSIVE|EPOLLWAKEUP|EPOLLONESHOT|EPOLLET|\
             0xfffd800, data={u32=4294967295, u64=18446744073709551615}}) = -1 EINVAL (Invalid argument)",
        ),
        ("epoll_ctl", &[8, 2, 3, 0x1000], 0, "epoll_ctl(8, EPOLL_CTL_DEL, 3, 0x1000)  = 0"),
        (
            "epoll_wait",
            &[8, 0x2000, 10, MINUS_ONE],
            2,
            "epoll_wait(8, [{events=EPOLLOUT, data={u32=1432778632, u64=1234605616436508552}}, \
             {events=EPOLLIN|EPOLLOUT, data={u32=5, u64=5}}], 10, -1) = 2",
        ),
        ("epoll_wait", &[9, 0x2000, 10, 5], 0, "epoll_wait(9, [], 10, 5)                = 0"),
        (
            "epoll_wait",
            &[8, 0x2000, 0, 0],
            -22,
            "epoll_wait(8, 0x2000, 0, 0)             = -1 EINVAL (Invalid argument)",
        ),
        ("epoll_pwait", &[9, 0x2000, 10, 5, 0x5000, 8], 0, "epoll_pwait(9, [], 10, 5, [INT], 8)     = 0"),
        (
            "epoll_pwait",
            &[9, 0x2000, 10, 5, 0x5000, 4],
            -22,
            "epoll_pwait(9, 0x2000, 10, 5, 0x5000, 4) = -1 EINVAL (Invalid argument)",
        ),
        (
            "epoll_pwait2",
            &[9, 0x2000, 10, 0x6000, 0x5000, 8],
            0,
            "epoll_pwait2(9, [], 10, {tv_sec=0, tv_nsec=1000}, [INT], 8) = 0",
        ),
        (
            "epoll_pwait2",
            &[7, 0x8, 1, 0x6000, 0, 0],
            -22,
            "epoll_pwait2(7, 0x8, 1, 0x6000, NULL, 0) = -1 EINVAL (Invalid argument)",
        ),
    ];
    for (name, arguments, result, expected) in cases {
        assert_eq!(line(&memory, name, arguments, *result), *expected);
    }
}

#[test]
fn counters_and_timers_are_shown_as_strace_shows_them() {
    let memory =
        Pieces::default().words(0x1000, &[1, 2, 3, 4]).words(0x2000, &[0, 0, 0, 0]).words(0x3000, &[0, u64::MAX]);
    let cases: &[(&str, &[u64], i64, &str)] = &[
        ("eventfd", &[MINUS_ONE], 52, "eventfd(4294967295)                     = 52"),
        ("eventfd2", &[0, 0x80801], 53, "eventfd2(0, EFD_SEMAPHORE|EFD_CLOEXEC|EFD_NONBLOCK) = 53"),
        ("eventfd2", &[5, 0x10], -22, "eventfd2(5, 0x10 /* EFD_??? */)         = -1 EINVAL (Invalid argument)"),
        ("timerfd_create", &[0, 0x80800], 57, "timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC|TFD_NONBLOCK) = 57"),
        (
            "timerfd_create",
            &[99, 7],
            -22,
            "timerfd_create(0x63 /* CLOCK_??? */, TFD_TIMER_ABSTIME|TFD_TIMER_CANCEL_ON_SET|0x4) = -1 EINVAL (Invalid argument)",
        ),
        (
            "timerfd_settime",
            &[58, 1, 0x1000, 0x2000],
            0,
            "timerfd_settime(58, TFD_TIMER_ABSTIME, {it_interval={tv_sec=1, tv_nsec=2}, it_value={tv_sec=3, tv_nsec=4}}, \
             {it_interval={tv_sec=0, tv_nsec=0}, it_value={tv_sec=0, tv_nsec=0}}) = 0",
        ),
        (
            "timerfd_settime",
            &[58, 0, 0, 0x2000],
            -14,
            "timerfd_settime(58, 0, NULL, 0x2000)    = -1 EFAULT (Bad address)",
        ),
        (
            "timerfd_gettime",
            &[58, 0x1000],
            0,
            "timerfd_gettime(58, {it_interval={tv_sec=1, tv_nsec=2}, it_value={tv_sec=3, tv_nsec=4}}) = 0",
        ),
        (
            "timerfd_gettime",
            &[99, 0x1000],
            -9,
            "timerfd_gettime(99, 0x1000)             = -1 EBADF (Bad file descriptor)",
        ),
        (
            "nanosleep",
            &[0x3000, 0],
            -22,
            "nanosleep({tv_sec=0, tv_nsec=18446744073709551615}, NULL) = -1 EINVAL (Invalid argument)",
        ),
    ];
    for (name, arguments, result, expected) in cases {
        assert_eq!(line(&memory, name, arguments, *result), *expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Pointers that lead into one small, arbitrary piece of memory, as those of a hostile process do.
    #[test]
    fn no_structure_of_a_process_breaks_the_tracer(
        bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..200),
        arguments in any::<[u8; 6]>(), lengths in any::<[i32; 2]>(), call in 0usize..CALLS.len(), result in -20i64..300,
    ) {
        let place = |argument: u8| 0x1000 + u64::from(argument);
        // Pointers inside the structures are small: they lead to address 0 and up.
        let before = Pieces::default().with(0, &bytes).with(0x1000, &bytes);
        let mut changed_bytes = bytes.clone();
        for (slot, byte) in changed_bytes.iter_mut().zip(lengths[0].to_le_bytes()) {
            *slot = byte;
        }
        let after = Pieces::default().with(0, &bytes).with(0x1000, &changed_bytes);
        for six in [arguments.map(place), [3, place(arguments[0]), place(0), 0, 0x1000, lengths[1] as u64]] {
            let shown = changed(&before, &after, CALLS[call], &six, result);
            prop_assert!(shown.len() < 100_000);
            prop_assert!(shown.starts_with(CALLS[call]));
        }
    }
}

const CALLS: [&str; 13] = [
    "bind",
    "accept4",
    "getsockname",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "setsockopt",
    "getsockopt",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "timerfd_settime",
];
