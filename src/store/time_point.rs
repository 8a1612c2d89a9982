//! Revisions and times of the past, as people write them.

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};

use crate::store::{Revision, When};
use crate::text::duration::parse_duration;
use crate::time::Millis;

/// A point in history as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimePoint {
    /// A revision: `1234`.
    Revision(Revision),
    /// A time: `2026-11-23 14:05`, `14:05`, with seconds or without; RFC 3339 with a zone.
    Time(Millis),
    /// So long ago: `10m`, `1h30m`.
    Ago(std::time::Duration),
}

/// What a point in history may look like.
pub const TIME_POINTS: &str =
    "a revision (1234), a time (14:05, \"2026-11-23 14:05\", RFC 3339), or how long ago (10m)";

impl TimePoint {
    /// Reads a point; times without a zone are local ones, those without a date of today.
    ///
    /// # Errors
    /// Says what can be written.
    pub fn parse(text: &str) -> Result<TimePoint, String> {
        if let Ok(revision) = text.parse::<i64>() {
            return match revision {
                0.. => Ok(TimePoint::Revision(Revision(revision))),
                _ => Err("revisions are counted from 0".into()),
            };
        }
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Ok(TimePoint::Time(Millis(time.timestamp_millis())));
        }
        if let Some(local) = local_time(text) {
            let time = Local.from_local_datetime(&local).earliest();
            let time = time.ok_or("there was no such time: the clocks were put forward over it")?;
            return Ok(TimePoint::Time(Millis(time.timestamp_millis())));
        }
        let span = text.strip_prefix('-').unwrap_or(text);
        parse_duration(span).map(TimePoint::Ago).map_err(|_| format!("write {TIME_POINTS}"))
    }

    /// The state that is meant, at `now`.
    pub fn when(self, now: Millis) -> When {
        match self {
            TimePoint::Revision(revision) => When::Revision(revision),
            TimePoint::Time(time) => When::Time(time),
            TimePoint::Ago(span) => {
                When::Time(Millis(now.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))))
            }
        }
    }
}

fn local_time(text: &str) -> Option<NaiveDateTime> {
    let date_and_time = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let time = ["%H:%M:%S%.f", "%H:%M"];
    date_and_time
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
        .or_else(|| {
            let time = time.iter().find_map(|format| NaiveTime::parse_from_str(text, format).ok())?;
            Some(Local::now().date_naive().and_time(time))
        })
}

/// A time of the past for people: local, to the second.
pub fn show_time(time: Millis) -> String {
    match Local.timestamp_millis_opt(time.0).earliest() {
        Some(local) => local.format("%Y-%m-%d %H:%M:%S").to_string(),
        None => time.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_as_people_write_them() {
        assert_eq!(TimePoint::parse("42"), Ok(TimePoint::Revision(Revision(42))));
        assert_eq!(TimePoint::parse("2026-11-23T12:00:00Z"), Ok(TimePoint::Time(Millis(1_795_435_200_000))));
        assert_eq!(TimePoint::parse("10m"), Ok(TimePoint::Ago(std::time::Duration::from_secs(600))));
        assert_eq!(TimePoint::parse("-10m"), TimePoint::parse("10m"));
        let Ok(TimePoint::Time(noon)) = TimePoint::parse("2026-11-23 12:00") else { panic!() };
        assert_eq!(show_time(noon), "2026-11-23 12:00:00");
        assert_eq!(TimePoint::parse("2026-11-23 12:00:00"), Ok(TimePoint::Time(noon)));
        assert!(matches!(TimePoint::parse("12:00"), Ok(TimePoint::Time(_))));
        for wrong in ["yesterday", "-3", "", "2026-13-01"] {
            assert!(TimePoint::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn how_long_ago_is_counted_from_now() {
        let ago = TimePoint::Ago(std::time::Duration::from_secs(1));
        assert_eq!(ago.when(Millis(5000)), When::Time(Millis(4000)));
    }
}
