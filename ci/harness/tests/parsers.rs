//! Damaged input for every parser of untrusted bytes: whatever the bytes, the answer is a value or an error.
//!
//! Each target starts from a good input and is given it with bytes changed, cut, doubled or put in. A failure prints the
//! smallest damage that shows it; `PROPTEST_CASES` sets how many are tried.

use std::io::Read;
use std::sync::Arc;

use elf_loader::{ImageFile, Program};
use interfaces::host_channel::{HEADER_BYTES, Header};
use linux_abi::{Errno, Result};
use proptest::prelude::*;
use vfs::FileSystem;

/// One damage to the input, at a place given as a fraction of its length.
#[derive(Clone, Debug)]
enum Damage {
    Set(u16, u8),
    Word(u16, u64),
    Cut(u16),
    Insert(u16, Vec<u8>),
    Double(u16, u8),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let word = prop_oneof![Just(0), Just(u64::MAX), Just(1 << 63), Just(1 << 47), Just(0xfff), any::<u64>()];
    let one = prop_oneof![
        4 => (any::<u16>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        4 => (any::<u16>(), word).prop_map(|(at, word)| Damage::Word(at, word)),
        1 => any::<u16>().prop_map(Damage::Cut),
        1 => (any::<u16>(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => (any::<u16>(), any::<u8>()).prop_map(|(at, length)| Damage::Double(at, length)),
    ];
    prop::collection::vec(one, 1..6)
}

/// Applies the damage. Places crowd into the first `head` bytes, where formats keep their structure.
fn damage(good: &[u8], head: usize, damages: &[Damage]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for one in damages {
        let place = |at: u16| if bytes.is_empty() { 0 } else { usize::from(at) % bytes.len().min(head) };
        match one {
            Damage::Set(at, byte) => {
                let at = place(*at);
                bytes.get_mut(at).into_iter().for_each(|place| *place = *byte);
            }
            Damage::Word(at, word) => {
                let at = place(*at) & !7;
                bytes.iter_mut().skip(at).zip(word.to_le_bytes()).for_each(|(place, byte)| *place = byte);
            }
            Damage::Cut(at) => bytes.truncate(place(*at)),
            Damage::Insert(at, more) => {
                let at = place(*at);
                bytes.splice(at..at, more.iter().copied());
            }
            Damage::Double(at, length) => {
                let at = place(*at);
                let end = (at + usize::from(*length)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

struct Bytes(Vec<u8>);

impl ImageFile for Bytes {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn object(&self) -> Result<Arc<mm::MappedObject>> {
        Err(Errno::ENODEV)
    }
}

/// The start of this test's own executable.
fn good_elf() -> Vec<u8> {
    let mut start = Vec::new();
    let file = std::env::current_exe().and_then(std::fs::File::open).expect("a program can read itself");
    file.take(8192).read_to_end(&mut start).expect("a program can read itself");
    start
}

fn good_cpio() -> Vec<u8> {
    let mut writer = reference::cpio::Writer::new(Vec::new());
    let written = writer
        .folder("etc")
        .and_then(|()| writer.file("etc/passwd", 0o644, b"root:x:0:0::/:/bin/sh\n"))
        .and_then(|()| writer.character_device("console", 5, 1));
    written.and_then(|()| writer.finish()).expect("memory takes all")
}

fn default_manifest() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../images/systems/default.toml");
    std::fs::read_to_string(path).expect("the default system is part of the tree")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_program_of_damaged_elf(damages in damages()) {
        let file = Bytes(damage(&good_elf(), 1024, &damages));
        if let Ok(program) = Program::parse(&file) {
            let (start, end) = program.extent();
            prop_assert!(start <= end);
        }
    }

    #[test]
    fn a_kernel_of_damaged_elf(damages in damages()) {
        let bytes = damage(&good_elf(), 1024, &damages);
        if let Ok(kernel) = loader_core::elf::KernelElf::parse(&bytes) {
            let _ = kernel.section(".bootloader-config");
        }
    }

    #[test]
    fn a_damaged_initial_root(damages in damages()) {
        let volume = tmpfs::Tmpfs::new(tmpfs::Options::for_ram()).expect("there is room for a root");
        let _ = tmpfs::cpio::unpack(&volume.root(), &damage(&good_cpio(), 4096, &damages));
    }

    #[test]
    fn a_damaged_frame_header(bytes in any::<[u8; HEADER_BYTES]>()) {
        if let Ok(header) = Header::from_bytes(&bytes) {
            prop_assert_eq!(header.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_damaged_compiled_manifest(damages in damages()) {
        let good = manifest::text::parse(&default_manifest()).expect("the default system is right");
        let _ = manifest::Manifest::decode(&damage(&good.encode().expect("it has a binary form"), 4096, &damages));
    }

    #[test]
    fn a_damaged_manifest_text(damages in damages()) {
        let bytes = damage(default_manifest().as_bytes(), 16384, &damages);
        let _ = manifest::text::parse(&String::from_utf8_lossy(&bytes));
    }
}
