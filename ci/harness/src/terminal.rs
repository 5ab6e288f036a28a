//! A pseudo-terminal with the host tool behind it: types keys, waits for text.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::tool;

const LIMIT: Duration = Duration::from_secs(180);

/// A terminal in which the tool runs.
#[derive(Debug)]
pub struct Terminal {
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    child: Child,
}

impl Terminal {
    /// Starts the tool with `arguments` in a terminal of 24 lines of 80 characters.
    ///
    /// # Errors
    /// When there is no terminal or no tool.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let name = ptsname(&ours, Vec::new())?;
        let theirs = File::options().read(true).write(true).open(name.to_str()?)?;
        resize(&theirs, 24, 80)?;
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(tool::path()?).args(arguments);
        command.stdin(theirs.try_clone()?).stdout(theirs.try_clone()?).stderr(theirs);
        let child = command.spawn().context("cannot start setsid")?;
        drop(command);
        let keyboard = File::from(ours);
        let screen = listen(keyboard.try_clone()?);
        Ok(Self { keyboard, screen, seen: String::new(), child })
    }

    /// Types.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn type_keys(&mut self, keys: &str) -> Result<()> {
        self.keyboard.write_all(keys.as_bytes()).context("the terminal is gone")
    }

    /// Waits until `text` appears after what was waited for before, and returns what came up to its end.
    ///
    /// # Errors
    /// When it does not, within minutes, or the tool ends.
    pub fn wait_for(&mut self, text: &str) -> Result<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return Ok(std::mem::replace(&mut self.seen, rest));
            }
            match self.screen.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(RecvTimeoutError::Timeout) => bail!("{text:?} did not appear; the screen has:\n{}", self.seen),
                Err(RecvTimeoutError::Disconnected) => bail!("the tool ended without {text:?}:\n{}", self.seen),
            }
        }
    }

    /// Changes the size of the terminal.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        resize(&self.keyboard, rows, columns)
    }

    /// Waits for the tool's end.
    ///
    /// # Errors
    /// When it does not end within minutes.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        while let Ok(bytes) = self.screen.try_recv() {
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        bail!("the tool does not end; the screen has:\n{}", self.seen)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Hanging up ends the tool, and killing setsid what waits for it; both may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(terminal: &impl AsFd, rows: u16, columns: u16) -> Result<()> {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).context("cannot resize the terminal")
}

/// Reads the screen in a thread, so that waiting can have a limit.
fn listen(mut screen: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        // A terminal without a program is an error (EIO), which is the end.
        while let Ok(count @ 1..) = screen.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}
