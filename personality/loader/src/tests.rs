//! Tests of preparing and loading; hostile files.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use linux_abi::Errno;
use linux_abi::raw::auxvec;
use mm::{Access, AddressSpace, Limits, Protection};
use proptest::prelude::*;

use crate::test_files::{Bytes, Directory, Header, elf};
use crate::*;

const LOAD: u32 = 1;
const INTERP: u32 = 3;
const BASE: u64 = 0x40_0000;

fn text() -> Header {
    Header { kind: LOAD, flags: 5, offset: 0, address: BASE, file_bytes: 0x1800, memory_bytes: 0x1800 }
}

fn data() -> Header {
    Header { kind: LOAD, flags: 6, offset: 0x1800, address: BASE + 0x2800, file_bytes: 0x100, memory_bytes: 0x2000 }
}

/// A static program whose data is followed by other bytes of the file.
fn static_program() -> Bytes {
    elf(2, BASE + 0x1000, &[text(), data()], 0x2000, &[(0x1800, &[7; 0x800])])
}

fn space() -> Arc<AddressSpace> {
    AddressSpace::new(Limits::default()).expect("memory")
}

fn contents(environment: &[Vec<u8>]) -> StackContents<'_> {
    let identity = Identity { uid: 1000, ..Identity::default() };
    StackContents { environment, identity, random: [9; 16], stack_limit: 8 << 20, vdso: 0 }
}

fn start(file: Bytes, files: &mut Directory, arguments: &[&[u8]]) -> linux_abi::Result<(Arc<AddressSpace>, Entry)> {
    let arguments = arguments.iter().map(|argument| argument.to_vec()).collect();
    let prepared = prepare(files, b"/program", file, arguments)?;
    let space = space();
    let environment = vec![b"A=1".to_vec(), b"B=2".to_vec()];
    let entry = load(&space, &prepared, &contents(&environment))?;
    Ok((space, entry))
}

fn word(space: &AddressSpace, addr: u64) -> u64 {
    let mut bytes = [0; 8];
    assert_eq!(space.read(addr, &mut bytes), 8);
    u64::from_le_bytes(bytes)
}

fn string(space: &AddressSpace, addr: u64) -> Vec<u8> {
    let mut bytes = [0; 64];
    let count = space.read(addr, &mut bytes);
    bytes[..count].split(|&byte| byte == 0).next().expect("one part at least").to_vec()
}

type Strings = Vec<Vec<u8>>;

/// The words of the stack: arguments, environment, auxiliary vector.
fn read_stack(space: &AddressSpace, pointer: u64) -> (Strings, Strings, Vec<(u64, u64)>) {
    let count = word(space, pointer);
    let mut at = pointer + 8;
    let mut next = || {
        at += 8;
        word(space, at - 8)
    };
    let arguments = (0..count).map(|_| string(space, next())).collect();
    assert_eq!(next(), 0);
    let environment = core::iter::from_fn(|| Some(next()).filter(|&addr| addr != 0));
    let environment = environment.map(|addr| string(space, addr)).collect();
    let mut auxiliary = Vec::new();
    loop {
        let pair = (next(), next());
        auxiliary.push(pair);
        if pair.0 == 0 {
            return (arguments, environment, auxiliary);
        }
    }
}

#[test]
fn a_static_program_is_loaded_with_its_bss_zeroed() {
    let (space, entry) = start(static_program(), &mut Directory::default(), &[b"program", b"x"]).expect("valid");
    assert_eq!(entry.instruction.0, BASE + 0x1000);
    assert_eq!(word(&space, BASE + 0x2800), 0x0707_0707_0707_0707);
    assert_eq!(word(&space, BASE + 0x2900), 0, "the file's other bytes are not seen");
    assert_eq!(word(&space, BASE + 0x4000), 0);
    assert!(space.handle_fault(BASE, Access::Write).is_err());
    assert!(space.handle_fault(BASE + 0x2800, Access::Execute).is_err());
    assert_eq!(space.set_brk(0), BASE + 0x5000);
}

#[test]
fn the_stack_is_as_the_abi_says() {
    let (space, entry) = start(static_program(), &mut Directory::default(), &[b"program", b"", b"x"]).expect("valid");
    assert_eq!(entry.stack.0 % 16, 0);
    let (arguments, environment, auxiliary) = read_stack(&space, entry.stack.0);
    assert_eq!(arguments, [&b"program"[..], b"", b"x"]);
    assert_eq!(environment, [b"A=1", b"B=2"]);
    let find = |kind: u32| auxiliary.iter().find(|pair| pair.0 == u64::from(kind)).map(|pair| pair.1);
    assert_eq!(find(auxvec::AT_PHDR), Some(BASE + 64));
    assert_eq!(find(auxvec::AT_PHNUM), Some(2));
    assert_eq!(find(auxvec::AT_ENTRY), Some(BASE + 0x1000));
    assert_eq!(find(auxvec::AT_UID), Some(1000));
    assert_eq!(find(auxvec::AT_BASE), Some(0));
    assert_eq!(word(&space, find(auxvec::AT_RANDOM).expect("given")), 0x0909_0909_0909_0909);
    assert_eq!(string(&space, find(auxvec::AT_EXECFN).expect("given")), b"/program");
    assert_eq!(string(&space, find(auxvec::AT_PLATFORM).expect("given")), b"x86_64");
    let regions = space.regions();
    assert_eq!(regions.arg_end - regions.arg_start, 8 + 1 + 2);
    assert_eq!(regions.env_end - regions.env_start, 8);
    assert_eq!(string(&space, regions.arg_start), b"program");
}

#[test]
fn a_dynamic_program_starts_in_its_interpreter() {
    let interp = Header { kind: INTERP, flags: 4, offset: 0x1000, address: 0x1000, file_bytes: 7, memory_bytes: 7 };
    let relocatable = Header { address: 0, ..text() };
    let program = elf(3, 0x1234, &[interp, relocatable], 0x2000, &[(0x1000, b"/ld.so\0")]);
    let mut files = Directory::default();
    assert_eq!(start(program.clone(), &mut files, &[b"p"]).err(), Some(Errno::ENOENT));
    files.0.insert(b"/ld.so".to_vec(), elf(3, 0x99, &[relocatable], 0x2000, &[]));
    let (space, entry) = start(program, &mut files, &[b"p"]).expect("valid");
    let (_, _, auxiliary) = read_stack(&space, entry.stack.0);
    let find = |kind: u32| auxiliary.iter().find(|pair| pair.0 == u64::from(kind)).map(|pair| pair.1);
    let base = find(auxvec::AT_BASE).expect("given");
    assert_eq!(entry.instruction.0, base + 0x99);
    assert_eq!(find(auxvec::AT_ENTRY), Some(0x5555_5555_4000 + 0x1234));
    assert_eq!(find(auxvec::AT_PHDR), Some(0x5555_5555_4000 + 64));
    files.0.insert(b"/ld.so".to_vec(), Bytes::new(b"garbage"));
    let program = elf(3, 0x1234, &[interp, relocatable], 0x2000, &[(0x1000, b"/ld.so\0")]);
    assert_eq!(start(program, &mut files, &[b"p"]).err(), Some(Errno::ELIBBAD));
}

#[test]
fn scripts_name_their_interpreter_and_nest_to_a_depth() {
    let mut files = Directory::default();
    files.0.insert(b"/bin/sh".to_vec(), static_program());
    let script = Bytes::new(b"#!/bin/sh -e x\ntrue\n");
    let (space, entry) = start(script.clone(), &mut files, &[b"name", b"arg"]).expect("valid");
    let (arguments, ..) = read_stack(&space, entry.stack.0);
    assert_eq!(arguments, [&b"/bin/sh"[..], b"-e x", b"/program", b"arg"]);
    files.0.insert(b"/loop".to_vec(), Bytes::new(b"#!/loop\n"));
    assert_eq!(start(Bytes::new(b"#!/loop\n"), &mut files, &[]).err(), Some(Errno::ELOOP));
    assert_eq!(start(Bytes::new(b"echo hi\n"), &mut files, &[]).err(), Some(Errno::ENOEXEC));
    assert_eq!(start(Bytes::new(b""), &mut files, &[]).err(), Some(Errno::ENOEXEC));
}

#[test]
fn hostile_headers_are_refused() {
    let refused = |headers: &[Header]| start(elf(2, 0, headers, 0x2000, &[]), &mut Directory::default(), &[]).err();
    assert_eq!(refused(&[]), Some(Errno::ENOEXEC));
    assert_eq!(refused(&[Header { offset: 0x1000, ..text() }]), Some(Errno::ENOEXEC), "past the file's end");
    assert_eq!(refused(&[Header { offset: u64::MAX, ..text() }]), Some(Errno::ENOEXEC));
    assert_eq!(refused(&[Header { offset: 1, ..text() }]), Some(Errno::EINVAL), "not congruent");
    assert_eq!(refused(&[Header { memory_bytes: 1, ..text() }]), Some(Errno::EINVAL));
    assert_eq!(refused(&[Header { memory_bytes: u64::MAX, ..text() }]), Some(Errno::EINVAL));
    assert_eq!(refused(&[Header { memory_bytes: 1 << 46, ..text() }, data()]), Some(Errno::EINVAL), "overlap");
    assert_eq!(refused(&[Header { memory_bytes: 1 << 46, flags: 6, ..text() }]), Some(Errno::ENOMEM));
    assert_eq!(refused(&[data(), text()]), Some(Errno::EINVAL), "descending");
    assert_eq!(refused(&[Header { address: 0, ..text() }]), Some(Errno::EPERM));
    assert_eq!(refused(&[Header { address: 0x7fff_ffff_d000, ..text() }]), Some(Errno::ENOMEM), "the stack's place");
    assert_eq!(refused(&[Header { kind: INTERP, file_bytes: 1, ..text() }, text()]), Some(Errno::ENOEXEC));
    let mut other_machine = (*static_program().0).clone();
    other_machine[18] = 183;
    assert_eq!(start(Bytes::new(&other_machine), &mut Directory::default(), &[]).err(), Some(Errno::ENOEXEC));
}

#[test]
fn arguments_have_a_limit() {
    let long: &[u8] = &[b'x'; MAX_STRING_BYTES];
    let mut files = Directory::default();
    assert_eq!(start(static_program(), &mut files, &[long]).err(), Some(Errno::E2BIG));
    assert!(start(static_program(), &mut files, &[&long[1..]]).is_ok());
    let many: Vec<&[u8]> = vec![&long[1..]; 17];
    assert_eq!(start(static_program(), &mut files, &many).err(), Some(Errno::E2BIG));
    assert!(start(static_program(), &mut files, &many[..15]).is_ok());
    assert_eq!(check_argument_bytes(usize::MAX, usize::MAX, 0), Err(Errno::E2BIG));
}

#[test]
fn a_real_program_is_loaded() {
    // Any program of the machine that runs the test does: itself.
    let path = std::env::current_exe().expect("known");
    let file = Bytes::new(&std::fs::read(path).expect("readable"));
    let program = Program::parse(&file).expect("it runs");
    assert!(program.segments.iter().any(|segment| segment.protection.contains(Protection::EXECUTE)));
    assert!(program.interpreter.is_some());
}

/// A file that starts as a valid program and has some bytes changed.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let interesting = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        any::<u64>().prop_map(|word| word.to_le_bytes().to_vec()),
        (0..64u32).prop_map(|bit| (1u64 << bit).wrapping_sub(1).to_le_bytes().to_vec()),
    ];
    (prop::collection::vec((0..0x100usize, interesting), 0..8), 0..0x2100usize).prop_map(|(changes, length)| {
        let mut file = (*static_program().0).clone();
        for (at, bytes) in changes {
            file[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        file.truncate(length.max(0x20));
        file
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn no_file_brings_the_loader_down(file in mutated()) {
        // Whatever the outcome, it is a result.
        let _ = start(Bytes::new(&file), &mut Directory::default(), &[b"program"]);
    }

    #[test]
    fn no_script_brings_the_loader_down(line in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut script = b"#!".to_vec();
        script.extend(line);
        let _ = start(Bytes::new(&script), &mut Directory::default(), &[]);
    }
}
