//! What each writer does for all: removing expired entries, and history that is too old.

use std::cell::Cell;
use std::time::Duration;

use super::columns::millis_at;
use super::compact::truncate_log;
use super::home::{Home, is_displaced};
use super::query::{execute, row};
use super::retention::{BATCH, prune};
use super::runs::recordings;
use super::schema_version::SchemaFlavor;
use super::side_files::{LARGE_LOG, log_bytes};
use super::transaction::{TxEnd, TxError, WriteTx};
use super::{SqliteStore, waiters};
use crate::store::identity::Reset;
use crate::store::{ErrorKind, Maintained, Store, StoreError};
use crate::time::Millis;

/// How often a process that writes looks whether anything is to be done.
const INTERVAL: Duration = Duration::from_secs(1);
/// A process that writes a lot looks more often, so that history cannot outgrow the removal.
const CHANGES: u64 = 256;

/// When upkeep was last done, and how much was written since.
#[derive(Default)]
pub(super) struct MaintenanceSchedule {
    last: Cell<Option<Millis>>,
    changes: Cell<u64>,
    /// When the next entry expires: `None` where that has to be looked up.
    next_expiry: Cell<Option<Millis>>,
}

impl MaintenanceSchedule {
    /// Counts what a write has changed.
    pub(super) fn count(&self, changes: u64) {
        self.changes.set(self.changes.get() + changes);
    }

    /// How many batches it is time for: who has changed much at once removes as much.
    fn due(&self, now: Millis) -> u64 {
        // A clock that was set back must not put upkeep off.
        let waited = self.last.get().is_none_or(|last| now < last || now.since(last) >= INTERVAL);
        let changes = self.changes.get();
        if !waited && changes < CHANGES {
            return 0;
        }
        self.last.set(Some(now));
        self.changes.set(0);
        (changes / CHANGES).max(1)
    }
}

impl SqliteStore {
    /// Does upkeep if it is time. It never fails a write: what could not be done now is done later.
    pub(super) fn keep_up(&self) {
        // Maintenance is not a reason to begin an epoch.
        if !self.is_settled.get() && !self.is_at_home() {
            return;
        }
        let due = self.maintenance_schedule.due(self.settings.clock.now());
        for _ in 0..due {
            let kept_up = self.write_for_upkeep(&|writing| {
                let done = sweep(writing)? + waiters::remove_silent(writing)? + recordings::prune(writing)?;
                // History is looked at also when there was nothing else to do.
                let pruned = prune(writing)?;
                Ok(if done > 0 || pruned { TxEnd::Commit(true) } else { TxEnd::Rollback(false) })
            });
            if !kept_up.unwrap_or(false) {
                break;
            }
        }
        if due > 0 {
            self.shorten_log();
        }
    }

    /// Whether a write would begin no epoch.
    fn is_at_home(&self) -> bool {
        let home = Home::of(&self.named, &self.settings.process.boot_id);
        self.settings.seen.is_none()
            && home.is_ok_and(|home| {
                self.with_connection(|connection| is_displaced(connection, &home)) == Ok(None)
            })
    }

    /// Makes a log that has grown shorter, as far as nobody is at work on it: somebody who read for
    /// long had it grow, and has gone. Nobody is waited for, and no writer waits noticeably.
    fn shorten_log(&self) {
        if log_bytes(self.path()) <= LARGE_LOG {
            return;
        }
        // Somebody may read in this moment: then it is tried again a second later.
        let _ = self.with_connection(truncate_log);
    }

    /// [`Store::maintain`]: what has expired is removed, in a small batch, and a log that has grown is made
    /// shorter.
    pub(super) fn maintain_now(&self) -> Result<Maintained, StoreError> {
        if self.settings.read_only {
            return Ok(Maintained::Done);
        }
        if log_bytes(self.path()) > LARGE_LOG && self.is_adopted()? {
            self.make_writable()?;
            self.shorten_log();
        }
        let has_news = self.poll_changes()?;
        if has_news {
            self.keep_revisions_apart()?;
        }
        let next = match self.maintenance_schedule.next_expiry.get() {
            Some(next) if !has_news => next,
            _ => self.next_expiry()?,
        };
        self.maintenance_schedule.next_expiry.set(Some(next));
        if next > self.now() {
            return Ok(Maintained::Done);
        }
        self.make_writable()?;
        self.maintenance_schedule.next_expiry.set(None);
        let removed = self.write_for_upkeep(&|writing| {
            Ok(match sweep(writing)? {
                0 => TxEnd::Rollback(0),
                removed => TxEnd::Commit(removed),
            })
        })?;
        Ok(if removed as i64 == BATCH { Maintained::More } else { Maintained::Done })
    }

    /// If an earlier state was restored while this was open, a new epoch begins, so that nobody gives a
    /// revision a second time who does not know of that.
    ///
    /// # Errors
    /// [`ErrorKind::Reset`] if the state does not follow from what was seen before.
    fn keep_revisions_apart(&self) -> Result<(), StoreError> {
        let followed = self.read_past((), |past| past.check_followed());
        match followed {
            Err(StoreError {
                kind: ErrorKind::Reset { why: why @ (Reset::WentBack { .. } | Reset::Diverged(_)) },
                ..
            }) => {
                self.make_writable()?;
                // It is done by the check before the write, which then is refused.
                self.write_for_upkeep(&|_| Ok(TxEnd::Rollback(())))?;
                Err(self.reset(why))
            }
            other => other,
        }
    }

    fn is_adopted(&self) -> Result<bool, StoreError> {
        self.look_again()?;
        Ok(self.link.borrow().flavor == SchemaFlavor::Current)
    }

    /// When the next entry expires; never, where nothing is to be removed.
    fn next_expiry(&self) -> Result<Millis, StoreError> {
        const NEVER: Millis = Millis(i64::MAX);
        self.read(NEVER, |connection, flavor| {
            if flavor != SchemaFlavor::Current {
                return Ok(NEVER);
            }
            let sql = "SELECT min(expires_at_ms) FROM state WHERE expires_at_ms IS NOT NULL";
            Ok(row(connection, sql, [], |row| millis_at(row, 0))?.unwrap_or(NEVER))
        })
    }
}

fn sweep(writing: &WriteTx<'_>) -> Result<usize, TxError> {
    if !writing.has_expired()? {
        return Ok(0);
    }
    let sql = "DELETE FROM state WHERE rowid IN \
               (SELECT rowid FROM state WHERE expires_at_ms <= ?1 ORDER BY expires_at_ms LIMIT +?2)";
    Ok(writing.recorded_as("expire", |connection| execute(connection, sql, [writing.now.0, BATCH]))?)
}
