//! When the entries are counted again: once some came or went, and no more often than is cheap.

use std::time::Duration;

use crate::store::Millis;

/// The least time between two counts.
const REST: Duration = Duration::from_millis(250);
/// A count that takes long is followed by a rest of so many times as long.
const SHARE: u32 = 50;
/// The longest that a count is taken to have taken: the clock may be set meanwhile.
const SLOWEST: Duration = Duration::from_secs(2);

/// The counting of the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counting {
    /// Whether entries came or went since they were counted.
    is_old: bool,
    /// Since when the present count is awaited.
    asked: Option<Millis>,
    /// Not before this moment.
    not_before: Millis,
}

impl Default for Counting {
    /// Nothing was counted yet.
    fn default() -> Counting {
        Counting { is_old: true, asked: None, not_before: Millis(i64::MIN) }
    }
}

impl Counting {
    /// Entries came or went.
    pub fn outdate(&mut self) {
        self.is_old = true;
    }

    /// When to count; `None` if nothing changed, or a count is under way.
    pub fn due(&self) -> Option<Millis> {
        (self.is_old && self.asked.is_none()).then_some(self.not_before)
    }

    /// The count begins: what comes or goes from here on may not be in it.
    pub fn begin(&mut self, now: Millis) {
        self.is_old = false;
        self.asked = Some(now);
    }

    /// The count has come to its end.
    pub fn end(&mut self, now: Millis) {
        let took = self.asked.take().map_or(Duration::ZERO, |asked| now.since(asked).min(SLOWEST));
        self.not_before = now.plus(REST.max(took * SHARE));
    }

    /// The count failed: it is tried again at `at`.
    pub fn fail(&mut self, at: Millis) {
        *self = Counting { is_old: true, asked: None, not_before: at };
    }

    /// The clock was set back to `now`.
    pub fn clock_set_back(&mut self, now: Millis) {
        self.not_before = self.not_before.min(now);
        self.asked = self.asked.map(|asked| asked.min(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_counted_once_they_changed_and_no_more_often_than_is_cheap() {
        let at = |millis: u64| Millis(1000).plus(Duration::from_millis(millis));
        let mut counting = Counting::default();
        assert!(counting.due().is_some_and(|due| due <= at(0)));
        counting.begin(at(0));
        counting.outdate();
        assert_eq!(counting.due(), None, "one count at a time");
        counting.end(at(1));
        assert_eq!(counting.due(), Some(at(251)), "what came meanwhile may not be in it");
        counting.begin(at(300));
        counting.end(at(340));
        assert_eq!(counting.due(), None);
        counting.outdate();
        assert_eq!(counting.due(), Some(at(2340)));
        counting.begin(at(3000));
        counting.fail(at(4000));
        assert_eq!(counting.due(), Some(at(4000)));
    }
}
