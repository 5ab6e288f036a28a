//! Sockets as who lists them all sees them.

use std::vec;
use std::vec::Vec;

use alloc::sync::Arc;
use core::net::SocketAddr;
use guest_memory::{SliceSink, SliceSource};
use linux_abi::InetState;
use linux_abi::raw::net;
use tmpfs::Tmpfs;
use vfs::{Caller, Credentials, FsContext, Namespace, OpenFile, OpenFlags};

use crate::family::{Family, Request};
use crate::inet::{Inet, tcp_sockets, traffic, udp_sockets};
use crate::message::{Incoming, MessageFlags, Outgoing, Patience};
use crate::report::{InetReport, UnixReport};
use crate::unix::{Unix, unix_sockets};
use crate::{Address, Shutdown, Socket, SocketFile, open};

const UID: u32 = 1000;

/// A user with a place for names.
struct World {
    fs: FsContext,
    credentials: Credentials,
}

impl World {
    fn new() -> World {
        let options = tmpfs::Options { pages: 16, inodes: 16, permissions: 0o777, uid: 0, gid: 0 };
        let root = Tmpfs::new(options).expect("room for the root");
        World { fs: FsContext::new(Namespace::new(root, "rootfs")), credentials: Credentials::new(UID, UID) }
    }

    fn caller(&self) -> Caller<'_> {
        Caller { credentials: &self.credentials, fs: &self.fs }
    }

    fn open(&self, socket: Arc<dyn Socket>) -> Arc<OpenFile> {
        open(socket, OpenFlags::NONBLOCK, &self.credentials).expect("few files are open")
    }

    fn socket(&self, family: &dyn Family, domain: u32, kind: u32) -> Arc<OpenFile> {
        let request = Request { domain, kind, protocol: 0, credentials: &self.credentials };
        self.open(family.create(request).expect("the kind is known"))
    }

    fn listener(&self, domain: u32, address: &Address) -> Arc<OpenFile> {
        let file = self.socket(&Inet, domain, net::SOCK_STREAM);
        socket(&file).bind(self.caller(), address).expect("a port is free");
        socket(&file).listen(5).expect("it is bound");
        file
    }

    fn client(&self, of: &OpenFile) -> Arc<OpenFile> {
        let to = socket(of).local_address().expect("it has an address");
        let file = self.socket(&Inet, socket(of).common().domain, net::SOCK_STREAM);
        assert_eq!(socket(&file).connect(self.caller(), &to, Patience::None), Err(linux_abi::Errno::EINPROGRESS));
        file
    }
}

fn socket(file: &OpenFile) -> &dyn Socket {
    &**file.downcast::<SocketFile>().expect("it is a socket").socket()
}

fn inode(file: &OpenFile) -> u64 {
    file.metadata().expect("a socket has metadata").inode
}

fn v4(ip: [u8; 4]) -> Address {
    let mut bytes = vec![net::AF_INET as u8, 0, 0, 0];
    bytes.extend_from_slice(&ip);
    bytes.resize(16, 0);
    Address::new(&bytes)
}

fn send(file: &OpenFile, bytes: &[u8], to: Option<&Address>) {
    let mut source = SliceSource::new(bytes);
    let mut message = Outgoing::plain(&mut source, MessageFlags::empty(), Patience::None);
    message.to = to;
    assert_eq!(socket(file).send(&mut message), Ok(bytes.len()));
}

fn receive(file: &OpenFile, room: usize) -> usize {
    let mut bytes = vec![0; room];
    let mut sink = SliceSink::new(&mut bytes);
    let (flags, patience) = (MessageFlags::empty(), Patience::None);
    let mut request = Incoming { sink: &mut sink, flags, patience, wants_identity: false };
    socket(file).receive(&mut request).expect("something is there").bytes
}

/// The line of a socket, by the number of its port: other tests' sockets are in the list as well.
fn tcp(file: &OpenFile) -> Option<InetReport> {
    let id = socket(file).common().port.id();
    tcp_sockets().into_iter().find(|report| report.id == id)
}

fn udp(file: &OpenFile) -> Option<InetReport> {
    let id = socket(file).common().port.id();
    udp_sockets().into_iter().find(|report| report.id == id)
}

fn unix(file: &OpenFile) -> Option<UnixReport> {
    let id = socket(file).common().port.id();
    unix_sockets().into_iter().find(|report| report.id == id)
}

#[test]
fn a_listener_shows_its_place_its_owner_and_who_waits() {
    let world = World::new();
    let idle = world.socket(&Inet, net::AF_INET, net::SOCK_STREAM);
    socket(&idle).bind(world.caller(), &v4([127, 0, 0, 1])).expect("a port is free");
    assert_eq!(tcp(&idle), None, "bound is not enough, as on Linux");
    let listener = world.listener(net::AF_INET, &v4([127, 0, 0, 1]));
    let seen = tcp(&listener).expect("it listens");
    assert_eq!((seen.state, seen.unread, seen.references), (InetState::Listen, 0, 1));
    assert_eq!((seen.owner.uid, seen.owner.inode), (UID, inode(&listener)));
    assert_eq!(seen.remote, SocketAddr::from(([0, 0, 0, 0], 0)));
    let client = world.client(&listener);
    assert_eq!(tcp(&listener).map(|seen| seen.unread), Some(1));
    let here = tcp(&client).expect("it is connected");
    assert_eq!((here.state, here.remote, here.owner.inode), (InetState::Established, seen.local, inode(&client)));
    let waiting = tcp_sockets().into_iter().find(|other| other.remote == here.local).expect("the other end waits");
    assert_eq!((waiting.local, waiting.owner.inode, waiting.owner.uid), (seen.local, 0, 0));
    let all = tcp_sockets();
    let first = all.iter().position(|report| report.state != InetState::Listen).unwrap_or(all.len());
    assert!(all.iter().skip(first).all(|report| report.state != InetState::Listen), "listeners come first");
}

#[test]
fn a_connection_is_followed_to_its_end() {
    let world = World::new();
    let listener = world.listener(net::AF_INET, &v4([127, 0, 0, 1]));
    let client = world.client(&listener);
    let accepted = socket(&listener).accept(Patience::None).expect("somebody waits").socket;
    let server = world.open(accepted);
    let states = || (tcp(&client).map(|seen| seen.state), tcp(&server).map(|seen| seen.state));
    assert_eq!(tcp(&listener).map(|seen| seen.unread), Some(0));
    assert_eq!(tcp(&server).map(|seen| seen.owner.inode), Some(inode(&server)));
    send(&client, b"five!", None);
    assert_eq!((tcp(&server).map(|seen| seen.unread), tcp(&client).map(|seen| seen.unsent)), (Some(5), Some(0)));
    assert_eq!(receive(&server, 9), 5);
    assert_eq!(states(), (Some(InetState::Established), Some(InetState::Established)));
    socket(&client).shutdown(Shutdown::Receive).expect("it is connected");
    assert_eq!(states(), (Some(InetState::Established), Some(InetState::Established)), "nothing was sent for that");
    socket(&client).shutdown(Shutdown::Send).expect("it is connected");
    assert_eq!(states(), (Some(InetState::FinWait2), Some(InetState::CloseWait)));
    socket(&server).shutdown(Shutdown::Send).expect("it is connected");
    assert_eq!(states(), (None, None));
}

#[test]
fn a_closed_peer_leaves_a_half_and_a_reset_leaves_nothing() {
    let world = World::new();
    let listener = world.listener(net::AF_INET, &v4([127, 0, 0, 1]));
    let pair = || {
        let client = world.client(&listener);
        (client, world.open(socket(&listener).accept(Patience::None).expect("somebody waits").socket))
    };
    let (client, server) = pair();
    drop(client);
    assert_eq!(tcp(&server).map(|seen| seen.state), Some(InetState::CloseWait));
    let (client, server) = pair();
    send(&server, b"unread", None);
    drop(client);
    assert_eq!(tcp(&server), None);
    let (client, server) = pair();
    let nobody = Address::new(&[0; 16]);
    socket(&client).connect(world.caller(), &nobody, Patience::None).expect("it is disconnected");
    assert_eq!((tcp(&client), tcp(&server)), (None, None));
}

#[test]
fn who_finds_no_room_at_a_listener_is_connecting() {
    let world = World::new();
    let listener = world.listener(net::AF_INET, &v4([127, 0, 0, 1]));
    let clients: Vec<_> = (0..7).map(|_| world.client(&listener)).collect();
    let states: Vec<_> =
        clients.iter().filter_map(|client| tcp(client)).map(|seen| (seen.state, seen.unsent)).collect();
    assert_eq!(states.len(), 7);
    assert!(states.iter().take(6).all(|state| *state == (InetState::Established, 0)));
    assert_eq!(states.last(), Some(&(InetState::SynSent, 1)));
    assert_eq!(tcp(&listener).map(|seen| seen.unread), Some(6));
}

#[test]
fn a_socket_of_ipv6_shows_ipv4_within_its_addresses() {
    let world = World::new();
    let mut any = vec![net::AF_INET6 as u8, 0];
    any.resize(28, 0);
    let listener = world.listener(net::AF_INET6, &Address::new(&any));
    let there = tcp(&listener).expect("it listens").local;
    assert!(there.is_ipv6() && there.ip().is_unspecified());
    let client = world.socket(&Inet, net::AF_INET, net::SOCK_STREAM);
    let mut to = v4([127, 0, 0, 1]).bytes().to_vec();
    to[2..4].copy_from_slice(&there.port().to_be_bytes());
    let _in_progress = socket(&client).connect(world.caller(), &Address::new(&to), Patience::None);
    let client = tcp(&client).expect("it is connected");
    assert!(client.local.is_ipv4() && client.remote.is_ipv4());
    let server = world.open(socket(&listener).accept(Patience::None).expect("somebody waits").socket);
    let server = tcp(&server).expect("it is connected");
    let mapped: SocketAddr = std::format!("[::ffff:127.0.0.1]:{}", client.local.port()).parse().expect("an address");
    assert_eq!(server.remote, mapped);
}

#[test]
fn datagrams_that_wait_and_those_that_were_lost_are_counted() {
    let world = World::new();
    let receiver = world.socket(&Inet, net::AF_INET, net::SOCK_DGRAM);
    assert_eq!(udp(&receiver), None);
    socket(&receiver).bind(world.caller(), &v4([127, 0, 0, 1])).expect("a port is free");
    let to = socket(&receiver).local_address().expect("it is bound");
    let seen = udp(&receiver).expect("it is bound");
    assert_eq!((seen.state, seen.unread, seen.drops, seen.references), (InetState::Close, 0, 0, 2));
    let sender = world.socket(&Inet, net::AF_INET, net::SOCK_DGRAM);
    let before = traffic();
    send(&sender, b"five!", Some(&to));
    let after = traffic();
    assert!(after.packets > before.packets && after.bytes >= before.bytes + 5);
    let unread = udp(&receiver).map_or(0, |seen| seen.unread);
    assert!(unread >= 5);
    socket(&receiver).common().options.lock().receive_buffer = unread as u32;
    send(&sender, b"lost!", Some(&to));
    assert_eq!(udp(&receiver).map(|seen| (seen.unread, seen.drops)), Some((unread, 1)));
    socket(&sender).connect(world.caller(), &to, Patience::None).expect("it is local");
    let seen = udp(&sender).expect("it is bound");
    assert_eq!(
        (seen.state, seen.remote.port(), seen.owner.inode),
        (InetState::Established, udp(&receiver).map_or(0, |seen| seen.local.port()), inode(&sender),)
    );
}

#[test]
fn local_sockets_show_names_states_and_references() {
    let world = World::new();
    let listener = world.socket(&Unix, net::AF_UNIX, net::SOCK_STREAM);
    let seen = unix(&listener).expect("every one is listed");
    assert_eq!((seen.references, seen.is_connected, seen.listens, seen.name.len()), (2, false, false, 0));
    let name = Address::new(b"\x01\0/here\0");
    socket(&listener).bind(world.caller(), &name).expect("the name is free");
    socket(&listener).listen(1).expect("it is bound");
    let seen = unix(&listener).expect("every one is listed");
    assert_eq!((seen.listens, &*seen.name, seen.owner.inode), (true, &b"/here"[..], inode(&listener)));
    let client = world.socket(&Unix, net::AF_UNIX, net::SOCK_STREAM);
    socket(&client).connect(world.caller(), &name, Patience::None).expect("there is room");
    let seen = unix(&client).expect("every one is listed");
    assert_eq!((seen.references, seen.is_connected, seen.owner.uid), (3, true, UID));
    let waits = |report: &UnixReport| report.id > seen.id && report.is_connected && report.name == b"/here";
    let waiting = unix_sockets().into_iter().find(waits).expect("the other end waits");
    assert_eq!((waiting.owner.inode, waiting.references), (0, 3));
    drop(listener);
    assert!(!unix_sockets().iter().any(|report| report.id == waiting.id), "it was hung up");
    let datagram = world.socket(&Unix, net::AF_UNIX, net::SOCK_DGRAM);
    socket(&datagram).bind(world.caller(), &Address::new(b"\x01\0\0abstract")).expect("the name is free");
    assert_eq!(unix(&datagram).map(|seen| seen.name), Some(b"\0abstract".to_vec()));
}
