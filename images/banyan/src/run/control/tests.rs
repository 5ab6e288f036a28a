//! Clients of a guest made of a thread.

use super::relay::Relayed;
use super::remote::connect;
use super::*;
use crate::run::frame::{Frame, Kind, VERSION, stream};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Instant;

/// A system whose guest is `guest`, after its greeting.
fn system(guest: impl FnOnce(UnixStream) + Send + 'static) -> Arc<Channel> {
    let (ours, mut theirs) = UnixStream::pair().expect("sockets can be made");
    std::thread::spawn(move || {
        Frame::new(0, Kind::Hello, 0, VERSION).write(&mut theirs).expect("the host listens");
        guest(theirs);
    });
    Channel::start(ours).expect("the stream can be shared")
}

fn read(from: &mut UnixStream) -> Frame {
    Frame::read(from).expect("it keeps to the protocol").expect("it is still there")
}

/// Takes two commands, answers the second first, each with its own text and status.
fn two_commands(mut host: UnixStream) {
    // One client's end of input may come before the other's command.
    let mut command = || loop {
        let frame = read(&mut host);
        if frame.header.kind == Kind::Exec {
            return frame;
        }
    };
    let (first, second) = (command(), command());
    for frame in [second, first] {
        let id = frame.header.session;
        Frame::new(id, Kind::Data, stream::STDOUT, 0).with(&frame.payload).write(&mut host).expect("the host listens");
        let status = u32::from(frame.payload[0]) << 8;
        Frame::new(id, Kind::Exit, 0, status).write(&mut host).expect("the host listens");
    }
    // Stays until the host leaves.
    while Frame::read(&mut host).is_ok_and(|frame| frame.is_some()) {}
}

fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(20))
}

/// Numbers that no process has.
fn instance(number: u32) -> (u32, String) {
    let number = 4_200_000_000 + number;
    (number, format!("{number}"))
}

#[test]
fn clients_get_their_own_answers() {
    let (number, name) = instance(1);
    let control = Control::listen_as(&name, system(two_commands)).expect("a socket can be made");
    let mode = control.path.metadata().expect("it was just made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let clients = [(); 2].map(|()| Remote::connect(Some(number)).expect("it listens"));
    let sessions =
        ["\x01one", "\x02two"].map(|command| (command, clients[usize::from(command.as_bytes()[0]) - 1].open(command)));
    for (command, session) in sessions {
        let output = session.expect("it takes commands").complete(b"", soon()).expect("it answers");
        assert_eq!(output.stdout, command.as_bytes());
        assert_eq!(output.status.code(), i32::from(command.as_bytes()[0]));
    }
    let path = control.path.clone();
    drop(control);
    assert!(!path.exists());
}

#[test]
fn a_client_that_leaves_hangs_up() {
    let (number, name) = instance(2);
    let (sender, heard) = mpsc::channel();
    let guest = move |mut host: UnixStream| {
        while let Ok(Some(frame)) = Frame::read(&mut host) {
            // The test may have seen enough.
            let _ = sender.send(frame.header.kind);
        }
    };
    let _control = Control::listen_as(&name, system(guest)).expect("a socket can be made");
    let folder = File::open(workspace::own("ctl").expect("it exists")).expect("it exists");
    let mut client = connect(&folder, &number.to_string()).expect("it listens");
    assert_eq!(read(&mut client).header.kind, Kind::Hello);
    Frame::new(9, Kind::Exec, 0, 0).with(b"sleep").write(&mut client).expect("it listens");
    assert_eq!(heard.recv().expect("the guest runs"), Kind::Exec);
    drop(client);
    let kinds: Vec<Kind> = (0..5).map(|_| heard.recv().expect("the guest runs")).collect();
    assert_eq!(kinds, [Kind::Signal, Kind::Eof, Kind::Closed, Kind::Closed, Kind::Closed]);
}

#[test]
fn a_client_that_breaks_the_rules_harms_only_itself() {
    let mut session = Relayed { id: 7, input: 10, owed: [5, 0, 0] };
    let frame = |kind, stream, extra| Frame::new(1, kind, stream, extra);
    assert_eq!(session.check(&frame(Kind::Data, 0, 0).with(b"12345678")).ok(), Some(7));
    assert!(session.check(&frame(Kind::Data, 0, 0).with(b"123")).is_err());
    assert!(session.check(&frame(Kind::Credit, stream::STDOUT, 5)).is_ok());
    assert!(session.check(&frame(Kind::Credit, stream::STDOUT, 1)).is_err());
    assert!(session.check(&frame(Kind::Data, stream::STDOUT, 0)).is_err());
    assert!(session.check(&frame(Kind::Resize, 0, 0)).is_err());
    session.note(&frame(Kind::Credit, 0, 100));
    session.note(&frame(Kind::Data, stream::STDERR, 0).with(b"abc"));
    assert_eq!((session.input, session.owed), (102, [0, 3, 0]));
}

#[test]
fn what_does_not_run_is_said_not_to() {
    let (number, name) = instance(3);
    let message = |instance| Remote::connect(instance).err().map(|error| format!("{error:#}"));
    assert!(message(Some(number)).is_some_and(|text| text.contains("no running system with the number")));
    // A socket that nobody listens on any more goes away.
    let folder = workspace::own("ctl").expect("it exists");
    drop(UnixListener::bind(folder.join(&name)).expect("a socket can be made"));
    assert!(message(Some(number)).is_some() && !folder.join(&name).exists());
}
