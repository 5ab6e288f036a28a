//! `banyan`: what `cargo run` starts. It reads the command line; the library `banyan` does the work.

mod check;
mod cli;
mod ctl;
mod debugging;
mod output;
mod subject;
mod top;

use anyhow::{Context, Result, ensure};
use banyan::disk::{Disk, Storage};
use banyan::progress::{say, tail};
use banyan::root::Root;
use banyan::run::control::Control;
use banyan::run::exec::Done;
use banyan::run::interactive::Leave;
use banyan::run::{End, Vm, exec, interactive};
use clap::Parser;
use debugging::Debugging;
use demo::stage::{Pace, Stage};
use output::{Output, tell};
use std::io::Write;
use std::process::exit;
use std::time::{Duration, Instant};

/// The time of `--timeout` was over.
const TIMED_OUT: i32 = 124;
/// The system failed, not the command.
const FAILED: i32 = 125;

fn main() {
    let cli = cli::Cli::parse();
    let result = match &cli.command {
        Some(cli::Word::Bench(bench)) => measure(bench),
        Some(cli::Word::Check(check)) => check::run(check),
        Some(cli::Word::Ctl(ctl)) => ctl::run(ctl),
        Some(cli::Word::Top(top)) => top::run(top),
        Some(cli::Word::Demo(demo)) => show(demo),
        Some(cli::Word::Report(what)) => write_report(what),
        Some(cli::Word::Run(run)) => start(run),
        None => start(&cli.run),
    };
    let status = result.unwrap_or_else(|error| {
        say(&format!("{error:#}"));
        FAILED
    });
    exit(status);
}

fn measure(what: &cli::Bench) -> Result<i32> {
    let is_kept = what.name == cli::Benchmark::Kernel;
    ensure!(is_kept || !what.save, "--save keeps the figures of `bench kernel`, and of no other");
    let subject = subject::Banyan::new()?;
    let workshop = subject.workshop();
    let format = if what.json { bench::Format::Json } else { bench::Format::Table };
    if what.save {
        let path = bench::kernel::save(&subject, &workshop.source)?;
        tell(&path.display().to_string());
        say("the reference has costs from it: BLESS=1 cargo test -p ukernel-abi --test reference");
        return Ok(0);
    }
    let report = match what.name {
        cli::Benchmark::Kernel => bench::kernel::run(&subject, &workshop.source, format)?,
        cli::Benchmark::Boot => bench::boot::run(&subject, &workshop, format)?,
        cli::Benchmark::Abi => bench::abi::run(&subject, &workshop, format)?,
        cli::Benchmark::Iommu => bench::io::isolation::run(&subject, &workshop, format)?,
        cli::Benchmark::Programs => bench::programs::run(&subject, &workshop, format, what.effort())?,
        cli::Benchmark::Io => bench::io::run(&subject, &workshop, format, what.effort())?,
    };
    Output.write_all(report.text.as_bytes())?;
    for violation in &report.violations {
        say(violation);
    }
    Ok(i32::from(what.check && !report.violations.is_empty()))
}

fn write_report(what: &cli::Report) -> Result<i32> {
    let size = if what.quick { demo::Size::Quick } else { demo::Size::Full };
    let page = report::write(&what.out, what.only.as_deref(), size)?;
    tell(&page.display().to_string());
    Ok(0)
}

fn show(what: &cli::Demo) -> Result<i32> {
    let Some(name) = what.name.as_deref().filter(|_| !what.list) else {
        for demo in demo::ALL {
            tell(&format!("{:8}  {}", demo.name, demo.about));
        }
        return Ok(0);
    };
    let known = || demo::ALL.iter().map(|demo| demo.name).collect::<Vec<_>>().join(", ");
    let demo = demo::Demo::find(name).with_context(|| format!("there is no demonstration {name:?}: {}", known()))?;
    let pace = if what.auto { Pace::Auto } else { Pace::Keys };
    let size = if what.quick { demo::Size::Quick } else { demo::Size::Full };
    demo.show(&mut Stage::new(&mut Output, pace), size)?;
    Ok(0)
}

/// How long a system with a disk that stays may take to leave it clean.
const POWER_OFF: Duration = Duration::from_secs(30);

fn start(run: &cli::Run) -> Result<i32> {
    let mut config = run.config()?;
    if let (Some(root), Some(disk)) = (&run.root, &run.disk)
        && disk.metadata().is_ok_and(|data| data.len() > 0)
    {
        say(&format!("{} is there already: {} is not looked at", disk.display(), root.display()));
        config.root = Root::Default;
    }
    let debugging = run.gdb.map(Debugging::new).transpose()?;
    config.debugger = debugging.as_ref().map(Debugging::debugger);
    let mut vm = Vm::start(&config)?;
    if let Some(debugging) = &debugging {
        debugging.announce(&vm)?;
    }
    let control = listen(&vm);
    let Some(command) = &run.exec else {
        say("Ctrl-A x leaves");
        let (mut vm, leave) = interactive::run(vm, run.timeout)?;
        if !matches!(leave, Leave::Ended(_)) {
            leave_clean(&vm, &config.storage);
        }
        keep_trace(run, &mut vm)?;
        return Ok(left(vm, &leave));
    };
    let done = exec::run(&vm, command, run.timeout)?;
    if !matches!(done, Done::Ended(_)) {
        leave_clean(&vm, &config.storage);
    }
    keep_trace(run, &mut vm)?;
    Ok(match done {
        Done::Exit(status) => status.code(),
        Done::TimedOut => timed_out(vm),
        Done::Ended(end) => ended(vm, &end),
        Done::Signal(number) => {
            drop((vm, control, debugging));
            exec::die_of(number);
            128 + number
        }
    })
}

/// Has a system that still runs leave a disk that stays clean: what its programs wrote is there afterwards.
fn leave_clean(vm: &Vm, storage: &Storage) {
    let Storage::Disk(Disk::Kept(path)) = storage else { return };
    // Without a system there is nothing on its way.
    if vm.wait_ready(Some(Instant::now())).is_err() || matches!(vm.power_off(POWER_OFF), Some(End::PoweredOff)) {
        return;
    }
    say(&format!("the system did not power off: what it had not written to {} yet is lost", path.display()));
}

/// Writes the trace, if there is to be one.
fn keep_trace(run: &cli::Run, vm: &mut Vm) -> Result<()> {
    let Some(file) = &run.trace else { return Ok(()) };
    let (events, lost) = vm.write_trace(file)?;
    say(&format!("{events} events in {}, for ui.perfetto.dev ({lost} before them are lost)", file.display()));
    Ok(())
}

/// Lets `ctl` command the system; without that it runs all the same.
fn listen(vm: &Vm) -> Option<Control> {
    match Control::listen(vm) {
        Ok(control) => Some(control),
        Err(error) => {
            say(&format!("ctl will not find this system: {error:#}"));
            None
        }
    }
}

fn left(vm: Vm, leave: &Leave) -> i32 {
    match leave {
        Leave::Left => 0,
        Leave::Ended(end) => ended(vm, end),
        Leave::TimedOut => timed_out(vm),
        Leave::Signal(number) => 128 + number,
    }
}

fn timed_out(vm: Vm) -> i32 {
    say(&format!("the time is over; the log is {}", vm.log().display()));
    TIMED_OUT
}

fn ended(mut vm: Vm, end: &End) -> i32 {
    let End::Failed(reason) = end else { return 0 };
    vm.kill();
    say(&format!("the system failed: {reason}; the log is {}", vm.log().display()));
    match vm.explained_log() {
        Ok(log) => eprintln!("{}", tail(&log)),
        Err(error) => say(&format!("{error:#}")),
    }
    FAILED
}
