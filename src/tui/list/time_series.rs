//! Keys that have a time in their names, such as `api_calls_202611231230`, as one series of values.

use chrono::NaiveDateTime;

use crate::store::{Entry, Key, Number};
use crate::time::Millis;

/// The values of keys that differ only in the time that ends them, the oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The moment that a key names, in UTC, and its value.
    pub points: Vec<(Millis, f64)>,
}

impl Series {
    /// The series of entries that begin with `prefix`; `None` if one of them is no number at a time.
    pub fn of(prefix: &Key, entries: &[Entry]) -> Option<Series> {
        let point = |entry: &Entry| {
            let at = moment_in(entry.key.as_bytes().strip_prefix(prefix.as_bytes())?)?;
            let number: Number = std::str::from_utf8(&entry.stored).ok()?.parse().ok()?;
            Some((at, number.as_f64()))
        };
        let points: Vec<_> = entries.iter().map(point).collect::<Option<_>>()?;
        (points.len() > 1).then_some(Series { points })
    }
}

/// The moment that digits name: a day, an hour, a minute or a second, or seconds since the epoch.
pub fn moment_in(digits: &[u8]) -> Option<Millis> {
    let text =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let written = match text.len() {
        8 => format!("{text}000000"),
        10 if text.starts_with("19") || text.starts_with("20") => format!("{text}0000"),
        10 => return crate::store::kind_inference::moment(text),
        12 => format!("{text}00"),
        14 => text.to_string(),
        _ => return None,
    };
    let time = NaiveDateTime::parse_from_str(&written, "%Y%m%d%H%M%S").ok()?;
    Some(Millis(time.and_utc().timestamp_millis()))
}

/// Values as a line of bars of `width` columns: the newest at the right, the lowest of them the lowest
/// bar. Of more values than columns the largest of those that share a column is shown.
pub fn sparkline(values: &[f64], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if finite.is_empty() || width == 0 {
        return String::new();
    }
    let columns = finite.len().min(width);
    let column = |place: usize| {
        let (from, to) = (place * finite.len() / columns, (place + 1) * finite.len() / columns);
        finite[from..to].iter().copied().fold(f64::MIN, f64::max)
    };
    let shown: Vec<f64> = (0..columns).map(column).collect();
    let (low, high) =
        shown.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    let bar = |value: f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        BARS[((share * 7.0).round() as usize).min(7)]
    };
    shown.into_iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_times_of_every_length() {
        let at = |digits: &str| moment_in(digits.as_bytes()).map(|at| at.0 / 1000);
        assert_eq!(at("202611231230"), Some(1_795_437_000));
        assert_eq!(at("20261123123005"), Some(1_795_437_005));
        assert_eq!(at("2026112312"), Some(1_795_435_200));
        assert_eq!(at("20261123"), Some(1_795_392_000));
        assert_eq!(at("1795437000"), Some(1_795_437_000));
        for digits in ["", "12", "202613231230", "2026112312x0", "123456789"] {
            assert_eq!(at(digits), None, "{digits}");
        }
    }

    #[test]
    fn a_sparkline_shows_the_highest_and_the_lowest() {
        assert_eq!(sparkline(&[1.0, 2.0, 8.0], 10), "▁▂█");
        assert_eq!(sparkline(&[3.0, 3.0], 10), "▅▅");
        assert_eq!(sparkline(&[0.0, 9.0, 0.0, 0.0], 2), "█▁");
        assert_eq!(sparkline(&[], 10), "");
        assert_eq!(sparkline(&[f64::NAN, f64::INFINITY, 1.0], 4), "▅");
    }
}
