//! The `log` facade on the kernel's log: one line a record, marked with the task's name.
//!
//! `[task] WARN target: message`; information has no level word.

use core::fmt::{self, Write};

use ukernel_user::object::MAX_LOG_BYTES;

use crate::own;
use crate::sync::OnceCell;

/// Bytes of a line; longer ones are cut.
const LINE_BYTES: usize = 512;

const _: () = assert!(LINE_BYTES <= MAX_LOG_BYTES);

static NAME: OnceCell<&'static str> = OnceCell::new();
static LOGGER: Logger = Logger;

struct Logger;

/// A line of the log, put together without a heap.
pub(crate) struct Line {
    bytes: [u8; LINE_BYTES],
    used: usize,
}

/// Sets the task's name and connects the `log` facade; `level` is the name of the most verbose level wanted.
pub(crate) fn start(name: &'static str, level: Option<&str>) {
    // A task starts once; were there a second time, the first name would stay.
    let _ = NAME.set(name);
    let level = level.and_then(|level| level.parse().ok()).unwrap_or(log::LevelFilter::Info);
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(level);
    }
}

/// Appends a line to the kernel's log as it is, without the task's name: for the root task, which speaks for others.
pub fn log_raw(line: &str) {
    // Without the right to log there is nobody to tell.
    let _ = own::log().write(line.as_bytes());
}

impl Line {
    /// A line that starts with the task's name.
    pub(crate) fn new() -> Self {
        let mut line = Self { bytes: [0; LINE_BYTES], used: 0 };
        let _ = write!(line, "[{}] ", NAME.get().unwrap_or(&"?"));
        line
    }

    /// Appends the line to the kernel's log.
    pub(crate) fn flush(&self) {
        // Without the right to log there is nobody to tell.
        let _ = own::log().write(&self.bytes[..self.used]);
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.used..];
        let count = text.len().min(room.len());
        room[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.used += count;
        Ok(())
    }
}

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut line = Line::new();
        let _ = match record.level() {
            log::Level::Info => write!(line, "{}", record.args()),
            level => write!(line, "{level} {}: {}", record.target(), record.args()),
        };
        line.flush();
    }

    fn flush(&self) {}
}
