//! Local sockets: pairs, names, messages, descriptors and credentials in messages.

use std::fs::{self, File};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown, SocketAddrUnix, SocketFlags, SocketType, accept, bind, connect, getpeername, getsockname,
    listen, recv, recvfrom, recvmsg, send, sendmsg, sendto, shutdown, socket, socket_with, socketpair, sockopt,
};

use crate::{Outcome, Tests, describe, error_number, report_end};
use legacy_programs::sys;

pub const TESTS: Tests = &[
    ("socket-pairs", pairs),
    ("socket-errors", errors),
    ("socket-poll-states", poll_states),
    ("socket-names", names),
    ("socket-connections", connections),
    ("socket-datagrams", datagrams),
    ("socket-descriptors", descriptors),
    ("socket-credentials", credentials),
    ("socket-circles", circles),
    ("socket-options", options),
    ("socket-wakes-up", wakes_up),
    ("socket-throughput", throughput),
];

type Pair = (OwnedFd, OwnedFd);

/// An error's number, or 0.
pub fn number<T>(result: Result<T, Errno>) -> i32 {
    result.err().map_or(0, Errno::raw_os_error)
}

/// A connected pair.
fn pair(kind: SocketType) -> Result<Pair, Errno> {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)
}

/// What a socket is ready for, in numbers.
pub fn state(file: impl AsFd) -> String {
    let all = PollFlags::IN | PollFlags::OUT | PollFlags::RDHUP | PollFlags::PRI;
    let mut fds = [PollFd::from_borrowed_fd(file.as_fd(), all)];
    match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
        Ok(_) => format!("{:#x}", fds[0].revents().bits()),
        Err(error) => format!("error {}", error.raw_os_error()),
    }
}

/// What comes, as text, or the error.
pub fn take(file: impl AsFd, count: usize, flags: RecvFlags) -> String {
    let mut bytes = vec![0; count];
    match recv(file, bytes.as_mut_slice(), flags) {
        Ok((kept, whole)) => format!("{:?}/{whole}", String::from_utf8_lossy(&bytes[..kept])),
        Err(error) => format!("error {}", error.raw_os_error()),
    }
}

fn pairs() -> Outcome {
    let none = RecvFlags::empty();
    for kind in [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET] {
        let (a, b) = pair(kind)?;
        println!("kind {}: nothing {}", kind.as_raw(), take(&b, 9, none));
        for text in ["one", "two", "", "three"] {
            print!("sent {:?} ", send(&a, text.as_bytes(), SendFlags::empty()));
        }
        println!("waiting {}", ioctl_fionread(&b)?);
        println!("peeked {} {}", take(&b, 2, RecvFlags::PEEK), take(&b, 9, RecvFlags::PEEK));
        println!("cut {} whole {}", take(&b, 2, none), take(&b, 1, RecvFlags::TRUNC));
        println!("rest {} {} {}", take(&b, 99, none), take(&b, 99, none), take(&b, 99, none));
        drop(a);
        println!("alone: {} {}", take(&b, 9, none), number(send(&b, b"x", SendFlags::NOSIGNAL)));
    }
    let (a, b) = pair(SocketType::STREAM)?;
    send(&b, b"unread", SendFlags::empty())?;
    drop(a);
    println!("left: {} {}", take(&b, 9, none), take(&b, 9, none));
    report_end("a signal", || {
        let _ = sys::default_signal(libc::SIGPIPE);
        let ends = pair(SocketType::STREAM).map(|(a, _)| send(&a, b"x", SendFlags::empty()));
        println!("not reached {ends:?}");
    })?;
    report_end("a signal for write", || {
        let _ = sys::default_signal(libc::SIGPIPE);
        let Ok((a, _)) = pair(SocketType::STREAM) else { return };
        println!("not reached {:?}", File::from(a).write(b"x"));
    })
}

fn errors() -> Outcome {
    let new = |family, kind| socket(family, kind, None);
    println!("family {}", number(new(AddressFamily::from_raw(4), SocketType::STREAM)));
    println!("no family {}", number(new(AddressFamily::from_raw(99), SocketType::STREAM)));
    println!("kind {}", number(new(AddressFamily::UNIX, SocketType::RDM)));
    println!("kind {}", number(new(AddressFamily::INET, SocketType::SEQPACKET)));
    println!("no kind {}", number(new(AddressFamily::UNIX, SocketType::from_raw(13))));
    let tcp = rustix::net::ipproto::TCP;
    println!("protocol {}", number(socket(AddressFamily::UNIX, SocketType::STREAM, Some(tcp))));
    println!("protocol {}", number(socket(AddressFamily::INET, SocketType::DGRAM, Some(tcp))));
    println!("pair {}", number(socketpair(AddressFamily::INET, SocketType::STREAM, SocketFlags::empty(), None)));
    let stream = new(AddressFamily::UNIX, SocketType::STREAM)?;
    let none = RecvFlags::empty();
    println!("unconnected: {} {}", take(&stream, 1, none), number(send(&stream, b"x", SendFlags::NOSIGNAL)));
    println!("no peer {}, not bound {}", number(getpeername(&stream)), number(listen(&stream, 1)));
    println!("not listening {}", number(accept(&stream)));
    let datagram = new(AddressFamily::UNIX, SocketType::DGRAM)?;
    println!("datagrams: {} {}", number(listen(&datagram, 1)), number(accept(&datagram)));
    println!("no receiver {}", number(send(&datagram, b"x", SendFlags::empty())));
    println!("no socket {}", number(send(File::open("/dev/null")?, b"x", SendFlags::empty())));
    let nowhere = SocketAddrUnix::new("nowhere")?;
    println!("missing {} {}", number(connect(&stream, &nowhere)), number(connect(&datagram, &nowhere)));
    fs::write("file", "x")?;
    println!("a file {}", number(connect(&stream, &SocketAddrUnix::new("file")?)));
    println!("taken {}", number(bind(&stream, &SocketAddrUnix::new("file")?)));
    let v4: std::net::SocketAddr = "127.0.0.1:1".parse()?;
    println!("other family {} {}", number(bind(&stream, &v4)), number(connect(&stream, &v4)));
    wild();
    Ok(())
}

/// Pointers and lengths that are wrong.
fn wild() {
    use std::os::fd::AsRawFd;
    let Ok((a, b)) = pair(SocketType::STREAM) else { return };
    let fd = a.as_raw_fd() as u64;
    let call = |number: i64, arguments| sys::raw_call(number as u64, arguments);
    println!("wild data {}", call(libc::SYS_sendto, [fd, 8, 10, 0, 0, 0]));
    println!("wild message {}", call(libc::SYS_sendmsg, [fd, 8, 0, 0, 0, 0]));
    println!(
        "wild name {} {}",
        call(libc::SYS_bind, [fd, 8, 10, 0, 0, 0]),
        call(libc::SYS_bind, [fd, 8, 1000, 0, 0, 0])
    );
    println!("wild pair {}", call(libc::SYS_socketpair, [1, 1, 0, 8, 0, 0]));
    println!("wild option {}", call(libc::SYS_getsockopt, [fd, 1, 3, 8, 8, 0]));
    let mut header = [0u64; 7];
    header[2] = 8;
    header[3] = 1;
    println!("wild vector {}", call(libc::SYS_sendmsg, [fd, header.as_ptr() as u64, 0, 0, 0, 0]));
    header[3] = 5000;
    println!("long vector {}", call(libc::SYS_sendmsg, [fd, header.as_ptr() as u64, 0, 0, 0, 0]));
    let control = [8u64, 0x1_0000_0001];
    header = [0, 0, 0, 0, control.as_ptr() as u64, 16, 0];
    println!("bad control {}", call(libc::SYS_sendmsg, [fd, header.as_ptr() as u64, 0, 0, 0, 0]));
    let control = [20u64, 0x1_0000_0001, 999];
    header = [0, 0, 0, 0, control.as_ptr() as u64, 20, 0];
    println!("bad descriptor {}", call(libc::SYS_sendmsg, [fd, header.as_ptr() as u64, 0, 0, 0, 0]));
    println!("how {}", call(libc::SYS_shutdown, [fd, 3, 0, 0, 0, 0]));
    println!("flags {}", call(libc::SYS_socket, [1, 1 | 0x100, 0, 0, 0, 0]));
    let _ = send(&b, b"abc", SendFlags::empty());
    println!("wild place {}", call(libc::SYS_recvfrom, [fd, 8, 10, 0, 0, 0]));
    println!("still there {}", take(&a, 9, RecvFlags::empty()));
}

fn poll_states() -> Outcome {
    let fresh = |kind| socket(AddressFamily::UNIX, kind, None);
    println!("fresh {} {}", state(fresh(SocketType::STREAM)?), state(fresh(SocketType::DGRAM)?));
    let listener = UnixListener::bind("listener")?;
    println!("listening {}", state(&listener));
    let client = UnixStream::connect("listener")?;
    println!("a connection {} {}", state(&listener), state(&client));
    for kind in [SocketType::STREAM, SocketType::SEQPACKET, SocketType::DGRAM] {
        let (a, b) = pair(kind)?;
        println!("pair {}", state(&a));
        send(&b, b"x", SendFlags::empty())?;
        println!("data {}", state(&a));
        shutdown(&b, Shutdown::Write)?;
        println!("peer shut {} {}", state(&a), state(&b));
        shutdown(&b, Shutdown::Both)?;
        println!("both shut {} {}", state(&a), state(&b));
        let (a, b) = pair(kind)?;
        drop(b);
        println!("peer closed {}", state(&a));
    }
    let (a, b) = pair(SocketType::STREAM)?;
    while send(&a, &[0; 4096], SendFlags::empty()).is_ok() {}
    println!("full {} {}", state(&a), number(send(&a, b"x", SendFlags::empty())));
    let mut bytes = vec![0; 1 << 20];
    while recv(&b, bytes.as_mut_slice(), RecvFlags::empty()).is_ok() {}
    println!("read {}", state(&a));
    Ok(())
}

fn names() -> Outcome {
    let listener = UnixListener::bind("name")?;
    let metadata = fs::metadata("name")?;
    println!("socket {} mode {:o}", metadata.file_type().is_socket(), metadata.permissions().mode());
    println!("own name {:?}", listener.local_addr()?.as_pathname());
    println!("taken {}", error_number(UnixListener::bind("name")));
    println!("opened {}", error_number(File::open("name")));
    fs::rename("name", "other")?;
    println!("renamed {} {}", error_number(UnixStream::connect("name")), error_number(UnixStream::connect("other")));
    fs::hard_link("other", "link")?;
    println!("by link {}", error_number(UnixStream::connect("link")));
    fs::remove_file("other")?;
    println!("still by link {}", error_number(UnixStream::connect("link")));
    drop(listener);
    println!("closed {} {}", error_number(UnixStream::connect("link")), error_number(UnixListener::bind("link")));
    let hidden = SocketAddrUnix::new_abstract_name(b"hidden")?;
    let first = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    let second = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    println!("abstract {} {}", number(bind(&first, &hidden)), number(bind(&second, &hidden)));
    println!("twice {}", number(bind(&first, &SocketAddrUnix::new("again")?)));
    println!("not listening {}", number(connect(&second, &hidden)));
    let shown = SocketAddrUnix::try_from(getsockname(&first)?)?;
    println!("shown {:?}", shown.abstract_name().map(String::from_utf8_lossy));
    drop(first);
    println!("free again {}", number(bind(&second, &hidden)));
    let unnamed = SocketAddrUnix::try_from(getsockname(pair(SocketType::STREAM)?.0)?)?;
    println!("unnamed {:?} {:?}", unnamed.path_bytes().map(<[u8]>::len), unnamed.abstract_name());
    fs::set_permissions("link", fs::Permissions::from_mode(0o600))?;
    report_end("without permission", || {
        let _ = sys::become_user(1);
        sys::exit_now(error_number(UnixStream::connect("link")));
    })
}

fn connections() -> Outcome {
    let listener = UnixListener::bind("door")?;
    let mut first = UnixStream::connect("door")?;
    println!("again {}", number(connect(&first, &SocketAddrUnix::new("door")?)));
    first.write_all(b"early")?;
    let (mut server, _) = listener.accept()?;
    let mut bytes = [0; 5];
    server.read_exact(&mut bytes)?;
    println!("before it was accepted: {}", String::from_utf8_lossy(&bytes));
    println!("names {:?} {:?}", server.local_addr()?.as_pathname(), server.peer_addr()?.is_unnamed());
    println!("seen {:?}", first.peer_addr()?.as_pathname());
    server.write_all(b"late")?;
    drop(server);
    let mut rest = String::new();
    println!("then the end: {:?} {rest}", first.read_to_string(&mut rest));
    let datagram = socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
    println!("wrong kind {}", number(connect(&datagram, &SocketAddrUnix::new("door")?)));
    listener.set_nonblocking(true)?;
    println!("nobody {}", error_number(listener.accept()));
    let waiting = UnixStream::connect("door")?;
    drop(listener);
    println!("not accepted: {} {}", state(&waiting), error_number((&waiting).read(&mut [0])));
    backlog()
}

/// How many wait at a listener.
fn backlog() -> Outcome {
    let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    let place = SocketAddrUnix::new("small")?;
    bind(&listener, &place)?;
    listen(&listener, 1)?;
    let mut clients = Vec::new();
    let refused = loop {
        let client = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None)?;
        match connect(&client, &place) {
            Ok(()) => clients.push(client),
            Err(error) => break error,
        }
    };
    println!("{} connections, then {}", clients.len(), refused.raw_os_error());
    let waiting = std::thread::spawn(|| error_number(UnixStream::connect("small")));
    std::thread::sleep(std::time::Duration::from_millis(50));
    let accepted = [accept(&listener)?, accept(&listener)?];
    println!("room again {} {}", waiting.join().unwrap_or(-1), accepted.len());
    Ok(())
}

fn datagrams() -> Outcome {
    let server = UnixDatagram::bind("server")?;
    let client = UnixDatagram::bind("client")?;
    let nameless = UnixDatagram::unbound()?;
    println!("sent {} {}", client.send_to(b"from client", "server")?, nameless.send_to(b"from nobody", "server")?);
    for _ in 0..2 {
        let mut bytes = [0; 20];
        let (count, from) = server.recv_from(&mut bytes)?;
        println!("{:?} {:?}", String::from_utf8_lossy(&bytes[..count]), from.as_pathname());
    }
    server.connect("client")?;
    println!("not its peer {}", error_number(nameless.send_to(b"x", "server")));
    println!("its peer {}", error_number(client.send_to(b"y", "server")));
    println!("back {}", server.send(b"back")?);
    println!("{}", take(&client, 9, RecvFlags::empty()));
    client.connect("server")?;
    drop(server);
    println!("gone {} then {}", error_number(client.send(b"x")), error_number(client.send(b"x")));
    let full = UnixDatagram::bind("full")?;
    nameless.connect("full")?;
    nameless.set_nonblocking(true)?;
    let count = (0..100).take_while(|_| nameless.send(b"x").is_ok()).count();
    println!("{count} wait, then {} {}", error_number(nameless.send(b"x")), state(&nameless));
    full.recv(&mut [0])?;
    full.recv(&mut [0])?;
    println!("room {}", state(&nameless));
    println!("too long {}", error_number(nameless.send(&vec![0; 300_000])));
    let (a, _) = recvfrom(&full, [0; 1].as_mut_slice(), RecvFlags::empty()).map(|(got, _, from)| (got, from))?;
    println!("{a} {}", number(sendto(&full, b"x", SendFlags::empty(), &SocketAddrUnix::new("client")?)));
    Ok(())
}

/// Sends bytes with descriptors.
pub fn send_files(to: impl AsFd, bytes: &[u8], files: &[BorrowedFd<'_>]) -> Result<usize, Errno> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(300))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(files));
    sendmsg(to, &[IoSlice::new(bytes)], &mut control, SendFlags::empty())
}

/// Receives bytes with up to `room` descriptors; tells what was lost.
fn take_files(from: impl AsFd, room: usize) -> Result<(usize, Vec<OwnedFd>, u32), Errno> {
    let mut bytes = [0; 16];
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(room))];
    let mut control = RecvAncillaryBuffer::new(if room == 0 { &mut [] } else { &mut space });
    let got = recvmsg(from, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut files = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            files.extend(some);
        }
    }
    Ok((got.bytes, files, got.flags.bits() & !0x4000_0000))
}

fn descriptors() -> Outcome {
    let (a, b) = pair(SocketType::STREAM)?;
    let (mut reader, writer) = std::io::pipe()?;
    println!("sent {:?}", send_files(&a, b"one", &[writer.as_fd()]));
    send(&a, b"two", SendFlags::empty())?;
    drop(writer);
    let (bytes, files, flags) = take_files(&b, 4)?;
    println!("{bytes} bytes, {} descriptors, flags {flags}", files.len());
    for file in files {
        File::from(file).write_all(b"through")?;
    }
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    println!("{text}; rest {}", take(&b, 9, RecvFlags::empty()));
    let null = File::open("/dev/null")?;
    let many = vec![null.as_fd(); 8];
    send_files(&a, b"x", &many)?;
    let (_, files, flags) = take_files(&b, 1)?;
    println!("no room for all: {} flags {flags}", files.len());
    send_files(&a, b"x", &many)?;
    let (_, files, flags) = take_files(&b, 0)?;
    println!("no room: {} flags {flags}", files.len());
    println!("too many {}", number(send_files(&a, b"x", &vec![null.as_fd(); 254])));
    println!("as many as can be {}", number(send_files(&a, b"x", &vec![null.as_fd(); 253])));
    println!("{}", take_files(&b, 253)?.1.len());
    let (c, d) = pair(SocketType::DGRAM)?;
    send_files(&c, b"", &many)?;
    println!("with nothing else: {:?}", take_files(&d, 8).map(|(bytes, files, _)| (bytes, files.len())));
    Ok(())
}

fn credentials() -> Outcome {
    let (a, b) = pair(SocketType::STREAM)?;
    let own = |pid: rustix::process::Pid| pid == rustix::process::getpid();
    let peer = sockopt::socket_peercred(&a)?;
    println!("peer {} {} {}", own(peer.pid), peer.uid.as_raw(), peer.gid.as_raw());
    sockopt::set_socket_passcred(&b, true)?;
    let child = sys::spawn(|| {
        let gone = sys::become_user(7).is_err();
        i32::from(gone || send(&a, b"child", SendFlags::empty()).is_err())
    })?;
    println!("child {}", describe(sys::wait(child, 0)?.1));
    send(&a, b"parent", SendFlags::empty())?;
    for _ in 0..2 {
        let mut bytes = [0; 32];
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = recvmsg(&b, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::empty())?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmCredentials(who) = message {
                println!("{} bytes of {} {}, own {}", got.bytes, who.uid.as_raw(), who.gid.as_raw(), own(who.pid));
            }
        }
    }
    let listener = UnixListener::bind("door")?;
    let client = UnixStream::connect("door")?;
    let server = listener.accept()?.0;
    println!("{} {}", own(sockopt::socket_peercred(&client)?.pid), own(sockopt::socket_peercred(&server)?.pid));
    Ok(())
}

/// Sockets in each other's messages, and in their own, end with their last descriptors.
fn circles() -> Outcome {
    let (mut reader, writer) = std::io::pipe()?;
    for _ in 0..50 {
        let (a, b) = pair(SocketType::STREAM)?;
        send_files(&a, b"x", &[a.as_fd(), b.as_fd(), writer.as_fd()])?;
        send_files(&b, b"x", &[a.as_fd(), writer.as_fd()])?;
        let (c, d) = pair(SocketType::DGRAM)?;
        send_files(&c, b"x", &[d.as_fd(), c.as_fd(), writer.as_fd()])?;
        send_files(&a, b"x", &[c.as_fd()])?;
    }
    let listener = UnixListener::bind("door")?;
    let client = UnixStream::connect("door")?;
    send_files(&client, b"x", &[listener.as_fd(), client.as_fd(), writer.as_fd()])?;
    drop((listener, client));
    // What brings the collection about where it does not happen by itself.
    drop(pair(SocketType::STREAM)?);
    drop(writer);
    println!("the end: {:?}", reader.read(&mut [0]));
    // A long chain, each in the next one's messages, ends without trouble.
    let mut last = pair(SocketType::STREAM)?;
    for _ in 0..200 {
        let next = pair(SocketType::STREAM)?;
        send_files(&next.0, b"x", &[last.0.as_fd(), last.1.as_fd()])?;
        last = next;
    }
    drop(last);
    println!("a chain is gone");
    Ok(())
}

fn options() -> Outcome {
    let (a, b) = pair(SocketType::SEQPACKET)?;
    println!("kind {} family {}", sockopt::socket_type(&a)?.as_raw(), sockopt::socket_domain(&a)?.as_raw());
    println!("buffers {} {}", sockopt::socket_send_buffer_size(&a)?, sockopt::socket_recv_buffer_size(&a)?);
    sockopt::set_socket_send_buffer_size(&a, 10_000)?;
    sockopt::set_socket_recv_buffer_size(&a, 1)?;
    println!("changed {} {}", sockopt::socket_send_buffer_size(&a)?, sockopt::socket_recv_buffer_size(&a)?);
    println!("too long {}", number(send(&a, &[0; 30_000], SendFlags::empty())));
    println!("listens {} {}", sockopt::socket_acceptconn(&a)?, sockopt::socket_acceptconn(UnixListener::bind("l")?)?);
    println!("error {:?}", sockopt::socket_error(&a)?.is_ok());
    println!("linger {:?}", sockopt::socket_linger(&a)?);
    sockopt::set_socket_linger(&a, Some(std::time::Duration::from_secs(5)))?;
    println!("linger {:?}", sockopt::socket_linger(&a)?);
    let soon = std::time::Duration::from_millis(40);
    let (c, _d) = UnixStream::pair()?;
    c.set_read_timeout(Some(soon))?;
    let start = std::time::Instant::now();
    println!("timeout {:?} {}", c.read_timeout()?, error_number((&c).read(&mut [0])));
    println!("in time {}", start.elapsed() >= soon);
    println!("no such level {}", number(sockopt::tcp_nodelay(&b)));
    println!("keepalive {} {}", number(sockopt::set_socket_keepalive(&b, true)), sockopt::socket_keepalive(&b)?);
    Ok(())
}

fn wakes_up() -> Outcome {
    let (mut a, mut b) = UnixStream::pair()?;
    let echo = std::thread::spawn(move || {
        let mut bytes = [0; 4];
        let mut rounds = 0;
        while b.read_exact(&mut bytes).is_ok() && b.write_all(&bytes).is_ok() {
            rounds += 1;
        }
        rounds
    });
    let mut bytes = [0; 4];
    for round in 0..100u32 {
        a.write_all(&round.to_le_bytes())?;
        a.read_exact(&mut bytes)?;
        assert_eq!(u32::from_le_bytes(bytes), round);
    }
    drop(a);
    println!("{} rounds", echo.join().unwrap_or(0));
    let (c, d) = UnixStream::pair()?;
    let waiting = std::thread::spawn(move || error_number((&c).read(&mut [0])));
    std::thread::sleep(std::time::Duration::from_millis(50));
    d.shutdown(std::net::Shutdown::Write)?;
    println!("ended {}", waiting.join().unwrap_or(-1));
    Ok(())
}

fn throughput() -> Outcome {
    const BYTES: usize = 3_000_000;
    let (mut a, mut b) = UnixStream::pair()?;
    let sender = std::thread::spawn(move || {
        let data: Vec<u8> = (0..BYTES).map(|index| (index * 7 % 251) as u8).collect();
        a.write_all(&data).is_ok()
    });
    let mut data = Vec::new();
    b.read_to_end(&mut data)?;
    let right = data.iter().enumerate().all(|(index, byte)| *byte == (index * 7 % 251) as u8);
    println!("{} {right} {}", data.len(), sender.join().unwrap_or(false));
    let (mut c, mut d) = UnixStream::pair()?;
    let sender = std::thread::spawn(move || (0..200).all(|_| c.write_all(&[1; 777]).is_ok()));
    let mut whole = vec![0; 777 * 200];
    let (got, _) = recv(&d, whole.as_mut_slice(), RecvFlags::WAITALL)?;
    println!("at once {got} {}", sender.join().unwrap_or(false));
    println!("then {:?}", d.read(&mut [0]));
    Ok(())
}
