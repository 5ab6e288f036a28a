//! One message, followed through the kernel instruction by instruction.
//!
//! The machine runs the kernel's own test task (`kernel-test`), whose first act is a call with a label that is looked for.
//! From the kernel's entry on every instruction is stepped, until the caller has its answer. The same boot then gives the
//! task's measurements; its tests are left out.

use crate::debugger::{Debugger, Register};
use crate::ground::{Ground, LIMIT};
use anyhow::{Context, Result, bail, ensure};
use banyan::image::Image;
use banyan::symbols::{Symbols, address_of};
use banyan::{build, image, workspace};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// The label of the call that is followed; `kernel-test` has the same.
const LABEL: u64 = 0x7ace;
/// The kernel's number of a call.
const CALL: u64 = ukernel_abi::Call::Call as u64;
/// Where a system call enters the kernel.
const ENTRY: &str = "banyan_syscall_entry";
/// Kernel entries before the call; there are some dozens.
const MOST_ENTRIES: usize = 5000;
/// Instructions of a call and its answer; there are some hundreds.
const MOST_STEPS: usize = 20_000;
/// Lines of the tests' measurements begin so.
const BENCH: &str = "[kernel-test] bench ";

/// Where an instruction ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the kernel.
    Kernel,
    /// In the server's program.
    Server,
}

/// Instructions in a row of one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Whose they are.
    pub place: Place,
    /// The function, as the source has it.
    pub function: String,
    /// How many.
    pub instructions: u64,
    /// How often the address space was switched.
    pub switches: u64,
}

/// A message's way, and what the kernel's operations cost.
#[derive(Clone, Debug)]
pub struct Followed {
    /// From the kernel's entry to the caller's next instruction.
    pub way: Vec<Stretch>,
    /// Instructions of the kernel's operations, by name.
    pub costs: BTreeMap<String, u64>,
}

/// Follows the message and lets the tests run to their end.
///
/// # Errors
/// When the machine does not do what is expected of it.
pub fn follow(ground: &Ground) -> Result<Followed> {
    let programs = {
        let _lock = workspace::lock()?;
        build::programs(&ground.tools, &[build::LOADER, build::KERNEL, build::KERNEL_TEST])?
    };
    let files = Files::new()?;
    let image =
        image::build_single(&programs, build::KERNEL_TEST, "only-figures=1\nbench-rounds=1000\n", &files.archive)?;
    let (ours, theirs) = UnixStream::pair().context("cannot make a socket")?;
    let mut machine = start(ground, &image, &files, theirs)?;
    let entry = address_of(&programs.path(build::KERNEL.binary)?, ENTRY)?;
    let stepped = Debugger::new(ours).and_then(|debugger| steps(debugger, entry));
    if stepped.is_err() {
        // It may stand still.
        machine.kill()?;
    }
    let ended = wait(&mut machine);
    let complaints = fs::read_to_string(&files.complaints).context("cannot read the emulator's complaints")?;
    let log = fs::read_to_string(&files.log).with_context(|| format!("the machine wrote no log; {complaints}"))?;
    let explain = || format!("the machine's log ends with:\n{}\n{complaints}", banyan::progress::tail(&log));
    let way = stretches(&stepped.with_context(explain)?, &mut Symbols::new(&image.binaries));
    ended.with_context(explain)?;
    let costs: BTreeMap<_, _> = log.lines().filter_map(cost).collect();
    ensure!(!costs.is_empty(), "the kernel's tests measured nothing; {}", explain());
    Ok(Followed { way, costs })
}

/// A line of the tests' measurements.
fn cost(line: &str) -> Option<(String, u64)> {
    let costs = bench::kernel::parse(&[line.trim_end().strip_prefix(BENCH)?]).ok()?;
    let cost = costs.into_iter().next()?;
    Some((cost.operation, cost.instructions.round() as u64))
}

/// The files of the boot, gone with this value.
struct Files {
    archive: std::path::PathBuf,
    log: std::path::PathBuf,
    /// What the emulator has to say.
    complaints: std::path::PathBuf,
}

impl Files {
    fn new() -> Result<Self> {
        let folder = workspace::own("followed")?;
        let run = std::process::id();
        let file = |kind: &str| folder.join(format!("{run}.{kind}"));
        Ok(Self { archive: file("archive"), log: file("log"), complaints: file("complaints") })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in [&self.archive, &self.log, &self.complaints] {
            // What is left behind costs only space.
            let _ = fs::remove_file(path);
        }
    }
}

fn start(ground: &Ground, image: &Image, files: &Files, debugger: UnixStream) -> Result<Child> {
    let mut command = match &ground.tools.setpriv {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(&ground.tools.qemu);
            command
        }
        None => Command::new(&ground.tools.qemu),
    };
    command.args("-M q35 -accel tcg -smp 1 -nodefaults -no-reboot -no-user-config -display none -vga none".split(' '));
    command.args("-cpu max,-erms,-fsrm -icount shift=0,sleep=off -m 512M".split(' '));
    command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-debugcon"]);
    command.arg(format!("file:{}", files.log.display().to_string().replace(',', ",,")));
    command.args(["-chardev", "socket,id=debugger,fd=0", "-gdb", "chardev:debugger", "-S"]);
    command.arg("-kernel").arg(&image.loader).arg("-initrd").arg(&image.archive);
    // Its warnings are nothing for the people who watch.
    let complaints = fs::File::create(&files.complaints).context("cannot keep the emulator's complaints")?;
    command.stdin(OwnedFd::from(debugger)).stdout(Stdio::null()).stderr(complaints);
    command.spawn().context("cannot start QEMU")
}

/// Waits until the machine switched itself off.
fn wait(machine: &mut Child) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while Instant::now() < deadline {
        if machine.try_wait()?.is_some() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    machine.kill()?;
    machine.wait()?;
    bail!("the kernel's tests did not end within {} s", LIMIT.as_secs())
}

/// One instruction.
#[derive(Clone, Copy, Debug)]
struct Step {
    address: u64,
    space: u64,
    place: Place,
}

/// Finds the call and steps through it; then the machine runs on.
fn steps(mut debugger: Debugger, entry: u64) -> Result<Vec<Step>> {
    let mut entries = 0;
    loop {
        debugger.run_to(entry)?;
        let (call, header) = (debugger.read(Register::Rax)?, debugger.read(Register::Rsi)?);
        if call == CALL && header >> 32 == LABEL {
            break;
        }
        entries += 1;
        ensure!(entries < MOST_ENTRIES, "the call that was to be followed did not come");
        // Off the breakpoint, or it would be met again at once.
        debugger.step()?;
    }
    let home = debugger.read(Register::Cr3)?;
    let mut steps = Vec::new();
    loop {
        let (address, space) = (debugger.read(Register::Rip)?, debugger.read(Register::Cr3)?);
        let place = match (debugger.read(Register::Cs)? & 3, space == home) {
            (0, _) => Place::Kernel,
            // The caller again: it has its answer.
            (_, true) => break,
            (_, false) => Place::Server,
        };
        steps.push(Step { address, space, place });
        ensure!(steps.len() < MOST_STEPS, "the call that is followed does not end");
        debugger.step()?;
    }
    debugger.leave()?;
    Ok(steps)
}

/// The name for people: the compiled function and at most so many of those inlined into it, outermost first.
fn named(functions: &[String]) -> String {
    const INLINED: usize = 2;
    // What closures are called by says nothing.
    let functions = functions.iter().filter(|name| *name != "call_once");
    let outer = functions.rev().take(1 + INLINED);
    let names: Vec<_> = outer.map(String::as_str).collect();
    if names.is_empty() { "?".into() } else { names.join(" > ") }
}

/// Joins the instructions of one function that follow each other.
fn stretches(steps: &[Step], symbols: &mut Symbols) -> Vec<Stretch> {
    let mut way: Vec<Stretch> = Vec::new();
    let mut space = steps.first().map_or(0, |step| step.space);
    for step in steps {
        let function = match step.place {
            Place::Kernel => named(&symbols.functions("kernel", step.address)),
            Place::Server => "the server's loop".into(),
        };
        // The instruction before this one wrote the new root.
        if step.space != space {
            space = step.space;
            if let Some(last) = way.last_mut() {
                last.switches += 1;
            }
        }
        match way.last_mut().filter(|last| last.place == step.place && last.function == function) {
            Some(last) => last.instructions += 1,
            None => way.push(Stretch { place: step.place, function, instructions: 1, switches: 0 }),
        }
    }
    way
}
