//! How long a task that died waits before it is made anew, and when that is no use any more.

use alloc::collections::VecDeque;

/// Pauses after the first, second, ... recent death; the last one repeats.
const PAUSES_NS: [u64; 4] = [0, 10_000_000, 100_000_000, 1_000_000_000];
/// Deaths count for so long.
pub const MEMORY_NS: u64 = 30_000_000_000;
/// So many deaths that count are too many.
pub const TOO_MANY: usize = 8;

/// The recent deaths of a task by its own fault.
#[derive(Clone, Debug, Default)]
pub struct Deaths(VecDeque<u64>);

impl Deaths {
    /// Notes a death at `now_ns`; how long to wait, or `None`: it died too often.
    pub fn note(&mut self, now_ns: u64) -> Option<u64> {
        self.0.retain(|death| now_ns.saturating_sub(*death) < MEMORY_NS);
        let pause = PAUSES_NS.get(self.0.len()).or(PAUSES_NS.last()).copied().unwrap_or(0);
        self.0.push_back(now_ns);
        (self.0.len() < TOO_MANY).then_some(pause)
    }

    /// Forgets all: somebody asked for the task himself.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn pauses_grow_until_the_task_is_given_up() {
        let mut deaths = Deaths::default();
        let pauses: Vec<_> = (0..TOO_MANY as u64).map(|number| deaths.note(number * 1_000_000_000)).collect();
        let second = Some(1_000_000_000);
        assert_eq!(
            pauses,
            [Some(0), Some(10_000_000), Some(100_000_000), second, second, second, second, None],
            "the eighth death in half a minute is the last"
        );
    }

    #[test]
    fn old_deaths_do_not_count() {
        let mut deaths = Deaths::default();
        for number in 0..1000 {
            let now = number * MEMORY_NS / (TOO_MANY as u64 - 1);
            assert!(deaths.note(now + number).is_some(), "{number}");
        }
        assert_eq!(deaths.note(u64::MAX), Some(0));
        deaths.forget();
        assert_eq!(deaths.note(u64::MAX), Some(0));
    }
}
