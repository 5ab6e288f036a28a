//! Figures of an earlier run, kept in the source: a table with the version of the compiler in its first line.
//!
//! Another compiler makes other instructions, so figures are compared only where the versions are equal.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// What the first line begins with.
const COMPILER: &str = "# compiler: ";
const HEADS: &str = "operation\tinstructions\tcr3_writes\tprivilege_changes";

/// A stored row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The operation.
    pub operation: String,
    /// Its instructions.
    pub instructions: f64,
    /// Its CR3 writes, where they were counted.
    pub switches: Option<f64>,
    /// Changes between user space and the kernel, both ways.
    pub changes: Option<f64>,
}

/// A stored table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baseline {
    /// The compiler's version.
    pub compiler: String,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Baseline {
    /// Reads a table.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let compiler =
            lines.next().and_then(|line| line.strip_prefix(COMPILER)).context("it names no compiler")?.into();
        if lines.next() != Some(HEADS) {
            bail!("its columns are others");
        }
        let row = |line: &str| {
            let mut words = line.split('\t');
            let operation = words.next()?.to_owned();
            let instructions = words.next()?.parse().ok()?;
            let mut number = || words.next().map(|word| word.parse().ok());
            Some(Row { operation, instructions, switches: number()?, changes: number()? })
        };
        let rows = lines.map(|line| row(line).with_context(|| format!("there is a line {line:?}")));
        Ok(Self { compiler, rows: rows.collect::<Result<_>>()? })
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        fs::write(path, self.to_text()).with_context(|| format!("cannot write {}", path.display()))
    }

    fn to_text(&self) -> String {
        let number = |number: Option<f64>| number.map_or("-".into(), |number| format!("{number:.1}"));
        let mut text = format!("{COMPILER}{}\n{HEADS}\n", self.compiler);
        for Row { operation, instructions, switches, changes } in &self.rows {
            let (switches, changes) = (number(*switches), number(*changes));
            writeln!(text, "{operation}\t{instructions:.1}\t{switches}\t{changes}").expect("a string takes all");
        }
        text
    }

    /// The instructions of an operation, if this compiler's are here.
    #[must_use]
    pub fn instructions(&self, compiler: &str, operation: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.operation == operation)?;
        (self.compiler == compiler).then_some(row.instructions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Baseline {
        let row = |operation: &str, instructions, switches, changes| Row {
            operation: operation.into(),
            instructions,
            switches,
            changes,
        };
        let rows = vec![row("a", 341.1, Some(2.0), Some(4.0)), row("b", 12.0, None, None)];
        Baseline { compiler: "rustc 1.2.3 (x)".into(), rows }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let kept = Baseline::parse(&example().to_text()).expect("it was just written");
        assert_eq!(kept, example());
        for bad in ["", "# compiler: x\n", "# compiler: x\noperation\n"] {
            assert!(Baseline::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Baseline::parse(&format!("{}c\tfast\t-\t-\n", example().to_text())).is_err());
    }

    #[test]
    fn another_compilers_figures_are_not_compared() {
        assert_eq!(example().instructions("rustc 1.2.3 (x)", "a"), Some(341.1));
        assert_eq!(example().instructions("rustc 1.2.4 (y)", "a"), None);
        assert_eq!(example().instructions("rustc 1.2.3 (x)", "c"), None);
    }
}
