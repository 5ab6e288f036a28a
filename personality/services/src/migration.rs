//! A move: the steps of leaving one home and entering another, and back where one fails.

use core::fmt;

use crate::home::{Home, Step, StepError};
use crate::slot::Slot;

/// A move did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveError {
    /// A step failed; those before it were taken back, and the service goes on where it was.
    RolledBack {
        /// The step.
        step: Step,
        /// Why.
        error: StepError,
    },
    /// A step failed, and one before it could not be taken back: the service may be nowhere.
    Stranded {
        /// The step that failed first.
        step: Step,
        /// The one that could not be taken back.
        back: Step,
        /// Why.
        error: StepError,
    },
}

impl fmt::Display for MoveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RolledBack { step, error } => write!(f, "step {} failed ({error}); taken back", step.name()),
            Self::Stranded { step, back, error } => {
                let (step, back) = (step.name(), back.name());
                write!(f, "step {step} failed, and step {back} cannot be taken back ({error})")
            }
        }
    }
}

/// Moves the service in `slot` from one home to another: closes the gate, takes all steps, opens it. How long it was closed,
/// in nanoseconds, and how it went.
///
/// # Errors
/// As [`MoveError`] says.
pub fn run<T: ?Sized>(slot: &Slot<T>, from: &dyn Home<T>, to: &dyn Home<T>) -> (u64, Result<(), MoveError>) {
    let mut closed = slot.close();
    let closed_ns = rt::time::now_ns();
    let result = take_all(from, to);
    closed.set(if result.is_ok() { to.service() } else { from.service() });
    drop(closed);
    (rt::time::now_ns() - closed_ns, result)
}

/// A step, and whose it is.
#[derive(Clone, Copy)]
enum Of {
    Old(Step),
    New(Step),
}

fn take_all<T: ?Sized>(from: &dyn Home<T>, to: &dyn Home<T>) -> Result<(), MoveError> {
    let leaving = from.leaving().iter().copied().map(Of::Old);
    let steps = leaving.chain(to.entering().iter().copied().map(Of::New));
    for (taken, step) in steps.clone().enumerate() {
        let (step, result) = match step {
            Of::Old(step) => (step, from.take(step)),
            Of::New(step) => (step, to.take(step)),
        };
        if let Err(error) = result {
            let mut back = steps.take(taken).collect::<alloc::vec::Vec<_>>();
            back.reverse();
            return Err(take_back(from, to, step, &back).err().unwrap_or(MoveError::RolledBack { step, error }));
        }
    }
    Ok(())
}

/// Takes all steps back, even if one cannot be: the rest may be enough to go on.
fn take_back<T: ?Sized>(from: &dyn Home<T>, to: &dyn Home<T>, step: Step, taken: &[Of]) -> Result<(), MoveError> {
    let mut result = Ok(());
    for of in taken {
        let (back, undone) = match of {
            Of::Old(back) => (*back, from.take_back(*back)),
            Of::New(back) => (*back, to.take_back(*back)),
        };
        if let Err(error) = undone {
            log::error!("step {} of a move cannot be taken back: {error}", back.name());
            result = result.and(Err(MoveError::Stranded { step, back, error }));
        }
    }
    result
}
