//! How far history goes back, and whether the state is what it says.

use std::time::Duration;

use rusqlite::Connection;

use super::{Examined, Tally, counted};
use crate::store::sqlite::{columns, transaction};
use crate::store::{Finding, History, Retention, StoreError};
use crate::text::size::show_size;
use crate::time::Millis;

/// Looks at the extent of history, and compares the newest change of each entry with the entry.
pub(super) fn examine(examined: &Examined<'_>) -> Result<Vec<Finding>, StoreError> {
    if !examined.is_ours() {
        return Ok(Vec::new());
    }
    let extent = examined.query(extent)?;
    let differing = examined.query(differing)?;
    let mut findings = vec![judge_extent(&extent, &examined.store.retention()?, examined.now)];
    let newest = examined.query(transaction::latest_revision)?;
    if newest.0 > transaction::LARGEST_REVISION {
        findings.push(
            Finding::problem(
                "revisions",
                format!(
                    "history has the revision {newest}, which no number of changes leads to: nothing can be \
                     written after it"
                ),
            )
            .remedy(format!(
                "export entries and locks to a new file, without history, and use that instead: {}, then \
                 slothstate --db NEW.db import export.jsonl",
                examined.command("export --no-history --output export.jsonl")
            )),
        );
    }
    findings.push(match differing.count {
        0 => Finding::ok("agreement", "every entry is what history says it is"),
        count => Finding::problem("agreement", format!(
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

struct HistoryExtent {
    rows: u64,
    oldest: Option<Millis>,
    /// Of the old and new values, in bytes.
    bytes: u64,
}

fn extent(connection: &Connection) -> rusqlite::Result<HistoryExtent> {
    let sql = "SELECT count(*), min(at_ms), \
                   total(ifnull(octet_length(old_value), 0) + ifnull(octet_length(new_value), 0)) \
               FROM slothstate_history";
    let (rows, oldest, bytes): (i64, _, f64) = connection
        .query_row(sql, [], |row| Ok((row.get(0)?, columns::integer(row.get_ref(1)?), row.get(2)?)))?;
    Ok(HistoryExtent { rows: rows.unsigned_abs(), oldest: oldest.map(Millis), bytes: bytes as u64 })
}

fn judge_extent(extent: &HistoryExtent, retention: &Retention, now: Millis) -> Finding {
    /// Removal goes in steps, so a little more than the limit is usual.
    const SLACK: u64 = 1024;
    const DAY: Duration = Duration::from_secs(86_400);
    let limits = format!(
        "at most {}, {} of values and {} are kept",
        counted(retention.rows, "change", "changes"),
        show_size(retention.bytes),
        counted(retention.age.as_secs() / DAY.as_secs(), "day", "days")
    );
    let Some(oldest) = extent.oldest else {
        return Finding::ok("history", format!("there are no changes yet; {limits}"));
    };
    let has = format!(
        "{} since {oldest}, {} of values; {limits}",
        counted(extent.rows, "change", "changes"),
        show_size(extent.bytes)
    );
    let too_many = extent.rows > retention.rows.saturating_add(SLACK);
    let too_large = extent.bytes > retention.bytes.saturating_add(retention.bytes / 8);
    let too_old = now.since(oldest) > retention.age.saturating_add(DAY);
    // The newest change stays whatever it is.
    if extent.rows > 1 && (too_many || too_large || too_old) {
        let more = format!("{has}: the next writes of slothstate remove the oldest, a few at a time");
        return Finding::note("history", more);
    }
    Finding::ok("history", has)
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
        tally.add(&columns::bytes(row.get_ref(0)?));
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Level;

    #[test]
    fn history_beyond_its_limits_is_worth_a_note() {
        let now = Millis(100 * 86_400_000);
        let judge = |rows, bytes, days_ago: i64| {
            let oldest = Some(Millis(now.0 - days_ago * 86_400_000));
            judge_extent(&HistoryExtent { rows, oldest, bytes }, &Retention::default(), now)
        };
        let level = |rows, bytes, days_ago| judge(rows, bytes, days_ago).level;
        assert_eq!(level(200_000, 2048, 29), Level::Ok);
        assert_eq!(level(200_500, 2048, 29), Level::Ok);
        assert_eq!(level(202_000, 2048, 29), Level::Note);
        assert_eq!(level(12, 1 << 30, 29), Level::Note);
        assert_eq!(level(12, 2048, 32), Level::Note);
        // The newest change stays however old it is.
        assert_eq!(level(1, 1 << 30, 90), Level::Ok);
        let words = judge(3, 2048, 1).finding;
        assert!(words.contains("3 changes since") && words.contains("2.0 KiB"), "{words}");
    }
}
