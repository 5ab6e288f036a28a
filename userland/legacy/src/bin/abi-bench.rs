//! Measures what operations of the Linux ABI cost, by the time-stamp counter.
//!
//! Under `-icount shift=0` a tick is an instruction. With arguments, measures only the operations that they name. Prints `operation<TAB>ticks<TAB>CR3 writes`, the middle value of
//! several rounds, the entries into the kernel and the switches of threads; the last three are `-` where the system does not count them (in
//! `/proc/banyan/counters`). `command PROGRAM ARG...` measures a program from fork to wait, once, in the same form.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write, pipe};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use legacy_programs::sys::{self, Mapping};

const PAGE: usize = 4096;
/// Rounds of each operation; their middle value counts.
const ROUNDS: usize = 21;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    match std::env::args().nth(1).as_deref() {
        Some("exit") => sys::exit_now(0),
        Some("command") => return command(&std::env::args_os().skip(2).collect::<Vec<_>>()),
        _ => {}
    }
    type Measure = (&'static str, fn() -> Outcome);
    const ALL: [Measure; 8] = [
        ("getpid", get_pid),
        ("pipe_rt_proc", pipe_round_trip),
        ("fork_exit_wait", fork_exit_wait),
        ("fork_exec_wait", fork_exec_wait),
        ("fault_anon_page", anonymous_fault),
        ("fault_cow_page", copy_on_write_fault),
        ("pread_4k", read_file),
        ("signal_self", signal_self),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut chosen = ALL.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|word| word == name));
    chosen.try_for_each(|(_, measure)| measure())
}

fn get_pid() -> Outcome {
    report("getpid", 1000, |_| {
        black_box(sys::raw_call(libc::SYS_getpid as u64, [0; 6]));
    });
    Ok(())
}

fn fork_exit_wait() -> Outcome {
    report("fork_exit_wait", 1, |_| run_child(|| 0));
    Ok(())
}

/// One byte to another process and back, through two pipes.
fn pipe_round_trip() -> Outcome {
    let (mut question_end, mut question) = pipe()?;
    let (mut answer, mut answer_end) = pipe()?;
    let child = sys::spawn(|| {
        let mut byte = [0];
        while question_end.read(&mut byte).is_ok_and(|count| count == 1 && byte[0] != 0) {
            if answer_end.write_all(&byte).is_err() {
                return 1;
            }
        }
        0
    })?;
    let mut byte = [1];
    report("pipe_rt_proc", 100, |_| {
        question.write_all(&byte).expect("the other process reads");
        answer.read_exact(&mut byte).expect("the other process answers");
    });
    question.write_all(&[0])?;
    sys::wait(child, 0)?;
    Ok(())
}

fn fork_exec_wait() -> Outcome {
    let program = CString::new(std::env::current_exe()?.into_os_string().into_encoded_bytes())?;
    let arguments = [program.clone(), c"exit".into()];
    report("fork_exec_wait", 1, |_| {
        run_child(|| {
            sys::exec(&program, &arguments);
            1
        });
    });
    Ok(())
}

fn run_child(child: impl FnOnce() -> i32) {
    let pid = sys::spawn(child).expect("there is room for a process");
    let (_, status) = sys::wait(pid, 0).expect("the child is ours");
    assert_eq!(status, 0, "the child ends well");
}

/// The first touch of pages of a private anonymous mapping.
fn anonymous_fault() -> Outcome {
    const PAGES: usize = 200;
    let mapping =
        Mapping::anonymous((ROUNDS + 1) * PAGES * PAGE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE)?;
    mapping.advise(libc::MADV_NOHUGEPAGE).or_else(|error| match error.raw_os_error() {
        // A kernel without huge pages need not know the word.
        Some(libc::EINVAL) => Ok(()),
        _ => Err(error),
    })?;
    report("fault_anon_page", PAGES, |index| mapping.write(index * PAGE, 1));
    Ok(())
}

/// The first write after a fork, by the parent, while the child has the page as well.
fn copy_on_write_fault() -> Outcome {
    const PAGES: usize = 200;
    let pages = (ROUNDS + 1) * PAGES;
    let mapping = Mapping::anonymous(pages * PAGE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE)?;
    (0..pages).for_each(|index| mapping.write(index * PAGE, 1));
    let (mut end, start) = pipe()?;
    let child = sys::spawn(|| i32::from(end.read(&mut [0]).is_err()))?;
    report("fault_cow_page", PAGES, |index| mapping.write(index * PAGE, 2));
    (&start).write_all(&[0])?;
    sys::wait(child, 0)?;
    Ok(())
}

fn read_file() -> Outcome {
    let path = "/tmp/abi-bench.data";
    std::fs::write(path, vec![7; PAGE])?;
    let file = File::open(path)?;
    let mut page = vec![0; PAGE];
    report("pread_4k", 200, |_| file.read_exact_at(&mut page, 0).expect("the file has a page"));
    std::fs::remove_file(path)?;
    Ok(())
}

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// From kill(2) through the handler and back.
fn signal_self() -> Outcome {
    sys::on_signal(libc::SIGUSR1, count, 0)?;
    let pid = sys::pid();
    report("signal_self", 200, |_| sys::kill(pid, libc::SIGUSR1).expect("we may"));
    assert_eq!(HANDLED.load(Ordering::Relaxed) as usize, (ROUNDS + 1) * 200, "each was handled");
    Ok(())
}

/// Runs `operation` `count` times in each round, after one round to warm up, and prints the middle cost.
/// `operation` is given the number of the call, over all rounds.
fn report(name: &str, count: usize, mut operation: impl FnMut(usize)) {
    let mut round = |number: usize| (number * count..(number + 1) * count).for_each(&mut operation);
    round(0);
    let before = Counters::read();
    let mut ticks = Vec::with_capacity(ROUNDS);
    for number in 1..=ROUNDS {
        let start = sys::cycles();
        round(number);
        ticks.push(sys::cycles() - start);
    }
    let counted = Counters::per_operation(before, ROUNDS * count);
    ticks.sort_unstable();
    let middle = ticks[ROUNDS / 2] as f64 / count as f64;
    println!("{name}\t{middle:.1}\t{counted}");
}

/// Runs a program and prints what it took.
fn command(words: &[OsString]) -> Outcome {
    let (program, arguments) = words.split_first().ok_or("a program to run is missing")?;
    let before = Counters::read();
    let start = sys::cycles();
    let status = Command::new(program).args(arguments).status()?;
    let ticks = sys::cycles() - start;
    println!("command\t{ticks}\t{}", Counters::per_operation(before, 1));
    if status.success() { Ok(()) } else { Err(format!("the program ended with {status}").into()) }
}

/// What the system counts.
#[derive(Clone, Copy)]
struct Counters {
    address_space_switches: u64,
    kernel_entries: u64,
    thread_switches: u64,
}

impl Counters {
    /// The system's counts, where it has them.
    fn read() -> Option<Self> {
        let text = std::fs::read_to_string("/proc/banyan/counters").ok()?;
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
            line.trim().parse().ok()
        };
        Some(Self {
            address_space_switches: number("cr3_writes")?,
            kernel_entries: number("kernel_entries")?,
            thread_switches: number("thread_switches")?,
        })
    }

    /// What was counted since `before` for each of `count` operations, as columns.
    fn per_operation(before: Option<Self>, count: usize) -> String {
        let Some((before, after)) = before.zip(Self::read()) else { return "-\t-\t-".into() };
        let columns = [
            (before.address_space_switches, after.address_space_switches),
            (before.kernel_entries, after.kernel_entries),
            (before.thread_switches, after.thread_switches),
        ];
        columns.map(|(before, after)| format!("{:.1}", (after - before) as f64 / count as f64)).join("\t")
    }
}
