//! How far history goes back, and whether the state is what it says.

use rusqlite::{Connection, OptionalExtension};

use super::{Examined, Tally, counted, show_bytes};
use crate::store::sqlite::read;
use crate::store::{Finding, Level, Millis, StoreError};

/// Looks at the extent of history, and compares the newest change of each entry with the entry.
pub(super) fn examine(examined: &Examined<'_>) -> Result<Vec<Finding>, StoreError> {
    if !examined.is_ours() {
        return Ok(Vec::new());
    }
    let extent = examined.query(extent)?;
    let differing = examined.query(differing)?;
    let mut findings = vec![judge_extent(&extent, examined.now)];
    findings.push(match differing.count {
        0 => Finding::new("agreement", Level::Ok, "every entry is what history says it is"),
        count => Finding::new(
            "agreement",
            Level::Problem,
            format!(
                "{} not what the newest change in history made of it: {}; something wrote without its being recorded",
                counted(count, "entry is", "entries are"),
                differing.names()
            ),
        )
        .remedy(format!(
            "write it again, and history goes on from there: {}",
            examined.command("set KEY VALUE")
        )),
    });
    Ok(findings)
}

struct Extent {
    rows: u64,
    oldest: Option<Millis>,
    /// Of the old and new values, in bytes.
    bytes: u64,
    rows_limit: Option<u64>,
    days_limit: Option<u64>,
}

fn extent(connection: &Connection) -> rusqlite::Result<Extent> {
    let setting = |name: &str| -> rusqlite::Result<Option<u64>> {
        let sql = "SELECT value FROM slothstate_meta WHERE name = ?1";
        let found = connection.query_row(sql, [name], |row| Ok(read::integer(row.get_ref(0)?))).optional()?;
        Ok(found.flatten().and_then(|value| u64::try_from(value).ok()))
    };
    let sql = "SELECT count(*), min(at_ms), \
                   total(ifnull(octet_length(old_value), 0) + ifnull(octet_length(new_value), 0)) \
               FROM slothstate_history";
    let (rows, oldest, bytes): (i64, _, f64) = connection
        .query_row(sql, [], |row| Ok((row.get(0)?, read::integer(row.get_ref(1)?), row.get(2)?)))?;
    Ok(Extent {
        rows: rows.unsigned_abs(),
        oldest: oldest.map(Millis),
        bytes: bytes as u64,
        rows_limit: setting("history_rows")?,
        days_limit: setting("history_days")?,
    })
}

fn judge_extent(extent: &Extent, now: Millis) -> Finding {
    /// Removal goes in steps, so a little more than the limit is usual.
    const SLACK: u64 = 1024;
    const DAY: u64 = 86_400_000;
    let limit = |limit: Option<u64>| limit.map_or("any number of".into(), |limit| limit.to_string());
    let limits = format!(
        "at most {} changes and {} days are kept",
        limit(extent.rows_limit),
        limit(extent.days_limit)
    );
    let Some(oldest) = extent.oldest else {
        return Finding::new("history", Level::Ok, format!("there are no changes yet; {limits}"));
    };
    let has = format!(
        "{} since {oldest}, {} of values; {limits}",
        counted(extent.rows, "change", "changes"),
        show_bytes(extent.bytes)
    );
    let age = u64::try_from(now.since(oldest).as_millis()).unwrap_or(u64::MAX);
    let too_many = extent.rows_limit.is_some_and(|limit| extent.rows > limit.max(1).saturating_add(SLACK));
    let too_old = extent.days_limit.is_some_and(|limit| age > limit.saturating_add(1).saturating_mul(DAY));
    if too_many || (too_old && extent.rows > 1) {
        let more = format!("{has}: the next writes of slothstate remove the oldest, a few at a time");
        return Finding::new("history", Level::Note, more);
    }
    Finding::new("history", Level::Ok, has)
}

/// The keys whose newest change does not agree with the entry. A key of which history knows
/// nothing, or nothing any more, is none of them.
fn differing(connection: &Connection) -> rusqlite::Result<Tally> {
    let mut statement = connection.prepare(
        "WITH newest AS ( \
             SELECT max(revision) AS revision FROM slothstate_history \
             WHERE subject = 'entry' AND key IS NOT NULL GROUP BY key \
         ) \
         SELECT history.key FROM newest \
         JOIN slothstate_history AS history ON history.revision = newest.revision \
         LEFT JOIN state ON state.key = history.key \
         WHERE state.value IS NOT history.new_value OR state.type IS NOT history.new_type \
             OR state.expires_at_ms IS NOT history.new_expires_at_ms",
    )?;
    let mut rows = statement.query([])?;
    let mut tally = Tally::default();
    while let Some(row) = rows.next()? {
        tally.add(&read::bytes(row.get_ref(0)?));
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_beyond_its_limits_is_worth_a_note() {
        let now = Millis(100 * 86_400_000);
        let extent = |rows, days_ago: i64| Extent {
            rows,
            oldest: Some(Millis(now.0 - days_ago * 86_400_000)),
            bytes: 2048,
            rows_limit: Some(10_000),
            days_limit: Some(30),
        };
        let level = |rows, days_ago| judge_extent(&extent(rows, days_ago), now).level;
        assert_eq!(level(10_000, 29), Level::Ok);
        assert_eq!(level(10_500, 29), Level::Ok);
        assert_eq!(level(12_000, 29), Level::Note);
        assert_eq!(level(12, 32), Level::Note);
        // The newest change stays however old it is.
        assert_eq!(level(1, 90), Level::Ok);
        let words = judge_extent(&extent(3, 1), now).finding;
        assert!(words.contains("3 changes since") && words.contains("2.0 KiB"), "{words}");
    }
}
