//! The two threads that move bytes between channel and link.

use crate::server::Shared;
use interfaces::HostLink;
use ipc::MAX_BYTES;

/// Send what is for the host, until the link is gone.
pub fn pump_outgoing<L: HostLink>(shared: &Shared, link: &L) {
    while let Some(bytes) = shared.take_outgoing() {
        if let Err(error) = link.send(&bytes) {
            log::error!("the link to the host is gone: {error}");
            return shared.give_up();
        }
    }
}

/// Take in what comes from the host, until the link is gone or the host breaks the protocol.
pub fn pump_incoming<L: HostLink>(shared: &Shared, link: &L) {
    loop {
        match link.receive(MAX_BYTES as u32) {
            Ok(bytes) if shared.receive(&bytes) => {}
            Ok(_) => return shared.give_up(),
            Err(error) => {
                log::error!("the link to the host is gone: {error}");
                return shared.give_up();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::HostChannelServer;
    use alloc::collections::VecDeque;
    use alloc::sync::Arc;
    use alloc::vec;
    use alloc::vec::Vec;
    use interfaces::host_channel::{FrameReader, Header, Kind, append_frame, stream};
    use interfaces::{HostChannel, HostChannelClient, HostChannelDispatcher, HostChannelError, HostLinkError};
    use ipc::Loopback;
    use rt::sync::{Condvar, Mutex};

    /// A wire with the host tool at its other end: bytes each way.
    #[derive(Default)]
    struct Wire {
        to_guest: Mutex<VecDeque<u8>>,
        to_host: Mutex<VecDeque<u8>>,
        changed: Condvar,
    }

    impl Wire {
        fn take(&self, from: &Mutex<VecDeque<u8>>, max: usize) -> Vec<u8> {
            let mut bytes = self.changed.wait_while(from.lock(), |bytes| bytes.is_empty());
            let count = bytes.len().min(max);
            bytes.drain(..count).collect()
        }

        fn send_frame(&self, kind: Kind, stream: u8, extra: u32, payload: &[u8]) {
            let mut bytes = Vec::new();
            append_frame(&mut bytes, Header::new(kind, 1, stream, extra), payload);
            self.to_guest.lock().extend(bytes);
            self.changed.notify_all();
        }
    }

    impl HostLink for Wire {
        fn send(&self, bytes: &[u8]) -> Result<(), HostLinkError> {
            self.to_host.lock().extend(bytes);
            self.changed.notify_all();
            Ok(())
        }
        fn receive(&self, max: u32) -> Result<Vec<u8>, HostLinkError> {
            Ok(self.take(&self.to_guest, max as usize))
        }
    }

    fn start() -> (impl HostChannel, Arc<Wire>) {
        let (wire, shared) = (Arc::new(Wire::default()), Arc::new(Shared::default()));
        let server = HostChannelServer(shared.clone());
        for pump in [pump_outgoing::<Wire>, pump_incoming::<Wire>] {
            let (wire, shared) = (wire.clone(), shared.clone());
            rt::thread::spawn("pump", 64 << 10, move || pump(&shared, &wire)).expect("the host has threads");
        }
        (HostChannelClient::new(Loopback::new(HostChannelDispatcher(server), 1)), wire)
    }

    /// The guest's `cat`: copies input to output, then exits.
    fn cat(channel: &impl HostChannel) -> Result<(), HostChannelError> {
        let session = channel.next_session()?.id;
        loop {
            let bytes = channel.read(session, stream::STDIN, 5000)?;
            if bytes.is_empty() {
                channel.end_of_stream(session, stream::STDOUT)?;
                return channel.exit(session, 0);
            }
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let count = channel.write(session, stream::STDOUT, rest)? as usize;
                rest = &rest[count..];
            }
        }
    }

    #[test]
    fn three_megabytes_go_through_cat_unchanged() {
        let (channel, wire) = start();
        let input: Vec<u8> = (0..3_000_000u32).map(|index| (index ^ index >> 8) as u8).collect();
        wire.send_frame(Kind::Exec, 0, 0, b"cat");
        let cat = rt::thread::spawn("cat", 64 << 10, move || cat(&channel).expect("the host keeps the protocol"));
        let (mut reader, mut output, mut window, mut position) = (FrameReader::new(), Vec::<u8>::new(), 65_536, 0);
        let mut is_ended = false;
        while !is_ended {
            while window > 0 && position < input.len() {
                let count = window.min(input.len() - position).min(32_768);
                wire.send_frame(Kind::Data, stream::STDIN, 0, &input[position..position + count]);
                (window, position) = (window - count, position + count);
                if position == input.len() {
                    wire.send_frame(Kind::Eof, stream::STDIN, 0, b"");
                }
            }
            reader.push(&wire.take(&wire.to_host, 70_000));
            while let Some((header, payload)) = reader.next_frame().expect("the guest keeps the protocol") {
                match header.kind {
                    Kind::Data => {
                        output.extend(payload);
                        wire.send_frame(Kind::Credit, stream::STDOUT, payload.len() as u32, b"");
                    }
                    Kind::Credit => window += header.extra as usize,
                    kind => is_ended = kind == Kind::Exit,
                }
            }
        }
        cat.expect("the host has threads").join();
        assert!(output == input);
    }

    #[test]
    fn a_power_off_is_answered_once_it_is_sent() {
        let (channel, wire) = start();
        channel.powered_off(0).expect("the link is there");
        let bytes = wire.take(&wire.to_host, 100);
        let mut reader = FrameReader::new();
        reader.push(&bytes);
        assert_eq!(reader.next_frame().expect("a frame").map(|(header, _)| header.kind), Some(Kind::PowerOff));
    }

    #[test]
    fn a_host_that_breaks_the_protocol_is_cut_off() {
        let (channel, wire) = start();
        wire.to_guest.lock().extend(vec![0xff; 100]);
        wire.changed.notify_all();
        assert_eq!(channel.next_session().map(|_| ()), Err(HostChannelError::LinkGone));
        assert_eq!(channel.next_resize().map(|_| ()), Err(HostChannelError::LinkGone));
    }

    #[test]
    fn a_client_that_starts_again_leaves_no_session_of_the_dead() {
        let (channel, wire) = start();
        let channel = Arc::new(channel);
        let mut resize = Vec::new();
        append_frame(&mut resize, Header::new(Kind::Resize, 0, 0, 24 << 16 | 80), b"");
        wire.to_guest.lock().extend(resize);
        wire.changed.notify_all();
        assert_eq!(channel.next_resize().map(|size| size.rows), Ok(24));
        wire.send_frame(Kind::Exec, 0, 0, b"sleep");
        assert_eq!(channel.next_session().map(|session| session.id), Ok(1));
        let dead = channel.clone();
        let waiting = rt::thread::spawn("dead", 64 << 10, move || {
            assert!(matches!(dead.read(1, stream::STDIN, 10), Err(HostChannelError::Call(_))));
        });
        rt::thread::sleep_until(rt::time::now_ns() + 20_000_000);
        channel.begin().expect("the link is there");
        waiting.expect("the host has threads").join();
        let mut reader = FrameReader::new();
        let refused = loop {
            match reader.next_frame().expect("a frame") {
                Some((header, _)) if header.session == 1 => break header.kind,
                Some(_) => {}
                None => reader.push(&wire.take(&wire.to_host, 100)),
            }
        };
        assert_eq!(refused, Kind::Refused);
        assert_eq!(channel.read(1, stream::STDIN, 10), Err(HostChannelError::NoSession));
        assert_eq!(channel.next_resize().map(|size| size.rows), Ok(24), "the terminal has not changed");
        // A command that nobody had taken waits for the next client.
        wire.send_frame(Kind::Exec, 0, 0, b"true");
        rt::thread::sleep_until(rt::time::now_ns() + 20_000_000);
        channel.begin().expect("the link is there");
        assert_eq!(channel.next_session().map(|session| session.command_bytes), Ok(4));
    }
}
