//! What the people see: paragraphs, tables, and a pause after each.

use anyhow::Result;
use bench::Format;
use bench::table::{self, Value};
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{IsTerminal, Write, stdin, stdout};
use std::os::fd::AsFd;

/// Longest line of a paragraph, in characters, where the terminal has room for it.
const WIDTH: usize = 96;
/// Narrower than this a paragraph is not made.
const NARROWEST: usize = 40;
/// Names in a table that are not longer than this stay whole.
const SHORTEST_NAME: usize = 40;
/// How far lines are set off from the text.
const INDENT: &str = "    ";
/// What Ctrl-C and Ctrl-\ send, and what they ask for.
const INTERRUPTS: [(u8, Signal); 2] = [(3, Signal::INT), (0x1c, Signal::QUIT)];

/// Who goes on to the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The people, by a key.
    Keys,
    /// The demonstration itself.
    Auto,
}

/// Where a demonstration talks to people.
pub struct Stage<'a> {
    to: &'a mut dyn Write,
    pace: Pace,
    /// The terminal's columns; 0: there is none.
    columns: usize,
    /// Longest line of text.
    width: usize,
}

impl<'a> Stage<'a> {
    /// A stage that prints to `to`, in lines that this process's terminal has room for.
    pub fn new(to: &'a mut dyn Write, pace: Pace) -> Self {
        let columns = tcgetwinsize(stdout()).map_or(0, |size| usize::from(size.ws_col));
        Self { to, pace, columns, width: width(columns) }
    }

    /// The name of a demonstration.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn title(&mut self, name: &str, about: &str) -> Result<()> {
        let text = wrapped(&format!("{name}: {about}"), self.width);
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        Ok(writeln!(self.to, "{text}\n{}\n", "=".repeat(longest))?)
    }

    /// A heading.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn heading(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.to, "--- {text}\n")?)
    }

    /// A paragraph; line breaks in `text` count as spaces.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn say(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.to, "{}\n", wrapped(text, self.width))?)
    }

    /// Lines as paragraphs set off from the text: what does not fit goes on a little further in.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn show(&mut self, text: &str) -> Result<()> {
        for line in text.lines() {
            let rest = format!("\n{INDENT}{INDENT}");
            writeln!(self.to, "{INDENT}{}", wrapped(line, self.width - 2 * INDENT.len()).replace('\n', &rest))?;
        }
        Ok(writeln!(self.to)?)
    }

    /// A table.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn table(&mut self, table: &Table) -> Result<()> {
        let whole = table.format();
        let longest = whole.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        let excess = if self.columns == 0 { 0 } else { longest.saturating_sub(self.columns) };
        let shown = if excess == 0 { whole } else { table.narrower(excess).format() };
        Ok(writeln!(self.to, "{shown}")?)
    }

    /// Lets the people go on when they want to.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn pause(&mut self) -> Result<()> {
        if self.pace == Pace::Auto || !stdin().is_terminal() {
            return Ok(());
        }
        write!(self.to, "[any key] ")?;
        self.to.flush()?;
        wait_for_key();
        Ok(writeln!(self.to, "\n")?)
    }
}

/// Columns that text may have in a terminal of so many; 0: there is none.
fn width(columns: usize) -> usize {
    if columns == 0 { WIDTH } else { columns.clamp(NARROWEST, WIDTH) }
}

/// Waits for one key; without a terminal, for nothing. Ctrl-C ends the demonstration.
fn wait_for_key() {
    let interrupts = |key| INTERRUPTS.into_iter().find(|(byte, _)| Some(*byte) == key);
    if let Some((_, signal)) = interrupts(read_key(stdin())) {
        // As the terminal would have done, had it not been asked for single keys.
        let _ = kill_process(getpid(), signal);
    }
}

/// The next key, with the terminal afterwards as it was before; `None` without a terminal, or at its end. Keys that were pressed before
/// do not count, nor does what else a key sends (an arrow's is three bytes). Ctrl-C is a key here: its signal would leave the terminal
/// without echo.
fn read_key(terminal: impl AsFd) -> Option<u8> {
    let before = tcgetattr(&terminal).ok()?;
    let mut single = before.clone();
    single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
    tcsetattr(&terminal, OptionalActions::Flush, &single).ok()?;
    let mut key = [0];
    let bytes = rustix::io::read(&terminal, &mut key);
    // A terminal that is gone needs no restoring.
    let _ = tcsetattr(&terminal, OptionalActions::Flush, &before);
    bytes.ok().filter(|bytes| *bytes == 1).map(|_| key[0])
}

/// Rows of figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The columns' names.
    pub heads: Vec<String>,
    /// The rows; as many values each as there are heads.
    pub rows: Vec<Vec<Value>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new<const N: usize>(heads: [&str; N]) -> Self {
        Self { heads: heads.map(String::from).into(), rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If it has another number of values than there are columns.
    pub fn row<const N: usize>(&mut self, values: [Value; N]) {
        assert_eq!(N, self.heads.len(), "a row has a value for each column");
        self.rows.push(values.into());
    }

    fn format(&self) -> String {
        let heads: Vec<_> = self.heads.iter().map(String::as_str).collect();
        table::format(&heads, &self.rows, Format::Table)
    }

    /// The same with long names cut in front, so that lines have `excess` characters less, if names are what makes them long.
    fn narrower(&self, excess: usize) -> Self {
        let mut table = self.clone();
        let names = || {
            self.rows.iter().filter_map(|row| if let Some(Value::Text(name)) = row.first() { Some(name) } else { None })
        };
        let longest = names().map(|name| name.chars().count()).max().unwrap_or(0);
        let most = longest.saturating_sub(excess).max(SHORTEST_NAME);
        for row in &mut table.rows {
            if let Some(Value::Text(name)) = row.first_mut() {
                let cut = name.chars().count().saturating_sub(most);
                if cut > 0 {
                    *name = format!("...{}", name.chars().skip(cut + 3).collect::<String>());
                }
            }
        }
        table
    }
}

/// A name in a table.
pub fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

/// A whole number in a table.
#[must_use]
pub fn count(number: u64) -> Value {
    Value::Number(number as f64, 0)
}

/// The words of a text in lines of at most `width` characters, longer words aside.
fn wrapped(text: &str, width: usize) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    #[test]
    fn paragraphs_are_wrapped() {
        assert_eq!(wrapped("one two\n  three four", 9), "one two\nthree\nfour");
        assert_eq!(wrapped("", 9), "");
    }

    #[test]
    fn text_fits_the_terminal() {
        assert_eq!([0, 20, 80, 300].map(width), [WIDTH, NARROWEST, 80, WIDTH]);
        let mut bytes = Vec::new();
        let mut stage = Stage { to: &mut bytes, pace: Pace::Auto, columns: 60, width: 40 };
        let mut table = Table::new(["name", "count"]);
        table.row([text("short"), count(1)]);
        table.row([text("a rather long name of a function that was inlined, last_part"), count(2)]);
        stage.table(&table).expect("memory takes it");
        stage.title("name", "what it shows to people, in more words than fit").expect("memory takes it");
        stage.show("task: one thing, another thing, and a third\nother: one").expect("memory takes it");
        let printed = String::from_utf8(bytes).expect("text");
        assert!(printed.lines().all(|line| line.chars().count() <= 60), "{printed}");
        assert!(printed.contains("inlined, last_part      2\n") && printed.contains("\nshort  "), "{printed}");
        assert!(
            printed.contains("\n    task: one thing, another thing,\n        and a third\n    other: one\n"),
            "{printed}"
        );
    }

    #[test]
    fn ctrl_c_is_a_key_that_leaves_the_terminal_as_it_was() {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("it is ours");
        let name = ptsname(&ours, Vec::new()).expect("it has a name").into_string().expect("it is text");
        let terminal = std::fs::File::options().read(true).write(true).open(name).expect("it was unlocked");
        let modes = |terminal: &std::fs::File| tcgetattr(terminal).expect("it is a terminal").local_modes;
        let before = modes(&terminal);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| read_key(&terminal));
            // What is pressed before somebody waits does not count.
            while !reader.is_finished() {
                if !modes(&terminal).contains(LocalModes::ICANON) {
                    rustix::io::write(&ours, b"\x03[A").expect("there is room for a key");
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            assert_eq!(reader.join().expect("it does not panic"), Some(3));
        });
        assert_eq!(modes(&terminal), before);
        assert_eq!(read_key(std::fs::File::open("/dev/null").expect("it is there")), None);
    }

    #[test]
    fn the_stage_prints_tables_and_does_not_wait() {
        let mut bytes = Vec::new();
        let mut stage = Stage::new(&mut bytes, Pace::Auto);
        let mut table = Table::new(["what", "lines"]);
        table.row([text("fs"), count(1200)]);
        stage.table(&table).expect("memory takes it");
        stage.pause().expect("memory takes it");
        assert_eq!(String::from_utf8(bytes).expect("text"), "what  lines\nfs     1200\n\n");
    }
}
