//! Names for the raw addresses in a log.
//!
//! Our programs log their stack traces as `[program] ... at 0xADDRESS`, one frame a line, since they carry no tables of
//! their own. Here the addresses are looked up in the ELF file's line tables.

use crate::progress;
use addr2line::Loader;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

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

    /// The functions at an instruction's address in a program, innermost first: the last is the one that was compiled, the
    /// others were inlined into the next. Their names are without type arguments.
    pub fn functions(&mut self, program: &str, address: u64) -> Vec<String> {
        let Some((loader, address)) = self.loader(program, address) else { return Vec::new() };
        let mut names = Vec::new();
        if let Ok(mut frames) = loader.find_frames(address) {
            while let Ok(Some(frame)) = frames.next() {
                let name = frame.function.and_then(|function| Some(function.demangle().ok()?.into_owned()));
                names.extend(name.as_deref().map(short));
            }
        }
        if names.is_empty() {
            let symbol = loader.find_symbol(address).map(|name| rustc_demangle::demangle(name).to_string());
            names.extend(symbol.as_deref().map(short));
        }
        names
    }

    fn explain_line(&mut self, line: &str) -> String {
        let Some(name) = frame_of(line).and_then(|(program, address)| self.lookup(program, address)) else {
            return line.to_string();
        };
        let text = line.trim_end_matches(['\r', '\n']);
        format!("{text}  {name}{}", &line[text.len()..])
    }

    /// The function and line of a return address in a program.
    fn lookup(&mut self, program: &str, address: u64) -> Option<String> {
        // A return address is one past the call; the call is what a person wants to see.
        let (loader, address) = self.loader(program, address.checked_sub(1)?)?;
        describe(loader, address)
    }

    /// A program's tables, and what an address is in its file.
    fn loader(&mut self, program: &str, address: u64) -> Option<(&Loader, u64)> {
        let index = self.binaries.iter().position(|binary| binary.name == program)?;
        let binary = &self.binaries[index];
        let loader = self.loaders[index].get_or_insert_with(|| match Loader::new(&binary.elf) {
            Ok(loader) => Some(loader),
            Err(error) => {
                progress::say(&format!("cannot read {}: {error}", binary.elf.display()));
                None
            }
        });
        Some((loader.as_ref()?, address.checked_sub(binary.base)?))
    }
}

/// A function's name without type arguments.
fn short(name: &str) -> String {
    name.split_once('<').map_or(name, |(before, _)| if before.is_empty() { name } else { before }).into()
}

/// The address of a symbol in an ELF file.
///
/// # Errors
/// When the file cannot be read or has no such symbol.
pub fn address_of(elf: &Path, name: &str) -> Result<u64> {
    let bytes = std::fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let parsed = goblin::elf::Elf::parse(&bytes).with_context(|| format!("{} is no ELF file", elf.display()))?;
    let mut symbols = parsed.syms.iter();
    let found = symbols.find(|symbol| symbol.st_shndx != 0 && parsed.strtab.get_at(symbol.st_name) == Some(name));
    Ok(found.with_context(|| format!("{} has no symbol {name}", elf.display()))?.st_value)
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
