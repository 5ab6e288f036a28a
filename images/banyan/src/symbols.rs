//! Names for the raw addresses in a log.
//!
//! Our programs log their stack traces as `[program] ... at 0xADDRESS`, one frame a line, since they carry no tables of
//! their own. Here the addresses are looked up in the ELF file's line tables.

use crate::progress;
use addr2line::Loader;
use std::path::PathBuf;

/// A program's ELF file, and where it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    /// Its name in the log.
    pub name: String,
    /// The file.
    pub elf: PathBuf,
    /// What was added to the file's addresses.
    pub base: u64,
}

/// Looks addresses up; files are read when first needed.
pub struct Symbols<'a> {
    binaries: &'a [Binary],
    loaders: Vec<Option<Option<Loader>>>,
}

impl<'a> Symbols<'a> {
    /// For these programs.
    pub fn new(binaries: &'a [Binary]) -> Self {
        Self { binaries, loaders: binaries.iter().map(|_| None).collect() }
    }

    /// The log with names added to the lines of stack traces.
    pub fn explain(&mut self, log: &str) -> String {
        log.split_inclusive('\n').map(|line| self.explain_line(line)).collect()
    }

    fn explain_line(&mut self, line: &str) -> String {
        let Some(name) = frame_of(line).and_then(|(program, address)| self.lookup(program, address)) else {
            return line.to_string();
        };
        let text = line.trim_end_matches(['\r', '\n']);
        format!("{text}  {name}{}", &line[text.len()..])
    }

    /// The function and line of an address in a program.
    fn lookup(&mut self, program: &str, address: u64) -> Option<String> {
        let index = self.binaries.iter().position(|binary| binary.name == program)?;
        let binary = &self.binaries[index];
        let loader = self.loaders[index].get_or_insert_with(|| match Loader::new(&binary.elf) {
            Ok(loader) => Some(loader),
            Err(error) => {
                progress::say(&format!("cannot read {}: {error}", binary.elf.display()));
                None
            }
        });
        // A return address is one past the call; the call is what a person wants to see.
        describe(loader.as_ref()?, address.checked_sub(binary.base)?.checked_sub(1)?)
    }
}

fn describe(loader: &Loader, address: u64) -> Option<String> {
    let mut names = Vec::new();
    let mut frames = loader.find_frames(address).ok()?;
    while let Ok(Some(frame)) = frames.next() {
        let function = frame.function.and_then(|function| Some(function.demangle().ok()?.into_owned()));
        let place = frame.location.and_then(|place| Some(format!("{}:{}", place.file?, place.line?)));
        names.push(format!("{} ({})", function.unwrap_or_else(|| "?".into()), place.unwrap_or_else(|| "?".into())));
    }
    if names.is_empty() {
        names.push(rustc_demangle::demangle(loader.find_symbol(address)?).to_string());
    }
    Some(names.join(" inlined into "))
}

/// The program and address of a stack frame's line.
fn frame_of(line: &str) -> Option<(&str, u64)> {
    let (program, rest) = line.trim_start().strip_prefix('[')?.split_once(']')?;
    let digits = rest.split_once("at 0x")?.1;
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    // A line that has its name already keeps it.
    let bare = digits[end..].trim().is_empty();
    Some((program, u64::from_str_radix(&digits[..end], 16).ok()?)).filter(|_| bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_recognised() {
        assert_eq!(frame_of("[console]   at 0x401234\n"), Some(("console", 0x40_1234)));
        assert_eq!(frame_of("[kernel] at 0xffffffff80001000\r\n"), Some(("kernel", 0xffff_ffff_8000_1000)));
        assert_eq!(frame_of("[console]   at 0x401234  main (src/main.rs:3)\n"), None);
        assert_eq!(frame_of("nothing at 0x12"), None);
        assert_eq!(frame_of("[a] at 0x"), None);
        assert_eq!(frame_of("[a] at 0x11112222333344445\n"), None);
    }

    #[test]
    fn unknown_programs_are_left_alone() {
        let log = "[nobody] at 0x1000\nplain line";
        assert_eq!(Symbols::new(&[]).explain(log), log);
    }

    #[test]
    fn our_own_functions_are_found() {
        let elf = std::env::current_exe().expect("the test runs from a file");
        let bytes = std::fs::read(&elf).expect("the test's file is readable");
        let parsed = goblin::elf::Elf::parse(&bytes).expect("the test is an ELF file");
        let symbol = parsed.syms.iter().find(|symbol| {
            symbol.is_function() && parsed.strtab.get_at(symbol.st_name).is_some_and(|name| name.contains("frame_of"))
        });
        let address = 0x1000_0000 + symbol.expect("the function is in the file").st_value + 4;
        let binary = Binary { name: "me".into(), elf, base: 0x1000_0000 };
        let line = format!("[me]   at {address:#x}\n");
        let explained = Symbols::new(&[binary]).explain(&line);
        assert!(explained.contains("frame_of"), "{explained}");
    }
}
