//! A timer that counts only while this process runs.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// Adds up the time between polls, each interval capped. While the machine is suspended or the process is
/// stopped, the other side could not act either, so that time does not count against it.
pub struct ActiveTimer {
    most: Duration,
    last: Cell<Instant>,
    passed: Cell<Duration>,
}

impl ActiveTimer {
    /// Starts now, for a caller that polls more often than every `most`.
    pub fn new(most: Duration) -> ActiveTimer {
        ActiveTimer { most, last: Cell::new(Instant::now()), passed: Cell::default() }
    }

    pub fn begin(&self) {
        self.last.set(Instant::now());
        self.passed.take();
    }

    /// The time counted so far.
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
