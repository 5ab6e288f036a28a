//! Tests of the interactive system, through a pseudo-terminal.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use crate::disk_tests::is_clean;
use crate::terminal::Terminal;
use crate::{shared, trial};

const PROMPT: &str = "# ";
const CONTROL_C: &str = "\x03";
const CONTROL_D: &str = "\x04";
const CONTROL_Z: &str = "\x1a";
const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";
const ESCAPE: &str = "\x1b";

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![
        trial("terminal: prompt, command, Ctrl-D ends with the system", prompt_and_end),
        trial("terminal: line editing and history", editing),
        trial("terminal: Ctrl-C ends sleep 100", interrupt),
        trial("terminal: Ctrl-Z, jobs, bg, fg", job_control),
        trial("terminal: stty size follows a resize", resize),
        trial("terminal: poweroff leaves", power_off),
        trial("terminal: poweroff leaves the disk as it was left", power_off_with_disk),
        trial("terminal: Ctrl-A x leaves", leave),
        trial("terminal: vi edits a file", vi),
        trial("terminal: less pages a file", less),
        trial("terminal: raw and cooked input", cooked),
    ]
}

/// A shell that has shown its prompt.
fn shell() -> Result<Terminal> {
    shared::prepared()?;
    let mut terminal = Terminal::start(&["run"])?;
    terminal.wait_for(PROMPT)?;
    Ok(terminal)
}

/// Types a command and returns what it printed, without its echo.
fn run(terminal: &mut Terminal, command: &str) -> Result<String> {
    // The mark is taken apart in the command, so that its echo is not mistaken for it.
    terminal.type_keys(&format!("{command}; echo do''ne\r"))?;
    terminal.wait_for("\n")?;
    let text = terminal.wait_for("done\r\n")?;
    terminal.wait_for(PROMPT)?;
    Ok(text.trim_end_matches("done\r\n").replace('\r', ""))
}

fn expect(terminal: &mut Terminal, command: &str, expected: &str) -> Result<()> {
    let text = run(terminal, command)?;
    ensure!(text == expected, "{command:?} printed {text:?}, expected {expected:?}");
    Ok(())
}

fn prompt_and_end() -> Result<()> {
    let mut terminal = shell()?;
    expect(&mut terminal, "echo $((6 * 7))", "42\n")?;
    expect(&mut terminal, "test -t 0 && test -t 1 && tty", "/dev/console\n")?;
    terminal.type_keys(CONTROL_D)?;
    let status = terminal.wait_for_end()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

fn editing() -> Result<()> {
    let mut terminal = shell()?;
    terminal.type_keys(&format!("echo word{LEFT}{LEFT}{LEFT}{LEFT}\x7f\x7f -n s\r"))?;
    terminal.wait_for("\n")?;
    terminal.wait_for(PROMPT)?;
    terminal.type_keys("echo fir''st\r")?;
    terminal.wait_for("first\r\n")?;
    terminal.wait_for(PROMPT)?;
    terminal.type_keys("echo sec''ond\r")?;
    terminal.wait_for("second\r\n")?;
    terminal.wait_for(PROMPT)?;
    terminal.type_keys(&format!("{UP}{UP}\r"))?;
    terminal.wait_for("first\r\n")?;
    terminal.wait_for(PROMPT)?;
    terminal.type_keys("echo tab''bed >/tmp/unique-name\r")?;
    terminal.wait_for(PROMPT)?;
    terminal.type_keys("cat /tmp/uniq\t\r")?;
    terminal.wait_for("tabbed\r\n")?;
    Ok(())
}

/// Starts a program of the shell's that says when it is in the foreground: a key typed before would be the shell's, here as on
/// Linux.
fn start(terminal: &mut Terminal, command: &str) -> Result<()> {
    terminal.type_keys(&format!("{command}\r"))?;
    terminal.wait_for("running\r\n")?;
    Ok(())
}

fn interrupt() -> Result<()> {
    let mut terminal = shell()?;
    start(&mut terminal, "sh -c \"echo run''ning; exec sleep 100\"")?;
    terminal.type_keys(CONTROL_C)?;
    terminal.wait_for(PROMPT)?;
    expect(&mut terminal, "echo $?", "130\n")
}

/// The job is continued in the background, then in the foreground; it says when.
fn job_control() -> Result<()> {
    let mut terminal = shell()?;
    let witness = "trap \"echo cont''inued\" CONT; echo run''ning; while sleep 1; do :; done";
    start(&mut terminal, &format!("sleep 1000 | sh -c '{}'", witness.replace('\'', "'\\''")))?;
    terminal.type_keys(CONTROL_Z)?;
    terminal.wait_for("Stopped")?;
    terminal.wait_for(PROMPT)?;
    let jobs = run(&mut terminal, "jobs")?;
    ensure!(jobs.contains("Stopped") && jobs.contains("sleep 1000"), "jobs printed {jobs:?}");
    terminal.type_keys("bg\r")?;
    terminal.wait_for("continued\r\n")?;
    let jobs = run(&mut terminal, "jobs")?;
    ensure!(jobs.contains("Running"), "after bg, jobs printed {jobs:?}");
    terminal.type_keys("fg\r")?;
    terminal.wait_for("sleep 1000")?;
    terminal.wait_for("continued\r\n")?;
    terminal.type_keys(CONTROL_C)?;
    terminal.wait_for(PROMPT)?;
    expect(&mut terminal, "jobs", "")
}

fn resize() -> Result<()> {
    let mut terminal = shell()?;
    expect(&mut terminal, "stty size", "24 80\n")?;
    terminal.resize(50, 132)?;
    // The new size travels through the host tool; the guest asks until it is there.
    expect(&mut terminal, "until [ \"$(stty size)\" = '50 132' ]; do sleep 1; done; stty size", "50 132\n")
}

fn power_off() -> Result<()> {
    end_with_power_off(shell()?)
}

/// What was written is there after a poweroff; then, and when the person leaves, nothing is left to be repaired.
fn power_off_with_disk() -> Result<()> {
    shared::prepared()?;
    let disk = std::env::temp_dir().join(format!("banyan-terminal-{}.img", std::process::id()));
    let result = keep_on(&disk);
    // It may never have been made.
    let _ = std::fs::remove_file(&disk);
    result
}

fn keep_on(disk: &Path) -> Result<()> {
    let path = disk.to_str().context("a path of this test's own")?;
    let boot = || -> Result<Terminal> {
        let mut terminal = Terminal::start(&["run", "--disk", path])?;
        terminal.wait_for(PROMPT)?;
        Ok(terminal)
    };
    let mut terminal = boot()?;
    // Short lines: the shell shows a long one in several.
    expect(&mut terminal, "cd /; mkdir k; seq 1 50000 >k/n", "")?;
    expect(&mut terminal, "md5sum <k/n >k/sum", "")?;
    end_with_power_off(terminal)?;
    is_clean(disk)?;
    let mut terminal = boot()?;
    expect(&mut terminal, "cd /; md5sum <k/n | cmp - k/sum && wc -l <k/n", "50000\n")?;
    // Who leaves has the disk clean as well.
    expect(&mut terminal, "cp k/n k/more", "")?;
    terminal.type_keys("\x01x")?;
    terminal.wait_for_end()?;
    is_clean(disk)
}

fn end_with_power_off(mut terminal: Terminal) -> Result<()> {
    terminal.type_keys("poweroff\r")?;
    let status = terminal.wait_for_end()?;
    ensure!(status.success(), "{status}");
    Ok(())
}

fn leave() -> Result<()> {
    let mut terminal = shell()?;
    terminal.type_keys("\x01x")?;
    terminal.wait_for_end()?;
    Ok(())
}

fn vi() -> Result<()> {
    let mut terminal = shell()?;
    run(&mut terminal, "cd /tmp; printf 'one\\ntwo\\nthree\\n' >f")?;
    terminal.type_keys("vi f\r")?;
    terminal.wait_for("three")?;
    terminal.type_keys("jdd")?;
    terminal.type_keys("Olast words")?;
    // The status line begins with the mode.
    terminal.wait_for("I f ")?;
    // Alone, so that it is not taken for the start of an arrow key.
    terminal.type_keys(ESCAPE)?;
    terminal.wait_for("- f ")?;
    terminal.type_keys(":wq\r")?;
    terminal.wait_for(PROMPT)?;
    expect(&mut terminal, "cat f", "one\nlast words\nthree\n")
}

fn less() -> Result<()> {
    let mut terminal = shell()?;
    run(&mut terminal, "seq 1 500 >/tmp/f")?;
    terminal.type_keys("less /tmp/f\r")?;
    terminal.wait_for("22")?;
    terminal.type_keys("G")?;
    terminal.wait_for("500")?;
    terminal.type_keys("q")?;
    terminal.wait_for(PROMPT)?;
    expect(&mut terminal, "echo back", "back\n")
}

fn cooked() -> Result<()> {
    let mut terminal = shell()?;
    start(&mut terminal, "sh -c \"echo run''ning; exec cat\"")?;
    terminal.type_keys("wrong\x15right\r")?;
    terminal.wait_for("right\r\nright\r\n")?;
    terminal.type_keys(CONTROL_D)?;
    terminal.wait_for(PROMPT)?;
    expect(&mut terminal, "stty | head -n 1 | cut -d' ' -f1", "speed\n")
}
