//! fork, exec, wait in its forms, groups and sessions, limits.

use std::io::{Read, pipe};
use std::process::{Command, Stdio};
use std::time::Duration;

use legacy_programs::sys;
use rustix::process::{Resource, Rlimit, getpgid, getpgrp, getppid, getrlimit, getsid, setpgid, setrlimit, setsid};

use crate::{Outcome, Tests, describe, error_number, report_end};

pub const TESTS: Tests = &[
    ("exit-statuses", exit_statuses),
    ("wait-forms", wait_forms),
    ("waitid", waitid),
    ("stop-and-continue", stop_and_continue),
    ("no-children", no_children),
    ("orphans-get-a-parent", orphans),
    ("groups-and-sessions", groups),
    ("spawn-by-vfork", vfork),
    ("exec-errors", exec_errors),
    ("many-children", many_children),
    ("nobody-escapes-a-signal-to-the-group", nobody_escapes),
    ("fork-chain", fork_chain),
    ("file-limit", file_limit),
    ("ids", ids),
];

fn exit_statuses() -> Outcome {
    for code in [0, 1, 42, 255, 256, -1] {
        let child = sys::spawn(|| code)?;
        println!("{code}: {}", describe(sys::wait(child, 0)?.1));
    }
    for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGUSR1, libc::SIGPIPE, libc::SIGALRM, libc::SIGRTMIN()] {
        report_end("signal", || drop(sys::kill(sys::pid(), signal)))?;
    }
    report_end("ignored by default", || drop(sys::kill(sys::pid(), libc::SIGCHLD)))
}

fn wait_forms() -> Outcome {
    let (first, second) = (sys::spawn(|| 1)?, sys::spawn(|| 2)?);
    println!("{}", describe(sys::wait(second, 0)?.1));
    let (pid, status) = sys::wait(-1, 0)?;
    println!("{} {}", pid == first, describe(status));
    let sleeper = sys::spawn(|| {
        std::thread::sleep(std::time::Duration::from_secs(100));
        0
    })?;
    println!("not yet: {}", sys::wait(sleeper, libc::WNOHANG)?.0);
    println!("group: {}", sys::wait(0, libc::WNOHANG)?.0);
    sys::kill(sleeper, libc::SIGKILL)?;
    println!("{}", describe(sys::wait(sleeper, 0)?.1));
    println!("again: {}", error_number(sys::wait(sleeper, 0)));
    Ok(())
}

fn waitid() -> Outcome {
    let child = sys::spawn(|| 9)?;
    println!("left in place {:?}", sys::wait_for_change(child, libc::WEXITED | libc::WNOWAIT)?);
    println!("taken {:?}", sys::wait_for_change(child, libc::WEXITED)?);
    println!("gone {}", error_number(sys::wait_for_change(child, libc::WEXITED)));
    let child = sys::spawn(|| {
        drop(sys::kill(sys::pid(), libc::SIGTERM));
        0
    })?;
    println!("killed {:?}", sys::wait_for_change(child, libc::WEXITED)?);
    println!("no options {}", error_number(sys::wait_for_change(1, 0)));
    Ok(())
}

fn stop_and_continue() -> Outcome {
    let child = sys::spawn(|| {
        loop {
            std::thread::park();
        }
    })?;
    sys::kill(child, libc::SIGSTOP)?;
    println!("{}", describe(sys::wait(child, libc::WUNTRACED)?.1));
    sys::kill(child, libc::SIGUSR1)?;
    println!("nothing while stopped: {}", sys::wait(child, libc::WNOHANG | libc::WUNTRACED)?.0);
    sys::mask(libc::SIG_BLOCK, libc::SIGUSR2)?;
    sys::kill(child, libc::SIGCONT)?;
    println!("{}", describe(sys::wait(child, 0)?.1));
    let child = sys::spawn(|| {
        // A group of its own, whose parent could continue it: terminal stops do nothing in orphaned groups.
        let _ = setpgid(None, None);
        drop(sys::kill(sys::pid(), libc::SIGTSTP));
        std::thread::sleep(std::time::Duration::from_millis(50));
        3
    })?;
    println!("{}", describe(sys::wait(child, libc::WUNTRACED)?.1));
    sys::kill(child, libc::SIGCONT)?;
    println!("{}", describe(sys::wait(child, libc::WCONTINUED)?.1));
    println!("{}", describe(sys::wait(child, 0)?.1));
    Ok(())
}

fn no_children() -> Outcome {
    println!("{} {}", error_number(sys::wait(-1, 0)), error_number(sys::wait(1, libc::WNOHANG)));
    println!("bad options {}", error_number(sys::wait(-1, 0x4000)));
    Ok(())
}

fn orphans() -> Outcome {
    let (mut reader, writer) = std::io::pipe()?;
    let child = sys::spawn(|| {
        let parent = sys::pid();
        let grandchild = sys::spawn(|| {
            while getppid().is_some_and(|pid| pid.as_raw_nonzero().get() == parent) {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            i32::from(std::io::Write::write_all(&mut &writer, b"adopted").is_err())
        });
        i32::from(grandchild.is_err())
    })?;
    drop(writer);
    sys::wait(child, 0)?;
    println!("{}", std::io::read_to_string(&mut reader)?);
    Ok(())
}

fn groups() -> Outcome {
    report_end("own session", || {
        let own = rustix::process::getpid();
        println!("setsid {}", setsid().is_ok_and(|session| session == own));
        println!("leads {}", getpgrp() == own && getsid(None) == Ok(own));
        println!("again {:?}", setsid().err().map(rustix::io::Errno::raw_os_error));
        println!("leader stays {:?}", setpgid(None, None).err().map(rustix::io::Errno::raw_os_error));
    })?;
    let child = sys::spawn(|| {
        std::thread::sleep(std::time::Duration::from_secs(100));
        0
    })?;
    let pid = rustix::process::Pid::from_raw(child);
    setpgid(pid, None)?;
    println!("moved {}", getpgid(pid)? == pid.ok_or("a child has a number")?);
    sys::kill(-child, libc::SIGTERM)?;
    println!("{}", describe(sys::wait(-child, 0)?.1));
    println!("empty group {}", error_number(sys::kill(-child, 0)));
    Ok(())
}

/// `std` starts programs by `vfork` (CLONE_VM | CLONE_VFORK).
fn vfork() -> Outcome {
    let output = Command::new("/bin/busybox").args(["echo", "from", "a", "child"]).output()?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    println!("missing {:?}", Command::new("/no/such/program").status().map_err(|error| error.raw_os_error()));
    let mut cat = Command::new("/bin/busybox").arg("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    std::io::Write::write_all(&mut cat.stdin.take().ok_or("piped")?, b"through cat\n")?;
    print!("{}", String::from_utf8_lossy(&cat.wait_with_output()?.stdout));
    Ok(())
}

fn exec_errors() -> Outcome {
    std::fs::write("script", "#!/no/such/interpreter\n")?;
    std::fs::write("junk", [0x7f, b'E', b'L', b'F', 9, 9, 9])?;
    std::fs::write("plain", "echo no")?;
    for name in ["script", "junk"] {
        std::fs::set_permissions(name, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    }
    for path in ["script", "junk", "plain", "/", "/missing", "junk/x", ""] {
        let name = std::ffi::CString::new(path)?;
        println!("{path:?}: {:?}", sys::exec(&name, std::slice::from_ref(&name)).raw_os_error());
    }
    Ok(())
}

fn many_children() -> Outcome {
    let children: Vec<_> = (0..100).map(|number| sys::spawn(|| number)).collect::<Result<_, _>>()?;
    let mut sum = 0;
    for child in children {
        sum += libc::WEXITSTATUS(sys::wait(child, 0)?.1);
    }
    println!("{sum}");
    Ok(())
}

/// Runners that pass on a baton: each forks the next one and ends. A signal to their group must reach the last of each,
/// even one that is being born.
fn nobody_escapes() -> Outcome {
    for round in 0..40 {
        let (mut reader, writer) = pipe()?;
        let group = sys::spawn(start_runners)?;
        drop(writer);
        sys::wait(group, 0)?;
        std::thread::sleep(Duration::from_millis(round));
        sys::kill(-group, libc::SIGKILL)?;
        // Ends when nobody has the other end any more.
        reader.read_to_end(&mut Vec::new())?;
    }
    println!("nobody escaped");
    Ok(())
}

/// Starts runners in a group of their own.
fn start_runners() -> i32 {
    if setpgid(None, None).is_err() {
        return 1;
    }
    for _ in 0..4 {
        if sys::spawn(run_on).is_err() {
            return 1;
        }
    }
    0
}

fn run_on() -> i32 {
    while let Ok(sys::Fork::Child) = sys::fork() {}
    0
}

fn fork_chain() -> Outcome {
    fn descend(depth: i32) -> i32 {
        if depth == 0 {
            return 7;
        }
        let child = sys::spawn(|| descend(depth - 1)).expect("there is room");
        libc::WEXITSTATUS(sys::wait(child, 0).expect("it is ours").1)
    }
    println!("{}", descend(30));
    Ok(())
}

fn file_limit() -> Outcome {
    setrlimit(Resource::Nofile, Rlimit { current: Some(20), maximum: Some(20) })?;
    println!("{:?}", getrlimit(Resource::Nofile).current);
    let mut files = Vec::new();
    let error = loop {
        match std::fs::File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => break error,
        }
    };
    println!("{} files, then {:?}", files.len(), error.raw_os_error());
    Ok(())
}

fn ids() -> Outcome {
    report_end("as a user", || {
        println!("{:?}", sys::become_user(1234).is_ok());
        println!("{:?}", error_number(sys::become_user(0)));
        println!("kill init {}", error_number(sys::kill(1, 0)));
        println!("{:?}", error_number(std::fs::write("/etc/x", "")));
    })
}
