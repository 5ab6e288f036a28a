//! Programs that behave badly on purpose; the system must answer with errors and go on.
//!
//! `abuse fuzz SEED CALLS`: random system calls, as a user without rights, in disposable children with an alarm.
//! `abuse fuzz-sockets SEED CALLS`: the same with calls on sockets and epolls that are nearly right.
//! `abuse fork-bomb`, `abuse memory`, `abuse fill FILE`: processes, memory, file system until the system says no.
//! `abuse fork-loop COUNT`: forks and buries COUNT children, one after the other.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use legacy_programs::faults;
use legacy_programs::random::Random;
use legacy_programs::sys::{self, Mapping};
use legacy_programs::talk;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const NOBODY: u32 = 65534;
/// Calls of one child, if it lives that long.
const CALLS_PER_CHILD: u32 = 200;
const ALARM_SECONDS: u32 = 2;
/// Children that run side by side: many just wait for their alarm.
const AT_ONCE: usize = 40;
/// Calls that would only take the test itself apart: they may stop or detach the child for longer than its alarm.
const LEFT_OUT: &[i64] = &[
    libc::SYS_alarm,
    libc::SYS_setitimer,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_kill,
    libc::SYS_tkill,
];

fn main() -> Outcome {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["fuzz", seed, calls] => fuzz(seed.parse()?, calls.parse()?, wild_deed),
        ["fuzz-sockets", seed, calls] => fuzz(seed.parse()?, calls.parse()?, talk::call),
        ["fork-bomb"] => fork_bomb(),
        ["memory"] => use_memory(),
        ["fill", path] => fill(path),
        ["fork-loop", count] => fork_loop(count.parse()?),
        _ => Err("usage: abuse fuzz|fuzz-sockets SEED CALLS | fork-bomb | memory | fill FILE | fork-loop COUNT".into()),
    }
}

/// What a child does again and again.
type Deed = fn(&mut Random, &Mapping);

fn fuzz(seed: u64, calls: u64, deed: Deed) -> Outcome {
    let counts = Mapping::anonymous(AT_ONCE * 8, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)?;
    let mut done = 0;
    let mut children = 0;
    while done < calls {
        let mut alive = Vec::new();
        for index in 0..AT_ONCE {
            let child_seed = seed.wrapping_add(children << 32);
            let count = Count::new(&counts, index);
            alive.push((sys::spawn(|| wild_child(child_seed, &count, deed))?, count));
            children += 1;
        }
        for (child, count) in alive {
            bury(child)?;
            done += count.get();
        }
        bury(sys::spawn(sweep)?)?;
        println!("{done} calls in {children} children");
    }
    println!("survived {calls} calls");
    Ok(())
}

/// How many calls a child made, in memory that it shares with its parent: most children die before they have made all.
///
/// A wild call may write there. So the complement is kept beside it, and what does not fit counts as nothing.
struct Count<'a> {
    value: &'a AtomicU32,
    complement: &'a AtomicU32,
}

impl<'a> Count<'a> {
    fn new(counts: &'a Mapping, index: usize) -> Self {
        let count = Self { value: counts.atomic_u32(index * 8), complement: counts.atomic_u32(index * 8 + 4) };
        count.set(0);
        count
    }

    fn set(&self, value: u32) {
        self.value.store(value, Ordering::Relaxed);
        self.complement.store(!value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        let value = self.value.load(Ordering::Relaxed);
        let fits = self.complement.load(Ordering::Relaxed) == !value && value <= CALLS_PER_CHILD;
        if fits { value.into() } else { 0 }
    }
}

/// Waits for a child, at most a few times its alarm, then kills it.
fn bury(child: i32) -> Outcome {
    for _ in 0..ALARM_SECONDS * 300 {
        if sys::wait(child, libc::WNOHANG)?.0 == child {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    sys::kill(child, libc::SIGKILL)?;
    sys::wait(child, 0)?;
    Ok(())
}

/// Ends what the children left behind: wild calls fork, and what they make may wait for ever.
fn sweep() -> i32 {
    let done = sys::become_user(NOBODY).and_then(|()| sys::kill(-1, libc::SIGKILL));
    done.map_or(1, |()| 0)
}

fn wild_child(seed: u64, count: &Count<'_>, deed: Deed) -> i32 {
    // What becomes of the child's groups and of its stopped descendants is nothing to the test or to its streams.
    if step_aside().is_err() || sys::become_user(NOBODY).is_err() {
        return 1;
    }
    sys::alarm(ALARM_SECONDS);
    let mut random = Random::new(seed);
    let Ok(memory) = Mapping::anonymous(1 << 16, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE) else {
        return 1;
    };
    for number in 1..=CALLS_PER_CHILD {
        count.set(number);
        deed(&mut random, &memory);
    }
    0
}

fn wild_deed(random: &mut Random, memory: &Mapping) {
    match random.below(400) {
        0 => faults::jump_to(wild_number(random, memory)),
        1 => privileged(random),
        2 => faults::write_at(wild_number(random, memory)),
        _ => wild_call(random, memory),
    }
}

fn step_aside() -> Outcome {
    rustix::process::setsid()?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

fn wild_call(random: &mut Random, memory: &Mapping) {
    let mut number = random.below(451);
    while LEFT_OUT.contains(&(number as i64)) {
        number = random.below(451);
    }
    let arguments = std::array::from_fn(|_| wild_number(random, memory));
    let _ = sys::raw_call(number, arguments);
}

/// Small numbers, descriptors, pointers that are good, nearly good and bad, and everything else.
fn wild_number(random: &mut Random, memory: &Mapping) -> u64 {
    let good = memory.address() as u64;
    match random.below(12) {
        0 => 0,
        1 => random.below(8),
        2 => random.below(1 << 16),
        3 => good + random.below(1 << 16),
        4 => good + (1 << 16) - random.below(16),
        5 => good & !0xfff,
        6 => 0x7fff_ffff_f000 - random.below(1 << 20),
        7 => 0xffff_8000_0000_0000 + random.below(1 << 47),
        8 => 0x8000_0000_0000 + random.below(1 << 47),
        9 => 1 << random.below(64),
        10 => 0_u64.wrapping_sub(random.below(4096)),
        _ => random.next_u64(),
    }
}

fn privileged(random: &mut Random) {
    let wild: [fn(); 10] = [
        faults::halt,
        faults::disable_interrupts,
        faults::write_port,
        faults::read_control_register,
        faults::write_control_register,
        faults::read_model_register,
        faults::load_interrupt_table,
        faults::software_interrupt,
        faults::undefined,
        faults::lose_stack,
    ];
    wild[random.below(wild.len() as u64) as usize]();
}

/// Forks without end, children and grandchildren that wait, until fork fails; then kills them all.
fn fork_bomb() -> Outcome {
    // A session's leader has a group of its own already.
    let _ = rustix::process::setpgid(None, None);
    let refused = loop {
        let child = sys::spawn(|| {
            drop(sys::fork());
            loop {
                std::thread::park();
            }
        });
        if let Err(error) = child {
            break error;
        }
    };
    println!("refused: {:?}", refused.raw_os_error());
    // Only now: a child that had this handler, be it for a moment, could outlive the signal as well.
    sys::on_signal(libc::SIGTERM, stay, 0)?;
    sys::kill(0, libc::SIGTERM)?;
    while sys::wait(-1, 0).is_ok() {}
    Ok(())
}

/// The bomb's first process outlives its own signal.
extern "C" fn stay(_: i32) {}

/// Touches memory until there is none: an error, or the process is killed.
fn use_memory() -> Outcome {
    let mut kept = Vec::new();
    let error = loop {
        match Mapping::anonymous(16 << 20, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE) {
            Ok(memory) => {
                (0..16 << 20).step_by(4096).for_each(|at| memory.write(at, 1));
                kept.push(memory);
            }
            Err(error) => break error,
        }
    };
    println!("refused: {:?}", error.raw_os_error());
    Ok(())
}

/// Writes to a file until the file system is full, and removes it.
fn fill(path: &str) -> Outcome {
    let mut file = File::create(path)?;
    let block = vec![0x5a; 1 << 20];
    let error = loop {
        if let Err(error) = file.write_all(&block) {
            break error;
        }
    };
    println!("refused: {:?}", error.raw_os_error());
    std::fs::remove_file(path)?;
    Ok(())
}

fn fork_loop(count: u32) -> Outcome {
    for _ in 0..count {
        let child = sys::spawn(|| 0)?;
        sys::wait(child, 0)?;
    }
    println!("forked {count}");
    Ok(())
}
