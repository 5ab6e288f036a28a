//! A move: the steps of leaving one home and entering another, and back where one fails.

use alloc::vec::Vec;
use core::fmt;

use crate::home::{Home, Step, StepError};
use crate::pauses::Pause;
use crate::slot::{Closed, Slot};

/// How often a home is settled at most before it is left as it is.
const ATTEMPTS: u32 = 8;

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

/// Moves the service in `slot` from one home to another: prepares the new one, has the old one `settle`, closes the gate, takes
/// the other steps, opens it, and waits for its client. How long that took since the gate was closed (`None`: it never was),
/// and how it went.
///
/// # Errors
/// As [`MoveError`] says.
pub fn run<T: ?Sized>(slot: &Slot<T>, from: &dyn Home<T>, to: &dyn Home<T>) -> (Option<Pause>, Result<(), MoveError>) {
    let mut course = Course { from, to, taken: Vec::new() };
    let prepared = to.preparing().iter().try_for_each(|step| course.take(Of::New(*step)));
    if prepared.is_err() {
        return (None, prepared);
    }
    // From here on others wait for this thread.
    let _raised = rt::thread::raise();
    let mut closed = close_settled(slot, from);
    if !from.ends_calls() {
        closed.drain();
    }
    let mut take = |of: Of, closed: &mut Closed<'_, T>| {
        let result = course.take(of);
        closed.note(of.step().name());
        result
    };
    let left = from.leaving().iter().try_for_each(|step| take(Of::Old(*step), &mut closed));
    closed.drain();
    let result = left.and_then(|()| to.entering().iter().try_for_each(|step| take(Of::New(*step), &mut closed)));
    let home = if result.is_ok() { to } else { from };
    closed.set(home.service());
    let mut start = closed.open();
    home.entered();
    start.note("follow");
    (Some(start.end()), result)
}

/// Closes the gate at a moment in which the old home is settled, if one comes soon: what is done between the two is to be done
/// again elsewhere, while everybody waits.
fn close_settled<'a, T: ?Sized>(slot: &'a Slot<T>, from: &dyn Home<T>) -> Closed<'a, T> {
    for _ in 1..ATTEMPTS {
        from.settle();
        let mut closed = slot.close();
        let is_settled = from.is_settled();
        closed.note("look");
        if is_settled {
            return closed;
        }
    }
    from.settle();
    slot.close()
}

/// A step, and whose it is.
#[derive(Clone, Copy)]
enum Of {
    Old(Step),
    New(Step),
}

impl Of {
    const fn step(self) -> Step {
        match self {
            Self::Old(step) | Self::New(step) => step,
        }
    }
}

/// A move under way.
struct Course<'a, T: ?Sized> {
    from: &'a dyn Home<T>,
    to: &'a dyn Home<T>,
    taken: Vec<Of>,
}

impl<T: ?Sized> Course<'_, T> {
    /// Takes a step; if it fails, those that were taken are taken back.
    fn take(&mut self, of: Of) -> Result<(), MoveError> {
        let (step, result) = match of {
            Of::Old(step) => (step, self.from.take(step)),
            Of::New(step) => (step, self.to.take(step)),
        };
        match result {
            Ok(()) => {
                self.taken.push(of);
                Ok(())
            }
            Err(error) => Err(self.take_back(step).err().unwrap_or(MoveError::RolledBack { step, error })),
        }
    }

    /// Takes all steps back because `step` failed, even if one cannot be: the rest may be enough to go on.
    fn take_back(&mut self, step: Step) -> Result<(), MoveError> {
        let mut result = Ok(());
        while let Some(of) = self.taken.pop() {
            let (back, undone) = match of {
                Of::Old(back) => (back, self.from.take_back(back)),
                Of::New(back) => (back, self.to.take_back(back)),
            };
            if let Err(error) = undone {
                log::error!("step {} of a move cannot be taken back: {error}", back.name());
                result = result.and(Err(MoveError::Stranded { step, back, error }));
            }
        }
        result
    }
}
