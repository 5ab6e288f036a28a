//! `banyan`: shows and moves the services behind a legacy system, from inside it.
//!
//! A thin front end of the files under `/proc/banyan`, which any program may use as well; on another system, where there
//! are none, it says so and fails.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// The table of services; takes `migrate SERVICE PLACEMENT` and `kill TASK`.
const SERVICES: &str = "/proc/banyan/services";
/// How this process's traps reach the personality; takes `vcpu` and `exception-ipc`.
const TRAP: &str = "/proc/banyan/trap";
const USAGE: &str = "usage:
  banyan services                         where each service runs
  banyan migrate SERVICE PLACEMENT        move it: to native or to personality
  banyan kill TASK                        make a task die as if by a fault of its own
  banyan run-by MECHANISM COMMAND [ARG]...
                                          run it with traps by vcpu or by exception-ipc
";
/// The arguments make no sense.
const MISUSED: u8 = 2;
/// Linux's number of the error for what is so already.
const EALREADY: i32 = 114;
/// The shell's status for what is not there, and for what cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(|argument| argument.to_str().unwrap_or("")).collect();
    match words.as_slice() {
        ["services"] => done("services", show(SERVICES)),
        ["migrate", service, placement] => done("migrate", tell(SERVICES, &format!("migrate {service} {placement}"))),
        ["kill", task] => done("kill", tell(SERVICES, &format!("kill {task}"))),
        ["run-by", mechanism, _, ..] => run_by(mechanism, &arguments[2..]),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(MISUSED)
        }
    }
}

fn done(what: &str, result: io::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("banyan: {what}: {}", explain(&error));
    ExitCode::FAILURE
}

fn explain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such service or task, or this system has none".into(),
        ErrorKind::InvalidInput => "there is no service, placement or mechanism of that name".into(),
        _ if error.raw_os_error() == Some(EALREADY) => "it is in that state already".into(),
        _ => error.to_string(),
    }
}

fn show(path: &str) -> io::Result<()> {
    let text = fs::read(path)?;
    io::stdout().write_all(&text)
}

/// Writes a request in one piece, which is how `/proc` takes it.
fn tell(path: &str, request: &str) -> io::Result<()> {
    let request = format!("{request}\n");
    let written = OpenOptions::new().write(true).open(path)?.write(request.as_bytes())?;
    if written == request.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
}

/// Chooses for this process, and becomes the command: the choice is inherited.
fn run_by(mechanism: &str, command: &[OsString]) -> ExitCode {
    if let Err(error) = tell(TRAP, mechanism) {
        return done("run-by", Err(error));
    }
    let error = Command::new(&command[0]).args(&command[1..]).exec();
    eprintln!("banyan: {}: {error}", command[0].to_string_lossy());
    ExitCode::from(if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN })
}
