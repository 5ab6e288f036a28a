//! TCP and UDP on the loopback.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventFlags};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, accept, bind, connect, getpeername,
    getsockname, listen, send, sendto, shutdown, socket, socket_with, sockopt,
};

use crate::local_sockets::{number, state, take};
use crate::readiness::{ready, watch};
use crate::{Outcome, Tests, error_number};
use legacy_programs::sys;

pub const TESTS: Tests = &[
    ("tcp-connections", connections),
    ("tcp-poll-states", poll_states),
    ("tcp-endings", endings),
    ("tcp-addresses", addresses),
    ("tcp-without-waiting", without_waiting),
    ("tcp-options", options),
    ("tcp-throughput", throughput),
    ("tcp-and-epoll", with_epoll),
    ("udp", datagrams),
    ("ipv6", version_six),
    ("beyond-the-machine", beyond),
];

fn tcp() -> Result<OwnedFd, rustix::io::Errno> {
    socket(AddressFamily::INET, SocketType::STREAM, None)
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A listener at a port that is chosen.
fn listener() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(at(0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn pair() -> std::io::Result<(TcpStream, TcpStream)> {
    let (listener, address) = listener()?;
    let client = TcpStream::connect(address)?;
    Ok((client, listener.accept()?.0))
}

fn connections() -> Outcome {
    let (listener, address) = listener()?;
    println!("chosen {} at {}", address.port() >= 32768, address.ip());
    let mut client = TcpStream::connect(address)?;
    client.write_all(b"early")?;
    let (mut server, from) = listener.accept()?;
    println!("from {} {}", from.ip(), from == client.local_addr()?);
    println!("names {} {}", server.local_addr()? == address, client.peer_addr()? == address);
    let mut bytes = [0; 5];
    server.read_exact(&mut bytes)?;
    println!("{}", String::from_utf8_lossy(&bytes));
    server.write_all(b"answer")?;
    println!("{} {}", take(&client, 3, RecvFlags::PEEK), take(&client, 9, RecvFlags::empty()));
    println!("again {}", number(connect(&client, &address)));
    drop(listener);
    println!("after the listener: {} {}", server.write(b"x")?, take(&client, 9, RecvFlags::empty()));
    println!("refused {}", error_number(TcpStream::connect(address)));
    Ok(())
}

fn poll_states() -> Outcome {
    let fresh = tcp()?;
    println!("fresh {}", state(&fresh));
    let (listener, address) = listener()?;
    println!("listening {}", state(&listener));
    connect(&fresh, &address)?;
    println!("a connection {} {}", state(&listener), state(&fresh));
    let (mut a, mut b) = pair()?;
    println!("pair {} {}", state(&a), state(&b));
    b.write_all(b"x")?;
    println!("data {}", state(&a));
    shutdown(&b, Shutdown::Write)?;
    println!("peer shut {} {}", state(&a), state(&b));
    println!("read {:?} {:?}", a.read(&mut [0; 9])?, a.read(&mut [0; 9])?);
    a.write_all(b"still")?;
    println!("other way {} {}", state(&b), b.read(&mut [0; 9])?);
    shutdown(&a, Shutdown::Write)?;
    println!("both shut {} {}", state(&a), state(&b));
    let (a, b) = pair()?;
    drop(b);
    println!("peer closed {}", state(&a));
    Ok(())
}

fn endings() -> Outcome {
    let none = RecvFlags::empty();
    let (a, b) = pair()?;
    drop(b);
    println!("end {}, sent {}", take(&a, 1, none), number(send(&a, b"x", SendFlags::NOSIGNAL)));
    println!("then {} {}", number(send(&a, b"x", SendFlags::NOSIGNAL)), take(&a, 1, none));
    println!("state {}", state(&a));
    let (a, mut b) = pair()?;
    b.write_all(b"last words")?;
    drop(b);
    println!("{} {}", take(&a, 99, none), take(&a, 99, none));
    let (mut a, b) = pair()?;
    a.write_all(b"never read")?;
    drop(b);
    println!("reset: {} {} {}", state(&a), take(&a, 1, none), take(&a, 1, none));
    let (a, b) = pair()?;
    sockopt::set_socket_linger(&b, Some(Duration::ZERO))?;
    drop(b);
    println!("reset: {} then {}", take(&a, 1, none), take(&a, 1, none));
    let (a, _b) = pair()?;
    shutdown(&a, Shutdown::Write)?;
    println!("shut {}", number(send(&a, b"x", SendFlags::NOSIGNAL)));
    let fresh = tcp()?;
    println!("fresh {} {}", take(&fresh, 1, none), number(send(&fresh, b"x", SendFlags::NOSIGNAL)));
    println!("no peer {} {}", number(getpeername(&fresh)), number(shutdown(&fresh, Shutdown::Both)));
    let (listener, address) = listener()?;
    let waiting = TcpStream::connect(address)?;
    drop(listener);
    println!("not accepted {}", take(&waiting, 1, none));
    Ok(())
}

fn addresses() -> Outcome {
    let (_listener, address) = listener()?;
    println!("taken {}", error_number(TcpListener::bind(address)));
    let anywhere: SocketAddr = (Ipv4Addr::UNSPECIFIED, address.port()).into();
    println!("everywhere {}", error_number(TcpListener::bind(anywhere)));
    let second: SocketAddr = (Ipv4Addr::new(127, 0, 0, 2), address.port()).into();
    println!("another address {}", error_number(TcpListener::bind(second)));
    let plain = tcp()?;
    println!("without reuse {}", number(bind(&plain, &address)));
    let far: SocketAddr = (Ipv4Addr::new(192, 0, 2, 1), 0).into();
    println!("not ours {}", number(bind(&plain, &far)));
    println!("bound {} twice {}", number(bind(&plain, &at(0))), number(bind(&plain, &at(0))));
    let (one, other) = (tcp()?, tcp()?);
    for socket in [&one, &other] {
        sockopt::set_socket_reuseport(socket, true)?;
    }
    bind(&one, &at(0))?;
    let shared = SocketAddr::try_from(getsockname(&one)?)?;
    println!("shared {} {} {}", number(bind(&other, &shared)), number(listen(&one, 1)), number(listen(&other, 1)));
    let (one, other) = (tcp()?, tcp()?);
    for socket in [&one, &other] {
        sockopt::set_socket_reuseaddr(socket, true)?;
    }
    bind(&one, &at(0))?;
    let reused = SocketAddr::try_from(getsockname(&one)?)?;
    println!("reused {} {} {}", number(bind(&other, &reused)), number(listen(&one, 1)), number(listen(&other, 1)));
    println!("low port {}", number(bind(tcp()?, &at(81))));
    let child =
        sys::spawn(|| i32::from(sys::become_user(1).is_err()) * 100 + number(tcp().and_then(|s| bind(s, &at(82)))))?;
    println!("without rights {}", crate::describe(sys::wait(child, 0)?.1));
    let unbound = tcp()?;
    println!("nowhere {:?}", SocketAddr::try_from(getsockname(&unbound)?)?);
    listen(&unbound, 4)?;
    println!("chosen {}", SocketAddr::try_from(getsockname(&unbound)?)?.port() >= 32768);
    Ok(())
}

fn without_waiting() -> Outcome {
    let new = || socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::NONBLOCK, None);
    let (listener, address) = listener()?;
    let client = new()?;
    println!("connect {}", number(connect(&client, &address)));
    println!("state {} error {}", state(&client), sockopt::socket_error(&client)?.is_ok());
    println!("again {} {}", number(connect(&client, &address)), number(connect(&client, &address)));
    println!("nothing {}", take(&client, 1, RecvFlags::empty()));
    listener.set_nonblocking(true)?;
    println!("accepted {} then {}", error_number(listener.accept()), error_number(listener.accept()));
    drop(listener);
    let client = new()?;
    println!("refused {}", number(connect(&client, &address)));
    println!("state {}", state(&client));
    println!("error {:?}", sockopt::socket_error(&client)?.err().map(|error| error.raw_os_error()));
    println!("state {}", state(&client));
    let client = new()?;
    println!("refused {} then {}", number(connect(&client, &address)), number(connect(&client, &address)));
    Ok(())
}

fn options() -> Outcome {
    let (a, b) = pair()?;
    println!("kind {} family {}", sockopt::socket_type(&a)?.as_raw(), sockopt::socket_domain(&a)?.as_raw());
    println!("protocol {:?}", sockopt::socket_protocol(&a)?.map(|protocol| protocol.as_raw().get()));
    println!("nodelay {} {}", sockopt::tcp_nodelay(&a)?, number(sockopt::set_tcp_nodelay(&a, true)));
    println!("nodelay {}", sockopt::tcp_nodelay(&a)?);
    println!("keepalive {} {}", sockopt::socket_keepalive(&b)?, number(sockopt::set_socket_keepalive(&b, true)));
    println!(
        "idle {:?} {}",
        sockopt::tcp_keepidle(&b)?,
        number(sockopt::set_tcp_keepidle(&b, Duration::from_secs(60)))
    );
    println!("idle {:?} count {}", sockopt::tcp_keepidle(&b)?, sockopt::tcp_keepcnt(&b)?);
    println!("bad {}", number(sockopt::set_tcp_keepidle(&b, Duration::from_secs(40_000))));
    println!("ttl {} {}", sockopt::ip_ttl(&a)?, number(sockopt::set_ip_ttl(&a, 1)));
    println!("tos {}", sockopt::ip_tos(&a)?);
    println!("six {}", number(sockopt::ipv6_v6only(&a)));
    println!("reuse {} {}", sockopt::socket_reuseaddr(tcp()?)?, sockopt::socket_broadcast(&a)?);
    Ok(())
}

fn throughput() -> Outcome {
    const BYTES: usize = 3_000_000;
    let (mut a, mut b) = pair()?;
    let sender = std::thread::spawn(move || {
        let data: Vec<u8> = (0..BYTES).map(|index| (index * 5 % 249) as u8).collect();
        a.write_all(&data).is_ok()
    });
    let mut data = Vec::new();
    b.read_to_end(&mut data)?;
    let right = data.iter().enumerate().all(|(index, byte)| *byte == (index * 5 % 249) as u8);
    println!("{} {right} {}", data.len(), sender.join().unwrap_or(false));
    let (listener, address) = listener()?;
    let server = std::thread::spawn(move || {
        let mut total = 0;
        for _ in 0..20 {
            let Ok((mut client, _)) = listener.accept() else { break };
            let mut text = String::new();
            total += client.read_to_string(&mut text).unwrap_or(0);
        }
        total
    });
    for _ in 0..20 {
        TcpStream::connect(address)?.write_all(b"hello")?;
    }
    println!("{} bytes by 20 connections", server.join().unwrap_or(0));
    Ok(())
}

fn with_epoll() -> Outcome {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let (listener, address) = listener()?;
    watch(&epoll, &listener, 1, EventFlags::IN);
    println!("quiet {}", ready(&epoll));
    let mut client = TcpStream::connect(address)?;
    println!("somebody {}", ready(&epoll));
    let (mut server, _) = listener.accept()?;
    println!("accepted {}", ready(&epoll));
    watch(&epoll, &server, 2, EventFlags::IN | EventFlags::RDHUP | EventFlags::ET);
    client.write_all(b"one")?;
    println!("data {} again {}", ready(&epoll), ready(&epoll));
    client.write_all(b"two")?;
    println!("more {} again {}", ready(&epoll), ready(&epoll));
    println!("read {}", server.read(&mut [0; 9])?);
    println!("then {}", ready(&epoll));
    drop(client);
    println!("closed {} again {}", ready(&epoll), ready(&epoll));
    drop(server);
    let fresh = tcp()?;
    watch(&epoll, &fresh, 3, EventFlags::IN | EventFlags::OUT);
    println!("fresh {}", ready(&epoll));
    connect(&fresh, &address)?;
    println!("connected {}", ready(&epoll));
    Ok(())
}

fn datagrams() -> Outcome {
    let server = UdpSocket::bind(at(0))?;
    let address = server.local_addr()?;
    let client = UdpSocket::bind("0.0.0.0:0")?;
    println!("sent {} {}", client.send_to(b"hello", address)?, client.send_to(b"", address)?);
    let mut bytes = [0; 3];
    let (count, from) = server.recv_from(&mut bytes)?;
    println!("cut to {count}, from {} {}", from.ip(), from.port() == client.local_addr()?.port());
    println!("empty {:?}", server.recv(&mut bytes)?);
    server.set_nonblocking(true)?;
    println!("nothing {} {}", error_number(server.recv(&mut bytes)), state(&server));
    client.connect(address)?;
    println!("connected {} {}", client.local_addr()?.ip(), client.peer_addr()? == address);
    println!("sent {} {}", client.send(b"one")?, state(&server));
    println!("{}", take(&server, 9, RecvFlags::TRUNC));
    let stranger = UdpSocket::bind(at(0))?;
    stranger.send_to(b"strange", client.local_addr()?)?;
    server.send_to(b"expected", client.local_addr()?)?;
    println!("{}", take(&client, 9, RecvFlags::DONTWAIT));
    println!("{}", take(&client, 9, RecvFlags::DONTWAIT));
    println!("too long {}", error_number(client.send(&[0; 65508])));
    println!("taken {}", error_number(UdpSocket::bind(address)));
    drop(server);
    println!("nobody {} then {}", error_number(client.send(b"x")), error_number(client.send(b"x")));
    let fresh = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    println!("fresh {} {}", state(&fresh), number(send(&fresh, b"x", SendFlags::empty())));
    println!("shutdown {} peer {}", number(shutdown(&fresh, Shutdown::Both)), number(getpeername(&fresh)));
    println!("listen {} accept {}", number(listen(&fresh, 1)), number(accept(&fresh)));
    println!("port 0 {}", number(sendto(&fresh, b"x", SendFlags::empty(), &at(0))));
    Ok(())
}

fn version_six() -> Outcome {
    let listener = TcpListener::bind("[::1]:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (server, from) = listener.accept()?;
    println!("{} {} {}", from.ip(), client.peer_addr()?.ip(), server.local_addr()? == listener.local_addr()?);
    let both = TcpListener::bind("[::]:0")?;
    let port = both.local_addr()?.port();
    let _client = TcpStream::connect(at(port))?;
    let (server, from) = both.accept()?;
    println!("by four {} {}", from.ip(), server.local_addr()?.ip());
    println!("four is taken {}", error_number(TcpListener::bind(at(port))));
    let six = socket(AddressFamily::INET6, SocketType::STREAM, None)?;
    println!("only six {} {}", sockopt::ipv6_v6only(&six)?, number(sockopt::set_ipv6_v6only(&six, true)));
    let any: SocketAddr = "[::]:0".parse()?;
    bind(&six, &any)?;
    listen(&six, 1)?;
    let port = SocketAddr::try_from(getsockname(&six)?)?.port();
    println!("refused by four {}", error_number(TcpStream::connect(at(port))));
    println!("four is free {}", error_number(TcpListener::bind(at(port))));
    println!("wrong family {}", number(connect(&six, &at(port))));
    let udp = UdpSocket::bind("[::1]:0")?;
    udp.send_to(b"self", udp.local_addr()?)?;
    println!("{}", take(&udp, 9, RecvFlags::DONTWAIT));
    Ok(())
}

fn beyond() -> Outcome {
    for place in ["192.0.2.1:80", "8.8.8.8:53", "[2001:db8::1]:80"] {
        let udp = UdpSocket::bind(if place.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" })?;
        println!("{place} {} {}", error_number(TcpStream::connect(place)), error_number(udp.connect(place)));
        println!("sent {}", error_number(udp.send_to(b"x", place)));
    }
    println!("any address is here {}", error_number(TcpStream::connect("0.0.0.0:1")));
    Ok(())
}
