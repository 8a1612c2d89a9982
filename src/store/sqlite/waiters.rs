//! The queues for locks: rows of those who wait.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::columns;
use super::query::{execute, row, rows, signed};
use super::schema_version::SchemaFlavor;
use super::transaction::WriteTx;
use crate::store::{LockRequest, Ticket, WAITER_PATIENCE, Waiter};
use crate::time::{ClockReading, Millis};

/// Who waits, in the order in which they are served.
pub(super) fn all(
    connection: &Connection,
    flavor: SchemaFlavor,
    now: ClockReading,
) -> rusqlite::Result<Vec<Waiter>> {
    let table = match flavor.schema() {
        0 => return Ok(Vec::new()),
        1..4 => "(SELECT *, NULL AS boot_id, NULL AS seen_boot_ms FROM slothstate_waiters)",
        _ => "slothstate_waiters",
    };
    let [early, late, boot_early] = heard_between(now, WAITER_PATIENCE);
    let boot_id = now.boot.map(|boot| boot.boot_id);
    let sql = format!(
        "SELECT lock, ticket, holder, since_ms, process FROM {table} WHERE {HEARD} ORDER BY lock, ticket"
    );
    rows(connection, &sql, params![early, late, boot_id, boot_early], |row| {
        Ok(Waiter {
            lock: columns::text_at(row, 0)?,
            ticket: Ticket(row.get(1)?),
            holder: columns::text_at(row, 2)?,
            since: Some(Millis(row.get(3)?)),
            process: serde_json::from_str(&columns::text_at(row, 4)?).ok(),
        })
    })
}

/// Whether a waiter was heard of between the moments of [`heard_between`]. The rest are passed over:
/// silent for long, of another boot, or of an earlier version and heard of before the clock was set
/// back.
pub(super) const HEARD: &str = "CASE WHEN boot_id IS NULL THEN seen_ms > ?1 AND seen_ms < ?2 \
     ELSE boot_id IS ?3 AND seen_boot_ms > ?4 END";

/// The earliest and the latest moment by the wall clock at which a waiter that is still there can
/// have been heard of, and the earliest by the boot clock.
pub(super) fn heard_between(now: ClockReading, patience: Duration) -> [i64; 3] {
    let patience = signed(patience.as_millis());
    [
        now.wall.0.saturating_sub(patience),
        now.wall.0.saturating_add(patience),
        now.boot.map_or(0, |boot| boot.millis.saturating_sub(patience)),
    ]
}

/// Removes those who have been silent for long; how many.
pub(super) fn remove_silent(writing: &WriteTx<'_>) -> rusqlite::Result<usize> {
    let [early, late, boot_early] = heard_between(writing.reading(), WAITER_PATIENCE * 30);
    let boot_id = writing.boot.map(|boot| boot.boot_id);
    let sql = format!("DELETE FROM slothstate_waiters WHERE NOT ({HEARD})");
    execute(writing.connection, &sql, params![early, late, boot_id, boot_early])
}

/// Whether another waiter comes before the one with that ticket, or before a process without one.
pub(super) fn is_before(writing: &WriteTx<'_>, lock: &str, ticket: Option<Ticket>) -> rusqlite::Result<bool> {
    let [early, late, boot_early] = heard_between(writing.reading(), WAITER_PATIENCE);
    let boot_id = writing.boot.map(|boot| boot.boot_id);
    let sql = format!("SELECT min(ticket) FROM slothstate_waiters WHERE lock = ?5 AND {HEARD}");
    let parameters = params![early, late, boot_id, boot_early, lock];
    let first: Option<i64> = row(writing.connection, &sql, parameters, |row| row.get(0))?;
    Ok(first.is_some_and(|first| ticket.is_none_or(|ticket| first < ticket.0)))
}

/// Adds a waiter; its ticket.
pub(super) fn add(writing: &WriteTx<'_>, request: &LockRequest, process: &str) -> rusqlite::Result<Ticket> {
    insert(writing, None, request, process)?;
    Ok(Ticket(writing.connection.last_insert_rowid()))
}

/// Notes that a waiter was heard of. One that was removed has its place again.
pub(super) fn renew(
    writing: &WriteTx<'_>,
    request: &LockRequest,
    ticket: Ticket,
    process: &str,
) -> rusqlite::Result<()> {
    insert(writing, Some(ticket), request, process)
}

/// Adds a waiter, or notes that the one with that ticket was heard of.
fn insert(
    writing: &WriteTx<'_>,
    ticket: Option<Ticket>,
    request: &LockRequest,
    process: &str,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO slothstate_waiters (ticket, lock, holder, since_ms, seen_ms, process, boot_id, \
                   seen_boot_ms) \
               VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7) \
               ON CONFLICT (ticket) DO UPDATE SET seen_ms = ?4, boot_id = ?6, seen_boot_ms = ?7";
    let (ticket, now) = (ticket.map(|ticket| ticket.0), writing.now.0);
    let (boot_id, millis) = (writing.boot.map(|boot| boot.boot_id), writing.boot.map(|boot| boot.millis));
    let parameters = params![ticket, request.name, request.holder, now, process, boot_id, millis];
    execute(writing.connection, sql, parameters).map(drop)
}

pub(super) fn remove(writing: &WriteTx<'_>, ticket: Ticket) -> rusqlite::Result<()> {
    execute(writing.connection, "DELETE FROM slothstate_waiters WHERE ticket = ?1", [ticket.0]).map(drop)
}
