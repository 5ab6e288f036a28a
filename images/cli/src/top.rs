//! `top`: the threads of a system that another process of the tool runs, what they use of the processor, and their messages.
//!
//! The table comes through the channel, as `ctl`'s answers do: `/proc/banyan/threads`, which the root task fills from the kernel. Names
//! are those of the manifest's tasks and, in a task, of its threads.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use banyan::run::control::Remote;

use crate::cli::Top;
use crate::output::Output;

/// The command that prints the table; it needs nothing but a shell.
const COMMAND: &str = "while IFS= read -r line; do echo \"$line\"; done </proc/banyan/threads";
/// Time between two tables.
const INTERVAL: Duration = Duration::from_secs(2);
/// Clears a terminal.
const CLEAR: &str = "\x1b[H\x1b[J";

/// Shows the table, once or until the system ends; the exit status.
///
/// # Errors
/// When there is no such system, or it shows none.
pub fn run(top: &Top) -> Result<i32> {
    let remote = Remote::connect(top.instance)?;
    let mut before = Table::default();
    loop {
        let now = read(&remote)?;
        let clear = if stdout().is_terminal() && !top.once { CLEAR } else { "" };
        write!(Output, "{clear}{}", now.show(&before))?;
        Output.flush()?;
        if top.once {
            return Ok(0);
        }
        before = now;
        std::thread::sleep(INTERVAL);
    }
}

fn read(remote: &Remote) -> Result<Table> {
    let output = remote.open(COMMAND)?.complete(b"", None)?;
    if output.status.code() != 0 {
        bail!("the system shows no threads: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Table::parse(std::str::from_utf8(&output.stdout).context("the table is text")?)
}

/// All threads at some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Table {
    uptime_us: u64,
    threads: Vec<Thread>,
}

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Thread {
    number: u32,
    state: String,
    priority: u32,
    /// Thousandths of a processor's time that it may use; 0: all.
    limit_permille: u32,
    busy_us: u64,
    messages: u64,
    name: String,
}

impl Table {
    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines();
        let uptime = lines.next().and_then(|line| line.strip_prefix("uptime_us ")).context("it has no time")?;
        ensure!(lines.next() == Some("number state priority limit busy_us messages name"), "its columns are others");
        let thread = |line: &str| {
            let mut words = line.splitn(7, ' ');
            Some(Thread {
                number: words.next()?.parse().ok()?,
                state: words.next()?.into(),
                priority: words.next()?.parse().ok()?,
                limit_permille: words.next()?.parse().ok()?,
                busy_us: words.next()?.parse().ok()?,
                messages: words.next()?.parse().ok()?,
                name: words.next()?.into(),
            })
        };
        let threads = lines.map(|line| thread(line).with_context(|| format!("there is a line {line:?}")));
        Ok(Self { uptime_us: uptime.parse()?, threads: threads.collect::<Result<_>>()? })
    }

    /// The threads with what they did since `before`, the busiest first.
    fn show(&self, before: &Self) -> String {
        let span_us = self.uptime_us.saturating_sub(before.uptime_us).max(1);
        let mut rows: Vec<_> = self.threads.iter().map(|thread| (thread, thread.since(before))).collect();
        rows.sort_by_key(|(thread, (busy_us, messages))| (u64::MAX - busy_us, u64::MAX - messages, thread.number));
        let percent = |busy_us: u64| busy_us as f64 * 100.0 / span_us as f64;
        let busy: u64 = rows.iter().map(|(_, (busy_us, _))| busy_us).sum();
        let mut text = format!(
            "up {:.1} s, {} threads, {:.1} % busy in the last {:.1} s\n{:>6}  {:24}  {:8}  {:>8}  {:>6}  {:>6}  {:>10}  {:>10}\n",
            self.uptime_us as f64 / 1e6,
            rows.len(),
            percent(busy),
            span_us as f64 / 1e6,
            "thread",
            "name",
            "state",
            "priority",
            "limit",
            "cpu_%",
            "messages/s",
            "messages"
        );
        for (thread, (busy_us, messages)) in rows {
            let (cpu, rate) = (percent(busy_us), messages as f64 * 1e6 / span_us as f64);
            let name = if thread.name.is_empty() { "-" } else { &thread.name };
            let limit = match thread.limit_permille {
                0 => "-".into(),
                permille => format!("{:.1}", f64::from(permille) / 10.0),
            };
            writeln!(
                text,
                "{:6}  {name:24}  {:8}  {:8}  {limit:>6}  {cpu:6.1}  {rate:10.0}  {:10}",
                thread.number, thread.state, thread.priority, thread.messages
            )
            .expect("a string takes all");
        }
        text
    }
}

impl Thread {
    /// Microseconds that it ran, and messages that it received, since a table that may not have it.
    fn since(&self, table: &Table) -> (u64, u64) {
        let before = table.threads.iter().find(|other| other.number == self.number);
        let (busy_us, messages) = before.map_or((0, 0), |other| (other.busy_us, other.messages));
        (self.busy_us.saturating_sub(busy_us), self.messages.saturating_sub(messages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "uptime_us 1000000\nnumber state priority limit busy_us messages name\n\
                         1 blocked 254 0 100 5 root\n7 ready 100 200 500000 10 a b\n";
    const SECOND: &str = "uptime_us 3000000\nnumber state priority limit busy_us messages name\n\
                          1 blocked 254 0 1000100 205 root\n7 ready 100 200 500000 10 a b\n9 stopped 3 0 0 0 \n";

    #[test]
    fn the_last_interval_is_shown() {
        let (first, second) = (Table::parse(FIRST).expect("well formed"), Table::parse(SECOND).expect("well formed"));
        let whole = first.show(&Table::default());
        assert!(whole.starts_with("up 1.0 s, 2 threads, 50.0 % busy"), "{whole}");
        assert!(
            whole.lines().nth(2).is_some_and(|line| line.contains("a b") && line.contains("  20.0    50.0  ")),
            "{whole}"
        );
        let later = second.show(&first);
        let line = later.lines().nth(2).expect("there are threads");
        assert!(line.contains("root") && line.contains("  50.0         100         205"), "{later}");
        assert!(later.lines().any(|line| line.starts_with("     9  -  ")), "{later}");
    }

    #[test]
    fn other_tables_are_refused() {
        for bad in ["", "uptime_us 1\n", "uptime_us 1\nnumber\n", &FIRST.replace("100 5", "100 x")] {
            assert!(Table::parse(bad).is_err(), "{bad:?}");
        }
    }
}
