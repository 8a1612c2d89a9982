//! Patience that is not used up while nobody could do anything.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Counts the time that goes by between looks at it, each time so much at most. A machine that stands
/// still, a process that is stopped: whoever is waited for stood still as well, and has the time that
/// is left when all goes on.
pub struct ActiveTimer {
    most: Duration,
    last: Cell<Instant>,
    passed: Cell<Duration>,
}

impl ActiveTimer {
    /// Counts from now on, for somebody who looks more often than every `most`.
    pub fn new(most: Duration) -> ActiveTimer {
        ActiveTimer { most, last: Cell::new(Instant::now()), passed: Cell::default() }
    }

    /// Counts anew from now on.
    pub fn begin(&self) {
        self.last.set(Instant::now());
        self.passed.take();
    }

    /// The time that has gone by.
    pub fn passed(&self) -> Duration {
        self.passed_at(Instant::now())
    }

    fn passed_at(&self, now: Instant) -> Duration {
        let step = now.saturating_duration_since(self.last.replace(now)).min(self.most);
        self.passed.set(self.passed.get() + step);
        self.passed.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_takes_at_once_counts_as_little() {
        let millis = Duration::from_millis;
        let awake = ActiveTimer::new(millis(100));
        let start = awake.last.get();
        assert_eq!(awake.passed_at(start + millis(30)), millis(30));
        assert_eq!(awake.passed_at(start + millis(90)), millis(90));
        assert_eq!(awake.passed_at(start + millis(90_000)), millis(190));
        assert_eq!(awake.passed_at(start + millis(90_010)), millis(200));
        awake.begin();
        assert!(awake.passed() < millis(200));
    }
}
