//! The boot clock: it cannot be set, and it counts while the machine is suspended.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A moment in nanoseconds since boot. Only moments of the same boot are comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BootInstant(u64);

impl BootInstant {
    /// The present moment: `CLOCK_BOOTTIME`, or `CLOCK_MONOTONIC` where the system has no such clock.
    pub fn now() -> BootInstant {
        #[cfg(target_os = "linux")]
        let time = clock_gettime(ClockId::Boottime);
        #[cfg(not(target_os = "linux"))]
        let time = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
        BootInstant(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
    }

    #[must_use]
    pub fn plus(self, time: Duration) -> BootInstant {
        BootInstant(self.0.saturating_add(nanoseconds(time)))
    }

    /// This moment less `time`; the start of the machine at the earliest.
    #[must_use]
    pub fn minus(self, time: Duration) -> BootInstant {
        BootInstant(self.0.saturating_sub(nanoseconds(time)))
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: BootInstant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The number of nanoseconds, to be kept in an atomic.
    pub fn to_nanoseconds(self) -> u64 {
        self.0
    }

    /// The moment of [`BootInstant::to_nanoseconds`].
    pub fn from_nanoseconds(nanoseconds: u64) -> BootInstant {
        BootInstant(nanoseconds)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A countdown that runs only while the process does: suspended time does not count.
#[derive(Debug)]
pub struct Countdown {
    left: Duration,
    last: BootInstant,
}

impl Countdown {
    /// The poll interval is shorter than this.
    const STEP: Duration = Duration::from_millis(50);

    /// Counts `time` down from `now`.
    pub fn new(time: Duration, now: BootInstant) -> Countdown {
        Countdown { left: time, last: now }
    }

    /// Whether the time has passed at `now`.
    pub fn is_over(&mut self, now: BootInstant) -> bool {
        self.left = self.left.saturating_sub(now.since(self.last).min(Self::STEP));
        self.last = now;
        self.left.is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_counted_without_overflow() {
        let now = BootInstant::now();
        let later = now.plus(Duration::from_secs(2));
        assert_eq!(later.since(now), Duration::from_secs(2));
        assert_eq!(now.since(later), Duration::ZERO);
        assert_eq!(later.minus(Duration::from_secs(2)), now);
        assert_eq!(now.plus(Duration::MAX).minus(Duration::MAX), BootInstant(0));
        assert!(BootInstant::now() >= now);
        assert_eq!(BootInstant::from_nanoseconds(now.to_nanoseconds()), now);
    }

    #[test]
    fn a_machine_that_stands_still_uses_up_no_time() {
        let start = BootInstant::now();
        let at = |milliseconds| start.plus(Duration::from_millis(milliseconds));
        let mut countdown = Countdown::new(Duration::from_millis(100), start);
        assert!(!countdown.is_over(at(10)));
        assert!(!countdown.is_over(at(90_000)));
        assert!(!countdown.is_over(at(90_030)));
        assert!(countdown.is_over(at(90_041)));
    }
}
