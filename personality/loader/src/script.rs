//! The `#!` line of a script.

use alloc::vec::Vec;

use linux_abi::{Errno, Result};

/// Bytes at a file's start that are looked at (Linux's `BINPRM_BUF_SIZE`).
pub(crate) const HEAD_BYTES: usize = 256;

/// What a `#!` line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) interpreter: Vec<u8>,
    pub(crate) argument: Option<Vec<u8>>,
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Reads the line, if `head` (the file's first bytes, at most [`HEAD_BYTES`]) starts with one. All that follows the
/// interpreter and blanks is one argument.
///
/// # Errors
/// `ENOEXEC` if there is no interpreter, or its path does not fit the head.
pub(crate) fn parse(head: &[u8]) -> Result<Option<Script>> {
    let Some(line) = head.strip_prefix(b"#!") else { return Ok(None) };
    let (line, complete) = match line.iter().position(|&byte| byte == b'\n' || byte == 0) {
        Some(end) => (line.get(..end).unwrap_or_default(), true),
        // A file that ends without a line feed is complete; a line that goes on past the head is cut.
        None => (line, head.len() < HEAD_BYTES),
    };
    let line = trim(line);
    let path_end = line.iter().position(is_blank).unwrap_or(line.len());
    let (path, rest) = line.split_at(path_end);
    if path.is_empty() || rest.is_empty() && !complete {
        return Err(Errno::ENOEXEC);
    }
    let rest = trim(rest);
    let argument = (!rest.is_empty()).then(|| rest.to_vec());
    Ok(Some(Script { interpreter: path.to_vec(), argument }))
}

fn trim(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| !is_blank(byte)).unwrap_or(line.len());
    let line = line.get(start..).unwrap_or_default();
    let end = line.iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last + 1);
    line.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parts = (Vec<u8>, Option<Vec<u8>>);

    fn line(text: &[u8]) -> Result<Option<Parts>> {
        parse(text).map(|script| script.map(|script| (script.interpreter, script.argument)))
    }

    #[test]
    fn a_line_has_an_interpreter_and_at_most_one_argument() {
        assert_eq!(line(b"#!/bin/sh\necho"), Ok(Some((b"/bin/sh".to_vec(), None))));
        assert_eq!(line(b"#! \t/bin/awk  -f x y \t\n"), Ok(Some((b"/bin/awk".to_vec(), Some(b"-f x y".to_vec())))));
        assert_eq!(line(b"#!/bin/sh"), Ok(Some((b"/bin/sh".to_vec(), None))));
        assert_eq!(line(b"echo"), Ok(None));
        assert_eq!(line(b"#"), Ok(None));
        assert_eq!(line(b"#!\n"), Err(Errno::ENOEXEC));
        assert_eq!(line(b"#!  "), Err(Errno::ENOEXEC));
    }

    #[test]
    fn a_path_that_is_cut_is_refused_and_an_argument_is_cut() {
        let mut long = b"#!/".to_vec();
        long.resize(HEAD_BYTES, b'x');
        assert_eq!(line(&long), Err(Errno::ENOEXEC));
        long[20] = b' ';
        assert_eq!(line(&long).map(|found| found.is_some()), Ok(true));
    }
}
