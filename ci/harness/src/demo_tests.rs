//! Each demonstration in its quick form: it ends well only when its figures show what it says.

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use crate::{shared, tool, trial};

/// A test for each demonstration, and one for their list.
pub fn tests() -> Vec<Trial> {
    let list = trial("demo: the list names each", list);
    let shown = demo::ALL.iter().map(|demo| trial(format!("demo: {}", demo.name), || shows(demo.name)));
    shown.chain([list]).collect()
}

fn shows(name: &str) -> Result<()> {
    shared::prepared()?;
    let output = tool::run(&["demo", name, "--auto", "--quick"], b"")?;
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}\n{text}\n{errors}", output.status);
    // A table's rows have columns, which paragraphs have not.
    let last = text.lines().rfind(|line| line.contains("   ")).context("it ends in a table")?;
    ensure!(last.chars().any(|letter| letter.is_ascii_digit()), "there are no figures in {last:?}");
    Ok(())
}

fn list() -> Result<()> {
    let output = tool::run(&["demo", "--list"], b"")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success() && demo::ALL.iter().all(|demo| text.contains(demo.name)), "{text}");
    let output = tool::run(&["demo", "nonsense"], b"")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(125) && errors.contains("no demonstration"), "{errors}");
    Ok(())
}
