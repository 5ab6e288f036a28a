//! Runs other programs and keeps the person informed: what is being done, for how long, and why it failed.
//!
//! All of it goes to standard error. The programs' own output goes to a log file and is shown only when they fail.

use anyhow::{Context, Result, anyhow, bail};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Steps that end sooner are not mentioned.
const QUIET: Duration = Duration::from_millis(1500);
/// How often a step is mentioned again where lines cannot be overwritten.
const AGAIN: Duration = Duration::from_secs(20);
/// Lines of a failed program's output that are shown.
const TAIL_LINES: usize = 30;

/// Tells the person something.
pub fn say(text: &str) {
    // A closed standard error must not end a run.
    let _ = writeln!(std::io::stderr(), "banyan: {text}");
}

/// Runs `command` to its end, saying `what` it is for when it takes long; gives up after `limit`.
///
/// # Errors
/// When it cannot be started, takes longer than `limit`, or fails; the message has the end of its output.
pub fn run(command: &mut Command, what: &str, limit: Duration) -> Result<()> {
    let log = crate::workspace::own("log")?.join("setup.log");
    let program = command.get_program().to_string_lossy().into_owned();
    let mut output = String::new();
    let status =
        follow(command, what, limit, &mut output).with_context(|| format!("{what}: {program} did not complete"));
    save(&log, &output);
    let status = status?;
    if status.success() {
        return Ok(());
    }
    Err(anyhow!("{what}: {program} failed ({status}); its output, kept in {}:\n{}", log.display(), tail(&output)))
}

/// The last lines of a text.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

fn save(log: &PathBuf, output: &str) {
    // The log is a help, not a result; a full disk is reported by whatever needed the space.
    let _ = fs::write(log, output);
}

fn follow(command: &mut Command, what: &str, limit: Duration, output: &mut String) -> Result<ExitStatus> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (sender, lines) = channel();
    forward(child.stdout.take(), sender.clone());
    forward(child.stderr.take(), sender);
    let mut display = Display::new(what);
    let finished = collect(&lines, output, &mut display, limit);
    display.end();
    if !finished {
        // It may have ended by itself in the meantime; either way it is reaped here.
        let _ = child.kill();
        child.wait()?;
        bail!("it took longer than {} s", limit.as_secs());
    }
    Ok(child.wait()?)
}

/// Takes the program's lines until its end; false when `limit` passed first.
fn collect(lines: &Receiver<String>, output: &mut String, display: &mut Display, limit: Duration) -> bool {
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => {
                display.last = line.trim().to_string();
                output.push_str(&line);
                output.push('\n');
            }
            Err(RecvTimeoutError::Timeout) => display.tick(),
            Err(RecvTimeoutError::Disconnected) => return true,
        }
        if display.start.elapsed() > limit {
            return false;
        }
    }
}

fn forward<R: Read + Send + 'static>(stream: Option<R>, lines: Sender<String>) {
    let stream = stream.expect("the stream was asked for at the start");
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
}

/// One line that says how far a step is.
struct Display<'a> {
    what: &'a str,
    start: Instant,
    mentioned: Option<Instant>,
    last: String,
    terminal: bool,
}

impl<'a> Display<'a> {
    fn new(what: &'a str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { what, start: Instant::now(), mentioned: None, last: String::new(), terminal }
    }

    fn tick(&mut self) {
        let seconds = self.start.elapsed().as_secs();
        if self.terminal && self.start.elapsed() > QUIET {
            let last: String = self.last.chars().filter(|c| !c.is_control()).take(60).collect();
            let _ = write!(std::io::stderr(), "\r\x1b[Kbanyan: {} ({seconds} s) {last}", self.what);
            self.mentioned = Some(Instant::now());
        } else if self.start.elapsed() > QUIET && self.mentioned.is_none_or(|then| then.elapsed() > AGAIN) {
            say(&format!("{} ({seconds} s)", self.what));
            self.mentioned = Some(Instant::now());
        }
    }

    fn end(&self) {
        if self.mentioned.is_none() {
            return;
        }
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
        say(&format!("{}: {} s", self.what, self.start.elapsed().as_secs()));
    }
}

/// The standard output of a short program, when it succeeds.
pub fn output_of(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Opens a file for writing, saying which one when that fails.
///
/// # Errors
/// When it cannot be created.
pub fn create(path: &std::path::Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}
