//! What the root task decides before it asks the kernel for anything.

use manifest::{DeviceFault, Manifest, Placement, Ram, Restart, Service, Space, Start, Task};
use root_task::archive::{Archive, PlacedSegment, Program};
use root_task::boot_options;
use root_task::budget;
use root_task::fault::{Fault, stack_trace};
use root_task::plan::{self, Content, Life, Piece};
use ukernel_abi::boot::{KIND_DATA, KIND_PROGRAM, MAGIC};
use ukernel_abi::{MASTER_START, Rights, fault};

const PAGE: u64 = 4096;

fn put(bytes: &mut [u8], at: usize, words: &[u64]) {
    for (index, word) in words.iter().enumerate() {
        bytes[at + index * 8..at + index * 8 + 8].copy_from_slice(&word.to_le_bytes());
    }
}

/// An archive with the program "p" (one page of code, one and a bit of data) and the data "d".
fn archive() -> Vec<u8> {
    let mut bytes = vec![0; 5 * PAGE as usize];
    bytes[..8].copy_from_slice(&MAGIC);
    put(&mut bytes, 8, &[5 * PAGE, 2, 0]);
    bytes[32] = b'p';
    put(&mut bytes, 32 + 48, &[KIND_PROGRAM, PAGE, 2 * PAGE, 0x40_0010, 2]);
    put(&mut bytes, 32 + 88, &[0x40_0000, PAGE, PAGE, PAGE, 1 | 8]);
    put(&mut bytes, 32 + 128, &[0x40_2000, 2 * PAGE, 100, PAGE + 1, 1 | 2]);
    bytes[544] = b'd';
    put(&mut bytes, 544 + 48, &[KIND_DATA, 4 * PAGE, 5]);
    bytes[4 * PAGE as usize..4 * PAGE as usize + 5].copy_from_slice(b"hello");
    bytes
}

fn task(space: Space) -> Task {
    Task {
        name: "t".into(),
        program: "p".into(),
        space,
        priority: 5,
        time: None,
        fpu: false,
        heap_bytes: 16 * PAGE,
        stack_bytes: 2 * PAGE,
        untyped_bytes: PAGE,
        slot_bits: 8,
        essential: false,
        restart: Restart::Never,
        start: Start::Boot,
        log: false,
        irq_control: false,
        trace: false,
        device_fault: DeviceFault::Note,
        boot_options: true,
        serves: vec![],
        calls: vec![],
        ports: vec![],
        irqs: vec![],
        devices: vec![],
        data: vec![],
        ram: Ram::None,
        options: vec![("a".into(), "1".into())],
    }
}

#[test]
fn an_archive_is_read() {
    let bytes = archive();
    let archive = Archive::parse(&bytes).expect("well-formed");
    assert_eq!(archive.contents("d"), Some(&b"hello"[..]));
    assert_eq!(archive.program("d"), None);
    assert_eq!(archive.data("p"), None);
    let program = archive.program("p").expect("it is there");
    assert_eq!(program.entry_point, 0x40_0010);
    assert_eq!(program.segments[1].pages, 2);
    assert_eq!(archive.segment(&program.segments[1]).map(<[u8]>::len), Some(100));
}

#[test]
fn bad_archives_are_refused() {
    let good = archive();
    let broken = |at: usize, word: u64| {
        let mut bytes = good.clone();
        put(&mut bytes, at, &[word]);
        Archive::parse(&bytes).map(|_| ()).expect_err("it is broken").0
    };
    assert_eq!(broken(0, 0), "no magic number");
    assert_eq!(broken(8, 6 * PAGE), "longer than its memory");
    assert_eq!(broken(16, u64::MAX), "too many entries");
    assert_eq!(broken(32 + 48, 3), "an entry is of unknown kind");
    assert_eq!(broken(32 + 56, PAGE + 1), "data is outside the archive");
    assert_eq!(broken(32 + 64, u64::MAX), "data is outside the archive");
    assert_eq!(broken(32 + 80, 7), "a program has no segments, or too many");
    assert_eq!(broken(32 + 88, u64::MAX - 4095), "a segment is too long");
    assert_eq!(broken(32 + 88, 1), "a segment is not in pages or outside the archive");
    assert_eq!(broken(32 + 120, 2 | 8 | 1), "a segment's rights are not allowed");
    assert_eq!(broken(32 + 128, 0x40_0000), "segments overlap");
    for cut in 0..1200 {
        let _ = Archive::parse(&good[..cut]);
    }
}

#[test]
fn a_task_is_laid_out_without_overlap() {
    let bytes = archive();
    let archive = Archive::parse(&bytes).expect("well-formed");
    let layout = plan::lay_out(&task(Space::Ordinary), archive.program("p").expect("it is there")).expect("it fits");
    let first =
        Piece { address: 0x40_0000, pages: 1, rights: Rights::READ.or(Rights::EXECUTE), content: Content::Archive(1) };
    assert_eq!(layout.pieces[0], first, "what nobody writes stays in the archive");
    assert!(matches!(layout.pieces[1].content, Content::Copy(_)));
    let mut ranges: Vec<_> =
        layout.pieces.iter().map(|piece| (piece.address, piece.address + piece.pages * PAGE)).collect();
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
    assert_eq!(layout.stack_high() - layout.stack_low, 2 * PAGE);
}

#[test]
fn programs_must_be_in_their_place() {
    let segment = |address| PlacedSegment {
        address,
        offset: PAGE,
        file_bytes: 1,
        pages: 1,
        rights: Rights::READ.or(Rights::EXECUTE),
    };
    let program = |address, entry_point| Program { entry_point, segments: vec![segment(address)] };
    let master = MASTER_START + 0x4000_0000;
    assert!(plan::lay_out(&task(Space::Master), &program(master, master)).is_ok());
    assert!(plan::lay_out(&task(Space::Ordinary), &program(master, master)).is_err());
    assert!(plan::lay_out(&task(Space::Master), &program(0x40_0000, 0x40_0000)).is_err());
    assert!(plan::lay_out(&task(Space::Ordinary), &program(0x40_0000, 0x40_1000)).is_err(), "starts outside itself");
}

#[test]
fn boot_options_come_after_the_manifests() {
    let mut task = task(Space::Ordinary);
    assert_eq!(plan::options(&task, "a=2\n", Life::First), "a=1\na=2\n");
    task.boot_options = false;
    assert_eq!(plan::options(&task, "a=2\n", Life::First), "a=1\n");
    assert_eq!(plan::option("a=2\nb\na=3\n", "a"), Some("3"));
    assert_eq!(plan::option("a=2\nb\n", "b"), None);
}

#[test]
fn an_option_may_be_for_the_first_life_alone() {
    let task = task(Space::Ordinary);
    assert_eq!(plan::options(&task, "b=2\nonce.c=3\nd=4\n", Life::First), "a=1\nb=2\nc=3\nd=4\n");
    assert_eq!(plan::options(&task, "b=2\nonce.c=3\nd=4\n", Life::Later), "a=1\nb=2\nd=4\n");
}

#[test]
fn the_rest_of_memory_is_carved_at_large_pages() {
    const LARGE: u64 = 2 << 20;
    assert_eq!(plan::carve(LARGE - 2 * PAGE, 3 * LARGE), vec![2 * PAGE, 2 * LARGE, LARGE - 2 * PAGE]);
    assert_eq!(plan::carve(0, 2 * LARGE), vec![2 * LARGE]);
    assert_eq!(plan::carve(10, 3 * PAGE), vec![2 * PAGE]);
    assert_eq!(plan::carve(PAGE, LARGE), vec![LARGE], "no whole large page");
    assert_eq!(plan::carve(5, 10), vec![]);
    assert_eq!(plan::carve(u64::MAX - 10, u64::MAX), vec![]);
}

#[test]
fn a_fault_is_described() {
    let words = [14, 6, 0xdead_b000, 0x40_1234, 0x7000, 0x7010];
    let fault = Fault::from_message(fault::LABEL, &words).expect("it is one");
    assert_eq!(
        fault.describe("serial"),
        "[serial] fault: vector 14 (page fault) error 0x6 address 0xdeadb000 ip 0x401234 sp 0x7000"
    );
    assert_eq!(Fault::from_message(1, &words), None);
    assert_eq!(Fault::from_message(fault::LABEL, &words[..5]), None);
}

#[test]
fn a_stack_trace_stays_on_the_stack_and_ends() {
    let mut stack = vec![0; 64];
    put(&mut stack, 0, &[0x1020, 0xaaa, 0, 0, 0x1030, 0xbbb, 0, 0]);
    assert_eq!(stack_trace(&stack, 0x1000, 0x1000), vec![0xaaa, 0xbbb]);
    assert_eq!(stack_trace(&stack, 0x1000, 0xfff), vec![]);
    assert_eq!(stack_trace(&stack, 0x1000, u64::MAX), vec![]);
    put(&mut stack, 0, &[0x1000]);
    assert_eq!(stack_trace(&stack, 0x1000, 0x1000), vec![0xaaa], "a loop ends");
}

#[test]
fn a_nest_holds_what_is_carved_from_it() {
    let bytes = archive();
    let archive = Archive::parse(&bytes).expect("well-formed");
    let mut task = task(Space::Ordinary);
    let nest = |task: &Task| {
        let layout = plan::lay_out(task, archive.program("p").expect("it is there")).expect("it fits");
        (budget::nest_bytes(task, &layout), budget::tables(&layout))
    };
    let (small, tables) = nest(&task);
    // CapTable, tables, a copied segment, options, thread, stack, heap, untyped, and less than two pages of small objects.
    let pages = 5 + tables + 2 + 4 + 2 + 2 + 16 + 1;
    assert!((pages..pages + 2).contains(&(small / PAGE)), "{small}");
    task.ram = Ram::Bytes(3 << 20);
    let (large, _) = nest(&task);
    assert_eq!(large, (2 << 20) + (3 << 20), "large memory starts at a large page");
    task.heap_bytes = 5 << 20;
    let (larger, _) = nest(&task);
    assert!(larger > large + (5 << 20) && larger.is_multiple_of(PAGE));
}

#[test]
fn large_heaps_come_in_pieces_without_a_gap() {
    let bytes = archive();
    let archive = Archive::parse(&bytes).expect("well-formed");
    let mut task = task(Space::Ordinary);
    task.heap_bytes = (5 << 20) + PAGE;
    let layout = plan::lay_out(&task, archive.program("p").expect("it is there")).expect("it fits");
    let heap: Vec<_> = layout.pieces.iter().filter(|piece| piece.content == Content::Zero).collect();
    assert_eq!(heap.iter().map(|piece| piece.pages).collect::<Vec<_>>(), [512, 512, 257]);
    assert!(heap.windows(2).all(|pair| pair[0].address + pair[0].pages * PAGE == pair[1].address));
}

#[test]
fn the_boot_may_change_what_the_manifest_says() {
    let service =
        Service { name: "disk".into(), native: "driver".into(), inside: "t".into(), placement: Placement::Personality };
    let named = |name: &str, start| Task { name: name.into(), start, ..task(Space::Ordinary) };
    let tasks = vec![task(Space::Master), named("driver", Start::Demand), named("clock", Start::Demand)];
    let system = Manifest { tasks, services: vec![service] };
    let with = |options: &str| {
        let mut changed = system.clone();
        boot_options::apply(&mut changed, options).map(|()| changed)
    };
    assert_eq!(with("mode=exec\non-personality-crash=halt\nplace=\nstart=\n"), Ok(system.clone()));
    let changed = with("on-personality-crash=restart\nplace=all:native\nstart=clock\n").expect("sound");
    assert_eq!(changed.tasks[0].restart, Restart::Always);
    assert_eq!(changed.tasks[1].restart, Restart::Never);
    assert_eq!(changed.services[0].placement, Placement::Native);
    assert_eq!(changed.tasks[2].start, Start::Boot);
    assert_eq!(boot_options::kills(&system, "kill=clock:5,t:1000\n"), Ok(vec![(5_000_000, 2), (1_000_000_000, 0)]));
    assert_eq!(boot_options::kills(&system, "mode=exec\n"), Ok(vec![]));
    for bad in ["kill=clock\n", "kill=nobody:3\n", "kill=t:soon\n", "kill=t:99999999999999999\n"] {
        assert!(boot_options::kills(&system, bad).is_err(), "{bad}");
    }
    for bad in ["on-personality-crash=cry\n", "place=disk:moon\n", "start=nobody\n", "start=driver\n"] {
        assert!(with(bad).is_err(), "{bad}");
    }
}
