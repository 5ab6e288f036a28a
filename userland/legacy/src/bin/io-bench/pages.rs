//! Contents of files: in order and scattered, from the disk and from memory, with and without waiting for the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use legacy_programs::random::Random;

use crate::{FILE_BYTES, Outcome, row};

const PAGE: u64 = 4096;
const PAGES: u64 = FILE_BYTES / PAGE;
/// Bytes of one read(2) or write(2) in order.
const CHUNK: usize = 64 << 10;
/// Scattered pages that are read from the disk or written.
const SCATTERED: usize = 1000;
/// Scattered pages that are read from memory.
const CACHED: usize = 8000;
/// Times that a file is read, or a part of it written, where that stays in memory.
const ROUNDS: u64 = 4;
/// Bytes of the part that is written again and again.
const PART: usize = 1 << 20;
const APPENDED: u64 = 50;

pub(crate) fn measure(folder: &Path) -> Outcome {
    let (stream, scattered) = (File::open(folder.join("stream"))?, update(&folder.join("scattered"))?);
    row("read, cold", PAGES, || read_through(&stream))?;
    row("read, cached", PAGES * ROUNDS, || (0..ROUNDS).try_for_each(|_| read_through(&stream)))?;
    row("read at random, cold", SCATTERED as u64, || read_scattered(&scattered, &order(1, SCATTERED)))?;
    row("read at random, cached", CACHED as u64, || read_scattered(&stream, &order(2, CACHED)))?;
    let file = folder.join("written");
    row("write, fsync", PAGES, || write_through(&File::create(&file)?))?;
    row("write again, fsync", PAGES, || write_through(&update(&file)?))?;
    row("write, cached", ROUNDS * PART as u64 / PAGE, || write_part(&file))?;
    row("write at random, fsync", SCATTERED as u64, || write_scattered(&scattered, &order(3, SCATTERED)))?;
    row("append 4 KiB, fsync each", APPENDED, || append(&folder.join("appended")))
}

fn update(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// `count` pages in a random order; none comes twice before all have come once.
fn order(seed: u64, count: usize) -> Vec<u64> {
    let mut random = Random::new(seed);
    let mut pages = Vec::new();
    while pages.len() < count {
        let mut all: Vec<u64> = (0..PAGES).collect();
        for left in (1..all.len()).rev() {
            all.swap(left, random.below(left as u64 + 1) as usize);
        }
        pages.extend(all);
    }
    pages.truncate(count);
    pages
}

fn read_through(mut file: &File) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    io::Seek::rewind(&mut file)?;
    let mut bytes = 0;
    loop {
        match file.read(&mut chunk)? {
            0 if bytes == FILE_BYTES => return Ok(()),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes += count as u64,
        }
    }
}

fn read_scattered(file: &File, pages: &[u64]) -> io::Result<()> {
    let mut page = [0; PAGE as usize];
    pages.iter().try_for_each(|index| file.read_exact_at(&mut page, index * PAGE))
}

fn write_through(mut file: &File) -> io::Result<()> {
    let chunk = vec![b'w'; CHUNK];
    for _ in 0..FILE_BYTES / CHUNK as u64 {
        file.write_all(&chunk)?;
    }
    file.sync_all()
}

/// Writes into memory alone: what is written is not waited for.
fn write_part(path: &Path) -> io::Result<()> {
    let file = update(path)?;
    let chunk = vec![b'p'; CHUNK];
    for _ in 0..ROUNDS {
        for at in (0..PART).step_by(CHUNK) {
            file.write_all_at(&chunk, at as u64)?;
        }
    }
    Ok(())
}

fn write_scattered(file: &File, pages: &[u64]) -> io::Result<()> {
    let page = [b's'; PAGE as usize];
    pages.iter().try_for_each(|index| file.write_all_at(&page, index * PAGE))?;
    file.sync_all()
}

fn append(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let page = [b'a'; PAGE as usize];
    for _ in 0..APPENDED {
        file.write_all(&page)?;
        file.sync_all()?;
    }
    Ok(())
}
