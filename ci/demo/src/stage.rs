//! What the people see: paragraphs, tables, and a pause after each.

use anyhow::Result;
use bench::Format;
use bench::table::{self, Value};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::io::{IsTerminal, Read, Write, stdin};

/// Longest line of a paragraph, in characters.
const WIDTH: usize = 96;

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
}

impl<'a> Stage<'a> {
    /// A stage that prints to `to`.
    pub fn new(to: &'a mut dyn Write, pace: Pace) -> Self {
        Self { to, pace }
    }

    /// The name of a demonstration.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn title(&mut self, name: &str, about: &str) -> Result<()> {
        let line = format!("{name}: {about}");
        let rule = "=".repeat(line.chars().count().min(WIDTH));
        Ok(writeln!(self.to, "{line}\n{rule}\n")?)
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
        Ok(writeln!(self.to, "{}\n", wrapped(text, WIDTH))?)
    }

    /// Lines as they are, set off from the text.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn show(&mut self, text: &str) -> Result<()> {
        for line in text.lines() {
            writeln!(self.to, "    {line}")?;
        }
        Ok(writeln!(self.to)?)
    }

    /// A table.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn table(&mut self, table: &Table) -> Result<()> {
        let heads: Vec<_> = table.heads.iter().map(String::as_str).collect();
        Ok(writeln!(self.to, "{}", table::format(&heads, &table.rows, Format::Table))?)
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

/// Waits for one key; without a terminal, for nothing.
fn wait_for_key() {
    let Ok(before) = tcgetattr(stdin()) else { return };
    let mut single = before.clone();
    // Signals still work: Ctrl-C ends a demonstration.
    single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    if tcsetattr(stdin(), OptionalActions::Now, &single).is_ok() {
        // The end of the input counts as a key.
        let _ = stdin().read(&mut [0]);
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
    }
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

    #[test]
    fn paragraphs_are_wrapped() {
        assert_eq!(wrapped("one two\n  three four", 9), "one two\nthree\nfour");
        assert_eq!(wrapped("", 9), "");
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
