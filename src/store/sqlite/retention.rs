//! How much history is kept: by number, by age and by the size of its values.

use std::time::Duration;

use rusqlite::Connection;

use super::query::{execute, row, signed};
use super::transaction::{TxEnd, TxError, WriteTx};
use super::{meta, timeline};
use crate::store::{RecordingRetention, Retention};
use crate::time::Millis;

/// The most rows removed in one transaction: so few that no other writer waits noticeably.
pub(super) const BATCH: i64 = 512;
const DAY: Duration = Duration::from_secs(86_400);
/// The most bytes of values removed in one transaction, for the sake of those who wait.
const BATCH_BYTES: i64 = 64 * 1024 * 1024;
/// New rows are counted once there are so many, or their values are so large.
const COUNTED: (i64, i64) = (64, 1024 * 1024);

/// The limits that the file is set to; what it does not say is as in a new file.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Retention> {
    let default = Retention::default();
    Ok(Retention {
        rows: limit(connection, "history_rows", default.rows)?,
        age: days(connection, "history_days", default.age)?,
        bytes: limit(connection, "history_bytes", default.bytes)?,
    })
}

pub(super) fn read_recordings(connection: &Connection) -> rusqlite::Result<RecordingRetention> {
    let default = RecordingRetention::default();
    Ok(RecordingRetention {
        count: limit(connection, "recordings", default.count)?,
        age: days(connection, "recordings_days", default.age)?,
    })
}

fn limit(connection: &Connection, name: &str, otherwise: u64) -> rusqlite::Result<u64> {
    Ok(meta::integer(connection, name)?.and_then(|found| u64::try_from(found).ok()).unwrap_or(otherwise))
}

fn days(connection: &Connection, name: &str, otherwise: Duration) -> rusqlite::Result<Duration> {
    let days = limit(connection, name, otherwise.as_secs() / DAY.as_secs())?;
    Ok(Duration::from_secs(days.saturating_mul(DAY.as_secs())))
}

/// Sets the limits. What is beyond them goes bit by bit, with the writes to come.
pub(super) fn set(writing: &WriteTx<'_>, retention: &Retention) -> Result<TxEnd<()>, TxError> {
    let now = read(writing.connection)?;
    set_limits(
        writing.connection,
        &[
            ("history_rows", now.rows, retention.rows.max(1)),
            ("history_days", whole_days(now.age), whole_days(retention.age)),
            ("history_bytes", now.bytes, retention.bytes),
        ],
    )
}

pub(super) fn set_recordings(
    writing: &WriteTx<'_>,
    recordings: &RecordingRetention,
) -> Result<TxEnd<()>, TxError> {
    let now = read_recordings(writing.connection)?;
    set_limits(
        writing.connection,
        &[
            ("recordings", now.count, recordings.count.max(1)),
            ("recordings_days", whole_days(now.age), whole_days(recordings.age)),
        ],
    )
}

/// Sets the limits that differ from what they are now: their names, present values and new values.
fn set_limits(connection: &Connection, limits: &[(&str, u64, u64)]) -> Result<TxEnd<()>, TxError> {
    let mut is_changed = false;
    for (name, _, wanted) in limits.iter().filter(|(_, now, wanted)| now != wanted) {
        meta::set(connection, name, &signed(*wanted))?;
        is_changed = true;
    }
    Ok(if is_changed { TxEnd::Commit(()) } else { TxEnd::Rollback(()) })
}

fn whole_days(age: Duration) -> u64 {
    age.as_secs().div_ceil(DAY.as_secs())
}

/// Removes a batch of the oldest rows of history beyond what the file is set to keep; whether
/// anything is to be committed. The newest row always stays: the next revision is counted from it.
pub(super) fn prune(writing: &WriteTx<'_>) -> Result<bool, TxError> {
    let connection = writing.connection;
    let newest = writing.latest_revision()?.0;
    let (bytes, is_news) = counted(connection, newest)?;
    let limits = read(connection)?;
    let Some((cut, freed)) = beyond(connection, &limits, newest, bytes, writing.now)? else {
        return Ok(is_news);
    };
    execute(connection, "DELETE FROM slothstate_history WHERE revision <= ?1", [cut])?;
    execute(connection, "DELETE FROM slothstate_transactions WHERE last <= ?1", [cut])?;
    execute(connection, "DELETE FROM slothstate_undone WHERE revision <= ?1", [cut])?;
    keep_count(connection, bytes - freed, newest)?;
    Ok(true)
}

/// How many bytes the values of history take, and whether that was counted again and must be stored.
fn counted(connection: &Connection, newest: i64) -> rusqlite::Result<(i64, bool)> {
    let known = meta::integer(connection, "history_counted_bytes")?.unwrap_or(0);
    let until = meta::integer(connection, "history_counted_revision")?.unwrap_or(0);
    let sql = "SELECT ifnull(sum(ifnull(octet_length(old_value), 0) + ifnull(octet_length(new_value), 0)), 0) \
               FROM slothstate_history WHERE revision > ?1";
    let more: i64 = row(connection, sql, [until], |row| row.get(0))?;
    let is_news = newest - until >= COUNTED.0 || more >= COUNTED.1;
    if is_news {
        keep_count(connection, known + more, newest)?;
    }
    Ok((known + more, is_news))
}

fn keep_count(connection: &Connection, bytes: i64, until: i64) -> rusqlite::Result<()> {
    meta::set(connection, "history_counted_bytes", &bytes)?;
    meta::set(connection, "history_counted_revision", &until)
}

/// The newest revision of the rows to remove, and the bytes of their values.
fn beyond(
    connection: &Connection,
    limits: &Retention,
    newest: i64,
    bytes: i64,
    now: Millis,
) -> rusqlite::Result<Option<(i64, i64)>> {
    let kept_from = timeline::oldest_of(connection, newest, signed(limits.rows.max(1)))?;
    let too_old = now.0.saturating_sub(signed(limits.age.as_millis()));
    let mut statement = connection.prepare_cached(
        "SELECT revision, at_ms, ifnull(octet_length(old_value), 0) + ifnull(octet_length(new_value), 0) \
         FROM slothstate_history ORDER BY revision",
    )?;
    let mut rows = statement.query([])?;
    let mut cut = None;
    let mut freed = 0;
    for _ in 0..BATCH {
        let Some(row) = rows.next()? else { break };
        let (revision, at, size): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let is_beyond = revision < kept_from || at < too_old || bytes - freed > signed(limits.bytes);
        // What is kept has no holes: the first row that stays ends it.
        if revision >= newest || !is_beyond || freed > BATCH_BYTES {
            break;
        }
        freed += size;
        cut = Some((revision, freed));
    }
    Ok(cut)
}
