//! Threads and what they synchronise with.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use legacy_programs::sys::{self, Mapping};

use crate::{Outcome, Tests, describe, report_end};

pub const TESTS: Tests = &[
    ("threads-count-together", count_together),
    ("condition-variables", conditions),
    ("barriers", barriers),
    ("thread-local-storage", thread_local),
    ("futex-results", futex_results),
    ("futex-between-processes", futex_processes),
    ("exit-ends-all-threads", exit_group),
    ("a-signal-ends-all-threads", signal_group),
    ("exec-from-a-thread", exec_from_thread),
    ("many-threads", many_threads),
    ("floating-point-in-threads", floating_point),
    ("the-trap-mechanism-changes", changing_mechanism),
];

fn count_together() -> Outcome {
    let total = Arc::new(Mutex::new(0_u64));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let total = Arc::clone(&total);
            thread::spawn(move || (0..2000).for_each(|_| *total.lock().expect("nobody panics") += 1))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("nobody panics"));
    println!("{}", total.lock().expect("nobody panics"));
    Ok(())
}

fn conditions() -> Outcome {
    let shared = Arc::new((Mutex::new(0_u32), Condvar::new()));
    let other = Arc::clone(&shared);
    let thread = thread::spawn(move || ping(&other, 1));
    ping(&shared, 0);
    thread.join().map_err(|_| "a panic")?;
    println!("{}", shared.0.lock().map_err(|_| "a panic")?);
    let guard = shared.0.lock().map_err(|_| "a panic")?;
    let (_guard, result) = shared.1.wait_timeout(guard, Duration::from_millis(20)).map_err(|_| "a panic")?;
    println!("timed out {}", result.timed_out());
    Ok(())
}

/// Increments whenever the number is of its parity, 500 times.
fn ping(shared: &(Mutex<u32>, Condvar), parity: u32) {
    for _ in 0..500 {
        let mut number = shared.0.lock().expect("nobody panics");
        while *number % 2 != parity {
            number = shared.1.wait(number).expect("nobody panics");
        }
        *number += 1;
        shared.1.notify_all();
    }
}

fn barriers() -> Outcome {
    let (barrier, round) = (Barrier::new(4), AtomicU32::new(0));
    let good = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for expected in 0..50 {
                    good.fetch_add(u32::from(round.load(Ordering::SeqCst) == expected), Ordering::SeqCst);
                    if barrier.wait().is_leader() {
                        round.fetch_add(1, Ordering::SeqCst);
                    }
                    barrier.wait();
                }
            });
        }
    });
    println!("{}", good.load(Ordering::SeqCst));
    Ok(())
}

thread_local! {
    static LOCAL: Cell<u64> = const { Cell::new(7) };
}

fn thread_local() -> Outcome {
    LOCAL.set(1);
    let (sender, receiver) = mpsc::channel();
    for number in 0..4 {
        let sender = sender.clone();
        thread::spawn(move || {
            let fresh = LOCAL.get();
            LOCAL.set(number * 10);
            thread::yield_now();
            sender.send((number, fresh, LOCAL.get())).expect("the receiver waits");
        });
    }
    drop(sender);
    let mut seen: Vec<_> = receiver.iter().collect();
    seen.sort_unstable();
    println!("{seen:?} {}", LOCAL.get());
    Ok(())
}

fn futex_results() -> Outcome {
    let word = AtomicU32::new(5);
    println!("other value {}", sys::futex(&word, libc::FUTEX_WAIT, 4, 10));
    println!("time out {}", sys::futex(&word, libc::FUTEX_WAIT, 5, 10));
    println!("nobody waits {}", sys::futex(&word, libc::FUTEX_WAKE, 1, 0));
    println!("unknown operation {}", sys::futex(&word, 99, 0, 0));
    println!("unaligned {}", sys::raw_call(libc::SYS_futex as u64, [word.as_ptr() as u64 + 1, 0, 5, 0, 0, 0]));
    println!("no memory {}", sys::raw_call(libc::SYS_futex as u64, [8, 0, 5, 0, 0, 0]));
    Ok(())
}

fn futex_processes() -> Outcome {
    let memory = Mapping::anonymous(4096, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED)?;
    let word = memory.atomic_u32(64);
    let child = sys::spawn(|| {
        while word.load(Ordering::SeqCst) == 0 {
            let _ = sys::futex(word, libc::FUTEX_WAIT, 0, 10_000);
        }
        8
    })?;
    thread::sleep(Duration::from_millis(100));
    word.store(1, Ordering::SeqCst);
    println!("woken {}", sys::futex(word, libc::FUTEX_WAKE, 10, 0) <= 1);
    println!("{}", describe(sys::wait(child, 0)?.1));
    Ok(())
}

fn exit_group() -> Outcome {
    report_end("exit by one of several threads", || {
        for _ in 0..5 {
            thread::spawn(|| thread::sleep(Duration::from_secs(1000)));
        }
        let thread = thread::spawn(|| std::process::exit(12));
        drop(thread.join());
    })
}

fn signal_group() -> Outcome {
    report_end("fault of one of several threads", || {
        let computing = thread::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
        thread::spawn(legacy_programs::faults::undefined);
        drop(computing.join());
    })
}

fn exec_from_thread() -> Outcome {
    let child = sys::spawn(|| {
        let before = sys::pid();
        thread::spawn(|| thread::sleep(Duration::from_secs(1000)));
        let thread = thread::spawn(move || {
            let script =
                std::ffi::CString::new(format!("[ $$ = {before} ] && echo same process; ls /proc/$$/task | wc -l"));
            let words = [c"sh".into(), c"-c".into(), script.expect("no zeroes")];
            sys::exec(&c"/bin/sh".into(), &words);
        });
        drop(thread.join());
        1
    })?;
    println!("{}", describe(sys::wait(child, 0)?.1));
    Ok(())
}

fn many_threads() -> Outcome {
    let sum = AtomicU64::new(0);
    for _ in 0..10 {
        thread::scope(|scope| {
            for number in 0..50 {
                let sum = &sum;
                scope.spawn(move || sum.fetch_add(number, Ordering::SeqCst));
            }
        });
    }
    println!("{}", sum.load(Ordering::SeqCst));
    Ok(())
}

/// Each thread's floating-point registers are its own.
fn floating_point() -> Outcome {
    let threads: Vec<_> = (1..5_u32)
        .map(|seed| {
            thread::spawn(move || {
                let mut x = f64::from(seed);
                for step in 0..200_000_u32 {
                    x = std::hint::black_box((x * 1.000_01 + f64::from(step % 7)) % 1000.0);
                }
                x
            })
        })
        .collect();
    for thread in threads {
        println!("{:?}", thread.join().map_err(|_| "a panic")?);
    }
    Ok(())
}

/// Threads compute, make calls and wait while the way of their traps to the personality changes; on Linux it stays the same.
fn changing_mechanism() -> Outcome {
    const FILE: &str = "/proc/banyan/trap";
    let changes = std::path::Path::new(FILE).exists();
    let (mut from, to) = std::io::pipe()?;
    let done = Arc::new(AtomicU32::new(0));
    let workers: Vec<_> = (1..=3_u32)
        .map(|factor| {
            let done = Arc::clone(&done);
            thread::spawn(move || compute(factor, &done))
        })
        .collect();
    let reader = thread::spawn(move || {
        let mut byte = [0];
        let result = std::io::Read::read(&mut from, &mut byte);
        (result.map_err(|error| error.raw_os_error()), byte)
    });
    let mut mechanism = ["exception-ipc", "vcpu"].into_iter().cycle();
    while done.load(Ordering::SeqCst) < 3 {
        if changes {
            std::fs::write(FILE, mechanism.next().unwrap_or_default())?;
        }
        thread::sleep(Duration::from_millis(2));
    }
    std::io::Write::write(&mut &to, b"x")?;
    println!("{:?}", reader.join().map_err(|_| "a panic")?);
    for worker in workers {
        println!("{:?}", worker.join().map_err(|_| "a panic")?);
    }
    Ok(())
}

/// A sum, with a call in between now and then.
fn compute(factor: u32, done: &AtomicU32) -> (f64, u64) {
    let (mut sum, mut calls) = (0.0, 0);
    for step in 0..200_000_u32 {
        sum += f64::from(step) * (f64::from(factor) + 0.25);
        if step % 100 == 0 {
            // A call that does not exist keeps its argument registers.
            calls += u64::from(sys::raw_call(9999, [step.into(), 1, 2, 3, 4, 5]) == -i64::from(libc::ENOSYS));
        }
    }
    done.fetch_add(1, Ordering::SeqCst);
    (sum, calls)
}
