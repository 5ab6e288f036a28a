//! Lines of `/proc/net` as Linux 6.1 shows them, of made-up sockets.

use crate::network_source::*;
use crate::tests::{Made, find, root, text};
use linux_abi::InetState;
use vfs::FileKind;

fn socket(local: &str, remote: &str, state: InetState) -> InetSocket {
    InetSocket {
        local: local.parse().expect("a test's address is one"),
        remote: remote.parse().expect("a test's address is one"),
        state,
        sending: 0,
        receiving: 0,
        uid: 0,
        inode: 636,
        references: 1,
        id: 0x53d0_e493,
        drops: 0,
    }
}

impl NetworkSource for Made {
    fn inet_sockets(&self, transport: Transport) -> Vec<InetSocket> {
        match transport {
            Transport::Tcp => vec![
                socket("0.0.0.0:2024", "0.0.0.0:0", InetState::Listen),
                socket("[::1]:8080", "[::]:0", InetState::Listen),
                InetSocket {
                    receiving: 0xabc,
                    uid: 1000,
                    inode: 1_103_756,
                    ..socket("127.0.0.1:22", "127.0.0.1:54321", InetState::CloseWait)
                },
                socket("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:33000", InetState::Established),
            ],
            Transport::Udp => vec![
                InetSocket {
                    receiving: 768,
                    drops: 3,
                    references: 2,
                    ..socket("127.0.0.53:53", "0.0.0.0:0", InetState::Close)
                },
                InetSocket { references: 2, ..socket("[::]:546", "[::]:0", InetState::Close) },
            ],
        }
    }

    fn local_sockets(&self) -> Vec<LocalSocket> {
        let plain = LocalSocket {
            id: 0xf760_0aaa,
            references: 3,
            listens: false,
            kind: 1,
            state: LocalState::Connected,
            inode: 632,
            name: Vec::new(),
        };
        let (references, state) = (2, LocalState::Unconnected);
        let listener = LocalSocket { listens: true, references, state, name: b"/run/a b".to_vec(), ..plain.clone() };
        let name = b"\0x\0y".to_vec();
        let datagram = LocalSocket { kind: 2, references, state, inode: 1_103_756, name, ..plain.clone() };
        let waiting =
            LocalSocket { state: LocalState::Connecting, inode: 0, name: b"/run/a b".to_vec(), ..plain.clone() };
        vec![plain, listener, datagram, waiting]
    }

    fn loopback(&self) -> Traffic {
        Traffic { packets: 539_440, bytes: 1_904_810_233 }
    }
}

fn lines(path: &str) -> Vec<String> {
    text(&root(Made::default()), path).split_inclusive('\n').map(str::to_owned).collect()
}

#[test]
fn tcp_has_lines_of_149_characters() {
    let lines = lines("42/net/tcp");
    assert!(lines.iter().all(|line| line.len() == 150 && line.ends_with('\n')), "{lines:?}");
    let trimmed: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
    assert_eq!(
        trimmed,
        [
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
            "   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 636 1 0000000053d0e493 0 0 0 0 0",
            "   1: 0100007F:0016 0100007F:D431 08 00000000:00000ABC 00:00000000 00000000  1000        0 1103756 1 0000000053d0e493 0 0 0 0 -1",
        ]
    );
}

#[test]
fn tcp6_has_addresses_of_32_digits() {
    assert_eq!(
        lines("42/task/43/net/tcp6"),
        [
            "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
            "   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 636 1 0000000053d0e493 0 0 0 0 0\n",
            "   1: 0000000000000000FFFF00000100007F:0050 0000000000000000FFFF00000100007F:80E8 01 00000000:00000000 00:00000000 00000000     0        0 636 1 0000000053d0e493 0 0 0 0 -1\n",
        ]
    );
}

#[test]
fn udp_ends_with_what_was_lost() {
    let udp = lines("42/net/udp");
    assert!(udp.iter().all(|line| line.len() == 128 && line.ends_with('\n')), "{udp:?}");
    let trimmed: Vec<_> = udp.iter().map(|line| line.trim_end()).collect();
    assert_eq!(
        trimmed,
        [
            "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops",
            "    0: 3500007F:0035 00000000:0000 07 00000000:00000300 00:00000000 00000000     0        0 636 2 0000000053d0e493 3",
        ]
    );
    let heading = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n";
    assert_eq!(
        lines("42/net/udp6"),
        [
            heading,
            "    0: 00000000000000000000000000000000:0222 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 636 2 0000000053d0e493 0\n",
        ]
    );
    assert_eq!(lines("42/net/raw6"), [heading]);
    let raw = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n";
    assert_eq!(lines("42/net/raw"), [raw]);
}

#[test]
fn local_sockets_end_with_their_names() {
    assert_eq!(
        lines("42/net/unix"),
        [
            "Num       RefCount Protocol Flags    Type St Inode Path\n",
            "00000000f7600aaa: 00000003 00000000 00000000 0001 03   632\n",
            "00000000f7600aaa: 00000002 00000000 00010000 0001 01   632 /run/a b\n",
            "00000000f7600aaa: 00000002 00000000 00000000 0002 01 1103756 @x@y\n",
            "00000000f7600aaa: 00000003 00000000 00000000 0001 02     0 /run/a b\n",
        ]
    );
}

#[test]
fn the_only_interface_is_the_loopback() {
    assert_eq!(
        lines("42/net/dev"),
        [
            "Inter-|   Receive                                                |  Transmit\n",
            " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n",
            "    lo: 1904810233  539440    0    0    0     0          0         0 1904810233  539440    0    0    0     0       0          0\n",
        ]
    );
    assert_eq!(lines("42/net/if_inet6"), ["00000000000000000000000000000001 01 80 10 80       lo\n"]);
    let routes = lines("42/net/route");
    assert_eq!(routes.iter().map(String::len).collect::<Vec<_>>(), [128]);
    let heading = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
    assert_eq!(routes[0].trim_end(), heading);
}

#[test]
fn the_network_is_each_processes_own_folder() {
    let root = root(Made::default());
    assert_eq!(find(&root, "net").and_then(|link| link.read_link()), Ok(b"self/net".to_vec()));
    let folder = find(&root, "42/net").expect("a process has one");
    let metadata = folder.metadata().expect("the process is there");
    assert_eq!((metadata.kind, metadata.permissions, metadata.uid), (FileKind::Directory, 0o555, 1000));
    let file = find(&root, "42/net/tcp").and_then(|inode| inode.metadata()).expect("it is there");
    assert_eq!((file.kind, file.permissions, file.uid), (FileKind::Regular, 0o444, 0));
    assert!(find(&root, "42/net/net").is_err() && find(&root, "42/net/none").is_err());
}
