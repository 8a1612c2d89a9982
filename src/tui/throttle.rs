//! How often something is read again that changes: once at a time, and no more often than is cheap.

use std::time::Duration;

use crate::time::Millis;

/// The longest rest, however long a reading seems to have taken: the clock may be set meanwhile, or the
/// machine be asleep.
pub const LONGEST: Duration = Duration::from_secs(8);

/// The pace at which something is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// The least time between two readings.
    rest: Duration,
    /// A reading that takes long is followed by a rest of so many times as long.
    share: u32,
    /// Whether what was read may have changed since.
    is_old: bool,
    /// Since when the present reading is awaited.
    asked: Option<Millis>,
    not_before: Millis,
}

impl Throttle {
    /// Nothing was read yet, and nothing is to be.
    pub const fn new(rest: Duration, share: u32) -> Throttle {
        Throttle { rest, share, is_old: false, asked: None, not_before: Millis(i64::MIN) }
    }

    /// Something changed: what was read may be old.
    pub fn outdate(&mut self) {
        self.is_old = true;
    }

    /// When to read; `None` if nothing changed, or a reading is under way.
    pub fn due(&self) -> Option<Millis> {
        (self.is_old && self.asked.is_none()).then_some(self.not_before)
    }

    /// Whether a reading is under way.
    pub fn is_awaited(&self) -> bool {
        self.asked.is_some()
    }

    /// A reading begins: what changes from here on may not be in it.
    pub fn begin(&mut self, now: Millis) {
        self.is_old = false;
        self.asked = Some(now);
    }

    /// The reading has come to its end.
    pub fn end(&mut self, now: Millis) {
        let took = self.asked.take().map_or(Duration::ZERO, |asked| now.since(asked));
        self.not_before = now.plus(rest_after(took, self.rest, self.share));
    }

    /// The reading, if one is under way, failed: it is tried again at `at`.
    pub fn fail(&mut self, at: Millis) {
        self.is_old |= self.asked.take().is_some();
        self.not_before = self.not_before.max(at);
    }

    /// Nobody waits for the reading that is under way any more.
    pub fn abandon(&mut self) {
        (self.is_old, self.asked) = (false, None);
    }

    /// The clock was set back to `now`.
    pub fn clock_set_back(&mut self, now: Millis) {
        self.not_before = self.not_before.min(now);
        self.asked = self.asked.map(|asked| asked.min(now));
    }
}

/// How long to rest after a reading that took so long: `share` times as long, and no less than `least`.
pub fn rest_after(took: Duration, least: Duration, share: u32) -> Duration {
    least.max(took.saturating_mul(share).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_read_again_and_no_more_often_than_is_cheap() {
        let at = |millis: u64| Millis(1000).plus(Duration::from_millis(millis));
        let mut pace = Throttle::new(Duration::from_millis(250), 50);
        assert_eq!(pace.due(), None);
        pace.outdate();
        assert!(pace.due().is_some_and(|due| due <= at(0)));
        pace.begin(at(0));
        pace.outdate();
        assert_eq!(pace.due(), None, "one reading at a time");
        pace.end(at(1));
        assert_eq!(pace.due(), Some(at(251)), "what came meanwhile may not be in it");
        pace.begin(at(300));
        pace.end(at(340));
        assert_eq!(pace.due(), None);
        pace.outdate();
        assert_eq!(pace.due(), Some(at(2340)));
        pace.begin(at(3000));
        pace.fail(at(4000));
        assert_eq!(pace.due(), Some(at(4000)));
        pace.clock_set_back(at(100));
        assert_eq!(pace.due(), Some(at(100)));
    }
}
