//! Handlers, masks, restarts, stacks, timers.

use std::io::{Read, pipe};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use legacy_programs::{faults, sys};

use crate::{Outcome, Tests, describe, report_end};

pub const TESTS: Tests = &[
    ("handlers-run", handlers),
    ("blocked-signals-wait", blocked),
    ("interrupted-read", interrupted_read),
    ("restarted-read", restarted_read),
    ("nested-and-deferred", nested),
    ("one-shot-handler", one_shot),
    ("alternate-stack", alternate_stack),
    ("interval-timer", interval_timer),
    ("alarm-kills", alarm_kills),
    ("kill-permissions", kill_permissions),
    ("handlers-do-not-survive-exec", exec_resets),
    ("fpu-state-survives-a-handler", fpu),
    ("sleep-is-interrupted", interrupted_sleep),
    ("signal-storm", storm),
];

static COUNT: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: i32) {
    COUNT.fetch_add(1, Ordering::SeqCst);
}

fn handlers() -> Outcome {
    sys::on_signal(libc::SIGUSR1, count, 0)?;
    sys::on_signal(libc::SIGRTMIN(), count, 0)?;
    for _ in 0..10 {
        sys::kill(sys::pid(), libc::SIGUSR1)?;
        sys::kill(sys::pid(), libc::SIGRTMIN())?;
    }
    println!("{}", COUNT.load(Ordering::SeqCst));
    Ok(())
}

fn blocked() -> Outcome {
    sys::on_signal(libc::SIGUSR1, count, 0)?;
    sys::on_signal(libc::SIGRTMIN(), count, 0)?;
    for signal in [libc::SIGUSR1, libc::SIGRTMIN()] {
        sys::mask(libc::SIG_BLOCK, signal)?;
        (0..3).try_for_each(|_| sys::kill(sys::pid(), signal))?;
        println!("pending {} count {}", sys::is_pending(signal), COUNT.load(Ordering::SeqCst));
        sys::mask(libc::SIG_UNBLOCK, signal)?;
        println!("pending {} count {}", sys::is_pending(signal), COUNT.load(Ordering::SeqCst));
    }
    Ok(())
}

fn interrupted_read() -> Outcome {
    println!("{}", read_with_signal(0)?);
    Ok(())
}

fn restarted_read() -> Outcome {
    println!("{}", read_with_signal(libc::SA_RESTART)?);
    Ok(())
}

/// Reads from a pipe while a child first sends a signal and later a byte.
fn read_with_signal(flags: i32) -> Result<String, Box<dyn std::error::Error>> {
    sys::on_signal(libc::SIGUSR1, count, flags)?;
    let (mut reader, writer) = pipe()?;
    let parent = sys::pid();
    let child = sys::spawn(|| {
        std::thread::sleep(Duration::from_millis(200));
        drop(sys::kill(parent, libc::SIGUSR1));
        std::thread::sleep(Duration::from_millis(200));
        i32::from(std::io::Write::write_all(&mut &writer, b"x").is_err())
    })?;
    let result = reader.read(&mut [0]).map_err(|error| error.raw_os_error());
    sys::wait(child, 0)?;
    Ok(format!("{result:?} with {} signals", COUNT.load(Ordering::SeqCst)))
}

extern "C" fn raise_again(_: i32) {
    let before = COUNT.fetch_add(1, Ordering::SeqCst);
    if before < 3 {
        // The signal is blocked while its handler runs, so this one comes after the return.
        drop(sys::kill(sys::pid(), libc::SIGUSR1));
        assert_eq!(COUNT.load(Ordering::SeqCst), before + 1);
    }
}

fn nested() -> Outcome {
    sys::on_signal(libc::SIGUSR1, raise_again, 0)?;
    sys::kill(sys::pid(), libc::SIGUSR1)?;
    println!("{}", COUNT.load(Ordering::SeqCst));
    Ok(())
}

fn one_shot() -> Outcome {
    report_end("second signal", || {
        drop(sys::on_signal(libc::SIGUSR1, count, libc::SA_RESETHAND));
        drop(sys::kill(sys::pid(), libc::SIGUSR1));
        println!("handled {}", COUNT.load(Ordering::SeqCst));
        drop(sys::kill(sys::pid(), libc::SIGUSR1));
    })
}

extern "C" fn leave(_: i32) {
    sys::exit_now(55);
}

fn alternate_stack() -> Outcome {
    report_end("stack overflow with its own handler stack", || {
        drop(sys::separate_signal_stack(64 << 10));
        drop(sys::on_signal(libc::SIGSEGV, leave, libc::SA_ONSTACK));
        std::hint::black_box(faults::recurse_forever(0));
    })
}

fn interval_timer() -> Outcome {
    sys::on_signal(libc::SIGALRM, count, 0)?;
    sys::interval_timer(20)?;
    while COUNT.load(Ordering::SeqCst) < 5 {
        std::hint::spin_loop();
    }
    sys::interval_timer(0)?;
    println!("ticked while computing");
    Ok(())
}

fn alarm_kills() -> Outcome {
    report_end("alarm", || {
        sys::alarm(1);
        loop {
            std::hint::spin_loop();
        }
    })
}

fn kill_permissions() -> Outcome {
    let parent = sys::pid();
    report_end("user", || {
        drop(sys::become_user(1000));
        println!("{}", crate::error_number(sys::kill(parent, libc::SIGTERM)));
        println!("{}", crate::error_number(sys::kill(sys::pid(), 0)));
        println!("{}", crate::error_number(sys::kill(sys::pid(), 65)));
        println!("{}", crate::error_number(sys::kill(0x3fff_ffff, 0)));
    })
}

fn exec_resets() -> Outcome {
    sys::on_signal(libc::SIGUSR1, count, 0)?;
    let child = sys::spawn(|| {
        let words = [c"sh".into(), c"-c".into(), c"kill -USR1 $$; echo never".into()];
        sys::exec(&c"/bin/sh".into(), &words);
        1
    })?;
    println!("{}", describe(sys::wait(child, 0)?.1));
    Ok(())
}

extern "C" fn disturb(number: i32) {
    let mut x = f64::from(number);
    for _ in 0..100 {
        x = std::hint::black_box(x * 1.5 + 1.0);
    }
    COUNT.fetch_add(u32::from(x > 0.0), Ordering::SeqCst);
}

fn fpu() -> Outcome {
    sys::on_signal(libc::SIGALRM, disturb, libc::SA_RESTART)?;
    sys::interval_timer(3)?;
    let mut sums = [0.0_f64; 8];
    while COUNT.load(Ordering::SeqCst) < 20 {
        sums = [0.0; 8];
        for step in 0..20_000_u32 {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum += f64::from(step) * (lane as f64 + 0.5);
            }
        }
    }
    sys::interval_timer(0)?;
    println!("{sums:?}");
    Ok(())
}

fn interrupted_sleep() -> Outcome {
    sys::on_signal(libc::SIGALRM, count, 0)?;
    let start = Instant::now();
    sys::interval_timer(50)?;
    let request = [0_u64, 300_000_000];
    let result = sys::raw_call(libc::SYS_nanosleep as u64, [request.as_ptr() as u64, 0, 0, 0, 0, 0]);
    sys::interval_timer(0)?;
    println!("{result}");
    std::thread::sleep(Duration::from_millis(30));
    println!("{}", start.elapsed() >= Duration::from_millis(50));
    Ok(())
}

/// A child is hit by signals all the time while it works, until it has had enough.
fn storm() -> Outcome {
    sys::on_signal(libc::SIGUSR1, count, libc::SA_RESTART)?;
    let child = sys::spawn(|| {
        let mut sum = 1_u64;
        while COUNT.load(Ordering::SeqCst) < 300 {
            sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(1) | 1);
        }
        (sum % 2) as i32
    })?;
    let status = loop {
        let (ended, status) = sys::wait(child, libc::WNOHANG)?;
        if ended != 0 {
            break status;
        }
        sys::kill(child, libc::SIGUSR1)?;
        std::thread::yield_now();
    };
    println!("{}", describe(status));
    Ok(())
}
