//! Contents of files: offsets, holes, sizes, limits.

use super::*;

const RW: OpenFlags = OpenFlags::RDWR.union(OpenFlags::CREAT);

fn write(file: &OpenFile, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
    file.write_at(offset, &mut SliceSource::new(bytes))
}

fn read(file: &OpenFile, offset: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0xee; count];
    let count = file.read_at(offset, &mut SliceSink::new(&mut bytes)).expect("read");
    bytes.truncate(count);
    bytes
}

#[test]
fn offsets_are_shared_and_append_goes_to_the_end() {
    let world = world();
    let file = world.open("/f", RW).expect("open");
    file.write(&mut SliceSource::new(b"hello ")).expect("write");
    file.write(&mut SliceSource::new(b"world")).expect("write");
    assert_eq!(file.offset(), 11);
    let appender = world.open("/f", RW | OpenFlags::APPEND).expect("open");
    appender.write(&mut SliceSource::new(b"!")).expect("write");
    assert_eq!(write(&appender, 0, b"?"), Ok(1));
    assert_eq!(world.get("/f").expect("get"), b"hello world!?");
    assert_eq!(file.seek(SeekFrom::End(-2)), Ok(11));
    assert_eq!(file.seek(SeekFrom::Current(-12)), Err(Errno::EINVAL));
    assert_eq!(file.seek(SeekFrom::Current(i64::MAX)), Err(Errno::EOVERFLOW));
}

#[test]
fn access_modes_are_enforced() {
    let world = world();
    world.put("/f", "x").expect("put");
    let reader = world.open("/f", OpenFlags::empty()).expect("open");
    assert_eq!(write(&reader, 0, b"y"), Err(Errno::EBADF));
    let writer = world.open("/f", OpenFlags::WRONLY).expect("open");
    assert_eq!(read_all(&writer), Err(Errno::EBADF));
    assert_eq!(world.open("/", OpenFlags::WRONLY).err(), Some(Errno::EISDIR));
    assert_eq!(world.get("/"), Err(Errno::EISDIR));
}

#[test]
fn holes_read_as_zeroes_and_are_found() {
    let world = world();
    let file = world.open("/f", RW).expect("open");
    write(&file, 100_000, b"end").expect("write");
    assert_eq!(read(&file, 99_998, 100), b"\0\0end");
    assert_eq!(file.metadata().expect("metadata").blocks, 8);
    assert_eq!(file.seek(SeekFrom::Data(0)), Ok(98_304));
    assert_eq!(file.seek(SeekFrom::Hole(99_000)), Ok(100_003));
    assert_eq!(file.seek(SeekFrom::Hole(5)), Ok(5));
    assert_eq!(file.seek(SeekFrom::Data(200_000)), Err(Errno::ENXIO));
    file.file().allocate(Allocation::PunchHole, 98_304, 4096).expect("punch");
    assert_eq!(file.metadata().expect("metadata").blocks, 0);
    assert_eq!(file.seek(SeekFrom::Data(0)), Err(Errno::ENXIO));
}

#[test]
fn what_was_cut_off_does_not_come_back() {
    let world = world();
    let file = world.open("/f", RW).expect("open");
    write(&file, 0, &[7; 10_000]).expect("write");
    file.file().truncate(5000).expect("truncate");
    file.file().truncate(10_000).expect("extend");
    let bytes = read(&file, 0, 10_000);
    assert!(bytes.iter().take(5000).all(|byte| *byte == 7) && bytes.iter().skip(5000).all(|byte| *byte == 0));
    file.file().allocate(Allocation::PunchHole, 10, 20).expect("punch");
    assert_eq!(read(&file, 8, 24), [&[7; 2][..], &[0; 20], &[7; 2]].concat());
    file.file().allocate(Allocation::PunchHole, 4000, 200).expect("punch over a page's end");
    assert_eq!(read(&file, 3999, 202), [&[7][..], &[0; 200], &[7]].concat());
}

#[test]
fn a_full_file_system_reports_enospc_and_recovers() {
    let world = world();
    let file = world.open("/f", RW).expect("open");
    let big = vec![1; 257 * 4096];
    assert_eq!(write(&file, 0, &big), Ok(256 * 4096));
    assert_eq!(write(&file, 256 * 4096, b"x"), Err(Errno::ENOSPC));
    assert_eq!(file.file().allocate(Allocation::Extend, 0, 300 * 4096), Err(Errno::ENOSPC));
    file.file().truncate(0).expect("truncate");
    assert_eq!(file.file().allocate(Allocation::KeepSize, 0, 300 * 4096), Err(Errno::ENOSPC));
    assert_eq!(file.metadata().expect("metadata").blocks, 0);
    assert_eq!(write(&file, 0, b"x"), Ok(1));
    let mut made = 0;
    while world.mkdir(&std::format!("/d{made}")).is_ok() {
        made += 1;
    }
    assert_eq!(world.mkdir("/more"), Err(Errno::ENOSPC));
    world.rmdir("/d0").expect("rmdir");
    world.mkdir("/more").expect("mkdir");
}

#[test]
fn sizes_beyond_the_limit_are_refused() {
    let world = world();
    let file = world.open("/f", RW).expect("open");
    assert_eq!(file.file().truncate(u64::MAX), Err(Errno::EFBIG));
    assert_eq!(write(&file, i64::MAX as u64, b"x"), Err(Errno::EFBIG));
    file.file().truncate(i64::MAX as u64).expect("sparse");
    assert_eq!(read(&file, i64::MAX as u64 - 3, 10), [0; 3]);
    assert_eq!(file.seek(SeekFrom::Data(0)), Err(Errno::ENXIO));
    assert_eq!(write(&file, i64::MAX as u64 - 1, b"xy"), Ok(1));
    file.file().truncate(0).expect("truncate");
}
