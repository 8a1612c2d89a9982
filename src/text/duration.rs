//! Durations as people write and read them.

use std::time::Duration;

use crate::text::escape::escape;

/// The longest duration that is accepted; a longer one leads beyond the year 9999 and is a mistake.
pub const MAX_DURATION: Duration = Duration::from_secs(7000 * 31_557_600);

/// Why a text is not a valid duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    #[error("{0} is not a duration: write 90s, 5m or 1h30m")]
    Malformed(String),
    /// It is longer than [`MAX_DURATION`].
    #[error("{0} is too long: a duration is at most 7000 years")]
    TooLong(String),
}

/// Parses `90`, `90s`, `1h30m`, `250ms`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    read_span(text).map_err(|error| error.to_string())
}

/// Parses a duration above zero, as [`parse_duration`] does.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_positive_duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).and_then(|time| match time.is_zero() {
        true => Err("a time limit is longer than 0".into()),
        false => Ok(time),
    })
}

/// As [`parse_duration`].
pub fn read_span(text: &str) -> Result<Duration, InvalidDuration> {
    let shown = || escape(text.as_bytes());
    let span = match text.parse::<f64>() {
        Ok(seconds) if seconds > MAX_DURATION.as_secs_f64() => Err(InvalidDuration::TooLong(shown())),
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| InvalidDuration::Malformed(shown())),
        Err(_) => humantime::parse_duration(text).map_err(|error| match error {
            humantime::DurationError::NumberOverflow => InvalidDuration::TooLong(shown()),
            _ => InvalidDuration::Malformed(shown()),
        }),
    };
    if span.as_ref().is_ok_and(|span| *span > MAX_DURATION) {
        Err(InvalidDuration::TooLong(shown()))
    } else {
        span
    }
}

/// A duration in its two largest units: `3h12m`, `9d`, `1m05s`, `4s`; below a second `0s`.
pub fn show_duration(span: Duration) -> String {
    let shown = show_duration_in_column(span);
    ["00s", "00m", "00h"].iter().find_map(|none| shown.strip_suffix(none)).unwrap_or(&shown).to_string()
}

/// As [`show_duration`], but always with the second unit, so that columns stay aligned: `3h00m`, `9d00h`.
pub fn show_duration_in_column(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// As [`show_duration`], with milliseconds below a second: `365ms`, `4s`.
pub fn show_short_span(span: Duration) -> String {
    if span.as_secs() == 0 { format!("{}ms", span.as_millis()) } else { show_duration(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        for wrong in ["-1", "soon", "5 parsecs", ""] {
            let error = parse_duration(wrong).unwrap_err();
            assert!(error.ends_with("is not a duration: write 90s, 5m or 1h30m"), "{error}");
        }
    }

    #[test]
    fn a_span_beyond_all_dates_is_refused() {
        for text in ["999999999999d", "7001y", "99999999999999999999s", "1e300", "1e12", "inf"] {
            let error = parse_duration(text).unwrap_err();
            assert_eq!(error, format!("{text} is too long: a duration is at most 7000 years"));
        }
        assert!(parse_duration("6999y").is_ok());
    }

    #[test]
    fn what_is_shown_can_be_read() {
        for seconds in [0, 59, 60, 61, 3_600, 86_399, 86_400, 90_000, 40_000_000] {
            let shown = show_duration(Duration::from_secs(seconds));
            let read = parse_duration(&shown).unwrap().as_secs();
            assert!(read <= seconds && seconds - read < 3_600, "{shown} is read as {read}, not {seconds}");
        }
    }

    #[test]
    fn spans_are_shown_in_two_units() {
        assert_eq!(show_duration(Duration::from_secs(11_525)), "3h12m");
        assert_eq!(show_duration(Duration::from_secs(7_200)), "2h");
        assert_eq!(show_duration(Duration::from_secs(12 * 86_400 + 1)), "12d");
        assert_eq!(show_duration(Duration::from_secs(600)), "10m");
        assert_eq!(show_duration_in_column(Duration::from_secs(7_200)), "2h00m");
        assert_eq!(show_duration(Duration::from_millis(400)), "0s");
        assert_eq!(show_short_span(Duration::from_millis(400)), "400ms");
        assert_eq!(show_short_span(Duration::from_millis(61_400)), "1m01s");
    }
}
