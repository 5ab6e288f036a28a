//! The person's terminal: raw while a system is on it, as it was before in every other case.
//!
//! The saved settings are kept where the panic hook and the thread that handles signals find them too: panics abort in
//! some builds, so a destructor alone would not do.

use super::Window;
use rustix::termios::{self, OptionalActions, Termios};
use std::io::stdin;
use std::sync::{Mutex, PoisonError};

static SAVED: Mutex<Option<Termios>> = Mutex::new(None);

/// Puts the terminal back when dropped.
#[derive(Debug)]
pub(super) struct Raw(());

/// Makes the terminal raw; `None` when standard input is none.
pub(super) fn make_raw() -> Option<Raw> {
    let before = termios::tcgetattr(stdin()).ok()?;
    let mut raw = before.clone();
    *SAVED.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        restore();
        previous(info);
    }));
    raw.make_raw();
    termios::tcsetattr(stdin(), OptionalActions::Drain, &raw).ok()?;
    Some(Raw(()))
}

/// Puts the terminal back as it was.
pub(super) fn restore() {
    if let Some(before) = SAVED.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // A terminal that is gone needs no restoring.
        let _ = termios::tcsetattr(stdin(), OptionalActions::Now, &before);
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// The terminal's size, if there is one.
pub fn window() -> Option<Window> {
    let size = termios::tcgetwinsize(stdin()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some(Window { rows: size.ws_row, columns: size.ws_col })
}
