//! ELF files: programs that the personality starts, and the kernel that the loader starts.

use elf_loader::Program;

use crate::{Answer, Target};

/// What execve(2) is given.
pub const PROGRAM: Target =
    Target { name: "elf-program", good: || file(0x40_0000), head: 1024, inputs: 20_000, run: program };
/// What the loader finds in the boot archive.
pub const KERNEL: Target = Target {
    name: "elf-kernel",
    good: || file(loader_core::elf::KERNEL_BASE),
    head: 1024,
    inputs: 20_000,
    run: kernel,
};

/// A static program at `base`: code, data and zeros, a stack without code, and sections; all that is read is in the first KiB.
fn file(base: u64) -> Vec<u8> {
    let mut file = vec![0; 0x2100];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    // Type and machine, version; entry point, tables of segments and sections; flags and sizes.
    [2_u16, 62, 1, 0].iter().enumerate().for_each(|(index, half)| put(16 + 2 * index, &half.to_le_bytes()));
    [base + 0x1000, 64, 0x200].iter().enumerate().for_each(|(index, word)| put(24 + 8 * index, &word.to_le_bytes()));
    [64_u16, 56, 3, 64, 3, 2].iter().enumerate().for_each(|(index, half)| put(52 + 2 * index, &half.to_le_bytes()));
    let segments =
        [(1_u32, 5_u32, 0x1000_u64, 0x100_u64, 0x100_u64), (1, 6, 0x2000, 0x100, 0x2001), (0x6474_e551, 6, 0, 0, 0)];
    for (index, (kind, flags, at, in_file, in_memory)) in segments.into_iter().enumerate() {
        let header = 64 + 56 * index;
        put(header, &kind.to_le_bytes());
        put(header + 4, &flags.to_le_bytes());
        let words = [at, base + at, base + at, in_file, in_memory, 0x1000];
        words.iter().enumerate().for_each(|(index, word)| put(header + 8 + 8 * index, &word.to_le_bytes()));
    }
    let names = b"\0.bootloader-config\0.shstrtab\0";
    put(0x300, names);
    // Name, then offset and bytes.
    for (index, (name, at, bytes)) in
        [(0_u32, 0_u64, 0_u64), (1, 0x1010, 0x40), (20, 0x300, names.len() as u64)].into_iter().enumerate()
    {
        let header = 0x200 + 64 * index;
        put(header, &name.to_le_bytes());
        put(header + 24, &at.to_le_bytes());
        put(header + 32, &bytes.to_le_bytes());
    }
    file
}

fn program(bytes: &[u8]) -> Answer {
    let Ok(program) = Program::parse(&bytes) else { return Answer::Refused };
    let (start, end) = program.extent();
    assert!(start <= end, "the program ends before it starts");
    Answer::Understood
}

fn kernel(bytes: &[u8]) -> Answer {
    let kernel = loader_core::elf::KernelElf::parse(bytes);
    Answer::of(kernel.and_then(|kernel| kernel.section(".bootloader-config").map(drop)))
}
