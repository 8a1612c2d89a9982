//! What whoever writes does for all: removing what has expired, and history that is too old.

use std::cell::Cell;
use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::SqliteStore;
use super::write::{Ending, Fault, Writing};
use crate::store::{Millis, WAITER_PATIENCE};

/// How often a process that writes looks whether anything is to be done.
const INTERVAL: Duration = Duration::from_secs(1);
/// A process that writes a lot looks more often, so that history cannot outgrow the removal.
const WRITES: u32 = 256;
/// The most rows removed in one transaction: so few that no other writer waits noticeably.
const BATCH: i64 = 512;

/// When upkeep was last done.
#[derive(Default)]
pub(super) struct Upkeep {
    last: Cell<Option<Millis>>,
    writes: Cell<u32>,
}

impl Upkeep {
    /// Counts a write; whether it is time for upkeep.
    fn is_due(&self, now: Millis) -> bool {
        self.writes.set(self.writes.get() + 1);
        // A clock that was set back must not put upkeep off.
        let waited = self.last.get().is_none_or(|last| now < last || now.since(last) >= INTERVAL);
        if waited || self.writes.get() >= WRITES {
            self.last.set(Some(now));
            self.writes.set(0);
            return true;
        }
        false
    }
}

impl SqliteStore {
    /// Does upkeep if it is time. It never fails a write: what could not be done now is done later.
    pub(super) fn keep_up(&self) {
        if self.upkeep.is_due(self.settings.clock.now()) {
            let _ = self.try_write(false, &|writing| {
                let removed = sweep(writing)? + prune(writing)? + forget_waiters(writing)?;
                Ok(if removed > 0 { Ending::Commit(()) } else { Ending::Rollback(()) })
            });
        }
    }
}

fn sweep(writing: &Writing<'_>) -> Result<usize, Fault> {
    let connection = writing.connection;
    let any = connection
        .prepare_cached("SELECT 1 FROM state WHERE expires_at_ms <= ?1")?
        .exists([writing.now.0])?;
    if !any {
        return Ok(0);
    }
    let removed = writing.recorded_as("expire", |connection| {
        connection
            .prepare_cached(
                "DELETE FROM state WHERE rowid IN \
                 (SELECT rowid FROM state WHERE expires_at_ms <= ?1 ORDER BY expires_at_ms LIMIT ?2)",
            )?
            .execute([writing.now.0, BATCH])
    })?;
    Ok(removed)
}

/// Removes the oldest rows of history beyond the number and the age that the file is set to.
/// The newest row always stays: the next revision is counted from it.
fn prune(writing: &Writing<'_>) -> Result<usize, Fault> {
    let connection = writing.connection;
    let setting = |name: &str| -> rusqlite::Result<Option<i64>> {
        connection
            .prepare_cached("SELECT value FROM slothstate_meta WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()
    };
    let rows = setting("history_rows")?.unwrap_or(i64::MAX).max(1);
    let days = setting("history_days")?.unwrap_or(i64::MAX).max(0);
    let (oldest, newest): (Option<i64>, Option<i64>) = connection
        .prepare_cached("SELECT (SELECT min(revision) FROM slothstate_history), (SELECT max(revision) FROM slothstate_history)")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(oldest), Some(newest)) = (oldest, newest) else { return Ok(0) };
    let kept_from = newest.saturating_sub(rows - 1);
    let too_old = writing.now.0.saturating_sub(days.saturating_mul(86_400_000));
    let removed = connection
        .prepare_cached(
            "DELETE FROM slothstate_history WHERE revision < ?1 AND revision < ?2 \
             AND (revision < ?3 OR at_ms < ?4)",
        )?
        .execute(params![oldest.saturating_add(BATCH), newest, kept_from, too_old])?;
    Ok(removed)
}

fn forget_waiters(writing: &Writing<'_>) -> Result<usize, Fault> {
    let silent = writing.now.0 - 30 * i64::try_from(WAITER_PATIENCE.as_millis()).unwrap_or(0);
    let removed = writing
        .connection
        .prepare_cached("DELETE FROM slothstate_waiters WHERE seen_ms < ?1")?
        .execute([silent])?;
    Ok(removed)
}
