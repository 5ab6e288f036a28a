//! The init of a batch boot of Debian's Linux: runs commands and sends what they print to a serial port.
//!
//! `/batch/NNNN.command` is what `sh -c` gets, `/batch/NNNN.input` its standard input. The answers go to the second
//! serial port, a header line each, then the bytes: `result NNNN STATUS OUT ERR`, with the wait status and the number of
//! bytes of standard output and standard error. `done` ends the list, then the machine stops.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use legacy_programs::sys;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Seconds that a command may take before it is killed.
const LIMIT_SECONDS: u64 = 120;
const RESULTS: &str = "/dev/ttyS1";

fn main() -> io::Result<()> {
    let worker = sys::spawn(|| match prepare().and_then(|()| run_batch(Path::new("/batch"))) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("linux-init: {error}");
            1
        }
    })?;
    // The first process is given all orphans to bury.
    while sys::wait(-1, 0)?.0 != worker {}
    power_off()
}

fn prepare() -> io::Result<()> {
    for (kind, target) in
        [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/tmp"), ("devpts", "/dev/pts")]
    {
        fs::create_dir_all(target)?;
        let mounted = Command::new("/bin/busybox").args(["mount", "-t", kind, kind, target]).status()?;
        if !mounted.success() {
            return Err(io::Error::other(format!("cannot mount {kind}")));
        }
    }
    for (name, target) in [("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")] {
        std::os::unix::fs::symlink(format!("/proc/self/{target}"), format!("/dev/{name}"))?;
    }
    Command::new("/bin/busybox").args(["ifconfig", "lo", "127.0.0.1", "up"]).status()?;
    Command::new("/bin/busybox").args(["hostname", "banyan"]).status().map(drop)
}

fn run_batch(folder: &Path) -> io::Result<()> {
    let mut results = open_raw(RESULTS)?;
    let mut names: Vec<_> = fs::read_dir(folder)?.filter_map(|entry| command_name(&entry.ok()?)).collect();
    names.sort_unstable();
    for name in names {
        let command = fs::read_to_string(folder.join(format!("{name}.command")))?;
        let input = fs::read(folder.join(format!("{name}.input")))?;
        let (status, output, errors) = run(&command, input)?;
        writeln!(results, "result {name} {status} {} {}", output.len(), errors.len())?;
        results.write_all(&output)?;
        results.write_all(&errors)?;
    }
    results.write_all(b"done\n")?;
    rustix::termios::tcdrain(&results)?;
    Ok(())
}

fn command_name(entry: &fs::DirEntry) -> Option<String> {
    entry.file_name().to_str()?.strip_suffix(".command").map(str::to_owned)
}

/// A serial port that passes every byte as it is.
fn open_raw(path: &str) -> io::Result<File> {
    let port = OpenOptions::new().read(true).write(true).open(path)?;
    let mut settings = tcgetattr(&port)?;
    settings.make_raw();
    tcsetattr(&port, OptionalActions::Now, &settings)?;
    Ok(port)
}

/// Runs a command to its end: wait status, standard output, standard error.
fn run(command: &str, input: Vec<u8>) -> io::Result<(i32, Vec<u8>, Vec<u8>)> {
    let mut shell = Command::new("/bin/sh");
    shell.arg0("sh");
    shell.arg("-c").arg(command).env_clear().envs(environment()).current_dir("/root");
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = shell.spawn()?;
    let (mut to_child, mut output, mut errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feeder = std::thread::spawn(move || {
        // A command that does not read its input is fine.
        let _ = to_child.as_mut().map(|pipe| pipe.write_all(&input));
    });
    let output = std::thread::spawn(move || read_all(&mut output));
    let errors = std::thread::spawn(move || read_all(&mut errors));
    let status = wait_or_kill(&mut child)?;
    let joined = (output.join().unwrap_or_default(), errors.join().unwrap_or_default());
    // It ends with the child's end of the pipe.
    let _ = feeder.join();
    Ok((status, joined.0, joined.1))
}

fn environment() -> [(&'static str, &'static str); 3] {
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/root"), ("TERM", "linux")]
}

fn read_all(pipe: &mut Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What was read before an error is the answer.
    let _ = pipe.as_mut().map(|pipe| pipe.read_to_end(&mut bytes));
    bytes
}

fn wait_or_kill(child: &mut std::process::Child) -> io::Result<i32> {
    for _ in 0..LIMIT_SECONDS * 100 {
        if let Some(status) = child.try_wait()? {
            return Ok(status.into_raw());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    sys::kill(-(child.id() as i32), libc::SIGKILL)?;
    Ok(child.wait()?.into_raw())
}

fn power_off() -> ! {
    if let Err(error) = Command::new("/bin/busybox").args(["poweroff", "-f"]).status() {
        eprintln!("linux-init: cannot power off: {error}");
    }
    loop {
        std::thread::park();
    }
}
