//! How numbers went up and down: from history, and from what is seen live.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::store::{Change, Image, Key, Number, Revision, Subject};
use crate::time::Millis;

/// The most values that are kept of one number.
const POINTS: usize = 120;
/// The most numbers that are followed.
const NUMBERS: usize = 5000;
/// The span that a rate is taken over.
const SPAN: Duration = Duration::from_secs(300);

/// The last values of numbers.
#[derive(Clone, Debug, Default)]
pub struct Trends(HashMap<Key, BTreeMap<Revision, (Millis, f64)>>);

impl Trends {
    /// Takes in a change, if a number came of it; one that is known already changes nothing.
    pub fn add(&mut self, change: &Change) {
        if change.subject != Subject::Entry {
            return;
        }
        let Some(value) = change.new.as_ref().and_then(number_in) else {
            self.0.remove(&change.key);
            return;
        };
        if self.0.len() >= NUMBERS && !self.0.contains_key(&change.key) {
            return;
        }
        let points = self.0.entry(change.key.clone()).or_default();
        points.insert(change.revision, (change.at, value));
        while points.len() > POINTS {
            points.pop_first();
        }
    }

    /// The values that are known of a number, the oldest first.
    pub fn values(&self, key: &Key) -> Vec<f64> {
        self.0.get(key).map_or_else(Vec::new, |points| points.values().map(|(_, value)| *value).collect())
    }

    /// How much it grew in a second, over the last five minutes or as long as it is known; `None` if it
    /// is known only since now.
    pub fn rate(&self, key: &Key, now: Millis) -> Option<f64> {
        let points = self.0.get(key)?;
        let start = Millis(now.0 - SPAN.as_millis() as i64);
        let (_, last) = points.values().next_back()?;
        let earlier = points.values().rev().find(|(at, _)| *at <= start);
        let (since, first) = match earlier {
            Some((_, value)) => (start, *value),
            None => points.values().next().copied()?,
        };
        let seconds = now.since(since).as_secs_f64();
        (seconds >= 1.0 && (earlier.is_some() || points.len() > 1)).then(|| (last - first) / seconds)
    }
}

/// The number that is stored, if it is one.
pub fn number_in(image: &Image) -> Option<f64> {
    let text = std::str::from_utf8(&image.stored).ok().filter(|text| text.len() <= 64)?;
    text.parse::<Number>().ok().map(Number::as_f64)
}

/// A rate in the unit in which it is a number of some size: `+3.2/s`, `-12/min`, `+1/h`.
pub fn show_rate(a_second: f64) -> String {
    let (value, unit) = match a_second.abs() {
        0.0 => return "0".into(),
        1.0.. => (a_second, "s"),
        size if size >= 1.0 / 60.0 => (a_second * 60.0, "min"),
        _ => (a_second * 3600.0, "h"),
    };
    if value.abs() >= 10.0 { format!("{value:+.0}/{unit}") } else { format!("{value:+.1}/{unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::testing::fixtures::{NOW, ago, changes, key};

    fn change(revision: i64, seconds: i64, value: &str) -> Change {
        let model = changes().swap_remove(0);
        let image = Image { stored: value.into(), stored_type: None, expires_at: None };
        Change { revision: Revision(revision), at: ago(seconds), key: key("n"), new: Some(image), ..model }
    }

    #[test]
    fn a_rate_is_taken_over_the_last_minutes() {
        let mut trends = Trends::default();
        assert_eq!(trends.rate(&key("n"), NOW), None);
        trends.add(&change(5, 10, "30"));
        assert_eq!(trends.rate(&key("n"), NOW), None, "one value is no rate");
        trends.add(&change(3, 20, "10"));
        assert_eq!(trends.rate(&key("n"), NOW), Some(1.0));
        trends.add(&change(1, 600, "0"));
        trends.add(&change(1, 600, "0"));
        assert_eq!(trends.rate(&key("n"), NOW), Some(0.1));
        assert_eq!(trends.values(&key("n")), [0.0, 10.0, 30.0]);
        trends.add(&change(6, 5, "no number"));
        assert_eq!(trends.values(&key("n")), [0.0; 0]);
    }

    #[test]
    fn rates_have_units_that_suit_them() {
        let shown = [250.0, 3.2, 0.5, -0.1, 0.001, 0.0].map(show_rate);
        assert_eq!(shown, ["+250/s", "+3.2/s", "+30/min", "-6.0/min", "+3.6/h", "0"]);
    }
}
