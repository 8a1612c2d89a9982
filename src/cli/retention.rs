//! `retention`: the limits of history and recordings.

use std::time::Duration;

use serde_json::json;

use super::database::print_notices;
use super::{CliError, Database, output};
use crate::text::duration::parse_duration;
use crate::text::size::show_size;

/// Arguments of `retention`.
#[derive(clap::Args, Debug)]
pub struct RetentionArguments {
    /// Keep at most this many changes
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    rows: Option<u64>,
    /// Keep no change that is older, in whole days: 30d, 12w
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    age: Option<Duration>,
    /// Keep at most this many bytes of old and new values: 500000, 64M, 2G
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    bytes: Option<u64>,
    /// Keep at most this many recordings of runs
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    recordings: Option<u64>,
    /// Keep no recording that is older, in whole days
    #[arg(long, value_name = "TIME", value_parser = parse_age)]
    recordings_age: Option<Duration>,
    /// Print the limits as a JSON object
    #[arg(long)]
    json: bool,
}

const DAY: Duration = Duration::from_secs(86_400);

fn parse_age(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        age if age >= DAY => Ok(age),
        _ => Err("history is kept for whole days: write 1d, 30d or 12w".into()),
    }
}

/// Reads `1000`, `64k`, `64M`, `2G`: powers of 1024.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match text[digits.len()..].trim_end_matches(['B', 'b']).trim_end_matches('i') {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return Err("write a number of bytes, or 64k, 64M, 2G".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "write a number of bytes, or 64k, 64M, 2G".to_string())?;
    number.checked_mul(factor).ok_or_else(|| "that is too much".into())
}

/// Shows or changes the limits.
pub fn retention(database: &Database, arguments: &RetentionArguments) -> Result<(), CliError> {
    let is_of_history = arguments.rows.is_some() || arguments.age.is_some() || arguments.bytes.is_some();
    let is_of_recordings = arguments.recordings.is_some() || arguments.recordings_age.is_some();
    let is_change = is_of_history || is_of_recordings;
    let store = if is_change { database.open_or_create()? } else { database.open()? };
    if is_of_history {
        let mut retention = store.retention()?;
        retention.rows = arguments.rows.unwrap_or(retention.rows);
        retention.age = arguments.age.unwrap_or(retention.age);
        retention.bytes = arguments.bytes.unwrap_or(retention.bytes);
        store.set_retention(&retention)?;
    }
    if is_of_recordings {
        let mut recordings = store.recording_retention()?;
        recordings.count = arguments.recordings.unwrap_or(recordings.count);
        recordings.age = arguments.recordings_age.unwrap_or(recordings.age);
        store.set_recording_retention(&recordings)?;
    }
    print_notices(&*store);
    let (retention, recordings) = (store.retention()?, store.recording_retention()?);
    let days = |age: Duration| age.as_secs() / DAY.as_secs();
    if arguments.json {
        return output::json(&json!({
            "rows": retention.rows,
            "days": days(retention.age),
            "bytes": retention.bytes,
            "recordings": recordings.count,
            "recordings_days": days(recordings.age),
        }));
    }
    let history = format!(
        "{} changes, {} days, {} of values",
        retention.rows,
        days(retention.age),
        show_size(retention.bytes)
    );
    let runs = format!("{} recordings of runs, {} days", recordings.count, days(recordings.age));
    output::line(format!("{history}; {runs}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(parse_size("500000"), Ok(500_000));
        assert_eq!(parse_size("64M"), Ok(64 << 20));
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert!(parse_size("much").is_err());
        assert!(parse_size("").is_err());
        assert!(parse_size("99999999999G").is_err());
    }
}
