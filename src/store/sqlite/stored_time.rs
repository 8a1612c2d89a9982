//! The times that Sloth Runner stores as text.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;

use crate::time::Millis;

/// Reads a stored time: SQLite's `CURRENT_TIMESTAMP` (UTC), RFC 3339 with a zone, and what Go's
/// drivers make of a `time.Time`. `None` if it is none of these.
pub(super) fn parse(text: &str) -> Option<Millis> {
    if let Some(time) = parse_current_timestamp(text.as_bytes()) {
        return Some(time);
    }
    let plain = |format| {
        NaiveDateTime::parse_from_str(text, format).ok().map(|time| time.and_utc().timestamp_millis())
    };
    let zoned = |format| DateTime::parse_from_str(text, format).ok().map(|time| time.timestamp_millis());
    plain("%Y-%m-%d %H:%M:%S%.f")
        .or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis()))
        .or_else(|| zoned("%Y-%m-%d %H:%M:%S%.f%:z"))
        .or_else(|| {
            // "2026-11-23 12:30:00.5 +0100 CET m=+0.01": what time.Time prints.
            let mut words = text.split(' ');
            let shortened = format!("{} {} {}", words.next()?, words.next()?, words.next()?);
            let time = DateTime::parse_from_str(&shortened, "%Y-%m-%d %H:%M:%S%.f %z").ok()?;
            Some(time.timestamp_millis())
        })
        .map(Millis)
}

/// Gives `connection` the function `stored_millis`: a stored time in milliseconds since the epoch,
/// NULL for what is none. No schema names it, so other programs do without.
pub(super) fn install(connection: &Connection) -> rusqlite::Result<()> {
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    connection.create_scalar_function("stored_millis", 1, flags, |context| {
        Ok(match context.get_raw(0) {
            ValueRef::Text(text) => std::str::from_utf8(text).ok().and_then(parse).map(|time| time.0),
            _ => None,
        })
    })
}

/// `YYYY-MM-DD HH:MM:SS`, which nearly every row has: read without a format.
fn parse_current_timestamp(text: &[u8]) -> Option<Millis> {
    let number = |from: usize, to: usize| -> Option<u32> {
        text[from..to].iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    if text.len() != 19 || [text[4], text[7], text[10], text[13], text[16]] != *b"-- ::" {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
    let time = date.and_hms_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?)?;
    Some(Millis(time.and_utc().timestamp_millis()))
}

/// The time as `CURRENT_TIMESTAMP` would write it, the next whole second, so that a program
/// which compares such texts never takes a lease for shorter than it is.
pub(super) fn format(time: Millis) -> String {
    let seconds = time.0.div_euclid(1000) + i64::from(time.0.rem_euclid(1000) != 0);
    match DateTime::from_timestamp(seconds, 0) {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S").to_string(),
        None => "9999-12-31 23:59:59".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_that_sloth_runner_writes_is_read() {
        let noon = Some(Millis(1_795_435_200_000));
        for text in [
            "2026-11-23 12:00:00",
            "2026-11-23T12:00:00Z",
            "2026-11-23T13:00:00+01:00",
            "2026-11-23 12:00:00+00:00",
            "2026-11-23 07:00:00.000000-05:00",
            "2026-11-23 13:00:00 +0100 CET",
            "2026-11-23 13:00:00.000 +0100 CET m=+0.012",
        ] {
            assert_eq!(parse(text), noon, "{text}");
        }
        assert_eq!(parse("soon"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_lease_is_never_written_shorter_than_it_is() {
        assert_eq!(format(Millis(1_795_435_200_001)), "2026-11-23 12:00:01");
        assert_eq!(format(Millis(1_795_435_200_000)), "2026-11-23 12:00:00");
    }
}
