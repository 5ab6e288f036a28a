//! Sockets as `/proc/PID/net` sees them: the contract between procfs and the sockets' crate.

use alloc::vec::Vec;

use procfs::{InetSocket, LocalSocket, LocalState, NetworkSource, Traffic, Transport};
use sockets::{InetReport, UnixReport};

use crate::processes::Source;

impl NetworkSource for Source {
    fn inet_sockets(&self, transport: Transport) -> Vec<InetSocket> {
        let reports = match transport {
            Transport::Tcp => sockets::inet::tcp_sockets(),
            Transport::Udp => sockets::inet::udp_sockets(),
        };
        reports.iter().map(inet_socket).collect()
    }

    fn local_sockets(&self) -> Vec<LocalSocket> {
        sockets::unix::unix_sockets().into_iter().map(local_socket).collect()
    }

    fn loopback(&self) -> Traffic {
        let sockets::Traffic { packets, bytes } = sockets::inet::traffic();
        Traffic { packets, bytes }
    }
}

fn inet_socket(report: &InetReport) -> InetSocket {
    InetSocket {
        local: report.local,
        remote: report.remote,
        state: report.state,
        sending: report.unsent as u64,
        receiving: report.unread as u64,
        uid: report.owner.uid,
        inode: report.owner.inode,
        references: report.references as u64,
        id: report.id,
        drops: report.drops,
    }
}

fn local_socket(report: UnixReport) -> LocalSocket {
    let state = match (report.owner.inode, report.is_connected) {
        (0, true) => LocalState::Connecting,
        (0, false) => LocalState::Disconnecting,
        (_, true) => LocalState::Connected,
        (_, false) => LocalState::Unconnected,
    };
    LocalSocket {
        id: report.id,
        references: report.references as u64,
        listens: report.listens,
        kind: report.kind.number(),
        state,
        inode: report.owner.inode,
        name: report.name,
    }
}
