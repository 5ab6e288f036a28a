//! From a file to a program that can be loaded: scripts, interpreters, checks.

use alloc::sync::Arc;
use alloc::vec::Vec;

use linux_abi::{Errno, Result};
use mm::MappedObject;

use crate::program::Program;
use crate::script::{self, HEAD_BYTES};

/// Scripts whose interpreters are scripts: this many, then `ELOOP`.
pub const MAX_SCRIPT_DEPTH: usize = 5;

/// A file to execute. Opened with the right to execute it.
pub trait ImageFile {
    /// Reads at an offset; fewer bytes than asked for only at the end.
    ///
    /// # Errors
    /// What the file system reports.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize>;

    /// Bytes of the file.
    fn size(&self) -> u64;

    /// The file as something to be mapped.
    ///
    /// # Errors
    /// What the file system reports; `ENODEV`, which `execve` shows as `EACCES`, if it cannot be mapped.
    fn object(&self) -> Result<Arc<MappedObject>>;
}

/// Bytes in memory, which can be read but not mapped.
impl ImageFile for &[u8] {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn object(&self) -> Result<Arc<MappedObject>> {
        Err(Errno::ENODEV)
    }
}

/// Opens files for execution, as the process that calls `execve` may.
pub trait Files {
    /// An open file.
    type File: ImageFile;

    /// Opens a path.
    ///
    /// # Errors
    /// What path resolution reports; `EACCES` without execute permission or for what is no regular file.
    fn open(&mut self, path: &[u8]) -> Result<Self::File>;
}

/// A program that is ready to be loaded.
#[derive(Debug)]
pub struct Prepared<F> {
    /// The file that is executed in the end (of a script: its interpreter).
    pub file: F,
    /// Its headers.
    pub program: Program,
    /// Its ELF interpreter.
    pub interpreter: Option<(F, Program)>,
    /// Arguments; of a script: with the interpreter and its argument in front.
    pub arguments: Vec<Vec<u8>>,
    /// The path that was executed in the end.
    pub executed_path: Vec<u8>,
}

/// Follows scripts to a program and checks it and its interpreter.
///
/// # Errors
/// `execve`'s: `ENOEXEC`, `EINVAL`, `ELOOP`, `ELIBBAD` for a bad interpreter, and what opening reports.
pub fn prepare<S: Files>(
    files: &mut S,
    path: &[u8],
    file: S::File,
    mut arguments: Vec<Vec<u8>>,
) -> Result<Prepared<S::File>> {
    let mut file = file;
    let mut path = path.to_vec();
    for _ in 0..=MAX_SCRIPT_DEPTH {
        let mut head = [0; HEAD_BYTES];
        let length = file.read_at(0, &mut head)?;
        let Some(script) = script::parse(head.get(..length).unwrap_or_default())? else {
            return finish(files, path, file, arguments);
        };
        // The first argument, the script's own name, gives way to its path (execve(2), "Interpreter scripts").
        let mut rewritten = Vec::with_capacity(arguments.len() + 2);
        rewritten.push(script.interpreter.clone());
        rewritten.extend(script.argument);
        rewritten.push(path);
        rewritten.extend(arguments.into_iter().skip(1));
        arguments = rewritten;
        file = files.open(&script.interpreter)?;
        path = script.interpreter;
    }
    Err(Errno::ELOOP)
}

fn finish<S: Files>(
    files: &mut S,
    executed_path: Vec<u8>,
    file: S::File,
    arguments: Vec<Vec<u8>>,
) -> Result<Prepared<S::File>> {
    let program = Program::parse(&file)?;
    let interpreter = match &program.interpreter {
        None => None,
        Some(path) => {
            let file = files.open(path)?;
            let program = Program::parse(&file).map_err(|error| match error {
                Errno::ENOEXEC => Errno::ELIBBAD,
                error => error,
            })?;
            Some((file, program))
        }
    };
    Ok(Prepared { file, program, interpreter, arguments, executed_path })
}
