//! Lines that strace 6.1 printed for sockets, their addresses and messages.

use crate::tests::{MINUS_ONE, Pieces, changed, line};

/// Bytes of an address: its family and what follows.
fn address(family: u16, rest: &[u8]) -> Vec<u8> {
    [&family.to_le_bytes(), rest].concat()
}

/// `struct sockaddr_in6` with port 99 and an address.
fn address6(flow: u32, ip: &str, scope: u32) -> Vec<u8> {
    let ip: std::net::Ipv6Addr = ip.parse().expect("the tests' own");
    let rest = [&99u16.to_be_bytes()[..], &flow.to_be_bytes(), &ip.octets(), &scope.to_le_bytes()].concat();
    address(10, &rest)
}

#[test]
fn sockets_are_made_as_strace_shows_it() {
    let memory = Pieces::default().with(0x1000, &[16, 0, 0, 0, 17, 0, 0, 0]);
    let cases: &[(&str, &[u64], i64, &str)] = &[
        ("socket", &[1, 0x80801, 0], 3, "socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0) = 3"),
        ("socket", &[2, 1, 6], 5, "socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 5"),
        (
            "socket",
            &[2, 1, 1000],
            -22,
            "socket(AF_INET, SOCK_STREAM, 0x3e8 /* IPPROTO_??? */) = -1 EINVAL (Invalid argument)",
        ),
        ("socket", &[10, 3, 58], 9, "socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6) = 9"),
        ("socket", &[16, 0x80003, 15], 12, "socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT) = 12"),
        (
            "socket",
            &[99, 15, 3],
            -97,
            "socket(0x63 /* AF_??? */, 0xf /* SOCK_??? */, 3) = -1 EAFNOSUPPORT (Address family not supported by protocol)",
        ),
        (
            "socket",
            &[0, 0, 0],
            -97,
            "socket(AF_UNSPEC, 0, 0)                 = -1 EAFNOSUPPORT (Address family not supported by protocol)",
        ),
        (
            "socket",
            &[1, 0x101, 0],
            -22,
            "socket(AF_UNIX, SOCK_STREAM|0x100 /* SOCK_??? */, 0) = -1 EINVAL (Invalid argument)",
        ),
        ("socket", &[1, 0x8010f, 0], -22, "socket(AF_UNIX, SOCK_CLOEXEC|0x10f, 0)  = -1 EINVAL (Invalid argument)"),
        (
            "socket",
            &[MINUS_ONE, MINUS_ONE, MINUS_ONE],
            -22,
            "socket(0xffffffff /* AF_??? */, SOCK_CLOEXEC|SOCK_NONBLOCK|0xfff7f7ff, 4294967295) = -1 EINVAL \
             (Invalid argument)",
        ),
        ("socketpair", &[1, 1, 0, 0x1000], 0, "socketpair(AF_UNIX, SOCK_STREAM, 0, [16, 17]) = 0"),
        ("socketpair", &[2, 1, 6, 0x8], -14, "socketpair(AF_INET, SOCK_STREAM, 6, 0x8) = -1 EFAULT (Bad address)"),
        ("listen", &[18, MINUS_ONE], 0, "listen(18, -1)                          = 0"),
        ("shutdown", &[23, 2], 0, "shutdown(23, SHUT_RDWR)                 = 0"),
        ("shutdown", &[20, MINUS_ONE], -22, "shutdown(20, 0xffffffff /* SHUT_??? */) = -1 EINVAL (Invalid argument)"),
    ];
    for (name, arguments, result, expected) in cases {
        assert_eq!(line(&memory, name, arguments, *result), *expected);
    }
}

#[test]
fn local_addresses_are_shown_as_strace_shows_them() {
    let mut path = b"/tmp/ts/a-sock".to_vec();
    path.resize(108, 0);
    let memory = Pieces::default()
        .with(0x1000, &address(1, &path))
        .with(0x2000, &address(1, b"\0abc\0d"))
        .with(0x3000, &address(1, b"xxx\"\n\xff\0and more"))
        .with(0x4000, &address(1, &[b'q'; 126]));
    let cases: &[(&[u64], i64, &str)] = &[
        (&[18, 0x1000, 110], 0, r#"bind(18, {sa_family=AF_UNIX, sun_path="/tmp/ts/a-sock"}, 110) = 0"#),
        (&[18, 0x1000, 2], 0, "bind(18, {sa_family=AF_UNIX}, 2)        = 0"),
        (&[18, 0x1000, 1], -22, "bind(18, 0x1000, 1)                     = -1 EINVAL (Invalid argument)"),
        (&[18, 0x1000, MINUS_ONE], -22, "bind(18, 0x1000, -1)                    = -1 EINVAL (Invalid argument)"),
        (&[18, 0, 16], -14, "bind(18, NULL, 16)                      = -1 EFAULT (Bad address)"),
        (
            &[18, 0x1000, 6],
            -98,
            r#"bind(18, {sa_family=AF_UNIX, sun_path="/tmp"}, 6) = -1 EADDRINUSE (Address already in use)"#,
        ),
        (&[18, 0x2000, 3], -22, r#"bind(18, {sa_family=AF_UNIX, sun_path=@""}, 3) = -1 EINVAL (Invalid argument)"#),
        (
            &[18, 0x2000, 8],
            -22,
            r#"bind(18, {sa_family=AF_UNIX, sun_path=@"abc\0d"}, 8) = -1 EINVAL (Invalid argument)"#,
        ),
        (
            &[18, 0x3000, 17],
            -22,
            r#"bind(18, {sa_family=AF_UNIX, sun_path="xxx\"\n\377"}, 17) = -1 EINVAL (Invalid argument)"#,
        ),
    ];
    for (arguments, result, expected) in cases {
        assert_eq!(line(&memory, "bind", arguments, *result), *expected);
    }
    let long = line(&memory, "connect", &[99, 0x4000, 150], -9);
    let expected = format!(
        "connect(99, {{sa_family=AF_UNIX, sun_path=\"{}\"}}, 150) = -1 EBADF (Bad file descriptor)",
        "q".repeat(108)
    );
    assert_eq!(long, expected);
}

#[test]
fn internet_addresses_are_shown_as_strace_shows_them() {
    let memory = Pieces::default()
        .with(0x1000, &address(2, b"\xa2\x43\x7f\0\0\x01\0\0\0\0\0\0\0\0"))
        .with(0x2000, &address6(4660, "fe80::1", 1))
        .with(0x3000, &address6(0, "64:ff9b::1.2.3.4", 0))
        .with(0x4000, &address(16, b"\0\0\xd2\x04\0\0\x05\0\0\0"))
        .with(0x5000, &address(77, b"abc\0\x01\x02\x03\0\0\0\0\0\0\0"))
        .with(0x6000, &address(16, b"\x03\0\xff\xff\xff\xff\0\0\0\0"));
    let cases: &[(&[u64], &str)] = &[
        (&[99, 0x1000, 16], r#"{sa_family=AF_INET, sin_port=htons(41539), sin_addr=inet_addr("127.0.0.1")}, 16"#),
        (&[99, 0x1000, 8], r#"{sa_family=AF_INET, sa_data="\242C\177\0\0\1"}, 8"#),
        (
            &[99, 0x2000, 28],
            "{sa_family=AF_INET6, sin6_port=htons(99), sin6_flowinfo=htonl(4660), inet_pton(AF_INET6, \"fe80::1\", \
             &sin6_addr), sin6_scope_id=if_nametoindex(\"lo\")}, 28",
        ),
        (
            &[99, 0x3000, 24],
            "{sa_family=AF_INET6, sin6_port=htons(99), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, \
             \"64:ff9b::102:304\", &sin6_addr)}, 24",
        ),
        (&[99, 0x3000, 23], r#"{sa_family=AF_INET6, sa_data="\0c\0\0\0\0\0d\377\233\0\0\0\0\0\0\0\0\1\2\3"}, 23"#),
        (&[99, 0x4000, 12], "{sa_family=AF_NETLINK, nl_pid=1234, nl_groups=0x000005}, 12"),
        (&[99, 0x6000, 12], "{sa_family=AF_NETLINK, nl_pad=0x3, nl_pid=-1, nl_groups=00000000}, 12"),
        (&[99, 0x5000, 16], r#"{sa_family=0x4d /* AF_??? */, sa_data="abc\0\1\2\3\0\0\0\0\0\0\0"}, 16"#),
        (&[99, 0x5000, 2], "{sa_family=0x4d /* AF_??? */}, 2"),
    ];
    for (arguments, expected) in cases {
        let expected = format!("connect(99, {expected}) = -1 EBADF (Bad file descriptor)");
        assert_eq!(line(&memory, "connect", arguments, -9), expected);
    }
}

#[test]
fn internet6_addresses_are_written_as_inet_ntop_writes_them() {
    let pairs = [
        ("::", "::"),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("::1.2.3.4", "::1.2.3.4"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("1:0:0:0:2:0:0:0", "1::2:0:0:0"),
        ("::1:2", "::0.1.0.2"),
        ("::2", "::2"),
        ("1::", "1::"),
        ("::1:0:0", "::1:0:0"),
        ("0:0:0:0:0:1:102:304", "::1:102:304"),
        ("0:0:0:0:0:ffff:0:0", "::ffff:0.0.0.0"),
        ("0:1:0:1:0:1:0:1", "0:1:0:1:0:1:0:1"),
    ];
    for (given, shown) in pairs {
        let memory = Pieces::default().with(0x1000, &address6(0, given, 0));
        let expected = format!(
            "connect(99, {{sa_family=AF_INET6, sin6_port=htons(99), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, \
             \"{shown}\", &sin6_addr), sin6_scope_id=0}}, 28) = -1 EBADF (Bad file descriptor)"
        );
        assert_eq!(line(&memory, "connect", &[99, 0x1000, 28], -9), expected);
    }
}

#[test]
fn lengths_are_shown_as_before_and_after() {
    let peer = address(2, b"\xc2\xf4\x7f\0\0\x01\0\0\0\0\0\0\0\0");
    let with = |length: i32| Pieces::default().with(0x1000, &peer).with(0x2000, &length.to_le_bytes());
    let accept4 = changed(&with(128), &with(16), "accept4", &[19, 0x1000, 0x2000, 0x80800], 21);
    assert_eq!(
        accept4,
        "accept4(19, {sa_family=AF_INET, sin_port=htons(49908), sin_addr=inet_addr(\"127.0.0.1\")}, [128 => 16], \
         SOCK_CLOEXEC|SOCK_NONBLOCK) = 21"
    );
    let cases: &[(i32, i32, &[u64], i64, &str)] = &[
        (
            16,
            16,
            &[21, 0x1000, 0x2000],
            0,
            "getpeername(21, {sa_family=AF_INET, sin_port=htons(49908), sin_addr=inet_addr(\"127.0.0.1\")}, [16]) = 0",
        ),
        (
            8,
            16,
            &[21, 0x1000, 0x2000],
            0,
            r#"getpeername(21, {sa_family=AF_INET, sa_data="\302\364\177\0\0\1"}, [8 => 16]) = 0"#,
        ),
        (1, 16, &[21, 0x1000, 0x2000], 0, "getpeername(21, 0x1000, [1 => 16])      = 0"),
        (-5, -5, &[21, 0x1000, 0x2000], -22, "getpeername(21, 0x1000, [-5])           = -1 EINVAL (Invalid argument)"),
        (5, 5, &[21, 0x1000, 0], -14, "getpeername(21, 0x1000, NULL)           = -1 EFAULT (Bad address)"),
        (5, 5, &[21, 0, 0x2000], -22, "getpeername(21, NULL, 0x2000)           = -1 EINVAL (Invalid argument)"),
    ];
    for (before, after, arguments, result, expected) in cases {
        assert_eq!(changed(&with(*before), &with(*after), "getpeername", arguments, *result), *expected);
    }
    assert_eq!(
        line(&with(16), "accept", &[19, 0, 0x8], -11),
        "accept(19, NULL, 0x8)                   = -1 EAGAIN (Resource temporarily unavailable)"
    );
}

#[test]
fn data_is_sent_and_received_as_strace_shows_it() {
    let memory = Pieces::default()
        .with(0x1000, b"hello")
        .with(0x2000, &110i32.to_le_bytes())
        .with(0x3000, &address(2, b"\xae\x83\x7f\0\0\x01\0\0\0\0\0\0\0\0"));
    let after = Pieces::default().with(0x1000, b"hello").with(0x2000, &0i32.to_le_bytes());
    let cases: &[(&str, &[u64], i64, &str)] = &[
        (
            "sendto",
            &[3, 0x1000, 5, 0x4040, 0, 0],
            5,
            r#"sendto(3, "hello", 5, MSG_DONTWAIT|MSG_NOSIGNAL, NULL, 0) = 5"#,
        ),
        (
            "sendto",
            &[6, 0x1000, 3, 0, 0x3000, 16],
            3,
            r#"sendto(6, "hel", 3, 0, {sa_family=AF_INET, sin_port=htons(44675), sin_addr=inet_addr("127.0.0.1")}, 16) = 3"#,
        ),
        (
            "sendto",
            &[3, 0, 5, 0x1000_0000, 0, 0],
            -14,
            "sendto(3, NULL, 5, 0x10000000 /* MSG_??? */, NULL, 0) = -1 EFAULT (Bad address)",
        ),
        // A message may be longer than the buffer.
        ("recvfrom", &[5, 0x1000, 3, 0x20, 0, 0], 20, r#"recvfrom(5, "hel", 3, MSG_TRUNC, NULL, NULL) = 20"#),
        (
            "recvfrom",
            &[4, 0x1000, 5, 0x40, 0x1000, 0x2000],
            -11,
            "recvfrom(4, 0x1000, 5, MSG_DONTWAIT, 0x1000, [110]) = -1 EAGAIN (Resource temporarily unavailable)",
        ),
        (
            "recvfrom",
            &[4, 0x1000, 100, 0x22, 0x3000, 0x2000],
            5,
            r#"recvfrom(4, "hello", 100, MSG_PEEK|MSG_TRUNC, 0x3000, [110 => 0]) = 5"#,
        ),
    ];
    for (name, arguments, result, expected) in cases {
        assert_eq!(changed(&memory, after_or(&memory, &after, expected), name, arguments, *result), *expected);
    }
}

/// Memory after a call: another one where a length changes.
fn after_or<'a>(memory: &'a Pieces, after: &'a Pieces, expected: &str) -> &'a Pieces {
    if expected.contains("=>") { after } else { memory }
}

/// A process with a message: header at 0x1000, one buffer with `ab`, control messages at 0x4000.
fn message(name_length: u32, vectors: u64, control: &[u8]) -> Pieces {
    message_that_says(control.len() as u64, name_length, vectors, control)
}

/// As [`message`], with another length of the control messages.
fn message_that_says(length: u64, name_length: u32, vectors: u64, control: &[u8]) -> Pieces {
    let at = if control.is_empty() { 0 } else { 0x4000 };
    Pieces::default()
        .words(0x1000, &[0x6000, u64::from(name_length), 0x2000, vectors, at, length, 0])
        .words(0x2000, &[0x3000, 2])
        .with(0x3000, b"ab")
        .with(0x4000, control)
        .with(0x6000, &address(1, b""))
}

/// A control message of `SOL_SOCKET`.
fn control(length: u64, kind: u32, data: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes()[..], &1u32.to_le_bytes(), &kind.to_le_bytes(), data].concat()
}

#[test]
fn messages_are_shown_as_strace_shows_them() {
    let rights = control(24, 1, &[0, 0, 0, 0, 2, 0, 0, 0]);
    let credentials = control(28, 2, &[&7u32.to_le_bytes()[..], &[0xff; 4], &[0; 8]].concat());
    let both = [control(20, 1, &[0; 8]), credentials.clone()].concat();
    let short = control(24, 2, &[0; 16]);
    let cases = [
        ("", "msg_controllen=0", vec![]),
        (
            "msg_control=[{cmsg_len=24, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[0, 2]}], ",
            "msg_controllen=24",
            rights.clone(),
        ),
        ("msg_control=0x4000, ", "msg_controllen=10", rights[..10].to_vec()),
        (
            "msg_control=[{cmsg_len=24, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS}], ",
            "msg_controllen=16",
            rights[..16].to_vec(),
        ),
        (
            "msg_control=[{cmsg_len=24, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[0]}], ",
            "msg_controllen=20",
            rights[..20].to_vec(),
        ),
        (
            "msg_control=[{cmsg_len=18, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS}, ... /* 0x4018 */], ",
            "msg_controllen=32",
            control(18, 1, &[0; 16]),
        ),
        (
            "msg_control=[{cmsg_len=15, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS}, ... /* 0x4010 */], ",
            "msg_controllen=32",
            control(15, 1, &[0; 16]),
        ),
        (
            "msg_control=[{cmsg_len=16, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS}, {cmsg_len=8589934592, \
             cmsg_level=SOL_IP, cmsg_type=0 /* IP_??? */}], ",
            "msg_controllen=32",
            control(16, 1, &[0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ),
        (
            "msg_control=[{cmsg_len=1000, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[0, 2, 0, 0]}], ",
            "msg_controllen=32",
            control(1000, 1, &[0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ),
        (
            "msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[0]}, {cmsg_len=28, \
             cmsg_level=SOL_SOCKET, cmsg_type=SCM_CREDENTIALS, cmsg_data={pid=7, uid=-1, gid=0}}], ",
            "msg_controllen=56",
            both,
        ),
        (
            "msg_control=[{cmsg_len=24, cmsg_level=SOL_SOCKET, cmsg_type=SCM_CREDENTIALS}, ... /* 0x4018 */], ",
            "msg_controllen=32",
            short,
        ),
    ];
    for (shown, length, bytes) in cases {
        let expected = format!(
            "sendmsg(3, {{msg_name=0x6000, msg_namelen=0, msg_iov=[{{iov_base=\"ab\", iov_len=2}}], msg_iovlen=1, \
             {shown}{length}, msg_flags=0}}, 0) = 2"
        );
        assert_eq!(line(&message(0, 1, &bytes), "sendmsg", &[3, 0x1000, 0], 2), expected);
    }
}

#[test]
fn messages_are_received_as_strace_shows_it() {
    let rights = control(20, 1, &[7, 0, 0, 0, 0, 0, 0, 0]);
    let (before, after) = (message(110, 1, &[]), message(2, 1, &rights));
    assert_eq!(
        changed(&before, &after, "recvmsg", &[4, 0x1000, 0x4000_0000], 1),
        "recvmsg(4, {msg_name={sa_family=AF_UNIX}, msg_namelen=110 => 2, msg_iov=[{iov_base=\"a\", iov_len=2}], \
         msg_iovlen=1, msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[7]}], \
         msg_controllen=24, msg_flags=0}, MSG_CMSG_CLOEXEC) = 1"
    );
    assert_eq!(
        line(&before, "recvmsg", &[5, 0x1000, 0x40], -11),
        "recvmsg(5, {msg_namelen=110}, MSG_DONTWAIT) = -1 EAGAIN (Resource temporarily unavailable)"
    );
    assert_eq!(
        line(&before, "recvmsg", &[5, 0, 0x40], -14),
        "recvmsg(5, NULL, MSG_DONTWAIT)          = -1 EFAULT (Bad address)"
    );
    assert_eq!(
        line(&message(0, 0, &[]), "sendmsg", &[3, 0x1000, 0x40], 0),
        "sendmsg(3, {msg_name=0x6000, msg_namelen=0, msg_iov=[], msg_iovlen=0, msg_controllen=0, msg_flags=0}, \
         MSG_DONTWAIT) = 0"
    );
    assert_eq!(
        line(&message(0, 3, &[]), "sendmsg", &[99, 0x1000, 0], -9),
        "sendmsg(99, {msg_name=0x6000, msg_namelen=0, msg_iov=[{iov_base=\"ab\", iov_len=2}, ... /* 0x2010 */], \
         msg_iovlen=3, msg_controllen=0, msg_flags=0}, 0) = -1 EBADF (Bad file descriptor)"
    );
}

#[test]
fn a_length_of_control_messages_from_nowhere_is_bounded() {
    let one = control(20, 1, &[0; 8]);
    // Memory that ends early, as a process's may.
    let shown = line(&message_that_says(u64::MAX, 0, 1, &one), "sendmsg", &[3, 0x1000, 0], -105);
    assert!(shown.contains("msg_control=0x4000, msg_controllen=18446744073709551615, "), "{shown}");
    let shown = line(&message_that_says(u64::MAX, 0, 1, &one.repeat(200)), "sendmsg", &[3, 0x1000, 0], -105);
    assert!(shown.contains(", ... /* 0x5"), "{shown}");
    assert!(shown.len() < 20_000, "{} bytes", shown.len());
}
