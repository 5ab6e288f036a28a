//! Sockets as `/proc/net` lists them: columns, states, counts, and inodes that agree with the descriptors'.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::{Duration, Instant};

use rustix::fs::fstat;

use crate::{Outcome, Tests};

pub const TESTS: Tests = &[
    ("listed-listeners", listeners),
    ("listed-connections", connections),
    ("listed-datagrams", datagrams),
    ("listed-local-sockets", local_sockets),
    ("listed-interfaces", interfaces),
];

/// How long a change may take to show: on Linux, some happen behind the call's back.
const LIMIT: Duration = Duration::from_secs(60);

/// The columns of the sockets with these ports, in a list of `/proc/net`.
fn rows(list: &str, local: u16, remote: u16) -> std::io::Result<Vec<Vec<String>>> {
    let text = fs::read_to_string(format!("/proc/net/{list}"))?;
    let columns = text.lines().skip(1).map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let ends = |row: &Vec<String>, column: usize, port: u16| {
        row.get(column).is_some_and(|place| place.ends_with(&format!(":{port:04X}")))
    };
    Ok(columns.filter(|row| ends(row, 1, local) && ends(row, 2, remote)).collect())
}

/// State, bytes to send, bytes to read, user and whether the inode is the file's; or that there is none.
fn seen(list: &str, ports: (u16, u16), file: impl AsFd) -> Result<String, Box<dyn std::error::Error>> {
    let inode = fstat(&file)?.st_ino;
    let link = fs::read_link(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()))?;
    assert_eq!(link.to_str(), Some(&*format!("socket:[{inode}]")));
    let rows = rows(list, ports.0, ports.1)?;
    let [row] = rows.as_slice() else { return Ok(format!("{} lines", rows.len())) };
    let column = |index: usize| row.get(index).map_or("", String::as_str);
    let own = column(9) == inode.to_string();
    Ok(format!("{} {} timer {} uid {} own {own}", column(3), column(4), column(5), column(7)))
}

/// Prints what is seen, as soon as it is what is expected, or in the end.
fn report(what: &str, list: &str, ports: (u16, u16), file: impl AsFd, expected: &str) -> Outcome {
    let until = Instant::now() + LIMIT;
    loop {
        let now = seen(list, ports, &file)?;
        if now.starts_with(expected) || Instant::now() > until {
            println!("{what}: {now}");
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn listeners() -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    println!("{}", seen("tcp", (port, 0), &listener)?);
    let row = rows("tcp", port, 0)?.concat().join(" ");
    println!(
        "columns {} address {}",
        rows("tcp", port, 0)?.iter().map(Vec::len).sum::<usize>(),
        row.contains("0100007F:")
    );
    let text = fs::read_to_string(format!("/proc/{}/net/tcp", std::process::id()))?;
    println!("width {}", text.lines().all(|line| line.len() == 149));
    let any = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))?;
    let port = any.local_addr()?.port();
    println!("{}", seen("tcp6", (port, 0), &any)?);
    println!("of IPv4 {} columns {:?}", rows("tcp", port, 0)?.len(), rows("tcp6", port, 0)?.first().map(Vec::len));
    drop(any);
    println!("closed {}", rows("tcp6", port, 0)?.len());
    Ok(())
}

fn connections() -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let to = listener.local_addr()?.port();
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, to))?;
    let from = client.local_addr()?.port();
    report("one waits", "tcp", (to, 0), &listener, "0A 00000000:00000001")?;
    report("not accepted", "tcp", (to, from), &listener, "01")?;
    let (mut server, _) = listener.accept()?;
    report("none waits", "tcp", (to, 0), &listener, "0A 00000000:00000000")?;
    report("client", "tcp", (from, to), &client, "01 00000000:00000000")?;
    report("server", "tcp", (to, from), &server, "01 00000000:00000000")?;
    client.write_all(b"hello")?;
    report("unread", "tcp", (to, from), &server, "01 00000000:00000005")?;
    report("sent", "tcp", (from, to), &client, "01 00000000:00000000")?;
    server.read_exact(&mut [0; 5])?;
    report("read", "tcp", (to, from), &server, "01 00000000:00000000")?;
    client.shutdown(Shutdown::Write)?;
    report("ended", "tcp", (from, to), &client, "05 00000000:00000000")?;
    println!("end {:?}", server.read(&mut [0; 5])?);
    report("to be closed", "tcp", (to, from), &server, "08 00000000:00000000")?;
    let mapped = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))?;
    let to = mapped.local_addr()?.port();
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, to))?;
    let (server, _) = mapped.accept()?;
    let from = client.local_addr()?.port();
    let row = rows("tcp6", to, from)?.concat().join(" ");
    println!("mapped {}", row.matches("0000000000000000FFFF00000100007F:").count());
    report("of IPv6", "tcp6", (to, from), &server, "01")
}

fn datagrams() -> Outcome {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let sender = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))?;
    let (to, from) = (receiver.local_addr()?.port(), sender.local_addr()?.port());
    report("bound", "udp", (to, 0), &receiver, "07 00000000:00000000")?;
    report("of IPv6", "udp6", (from, 0), &sender, "07 00000000:00000000")?;
    let columns = |list, port| rows(list, port, 0).map(|rows| rows.first().map(|row| (row.len(), row.last().cloned())));
    println!("columns {:?} {:?}", columns("udp", to)?, columns("udp6", from)?);
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    peer.connect(receiver.local_addr()?)?;
    report("connected", "udp", (peer.local_addr()?.port(), to), &peer, "01 00000000:00000000")?;
    peer.send(b"hello")?;
    // How much it says depends on what keeping a datagram costs.
    let empty = || seen("udp", (to, 0), &receiver).is_ok_and(|now| now.starts_with("07 00000000:00000000"));
    let until = Instant::now() + LIMIT;
    while empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("waits {}", !empty());
    receiver.recv(&mut [0; 9])?;
    report("read", "udp", (to, 0), &receiver, "07 00000000:00000000")
}

/// References, protocol, flags, type, state and name of the local socket that a file is.
fn local(file: impl AsFd) -> Result<String, Box<dyn std::error::Error>> {
    let inode = fstat(&file)?.st_ino.to_string();
    let text = String::from_utf8_lossy(&fs::read("/proc/net/unix")?).into_owned();
    let mut rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.get(6) == Some(&&*inode)).ok_or("it is not listed")?;
    Ok(row
        .iter()
        .skip(1)
        .enumerate()
        .filter(|(index, _)| *index != 5)
        .map(|(_, word)| *word)
        .collect::<Vec<_>>()
        .join(" "))
}

fn local_sockets() -> Outcome {
    let (one, other) = UnixStream::pair()?;
    println!("{}\n{}", local(&one)?, local(&other)?);
    drop(other);
    println!("left alone {}", local(&one)?);
    println!("{}", local(UnixDatagram::unbound()?)?);
    let listener = UnixListener::bind("listed")?;
    println!("{}", local(&listener)?);
    let client = UnixStream::connect("listed")?;
    println!("{}", local(&client)?);
    let waiting = fs::read_to_string("/proc/net/unix")?;
    let waiting = waiting.lines().filter(|line| line.ends_with(" 0001 02     0 listed")).count();
    println!("waiting {waiting}");
    println!("accepted {}", local(listener.accept()?.0)?);
    fs::remove_file("listed")?;
    let name = std::os::unix::net::SocketAddr::from_abstract_name(b"listed in\0/proc")?;
    println!("{}", local(UnixDatagram::bind_addr(&name)?)?);
    Ok(())
}

fn interfaces() -> Outcome {
    let lo = || -> Result<Vec<u64>, Box<dyn std::error::Error>> {
        let text = fs::read_to_string("/proc/net/dev")?;
        let row = text.lines().find_map(|line| line.strip_prefix("    lo:")).ok_or("there is no loopback")?;
        Ok(row.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
    };
    let before = lo()?;
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    receiver.send_to(&[0; 1000], SocketAddr::from((Ipv4Addr::LOCALHOST, receiver.local_addr()?.port())))?;
    receiver.recv(&mut [0; 1000])?;
    let after = lo()?;
    let grown: Vec<_> = after.iter().zip(&before).map(|(after, before)| after.saturating_sub(*before)).collect();
    println!("{} figures, the same both ways: {}", after.len(), grown.get(..2) == grown.get(8..10));
    println!("bytes {} packets {}", grown.first() >= Some(&1000), grown.get(1) >= Some(&1));
    print!(
        "{}",
        fs::read_to_string("/proc/net/dev")?.lines().take(2).map(|line| format!("{line}\n")).collect::<String>()
    );
    let addresses = fs::read_to_string("/proc/net/if_inet6")?;
    println!("{}", addresses.lines().filter(|line| line.ends_with(" lo")).collect::<Vec<_>>().join("\n"));
    println!("{:?}", fs::read_to_string("/proc/net/route")?.lines().next());
    for list in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6", "unix"] {
        println!("{:?}", fs::read_to_string(format!("/proc/thread-self/net/{list}"))?.lines().next());
    }
    Ok(())
}
