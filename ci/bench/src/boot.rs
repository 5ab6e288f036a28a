//! Time from the emulator's start to the first byte that a command prints, beside Linux's.

use std::fs::{self, File};
use std::io::{BufWriter, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reference::Workshop;
use reference::cpio::Writer;
use reference::machine::{Clock, Machine, Tuning};
use reference::{kernel, root};

use crate::table::{self, Value};
use crate::{Format, Report, Subject, median};

/// Runs of each system; they alternate, so that both see the same machine.
const RUNS: usize = 5;
/// Most that Banyan may take of Linux's time.
const CEILING: f64 = 0.25;
const MEMORY_BYTES: u64 = 512 << 20;

/// Linux's init: what it takes to print on the second serial port, and no more.
const INIT: &str = "#!/bin/sh\nmount -t devtmpfs none /dev\necho hello >/dev/ttyS1\npoweroff -f\n";

/// Measures both and compares.
///
/// # Errors
/// When one of them does not start.
pub fn run(subject: &dyn Subject, workshop: &Workshop, format: Format) -> Result<Report> {
    let machine = linux(workshop)?;
    let (mut own, mut linux) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        own.push(subject.time_to_first_byte()?);
        linux.push(time_linux(&machine)?);
    }
    let (own, linux) = (median(&mut own).context("runs")?, median(&mut linux).context("runs")?);
    Ok(report(own, linux, format))
}

fn report(own: Duration, linux: Duration, format: Format) -> Report {
    let ratio = own.as_secs_f64() / linux.as_secs_f64();
    let seconds = |time: Duration| Value::Number(time.as_secs_f64(), 3);
    let row = vec![
        Value::Text("first byte".into()),
        seconds(own),
        seconds(linux),
        Value::Number(ratio, 3),
        Value::Number(CEILING, 2),
    ];
    let mut text = table::format(&["boot", "banyan_s", "linux_s", "ratio", "ceiling"], &[row], format);
    if format == Format::Table {
        text.push_str("Wall-clock times under emulation: only the ratio says something.\n");
    }
    let violations = if ratio > CEILING {
        vec![format!("boot takes {ratio:.3} of Linux's time, more than {CEILING}")]
    } else {
        vec![]
    };
    Report { text, violations }
}

fn linux(workshop: &Workshop) -> Result<Machine> {
    Ok(Machine {
        qemu: workshop.qemu.clone(),
        kernel: kernel::find(workshop)?,
        root: root_archive(workshop)?,
        memory_bytes: MEMORY_BYTES,
        cpus: 1,
        clock: Clock::Wall,
        tuning: Tuning::Default,
        more: Vec::new(),
    })
}

fn root_archive(workshop: &Workshop) -> Result<PathBuf> {
    let tree = root::build(workshop, "boot-root", &[])?;
    let path = workshop.subfolder("linux")?.join("boot.cpio");
    let mut writer = Writer::new(BufWriter::new(File::create(&path)?));
    writer.tree(&tree)?;
    writer.file("init", 0o755, INIT.as_bytes())?;
    writer.character_device("dev/console", 5, 1)?;
    writer.finish()?;
    fs::remove_dir_all(tree)?;
    Ok(path)
}

fn time_linux(machine: &Machine) -> Result<Duration> {
    let start = Instant::now();
    let mut child = machine.start("null", "stdio")?;
    let mut output = child.stdout.take().context("it was asked for")?;
    let count = output.read(&mut [0])?;
    let time = start.elapsed();
    child.kill()?;
    child.wait()?;
    if count == 0 {
        bail!("Linux ended without output");
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_start_is_a_violation() {
        let report_of = |own| report(Duration::from_millis(own), Duration::from_secs(2), Format::Json);
        assert!(report_of(400).violations.is_empty());
        assert_eq!(report_of(600).violations.len(), 1);
    }
}
