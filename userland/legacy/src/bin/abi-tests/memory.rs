//! Memory maps: private, shared, of files; protection, growth, holes, copy-on-write.

use std::fs;
use std::sync::atomic::Ordering;

use legacy_programs::sys::{self, Mapping};
use libc::{MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE};

use crate::{Outcome, Tests, describe, report_end};

const PAGE: usize = 4096;
const READ_WRITE: i32 = PROT_READ | PROT_WRITE;

pub const TESTS: Tests = &[
    ("fresh-pages-are-zero", fresh_pages),
    ("fork-copies-private-memory", copy_on_write),
    ("shared-memory-is-shared", shared_memory),
    ("private-file-mapping", private_file),
    ("shared-file-mapping", shared_file),
    ("mprotect", protection),
    ("mremap-keeps-contents", remap),
    ("munmap-leaves-a-hole", hole),
    ("beyond-the-end-of-a-file", beyond_end),
    ("no-execution-of-data", no_execution),
    ("reserve-much-use-little", reserve),
    ("dontneed-forgets", forget),
    ("bad-requests", bad_requests),
    ("deep-stack", deep_stack),
];

fn fresh_pages() -> Outcome {
    let memory = Mapping::anonymous(64 * PAGE, READ_WRITE, MAP_PRIVATE)?;
    println!("sum {}", (0..64 * PAGE).map(|at| u64::from(memory.read(at))).sum::<u64>());
    (0..64).for_each(|page| memory.write(page * PAGE, page as u8));
    println!("sum {}", (0..64).map(|page| u64::from(memory.read(page * PAGE))).sum::<u64>());
    Ok(())
}

fn copy_on_write() -> Outcome {
    let memory = Mapping::anonymous(32 * PAGE, READ_WRITE, MAP_PRIVATE)?;
    (0..32).for_each(|page| memory.write(page * PAGE, 1));
    let child = sys::spawn(|| {
        (0..16).for_each(|page| memory.write(page * PAGE, 2));
        (0..32).map(|page| i32::from(memory.read(page * PAGE))).sum()
    })?;
    println!("child saw {}", describe(sys::wait(child, 0)?.1));
    println!("parent sees {}", (0..32).map(|page| i32::from(memory.read(page * PAGE))).sum::<i32>());
    Ok(())
}

fn shared_memory() -> Outcome {
    let memory = Mapping::anonymous(PAGE, READ_WRITE, MAP_SHARED)?;
    let mut children = Vec::new();
    for _ in 0..4 {
        children.push(sys::spawn(|| {
            (0..1000).for_each(|_| _ = memory.atomic_u32(0).fetch_add(1, Ordering::SeqCst));
            0
        })?);
    }
    for child in children {
        sys::wait(child, 0)?;
    }
    println!("{}", memory.atomic_u32(0).load(Ordering::SeqCst));
    Ok(())
}

fn private_file() -> Outcome {
    fs::write("data", [5; 5000])?;
    let file = fs::File::open("data")?;
    let memory = Mapping::file(&file, 2 * PAGE, READ_WRITE, MAP_PRIVATE)?;
    memory.write(0, 9);
    println!("{} {} {} {}", memory.read(0), memory.read(1), memory.read(4999), memory.read(5000));
    println!("file has {}", fs::read("data")?[0]);
    Ok(())
}

fn shared_file() -> Outcome {
    fs::write("data", [5; 5000])?;
    let file = fs::OpenOptions::new().read(true).write(true).open("data")?;
    let memory = Mapping::file(&file, 2 * PAGE, READ_WRITE, MAP_SHARED)?;
    memory.write(4097, 9);
    println!("file has {}", fs::read("data")?[4097]);
    fs::write("other", [1])?;
    std::os::unix::fs::FileExt::write_at(&file, &[7], 3)?;
    println!("memory has {}", memory.read(3));
    let child = sys::spawn(|| {
        memory.write(10, 77);
        0
    })?;
    sys::wait(child, 0)?;
    println!("after the child {} {}", memory.read(10), fs::read("data")?[10]);
    Ok(())
}

fn protection() -> Outcome {
    let memory = Mapping::anonymous(3 * PAGE, READ_WRITE, MAP_PRIVATE)?;
    memory.write(PAGE, 3);
    memory.protect(PAGE, PAGE, PROT_READ)?;
    println!("readable {}", memory.read(PAGE));
    report_end("write to a read-only page", || memory.write(PAGE, 1))?;
    memory.protect(PAGE, PAGE, PROT_NONE)?;
    report_end("read of a closed page", || _ = memory.read(PAGE))?;
    memory.write(0, 1);
    memory.write(2 * PAGE, 1);
    memory.protect(0, 3 * PAGE, READ_WRITE)?;
    println!("kept {}", memory.read(PAGE));
    Ok(())
}

fn remap() -> Outcome {
    let mut memory = Mapping::anonymous(4 * PAGE, READ_WRITE, MAP_PRIVATE)?;
    (0..4).for_each(|page| memory.write(page * PAGE, page as u8 + 1));
    memory.resize(400 * PAGE)?;
    println!("{:?} then {}", [0, 1, 2, 3].map(|page| memory.read(page * PAGE)), memory.read(399 * PAGE));
    memory.resize(2 * PAGE)?;
    println!("{} {}", memory.read(0), memory.read(PAGE));
    Ok(())
}

fn hole() -> Outcome {
    let memory = Mapping::anonymous(5 * PAGE, READ_WRITE, MAP_PRIVATE)?;
    (0..5).for_each(|page| memory.write(page * PAGE, page as u8));
    memory.punch(2 * PAGE, PAGE)?;
    println!("{} {}", memory.read(PAGE), memory.read(3 * PAGE));
    report_end("the hole", || _ = memory.read(2 * PAGE))
}

fn beyond_end() -> Outcome {
    fs::write("short", [1; 10])?;
    let file = fs::File::open("short")?;
    let memory = Mapping::file(&file, 3 * PAGE, PROT_READ, MAP_PRIVATE)?;
    println!("rest of the page {}", memory.read(PAGE - 1));
    report_end("the page after", || _ = memory.read(PAGE))
}

fn no_execution() -> Outcome {
    let memory = Mapping::anonymous(PAGE, READ_WRITE, MAP_PRIVATE)?;
    memory.write(0, 0xc3);
    report_end("a data page", || legacy_programs::faults::jump_to(memory.address() as u64))?;
    memory.protect(0, PAGE, PROT_READ | PROT_EXEC)?;
    report_end("a code page", || legacy_programs::faults::jump_to(memory.address() as u64))
}

fn reserve() -> Outcome {
    let memory = Mapping::anonymous(8 << 30, PROT_NONE, MAP_PRIVATE | libc::MAP_NORESERVE)?;
    memory.protect(4 << 30, PAGE, READ_WRITE)?;
    memory.write(4 << 30, 1);
    println!("{}", memory.read(4 << 30));
    Ok(())
}

fn forget() -> Outcome {
    let memory = Mapping::anonymous(4 * PAGE, READ_WRITE, MAP_PRIVATE)?;
    memory.write(PAGE, 1);
    memory.advise(libc::MADV_DONTNEED)?;
    println!("{}", memory.read(PAGE));
    Ok(())
}

fn bad_requests() -> Outcome {
    let call = |number: i64, arguments| sys::raw_call(number as u64, arguments);
    println!("empty {}", call(libc::SYS_mmap, [0, 0, 3, 0x22, u64::MAX, 0]));
    println!("unaligned fixed {}", call(libc::SYS_mmap, [0x1001, 4096, 3, 0x32, u64::MAX, 0]));
    println!("no kind {}", call(libc::SYS_mmap, [0, 4096, 3, 0x20, u64::MAX, 0]));
    println!("bad descriptor {}", call(libc::SYS_mmap, [0, 4096, 3, 2, 999, 0]));
    println!("enormous {}", call(libc::SYS_mmap, [0, 1 << 60, 3, 0x22, u64::MAX, 0]));
    println!("fixed in the kernel {}", call(libc::SYS_mmap, [0xffff_8000_0000_0000, 4096, 3, 0x32, u64::MAX, 0]));
    println!("unaligned munmap {}", call(libc::SYS_munmap, [0x1001, 4096, 0, 0, 0, 0]));
    println!("munmap of nothing {}", call(libc::SYS_munmap, [0x10_0000, 4096, 0, 0, 0, 0]));
    println!("mprotect of nothing {}", call(libc::SYS_mprotect, [0x10_0000, 4096, 1, 0, 0, 0]));
    println!("mremap of nothing {}", call(libc::SYS_mremap, [0x10_0000, 4096, 8192, 1, 0, 0]));
    println!("brk keeps {}", call(libc::SYS_brk, [1, 0, 0, 0, 0, 0]) == call(libc::SYS_brk, [0; 6]));
    Ok(())
}

fn deep_stack() -> Outcome {
    fn sum(depth: u64) -> u64 {
        let frame = std::hint::black_box([depth; 100]);
        if depth == 0 { frame[99] } else { sum(depth - 1) + frame[0] }
    }
    println!("{}", sum(5000));
    Ok(())
}
