//! Pipes and FIFOs, with readers and writers on threads of their own.

use std::thread;
use std::time::Duration;
use std::vec;
use std::vec::Vec;

use guest_memory::{SliceSink, SliceSource};

use super::*;

const BLOCKING: OpenFlags = OpenFlags::empty();

fn pair() -> (Arc<PipeEnd>, Arc<PipeEnd>) {
    Fifo::new().open_both().expect("few pipes")
}

fn read(end: &PipeEnd, count: usize, flags: OpenFlags) -> Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    let count = end.read(0, &mut SliceSink::new(&mut bytes), flags)?;
    bytes.truncate(count);
    Ok(bytes)
}

fn write(end: &PipeEnd, bytes: &[u8], flags: OpenFlags) -> Result<usize> {
    end.write(0, &mut SliceSource::new(bytes), flags)
}

fn poll(end: &PipeEnd) -> PollEvents {
    end.poll(&mut PollTable::looking())
}

#[test]
fn bytes_come_out_in_order_whatever_the_chunks() {
    let (reader, writer) = pair();
    let data: Vec<u8> = (0..300_000u32).map(|index| (index % 251) as u8).collect();
    let expected = data.clone();
    let writing = thread::spawn(move || {
        for chunk in data.chunks(7001) {
            assert_eq!(write(&writer, chunk, BLOCKING), Ok(chunk.len()));
        }
    });
    let mut got = Vec::new();
    loop {
        let bytes = read(&reader, 1 + got.len() % 9000, BLOCKING).expect("read");
        if bytes.is_empty() {
            break;
        }
        got.extend(bytes);
    }
    writing.join().expect("writer");
    assert!(got == expected);
}

#[test]
fn a_full_pipe_takes_atomic_writes_whole_or_not() {
    let (reader, writer) = pair();
    assert_eq!(write(&writer, &[1; 70_000], OpenFlags::NONBLOCK), Ok(65_536));
    assert_eq!(write(&writer, &[1], OpenFlags::NONBLOCK), Err(Errno::EAGAIN));
    assert_eq!(read(&reader, 4000, BLOCKING).map(|bytes| bytes.len()), Ok(4000));
    assert_eq!(write(&writer, &[2; 4096], OpenFlags::NONBLOCK), Err(Errno::EAGAIN));
    assert!(!poll(&writer).contains(PollEvents::OUT));
    assert_eq!(write(&writer, &[2; 5000], OpenFlags::NONBLOCK), Ok(4000));
    assert_eq!(read(&reader, 4096, BLOCKING).map(|bytes| bytes.len()), Ok(4096));
    assert!(poll(&writer).contains(PollEvents::OUT));
}

#[test]
fn the_last_end_to_go_is_noticed() {
    let (reader, writer) = pair();
    write(&writer, b"rest", BLOCKING).expect("write");
    assert_eq!(poll(&reader), PollEvents::READABLE);
    drop(writer);
    assert_eq!(poll(&reader), PollEvents::READABLE | PollEvents::HUP);
    assert_eq!(read(&reader, 10, BLOCKING), Ok(b"rest".to_vec()));
    assert_eq!(read(&reader, 10, BLOCKING), Ok(Vec::new()));
    let (reader, writer) = pair();
    drop(reader);
    assert_eq!(write(&writer, b"x", BLOCKING), Err(Errno::EPIPE));
    assert!(poll(&writer).contains(PollEvents::ERR));
    assert_eq!(write(&writer, b"", BLOCKING), Ok(0));
}

#[test]
fn a_blocked_writer_ends_when_the_reader_goes() {
    let (reader, writer) = pair();
    let writing = thread::spawn(move || write(&writer, &[0; 100_000], BLOCKING));
    thread::sleep(Duration::from_millis(30));
    drop(reader);
    assert_eq!(writing.join().expect("writer"), Ok(65_536));
}

#[test]
fn a_signal_interrupts_a_reader() {
    let (reader, _writer) = pair();
    let (send, receive) = std::sync::mpsc::channel();
    let reading = thread::spawn(move || {
        send.send(sync::Waiter::current()).expect("main waits");
        read(&reader, 1, BLOCKING)
    });
    receive.recv().expect("reader").interrupt();
    assert_eq!(reading.join().expect("reader"), Err(Errno::ERESTARTSYS));
}

#[test]
fn opening_a_fifo_waits_for_the_other_side() {
    let fifo = Arc::new(Fifo::new());
    let other = fifo.clone();
    let reading = thread::spawn(move || {
        let end = other.open(BLOCKING).expect("open");
        read(&end, 10, BLOCKING)
    });
    thread::sleep(Duration::from_millis(20));
    let writer = fifo.open(OpenFlags::WRONLY).expect("open");
    write(&writer, b"hello", BLOCKING).expect("write");
    assert_eq!(reading.join().expect("reader"), Ok(b"hello".to_vec()));
    drop(writer);
    assert_eq!(fifo.open(OpenFlags::WRONLY | OpenFlags::NONBLOCK).err(), Some(Errno::ENXIO));
    let reader = fifo.open(OpenFlags::NONBLOCK).expect("open");
    assert_eq!(read(&reader, 1, OpenFlags::NONBLOCK), Ok(Vec::new()));
    assert_eq!(poll(&reader), PollEvents::empty());
    let both = fifo.open(OpenFlags::RDWR).expect("open");
    drop(both);
    assert_eq!(poll(&reader), PollEvents::HUP);
}

#[test]
fn a_reader_that_comes_to_a_writer_notices_its_end() {
    let fifo = Fifo::new();
    let early = fifo.open(OpenFlags::NONBLOCK).expect("open");
    let writer = fifo.open(OpenFlags::WRONLY).expect("open");
    let late = [BLOCKING, OpenFlags::NONBLOCK].map(|flags| fifo.open(flags).expect("open"));
    assert_eq!(late.each_ref().map(|end| poll(end)), [PollEvents::empty(); 2]);
    drop(writer);
    assert_eq!((poll(&early), late.each_ref().map(|end| poll(end))), (PollEvents::HUP, [PollEvents::HUP; 2]));
}

#[test]
fn the_capacity_can_change_but_not_below_the_contents() {
    let (reader, writer) = pair();
    assert_eq!(writer.pipe().set_capacity(100_000), Ok(131_072));
    assert_eq!(write(&writer, &vec![3; 131_072], OpenFlags::NONBLOCK), Ok(131_072));
    assert_eq!(writer.pipe().set_capacity(4096), Err(Errno::EBUSY));
    assert_eq!(read(&reader, 131_000, BLOCKING).map(|bytes| bytes.len()), Ok(131_000));
    assert_eq!(writer.pipe().set_capacity(1), Ok(4096));
    assert_eq!(read(&reader, 100, BLOCKING), Ok(vec![3; 72]));
}

#[test]
fn an_unnamed_pipe_is_opened_again_without_waiting() {
    let fifo = Fifo::unnamed();
    let (reader, writer) = fifo.open_both().expect("open");
    drop(writer);
    let again = fifo.open(BLOCKING).expect("open");
    assert_eq!(read(&again, 1, BLOCKING), Ok(Vec::new()));
    assert_eq!(poll(&again), PollEvents::HUP);
    drop(reader);
}
