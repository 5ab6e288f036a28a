//! Standard output of the words that print what they found.
//!
//! Its reader may leave (`| head`): as with other programs of a pipeline, that ends this one, without a word. `run` and `ctl exec` do
//! not use this: there it is the guest's program that learns of it.

use std::io::{self, ErrorKind, Write, stdout};
use std::process::exit;

/// As if SIGPIPE had ended the process, which Rust's start-up ignores.
const NOBODY_READS: i32 = 128 + 13;

/// Standard output.
#[derive(Clone, Copy, Debug)]
pub struct Output;

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        read(stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        read(stdout().flush())
    }
}

fn read<T>(result: io::Result<T>) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => exit(NOBODY_READS),
        other => other,
    }
}

/// Prints a line; where that fails for another reason than a reader that left, there is nobody to tell.
pub fn tell(line: &str) {
    let _ = writeln!(Output, "{line}");
}
