//! Commands of `/proc/banyan/services`, as text.
//!
//! * `migrate SERVICE PLACEMENT [--fail-at STEP]`: moves a service to `native` or `personality`. With a step's name the move
//!   fails there: an aid to see it rolled back, in a running system
//! * `kill TASK`: makes a task die as if by a fault of its own

use alloc::string::String;
use core::fmt;

use interfaces::SupervisorError;
use interfaces::supervisor::Placement;

use crate::home::Step;
use crate::migration::MoveError;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Moves a service.
    Migrate {
        /// Its name.
        service: String,
        /// Where to.
        placement: Placement,
        /// A step that is to fail.
        fail_at: Option<Step>,
    },
    /// Makes a task die.
    Kill {
        /// Its name.
        task: String,
    },
}

/// Why a command was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// It is no command, or names no placement or step.
    Misused,
    /// There is no such service or task.
    Unknown,
    /// The service is there already, or the task is not running.
    State,
    /// The caller may not do that.
    Refused,
    /// The supervisor could not do it.
    Failed,
    /// The move failed.
    Move(MoveError),
}

impl Command {
    /// The command that a line says.
    ///
    /// # Errors
    /// [`CommandError::Misused`].
    pub fn parse(line: &str) -> Result<Self, CommandError> {
        let mut words = line.split_ascii_whitespace();
        let command = match (words.next(), words.next()) {
            (Some("migrate"), Some(service)) => {
                let placement = words.next().and_then(placement_by_name).ok_or(CommandError::Misused)?;
                let fail_at = match (words.next(), words.next()) {
                    (None, _) => None,
                    (Some("--fail-at"), Some(step)) => Some(Step::by_name(step).ok_or(CommandError::Misused)?),
                    _ => return Err(CommandError::Misused),
                };
                Self::Migrate { service: service.into(), placement, fail_at }
            }
            (Some("kill"), Some(task)) => Self::Kill { task: task.into() },
            _ => return Err(CommandError::Misused),
        };
        if words.next().is_none() { Ok(command) } else { Err(CommandError::Misused) }
    }
}

/// A placement's name, as in commands, options and tables.
#[must_use]
pub const fn placement_name(placement: Placement) -> &'static str {
    match placement {
        Placement::Personality => "personality",
        Placement::Native => "native",
    }
}

fn placement_by_name(name: &str) -> Option<Placement> {
    [Placement::Personality, Placement::Native].into_iter().find(|placement| placement_name(*placement) == name)
}

impl From<SupervisorError> for CommandError {
    fn from(error: SupervisorError) -> Self {
        match error {
            SupervisorError::Unknown => Self::Unknown,
            SupervisorError::State => Self::State,
            SupervisorError::Refused => Self::Refused,
            SupervisorError::Failed | SupervisorError::Call(_) => Self::Failed,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misused => f.write_str("migrate SERVICE native|personality, or kill TASK"),
            Self::Unknown => f.write_str("there is no such service or task"),
            Self::State => f.write_str("it is in that state already"),
            Self::Refused => f.write_str("the supervisor does not allow that"),
            Self::Failed => f.write_str("the supervisor could not do it"),
            Self::Move(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_and_nonsense_is_refused() {
        let native = |fail_at| Command::Migrate { service: "fs".into(), placement: Placement::Native, fail_at };
        assert_eq!(Command::parse("migrate fs native\n"), Ok(native(None)));
        assert_eq!(Command::parse(" migrate  fs native --fail-at start"), Ok(native(Some(Step::Start))));
        assert_eq!(Command::parse("kill fs"), Ok(Command::Kill { task: "fs".into() }));
        for line in
            ["", "migrate", "migrate fs", "migrate fs moon", "kill", "kill a b", "migrate fs native --fail-at x"]
        {
            assert_eq!(Command::parse(line), Err(CommandError::Misused), "{line}");
        }
        assert!(Step::ALL.iter().all(|step| Step::by_name(step.name()) == Some(*step)));
    }
}
