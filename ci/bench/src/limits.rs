//! What the design names for an operation: a goal, a ceiling, a bound of CR3 writes; and what a figure is beside them.

/// More CR3 writes than allowed by less than this are those of what surrounds the operation, a timer's interrupt say.
const SLACK: f64 = 0.1;

/// Goals and ceilings of an operation, in instructions, and its bound of CR3 writes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// What it should take.
    pub goal: Option<f64>,
    /// What it may take.
    pub ceiling: Option<f64>,
    /// CR3 writes that it may make.
    pub switches: Option<f64>,
}

impl Limits {
    /// All three.
    #[must_use]
    pub const fn new(goal: f64, ceiling: f64, switches: f64) -> Self {
        Self { goal: Some(goal), ceiling: Some(ceiling), switches: Some(switches) }
    }

    /// A ceiling alone.
    #[must_use]
    pub const fn at_most(ceiling: f64) -> Self {
        Self { goal: None, ceiling: Some(ceiling), switches: None }
    }

    /// A word or two about a figure; where it is not allowed, a sentence goes to `violations`.
    pub fn judge(
        &self,
        operation: &str,
        instructions: f64,
        switches: Option<f64>,
        violations: &mut Vec<String>,
    ) -> &'static str {
        let too_many = switches.zip(self.switches).is_some_and(|(count, bound)| count > bound + SLACK);
        if self.ceiling.is_some_and(|ceiling| instructions > ceiling) {
            violations.push(format!("{operation} takes {instructions:.0} instructions, above its ceiling"));
            "above the ceiling"
        } else if too_many {
            violations.push(format!("{operation} writes CR3 more often than allowed"));
            "too many CR3 writes"
        } else if self.goal.is_some_and(|goal| instructions > goal) {
            "goal not reached"
        } else if self.goal.is_some() {
            "goal reached"
        } else {
            ""
        }
    }
}
