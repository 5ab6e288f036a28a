//! Tests of the host tool: statuses, streams, bad input.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use crate::{shared, tool, trace_rules, trial};

/// The tests.
pub fn tests() -> Vec<Trial> {
    vec![
        trial("tool: output and status 0", || gives("echo hello | tr a-z A-Z", "HELLO\n", 0)),
        trial("tool: the status is passed on", || gives("exit 7", "", 7)),
        trial("tool: a signal is 128 and its number, and the next run is unharmed", signal),
        trial("tool: 3 MB pass through unchanged", three_megabytes),
        trial("tool: 200 background jobs", || {
            let jobs = "for i in $(seq 1 200); do (echo $i | wc -c) & done | sort -n | uniq -c; wait";
            gives(jobs, "      9 2\n     90 3\n    101 4\n", 0)
        }),
        trial("tool: standard error is separate", standard_error),
        trial("tool: a time limit is status 124", time_limit),
        trial("tool: --strace shows the calls", strace),
        trial("tool: the default root has the program banyan", || {
            gives("banyan help | head -n 1; banyan nonsense 2>/dev/null; echo $?", "usage:\n2\n", 0)
        }),
        trial("tool: ctl runs a command in a running system", ctl),
        trial("tool: ctl without a running system says so", ctl_nobody),
        trial("tool: top shows the threads of a running system", top),
        trial("tool: --trace shows threads, methods and arrows", trace),
        trial("tool: --root of a folder", root_folder),
        trial("tool: --root that is missing", || refused("/no/such/root", "/no/such/root")),
        trial("tool: --root that is no archive", root_junk),
        trial("tool: --root with an absolute link out of it loses nothing", root_links),
    ]
}

fn exec(command: &str, input: &[u8]) -> Result<Output> {
    shared::prepared()?;
    tool::run(&["run", "--exec", command], input)
}

fn gives(command: &str, expected: &str, status: i32) -> Result<()> {
    check(&exec(command, b"")?, expected, status)
}

fn check(output: &Output, expected: &str, status: i32) -> Result<()> {
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.code() == Some(status), "{}, expected {status}\n{text}{errors}", output.status);
    ensure!(text == expected, "standard output was:\n{text}\nexpected:\n{expected}\n{errors}");
    Ok(())
}

fn signal() -> Result<()> {
    gives("kill -SEGV $$", "", 139)?;
    gives("echo unharmed", "unharmed\n", 0)
}

fn three_megabytes() -> Result<()> {
    let mut bytes = vec![0; 3_000_000];
    std::io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, &mut bytes)?;
    let output = exec("cat", &bytes)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let same = output.stdout.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
    ensure!(output.stdout == bytes, "{} bytes came back, the first {same} right", output.stdout.len());
    Ok(())
}

fn standard_error() -> Result<()> {
    let output = exec("echo out; echo err >&2", b"")?;
    check(&output, "out\n", 0)?;
    ensure!(output.stderr.ends_with(b"err\n"), "standard error was {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn time_limit() -> Result<()> {
    shared::prepared()?;
    let output = tool::run(&["run", "--timeout", "20", "--exec", "sleep 100000"], b"")?;
    ensure!(output.status.code() == Some(124), "{}", output.status);
    Ok(())
}

fn strace() -> Result<()> {
    shared::prepared()?;
    let output = tool::run(&["run", "--strace", "--exec", "echo traced"], b"")?;
    check(&output, "traced\n", 0)?;
    let trace = String::from_utf8_lossy(&output.stderr);
    ensure!(trace.contains("write(1, \"traced\\n\", 7)"), "the trace was:\n{trace}");
    Ok(())
}

fn ctl() -> Result<()> {
    shared::prepared()?;
    let mut command = Command::new(tool::path()?);
    command.args(["run", "--exec", "cat; echo end"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.spawn()?;
    let line = ["ctl", "--instance", &running.id().to_string(), "exec", "tr a-z A-Z; exit 5"];
    let mut answer = tool::run(&line, b"from outside\n")?;
    // The system listens when it is built.
    let deadline = Instant::now() + shared::LIMIT;
    while answer.status.code() == Some(125) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
        answer = tool::run(&line, b"from outside\n")?;
    }
    drop(running.stdin.take());
    let output = running.wait_with_output()?;
    check(&answer, "FROM OUTSIDE\n", 5)?;
    check(&output, "end\n", 0)
}

fn top() -> Result<()> {
    shared::prepared()?;
    let mut command = Command::new(tool::path()?);
    command.args(["run", "--exec", "cat; echo end"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.spawn()?;
    let line = ["top", "--once", "--instance", &running.id().to_string()];
    let mut answer = tool::run(&line, b"")?;
    // The system listens when it is built.
    let deadline = Instant::now() + shared::LIMIT;
    while answer.status.code() == Some(125) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
        answer = tool::run(&line, b"")?;
    }
    drop(running.stdin.take());
    let output = running.wait_with_output()?;
    check(&output, "end\n", 0)?;
    let (text, errors) = (String::from_utf8_lossy(&answer.stdout), String::from_utf8_lossy(&answer.stderr));
    ensure!(answer.status.success(), "{}\n{text}{errors}", answer.status);
    // Names of the manifest's tasks; the channel has carried this very request.
    for name in ["root", "host-channel", "virtio-serial", "personality", "pci"] {
        ensure!(text.lines().any(|line| line.contains(name)), "there is no {name:?} in:\n{text}");
    }
    let busy = text.lines().find(|line| line.contains("host-channel")).context("it was just there")?;
    let messages: u64 = busy.split_whitespace().last().context("there is a last column")?.parse()?;
    ensure!(messages > 0, "host-channel received no message:\n{text}");
    ensure!(text.starts_with("up ") && !text.contains("\x1b"), "{text}");
    Ok(())
}

fn ctl_nobody() -> Result<()> {
    // Process 1 is no host tool.
    let output = tool::run(&["ctl", "--instance", "1", "services"], b"")?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(125) && message.contains("no running system"), "{}\n{message}", output.status);
    Ok(())
}

fn trace() -> Result<()> {
    let file = std::env::temp_dir().join(format!("banyan-trace-{}.json", std::process::id()));
    let path = file.to_string_lossy();
    shared::prepared()?;
    let output = tool::run(&["run", "--trace", &path, "--exec", "echo hello | tr a-z A-Z"], b"")?;
    check(&output, "HELLO\n", 0)?;
    let text = fs::read_to_string(&file);
    fs::remove_file(&file)?;
    let text = text?;
    ensure!(text.starts_with("[\n{") && text.ends_with("}\n]\n"), "it is no list");
    // Names of the manifest, of threads, of methods; a program's calls and faults.
    for name in
        ["host-channel", "personality/seat", "send HostChannel::write", "send Console::read", "call", "exception 14"]
    {
        ensure!(text.contains(&format!("\"name\":\"{name}\"")), "there is no {name:?} in the trace");
    }
    let drawn = trace_rules::check(&text)?;
    ensure!(drawn.arrows >= 20 && drawn.arrows + 10 >= drawn.begun, "{drawn:?}");
    ensure!(drawn.tracks.iter().any(|track| track == "processor 0"), "{drawn:?}");
    Ok(())
}

fn root_folder() -> Result<()> {
    let root = shared::prepared()?.root.display().to_string();
    let output = tool::run(&["run", "--root", &root, "--exec", "/tests/abi-tests fork-chain"], b"")?;
    check(&output, "7\n", 0)
}

fn refused(root: &str, named: &str) -> Result<()> {
    shared::prepared()?;
    let output = tool::run(&["run", "--root", root, "--exec", "true"], b"")?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(125), "{}\n{message}", output.status);
    ensure!(message.contains(named) && !message.contains("panicked"), "the message was:\n{message}");
    Ok(())
}

fn root_junk() -> Result<()> {
    let path = shared::prepared()?.workshop.folder.join("junk.tar");
    fs::write(&path, [0x42; 3000])?;
    refused(&path.display().to_string(), "junk.tar")
}

fn root_links() -> Result<()> {
    let prepared = shared::prepared()?;
    let folder = reference::root::build(&prepared.workshop, "linked-root", &[])?;
    std::os::unix::fs::symlink("/etc/hostname", folder.join("etc/inside"))?;
    std::os::unix::fs::symlink("/../../etc/passwd", folder.join("etc/outside"))?;
    let root = folder.display().to_string();
    let output = tool::run(&["run", "--root", &root, "--exec", "cat /etc/inside; grep -c . /etc/outside"], b"")?;
    check(&output, "banyan\n2\n", 0)
}
