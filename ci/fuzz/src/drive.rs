//! Gives a target one damaged input after the other, watches that each ends, and makes smaller what breaks it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::damage::{Damage, apply, damages};
use crate::{Answer, Target};

/// How long an input may take; only one that does not end takes as long.
const LIMIT: Duration = Duration::from_secs(120);

/// An input that breaks a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The target's name.
    pub target: &'static str,
    /// The input's seed: of its damage.
    pub seed: u64,
    /// What happened.
    pub message: String,
    /// The smallest damage that was found to do it.
    pub damages: Vec<Damage>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, seed, message, damages } = self;
        write!(f, "{target}: {message}\nby {damages:?}\nagain: cargo run -q -p fuzz -- {target} {seed} 1")
    }
}

/// Gives `target` so many inputs, of the seeds from `seed` on.
///
/// # Errors
/// The first input that breaks it.
pub fn drive(target: &'static Target, seed: u64, inputs: u64) -> Result<(), Finding> {
    let at = Arc::new(AtomicU64::new(seed));
    let (sender, result) = channel();
    let reached = Arc::clone(&at);
    // Not joined: it may never end.
    let worker = std::thread::Builder::new().name(target.name.into());
    let worker = worker.spawn(move || {
        // Nobody listens any more when an input took too long.
        let _ = sender.send(give(target, seed, inputs, &reached));
    });
    worker.expect("the host has threads");
    loop {
        let before = at.load(Ordering::Relaxed);
        match result.recv_timeout(LIMIT) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) if at.load(Ordering::Relaxed) != before => {}
            Err(error) => {
                let message = match error {
                    RecvTimeoutError::Timeout => format!("no end after {} s", LIMIT.as_secs()),
                    RecvTimeoutError::Disconnected => "its good input cannot be made".into(),
                };
                return Err(Finding { target: target.name, seed: before, message, damages: damages(before) });
            }
        }
    }
}

fn give(target: &'static Target, seed: u64, inputs: u64, at: &AtomicU64) -> Result<(), Finding> {
    let good = (target.good)();
    let undamaged = match run(target, &good, &[]) {
        Ok(Answer::Understood) => None,
        Ok(Answer::Refused) => Some("the good input is refused".into()),
        Err(message) => Some(format!("undamaged: {message}")),
    };
    if let Some(message) = undamaged {
        return Err(Finding { target: target.name, seed, message, damages: Vec::new() });
    }
    for seed in (0..inputs).map(|number| seed.wrapping_add(number)) {
        at.store(seed, Ordering::Relaxed);
        let damages = damages(seed);
        if let Err(message) = run(target, &good, &damages) {
            let (damages, message) = smaller(target, &good, damages, message);
            return Err(Finding { target: target.name, seed, message, damages });
        }
    }
    Ok(())
}

/// Runs one input; what its panic said.
fn run(target: &Target, good: &[u8], damages: &[Damage]) -> Result<Answer, String> {
    let bytes = apply(good, target.head, damages);
    catch_unwind(AssertUnwindSafe(|| (target.run)(&bytes))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").into()
    })
}

/// Leaves out each damage that is not needed.
fn smaller(target: &Target, good: &[u8], mut damages: Vec<Damage>, mut message: String) -> (Vec<Damage>, String) {
    let mut index = 0;
    while index < damages.len() {
        let mut fewer = damages.clone();
        fewer.remove(index);
        match run(target, good, &fewer) {
            Err(said) => (damages, message) = (fewer, said),
            Ok(_) => index += 1,
        }
    }
    (damages, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRITTLE: Target = Target {
        name: "brittle",
        good: || vec![1; 64],
        head: 64,
        inputs: 0,
        run: |bytes| {
            assert!(!bytes.contains(&0), "there is a zero");
            Answer::Understood
        },
    };
    static TARGET: Target = BRITTLE;
    static BROKEN: Target = Target { run: |_| panic!("always"), ..BRITTLE };
    static DEAF: Target = Target { run: |_| Answer::Refused, ..BRITTLE };
    static SOUND: Target = Target { run: |_| Answer::Understood, ..BRITTLE };

    #[test]
    fn what_breaks_a_target_is_found_again_and_made_smaller() {
        let finding = drive(&TARGET, 1, 1000).expect_err("some damage writes a zero");
        assert_eq!(finding.message, "there is a zero");
        assert_eq!(finding.damages.len(), 1, "{finding}");
        assert_eq!(drive(&TARGET, finding.seed, 1), Err(finding));
    }

    #[test]
    fn a_target_that_takes_nothing_is_told_from_one_that_takes_all() {
        assert_eq!(drive(&BROKEN, 1, 10).expect_err("it panics").message, "undamaged: always");
        assert_eq!(drive(&DEAF, 1, 10).expect_err("it understands nothing").message, "the good input is refused");
        assert_eq!(drive(&SOUND, 1, 100), Ok(()));
    }
}
