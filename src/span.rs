//! Spans of time, as people write and read them.

use std::time::Duration;

/// Reads `90`, `90s`, `1h30m`, `250ms`: a bare number is seconds.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| format!("{text} is no span of time"));
    }
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 90s, 5m or 1h30m"))
}

/// The span in its two largest units: `3h 12m`, `4s`; below a second `0s`.
pub fn show_span(span: Duration) -> String {
    let whole = humantime::format_duration(Duration::from_secs(span.as_secs())).to_string();
    whole.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// As [`show_span`], for what may be over in less than a second: `365ms`, `4s`.
pub fn show_short_span(span: Duration) -> String {
    if span.as_secs() == 0 { format!("{}ms", span.as_millis()) } else { show_span(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        assert_eq!(parse_span("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_span("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_span("1h30m"), Ok(Duration::from_secs(5400)));
        assert!(parse_span("-1").is_err());
        assert!(parse_span("soon").is_err());
    }

    #[test]
    fn spans_are_shown_in_two_units() {
        assert_eq!(show_span(Duration::from_secs(11_525)), "3h 12m");
        assert_eq!(show_span(Duration::from_millis(400)), "0s");
        assert_eq!(show_short_span(Duration::from_millis(400)), "400ms");
        assert_eq!(show_short_span(Duration::from_millis(61_400)), "1m 1s");
    }
}
