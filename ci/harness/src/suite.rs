//! Suites of tests that run as one program in one boot and say in the log how each went; here each gets a name of its own.
//!
//! The program has a table of tests in its source, with lines of `("name_of_the_test", function),`. Behind its prefix it logs
//! `ok NAME` or `FAILED NAME: reason` for each, measurements as `bench NAME INSTRUCTIONS`, and at the end `done: N passed, M
//! failed`. A line counts only if it is exactly one of these.

use std::sync::OnceLock;

use anyhow::{Result, anyhow, bail, ensure};
use libtest_mimic::Trial;

use crate::trial;

/// A program of tests, and its log once it was booted.
pub(crate) struct Suite {
    /// What the tests' names begin with.
    area: &'static str,
    /// What each line of the program begins with.
    prefix: &'static str,
    /// The source file with the table of tests.
    source: &'static str,
    /// Builds and boots it; what was logged.
    boot: fn() -> Result<String>,
    log: OnceLock<Result<String, String>>,
}

impl Suite {
    pub(crate) const fn new(
        area: &'static str,
        prefix: &'static str,
        source: &'static str,
        boot: fn() -> Result<String>,
    ) -> Self {
        Self { area, prefix, source, boot, log: OnceLock::new() }
    }

    /// Each test of the suite, and one for whether it was run to its end.
    pub(crate) fn trials(&'static self) -> Vec<Trial> {
        let area = self.area;
        let single = names(self.source).map(|name| trial(format!("{area}: {name}"), move || self.passed(name)));
        let complete = trial(format!("{area}: all tests run to the end"), || self.complete());
        single.chain([complete]).collect()
    }

    /// The log of the one boot.
    ///
    /// # Errors
    /// When the suite does not build or run.
    pub(crate) fn log(&self) -> Result<&str> {
        let log = self.log.get_or_init(|| (self.boot)().map_err(|error| format!("{error:#}")));
        log.as_ref().map(String::as_str).map_err(|message| anyhow!("{message}"))
    }

    /// The lines with measurements: a name and numbers each.
    ///
    /// # Errors
    /// As [`log`](Self::log).
    pub(crate) fn figures(&self) -> Result<Vec<&str>> {
        Ok(figures(self.log()?, self.prefix).collect())
    }

    fn passed(&self, name: &str) -> Result<()> {
        passed(self.log()?, self.prefix, name)
    }

    fn complete(&self) -> Result<()> {
        complete(self.log()?, self.prefix, names(self.source).count())
    }
}

/// The names in a table of tests: they alone have underscores.
fn names(source: &str) -> impl Iterator<Item = &str> {
    let quoted = source.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split_once("\", "));
    quoted.map(|(name, _)| name).filter(|name| name.contains('_') && !name.contains(' '))
}

/// What a program said in a log, by its prefix.
pub(crate) fn said<'a>(log: &'a str, prefix: &str) -> impl Iterator<Item = &'a str> {
    log.lines().filter_map(move |line| line.trim_end().strip_prefix(prefix))
}

/// The lines with measurements in a log.
pub(crate) fn figures<'a>(log: &'a str, prefix: &str) -> impl Iterator<Item = &'a str> {
    said(log, prefix).filter_map(|line| line.strip_prefix("bench "))
}

/// Whether a log says that a test has passed.
///
/// # Errors
/// When it says why not, or nothing of it.
pub(crate) fn passed(log: &str, prefix: &str, name: &str) -> Result<()> {
    outcome(log, prefix, name).unwrap_or_else(|| bail!("it did not run; the log's end:\n{}", end(log)))
}

fn outcome(log: &str, prefix: &str, name: &str) -> Option<Result<()>> {
    said(log, prefix).find_map(|line| {
        if line.strip_prefix("ok ") == Some(name) {
            return Some(Ok(()));
        }
        let reason = line.strip_prefix("FAILED ")?.strip_prefix(name)?.strip_prefix(": ")?;
        Some(Err(anyhow!("{reason}")))
    })
}

fn complete(log: &str, prefix: &str, count: usize) -> Result<()> {
    ensure!(count > 0, "the table of tests is empty");
    let done = format!("done: {count} passed, 0 failed");
    ensure!(said(log, prefix).any(|line| line == done), "there is no line \"{done}\"; the log's end:\n{}", end(log));
    Ok(())
}

/// The end of a log, for a message.
pub(crate) fn end(log: &str) -> String {
    banyan::progress::tail(log)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "[ukernel] x\n[a-test] ok ab\r\n[a-test] FAILED a: line 3: why\n[a-test] bench ab 3\n\
                       [other] ok b\nx [a-test] ok b\n[a-test] FAILED bc\n[a-test] FAILED b to begin: no memory\n";
    const PREFIX: &str = "[a-test] ";

    #[test]
    fn outcomes_are_told_apart() {
        assert!(passed(LOG, PREFIX, "ab").is_ok());
        assert_eq!(passed(LOG, PREFIX, "a").expect_err("it failed").to_string(), "line 3: why");
        for missing in ["b", "bc", "abc", ""] {
            let error = passed(LOG, PREFIX, missing).expect_err("nothing is said of it").to_string();
            assert!(error.starts_with("it did not run"), "{missing}: {error}");
        }
    }

    #[test]
    fn the_end_is_reached_by_all_or_not_at_all() {
        let log = format!("{LOG}[a-test] done: 2 passed, 0 failed\r\n");
        assert!(complete(&log, PREFIX, 2).is_ok());
        assert!(complete(&log, PREFIX, 3).is_err());
        assert!(complete(&log, "[other] ", 2).is_err());
        assert!(complete(LOG, PREFIX, 2).is_err());
        assert!(complete("[a-test] done: 0 passed, 0 failed\n", PREFIX, 0).is_err());
    }

    #[test]
    fn names_come_from_the_table() {
        let source = "const TESTS = [\n    (\"a_b\", a_b),\n    (\"a_longer_one\", other),\n];\n\
                      fn a_b() {\n    [(\"size\", 3), (\"an under_score\", 4)]\n    say(\"c_d\", 3)\n";
        assert_eq!(names(source).collect::<Vec<_>>(), ["a_b", "a_longer_one"]);
    }

    #[test]
    fn figures_are_the_measurements() {
        static SUITE: Suite = Suite::new("a", PREFIX, "", || Ok(LOG.into()));
        assert_eq!(SUITE.figures().expect("it is there"), ["ab 3"]);
    }
}
