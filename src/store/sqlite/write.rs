//! Writing entries: every write is one immediate transaction.

use std::cell::Cell;

use rusqlite::{Connection, FileControl, named_params, params};

use super::columns::TextBytes;
use super::error_mapping;
use super::read::{self, CurrentRow, EntryRow};
use super::rehearsal::Rehearsed;
use super::schema_version::SchemaFlavor;
use super::timeline::{self, Anchor, Home, Last};
use super::{SqliteStore, busy_handler, connect, hardening};
use crate::store::identity::Reset;
use crate::store::{
    Actor, Expiry, Image, Key, KeyRange, Operation, Purpose, Revision, StoreError, Type, Value,
};
use crate::time::{BootTime, ClockReading, Millis};

/// The largest value: history keeps the old and the new one in one row, which SQLite limits to
/// a thousand million bytes.
pub(super) const LARGEST_VALUE: u64 = 256 * 1024 * 1024;

/// Why a write fails inside its transaction.
pub(super) enum TxError {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for TxError {
    fn from(error: rusqlite::Error) -> TxError {
        TxError::Sql(error)
    }
}

impl From<StoreError> for TxError {
    fn from(error: StoreError) -> TxError {
        TxError::Store(error)
    }
}

/// How a write ends its transaction.
pub(super) enum TxEnd<T> {
    /// What was changed takes effect.
    Commit(T),
    /// As `Commit`; a file that is not adopted is, even if nothing was changed.
    Adopt(T),
    /// Nothing was changed.
    Rollback(T),
}

/// A transaction that is under way.
pub(super) struct WriteTx<'a> {
    pub connection: &'a Connection,
    pub actor: &'a Actor,
    /// When the transaction began, by the wall clock.
    pub now: Millis,
    /// The same by the boot clock.
    pub boot: Option<BootTime>,
    /// The newest change, where whoever made it knows it.
    pub last: Cell<Option<Last>>,
    /// What there is to be seen of an epoch that the transaction began, once it is committed.
    begun: Cell<Option<Anchor>>,
}

/// What a write makes of a row.
struct NewRow<'a> {
    stored: &'a [u8],
    stored_type: Option<Type>,
    expires_at: Option<Millis>,
    operation: &'a str,
}

impl SqliteStore {
    /// Does `work` in one immediate transaction. With the disk full, deleting fails as well
    /// until the log has been taken into the file: then it is tried once more.
    pub(super) fn write<T>(
        &self,
        full_sync: bool,
        work: &dyn Fn(&WriteTx<'_>) -> Result<TxEnd<T>, TxError>,
    ) -> Result<T, StoreError> {
        self.write_now(full_sync, work).map_err(StoreError::of_write)
    }

    fn write_now<T>(
        &self,
        full_sync: bool,
        work: &dyn Fn(&WriteTx<'_>) -> Result<TxEnd<T>, TxError>,
    ) -> Result<T, StoreError> {
        if !self.link.borrow().writable {
            if let Rehearsed::Nothing(answer) = self.rehearse(work)? {
                return Ok(answer);
            }
            self.make_writable()?;
        }
        let done = match self.try_write(full_sync, work) {
            Err(StoreError::Reset { path, why }) => {
                self.rescue(&why);
                return Err(StoreError::Reset { path, why });
            }
            Err(error) if error_mapping::is_disk_full(&error) => {
                self.with_connection(|connection| {
                    // Whether it helped shows in the second try.
                    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
                });
                self.try_write(full_sync, work)?
            }
            other => other?,
        };
        self.maintenance_schedule.count(1);
        self.keep_up();
        Ok(done)
    }

    /// As [`SqliteStore::write`], once and without upkeep.
    fn try_write<T>(
        &self,
        full_sync: bool,
        work: &dyn Fn(&WriteTx<'_>) -> Result<TxEnd<T>, TxError>,
    ) -> Result<T, StoreError> {
        let raise_sync = full_sync && !self.settings.full_sync;
        self.with_connection(|connection| {
            if raise_sync {
                connect::set_sync(connection, true).map_err(|error| self.explain(&error))?;
            }
            let actor = self.actor.borrow();
            let done = self.in_transaction(connection, &actor, true, work);
            let done = done.map_err(|fault| self.explain_fault(fault));
            if raise_sync {
                connect::set_sync(connection, false).map_err(|error| self.explain(&error))?;
            }
            done
        })
    }

    /// A write for upkeep. It is not something that the present run does: it does not carry the
    /// run's number, nor its records.
    pub(super) fn write_for_upkeep<T>(
        &self,
        work: &dyn Fn(&WriteTx<'_>) -> Result<TxEnd<T>, TxError>,
    ) -> Result<T, StoreError> {
        let actor = Actor { run: None, task: None, ..self.actor.borrow().clone() };
        self.with_connection(|connection| {
            self.in_transaction(connection, &actor, false, work).map_err(|fault| self.explain_fault(fault))
        })
    }

    fn explain_fault(&self, fault: TxError) -> StoreError {
        match fault {
            TxError::Sql(error) => self.without_revision_left().unwrap_or_else(|| self.explain(&error)),
            TxError::Store(error) => error,
        }
    }

    /// Why a write failed, if it did because there is no revision for it.
    fn without_revision_left(&self) -> Option<StoreError> {
        let link = self.link.try_borrow().ok()?;
        check_revision(link.connection.as_ref()?, &self.path).err()
    }

    /// Does `work` in one transaction in the name of `actor`; with `is_recorded`, what the present
    /// run recorded so far is written in it.
    fn in_transaction<T>(
        &self,
        connection: &Connection,
        actor: &Actor,
        is_recorded: bool,
        work: &dyn Fn(&WriteTx<'_>) -> Result<TxEnd<T>, TxError>,
    ) -> Result<T, TxError> {
        busy_handler::begin_wait(self.settings.busy_limit);
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        // The time is taken when the lock is held: changes then have their times in their order.
        let writing = WriteTx::new(connection, actor, self.settings.clock.read());
        let ended =
            self.check_identity(&writing).and_then(|()| work(&writing)).and_then(|ending| match ending {
                TxEnd::Commit(done) | TxEnd::Adopt(done) => {
                    // What a run did, and the record of it, are there together or not at all.
                    if is_recorded {
                        self.records.borrow().write(&writing)?;
                    }
                    let last = match writing.last.take() {
                        Some(last) => Some(last),
                        None => timeline::newest(connection)?,
                    };
                    connection.prepare_cached("COMMIT")?.execute([])?;
                    if is_recorded {
                        self.records.borrow_mut().are_written();
                    }
                    self.is_settled.set(true);
                    if let Some(guard) = &self.link.borrow().guard {
                        guard.wrote(connection);
                    }
                    if let Some(begun) = writing.begun.take() {
                        // What was seen so far is of the epoch before.
                        self.anchor.replace(Some(begun));
                    }
                    if let (Some(anchor), Some(last)) = (&mut *self.anchor.borrow_mut(), last) {
                        anchor.wrote(last);
                    }
                    Ok(done)
                }
                TxEnd::Rollback(done) => {
                    connection.prepare_cached("ROLLBACK")?.execute([])?;
                    Ok(done)
                }
            });
        if ended.is_err() && !connection.is_autocommit() {
            // The error that led here is the one to report.
            let _ = connection.execute_batch("ROLLBACK");
        }
        if ended.is_ok() {
            self.written_version.set(version_of(connection));
        }
        ended
    }

    /// Before a write, with the lock held: whether it goes to the database that was read, in a state
    /// that followed.
    fn check_identity(&self, writing: &WriteTx<'_>) -> Result<(), TxError> {
        let connection = writing.connection;
        let link = self.link.borrow();
        let mut begins_log = false;
        if let Some(guard) = &link.guard {
            begins_log = guard.check_before_write(connection).map_err(|why| self.reset(why))?;
            begins_log |= !self.is_settled.get() && guard.begins_log(connection);
        }
        let version = version_of(connection);
        let others_wrote = version.is_none() || version != self.written_version.get();
        if others_wrote {
            let is_followed = match &*self.anchor.borrow() {
                Some(anchor) => anchor.is_followed(connection)?,
                None => false,
            };
            if !is_followed && let Err(why) = self.follow(connection, SchemaFlavor::Current, false)? {
                self.go_on_elsewhere(writing, &why)?;
                return Err(self.reset(why).into());
            }
        }
        if (begins_log || !self.is_settled.get())
            && let Ok(home) = Home::of(&self.named, &self.settings.process.boot_id)
        {
            let seen = self.settings.seen.as_ref().filter(|_| !self.is_settled.get());
            let seen = seen.and_then(|seen| seen.anchor.as_ref());
            if timeline::settle(writing, &home, seen, begins_log)?.is_some() {
                writing.begun.set(Some(Anchor::read(connection, SchemaFlavor::Current)?));
            }
        }
        Ok(())
    }

    /// An earlier state was restored: whoever writes from here on does so with revisions that were not
    /// given before, which nobody else may know of.
    fn go_on_elsewhere(&self, writing: &WriteTx<'_>, why: &Reset) -> Result<(), TxError> {
        let anchor = self.anchor.borrow();
        if let (Reset::WentBack { .. } | Reset::Diverged(_), Some(anchor)) = (why, &*anchor)
            && let Ok(home) = Home::of(&self.named, &self.settings.process.boot_id)
            && timeline::settle(writing, &home, Some(anchor), false)?.is_some()
        {
            writing.connection.prepare_cached("COMMIT")?.execute([])?;
        }
        Ok(())
    }

    /// The log was removed while it was open here: what is in it is taken into the file, as long as nobody
    /// else has begun another one.
    fn rescue(&self, why: &Reset) {
        let link = self.link.borrow();
        if let (Some(guard), Some(connection)) = (&link.guard, &link.connection)
            && guard.may_rescue(connection, why)
        {
            // What cannot be done is told by the error that led here.
            let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
    }
}

impl<'a> WriteTx<'a> {
    /// A transaction of a connection, as the writes of one actor, begun at that time.
    pub(super) fn new(connection: &'a Connection, actor: &'a Actor, began: ClockReading) -> WriteTx<'a> {
        WriteTx {
            connection,
            actor,
            now: began.wall,
            boot: began.boot,
            last: Cell::default(),
            begun: Cell::default(),
        }
    }

    /// When the transaction began, by both clocks.
    pub(super) fn reading(&self) -> ClockReading {
        ClockReading { wall: self.now, boot: self.boot }
    }

    /// The newest revision; the next write makes the one after it.
    pub(super) fn latest_revision(&self) -> rusqlite::Result<Revision> {
        latest_revision(self.connection)
    }

    /// Notes the newest change, which the only operation of a transaction made. What removed an entry may also
    /// have been its expiry, at another time.
    pub(super) fn note_last(&self, revision: Revision, operation: &Operation) {
        let key = match operation {
            Operation::Put { key, .. }
            | Operation::PutUntyped { key, .. }
            | Operation::Restore { key, .. }
            | Operation::SetExpiry { key, .. } => key.clone(),
            Operation::Delete(_) | Operation::DeleteRange(_) => return,
        };
        self.last.set(Some(Last { revision: revision.0, at: self.now, key }));
    }

    /// The row of `key`. One that has expired is removed first, so that whatever is written
    /// afterwards starts afresh.
    pub(super) fn find(&self, key: &Key) -> rusqlite::Result<Option<EntryRow>> {
        match read::row_of(self.connection, SchemaFlavor::Current, key, u64::MAX)? {
            Some(found) if found.entry.is_expired(self.now) => self.expire(found.rowid),
            other => Ok(other),
        }
    }

    /// As [`WriteTx::find`], as much of it as a write needs.
    pub(super) fn present(&self, key: &Key) -> rusqlite::Result<Option<CurrentRow>> {
        match read::present(self.connection, key)? {
            Some(present) if present.image.expires_at.is_some_and(|expiry| expiry <= self.now) => {
                self.expire(present.rowid)
            }
            other => Ok(other),
        }
    }

    /// Removes a row that has expired: there is nothing then.
    fn expire<T>(&self, rowid: i64) -> rusqlite::Result<Option<T>> {
        self.recorded_as("expire", |connection| {
            connection.prepare_cached("DELETE FROM state WHERE rowid = ?1")?.execute([rowid])
        })?;
        Ok(None)
    }

    /// Ties the changes after `before` together, so that they are undone together, and notes what
    /// they take back.
    pub(super) fn tie(&self, before: Revision, last: Revision, purpose: Purpose) -> rusqlite::Result<()> {
        let first = before.next().0;
        if last.0 > first {
            self.connection
                .prepare_cached("INSERT INTO slothstate_transactions (first, last) VALUES (?1, ?2)")?
                .execute([first, last.0])?;
        }
        if let Purpose::Undo(undone) = purpose
            && last.0 >= first
        {
            self.connection
                .prepare_cached(
                    "INSERT INTO slothstate_undone (revision, undone_by) VALUES (?1, ?2) \
                     ON CONFLICT (revision) DO UPDATE SET undone_by = excluded.undone_by",
                )?
                .execute([undone.0, first])?;
        }
        Ok(())
    }

    /// Carries out one operation; how many entries it changed.
    pub(super) fn carry_out(&self, operation: &Operation, purpose: Purpose) -> Result<u64, TxError> {
        let named = |name: &'static str| match purpose {
            Purpose::Change => name,
            Purpose::Import => "import",
            Purpose::Undo(_) => "undo",
        };
        match operation {
            Operation::Put { key, value, expiry } => {
                if !self.overwrite(key, value, *expiry, named("set"))? {
                    let present = self.present(key)?;
                    self.put(key, present, value, *expiry, named("set"))?;
                }
                Ok(1)
            }
            Operation::PutUntyped { key, text, expiry } => {
                check_size(key, text)?;
                let present = self.present(key)?;
                let row = NewRow {
                    stored: text,
                    stored_type: None,
                    expires_at: expiry
                        .after(present.as_ref().and_then(|present| present.image.expires_at), self.now)?,
                    operation: named("set"),
                };
                match present {
                    Some(present) => self.update(present.rowid, &row)?,
                    None => self.insert(key, &row)?,
                }
                Ok(1)
            }
            Operation::Restore { key, image } => {
                check_size(key, &image.stored)?;
                let row = NewRow {
                    stored: &image.stored,
                    stored_type: image.stored_type,
                    expires_at: image.expires_at,
                    operation: named("set"),
                };
                match self.present(key)? {
                    Some(present) => self.update(present.rowid, &row)?,
                    None => self.insert(key, &row)?,
                }
                Ok(1)
            }
            Operation::SetExpiry { key, expiry } => match self.present(key)? {
                None => Ok(0),
                Some(CurrentRow { rowid, image }) => {
                    let expires_at = expiry.after(image.expires_at, self.now)?;
                    if expires_at == image.expires_at {
                        return Ok(0);
                    }
                    let (stored, stored_type) = (&image.stored, image.stored_type);
                    let row = NewRow { stored, stored_type, expires_at, operation: named("ttl") };
                    self.update(rowid, &row)?;
                    Ok(1)
                }
            },
            Operation::Delete(key) => match self.present(key)? {
                None => Ok(0),
                Some(present) => {
                    self.recorded_as(named("delete"), |connection| {
                        let deleted = connection
                            .prepare_cached("DELETE FROM state WHERE rowid = ?1")?
                            .execute([present.rowid])?;
                        only_one(deleted)
                    })?;
                    Ok(1)
                }
            },
            Operation::DeleteRange(range) => Ok(self.delete_range(range, named("delete"))?),
        }
    }

    /// Writes a value over one that has not expired, without reading it first, which is what most writes
    /// are and takes half as many statements; whether there was one. An expiry that is kept is read.
    fn overwrite(&self, key: &Key, value: &Value, expiry: Expiry, operation: &str) -> Result<bool, TxError> {
        if expiry == Expiry::Keep || matches!(expiry, Expiry::At(at) if at > Millis::LATEST) {
            return Ok(false);
        }
        let stored = value.to_stored();
        check_size(key, &stored)?;
        let expires_at = expiry.after(None, self.now)?;
        // The type is that of `Image::type_over`; a list behind IN would be made anew for each write.
        let written = self
            .connection
            .prepare_cached(
                "UPDATE state SET value = ?2, updated_at = datetime(?3 / 1000, 'unixepoch'), \
                     type = CASE WHEN ?4 <> 'string' OR type = 'string' OR type = 'number' \
                         OR type = 'boolean' OR type = 'table' OR type = 'list' THEN ?4 END, \
                     expires_at_ms = ?5, version = version + 1, \
                     revision = (SELECT ifnull(max(revision), 0) + 1 FROM slothstate_history), \
                     modified_at_ms = ?3, operation = ?6, actor = ?7, run = ?8, task = ?9 \
                 WHERE rowid = (SELECT rowid FROM state WHERE key = ?1) \
                     AND (expires_at_ms IS NULL OR expires_at_ms > ?3)",
            )?
            .execute(params![
                key,
                TextBytes(&stored),
                self.now.0,
                value.value_type().name(),
                expires_at.map(|at| at.0),
                operation,
                self.actor.name,
                self.actor.run,
                self.actor.task,
            ])?;
        Ok(written > 0)
    }

    /// Writes a value. A string put over text without a type, as other programs write it, leaves
    /// it without one.
    pub(super) fn put(
        &self,
        key: &Key,
        present: Option<CurrentRow>,
        value: &Value,
        expiry: Expiry,
        operation: &str,
    ) -> Result<(), TxError> {
        let stored = value.to_stored();
        check_size(key, &stored)?;
        let image = present.as_ref().map(|present| &present.image);
        let row = NewRow {
            stored: &stored,
            stored_type: Image::type_over(image.map(|image| image.stored_type), value),
            expires_at: expiry.after(image.and_then(|image| image.expires_at), self.now)?,
            operation,
        };
        match &present {
            Some(present) => self.update(present.rowid, &row)?,
            None => self.insert(key, &row)?,
        }
        Ok(())
    }

    fn insert(&self, key: &Key, row: &NewRow<'_>) -> rusqlite::Result<()> {
        let written = self
            .connection
            .prepare_cached(
                "INSERT INTO state (key, value, created_at, updated_at, type, expires_at_ms, version, \
                     revision, modified_at_ms, operation, actor, run, task) \
                 VALUES (?1, ?2, datetime(?3 / 1000, 'unixepoch'), datetime(?3 / 1000, 'unixepoch'), ?4, ?5, 1, \
                     (SELECT ifnull(max(revision), 0) + 1 FROM slothstate_history), ?3, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                key,
                TextBytes(row.stored),
                self.now.0,
                row.stored_type.map(|stored_type| stored_type.name()),
                row.expires_at.map(|at| at.0),
                row.operation,
                self.actor.name,
                self.actor.run,
                self.actor.task,
            ])?;
        only_one(written)
    }

    fn update(&self, rowid: i64, row: &NewRow<'_>) -> rusqlite::Result<()> {
        let written = self
            .connection
            .prepare_cached(
                "UPDATE state SET value = ?2, updated_at = datetime(?3 / 1000, 'unixepoch'), type = ?4, \
                     expires_at_ms = ?5, version = version + 1, \
                     revision = (SELECT ifnull(max(revision), 0) + 1 FROM slothstate_history), \
                     modified_at_ms = ?3, operation = ?6, actor = ?7, run = ?8, task = ?9 \
                 WHERE rowid = ?1",
            )?
            .execute(params![
                rowid,
                TextBytes(row.stored),
                self.now.0,
                row.stored_type.map(|stored_type| stored_type.name()),
                row.expires_at.map(|at| at.0),
                row.operation,
                self.actor.name,
                self.actor.run,
                self.actor.task,
            ])?;
        only_one(written)
    }

    fn delete_range(&self, range: &KeyRange, operation: &str) -> rusqlite::Result<u64> {
        let any = self
            .connection
            .prepare_cached(
                "SELECT 1 FROM state WHERE (:start IS NULL OR key >= :start) AND (:end IS NULL OR key < :end) \
                 AND (expires_at_ms IS NULL OR expires_at_ms > :now) LIMIT 1",
            )?
            .exists(named_params! { ":start": range.start, ":end": range.end, ":now": self.now.0 })?;
        if !any {
            return Ok(0);
        }
        self.recorded_as(operation, |connection| {
            let deleted = connection
                .prepare_cached(
                    "DELETE FROM state WHERE (:start IS NULL OR key >= :start) AND (:end IS NULL OR key < :end) \
                     AND (expires_at_ms IS NULL OR expires_at_ms > :now)",
                )?
                .execute(named_params! { ":start": range.start, ":end": range.end, ":now": self.now.0 })?;
            Ok(deleted as u64)
        })
    }

    /// Does deletions that history records under `operation` and this actor's name.
    pub(super) fn recorded_as<T>(
        &self,
        operation: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.connection
            .prepare_cached(
                "INSERT INTO slothstate_context (id, at_ms, operation, actor, run, task) \
                 VALUES (1, ?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![self.now.0, operation, self.actor.name, self.actor.run, self.actor.task])?;
        let done = work(self.connection)?;
        self.connection.prepare_cached("DELETE FROM slothstate_context")?.execute([])?;
        Ok(done)
    }
}

/// SQLite's number for the state that a connection sees.
fn version_of(connection: &Connection) -> Option<u32> {
    let mut version = 0;
    connection.file_control(None::<&str>, FileControl::DataVersion(&mut version)).ok()?;
    Some(version)
}

/// The newest revision of an adopted database. The newest row of history is never pruned.
pub(super) fn latest_revision(connection: &Connection) -> rusqlite::Result<Revision> {
    let latest = connection
        .prepare_cached("SELECT ifnull(max(revision), 0) FROM slothstate_history")?
        .query_row([], |row| row.get(0))?;
    Ok(Revision(latest))
}

/// The largest revision after which others are given. Counting does not get there, nor does any clock; a
/// larger one comes from damage or from another program, and Lua and JSON, which have it as a number, would
/// round it.
pub(super) const LARGEST_REVISION: i64 = 1 << 53;

/// Refuses a database whose newest revision leaves no room for others: it must not overflow in the middle
/// of a write, nor may what was read at that revision come back later as something else.
pub(super) fn check_revision(connection: &Connection, path: &std::path::Path) -> Result<(), StoreError> {
    match latest_revision(connection) {
        Ok(newest) if newest.0 > LARGEST_REVISION => {
            Err(StoreError::NoRevisionLeft { path: path.to_path_buf(), newest })
        }
        // Whatever else is wrong with it, the write itself says.
        _ => Ok(()),
    }
}

/// A trigger of another program may discard a write without an error.
fn only_one(written: usize) -> rusqlite::Result<()> {
    if written == 1 { Ok(()) } else { Err(hardening::write_was_discarded(written)) }
}

fn check_size(key: &Key, stored: &[u8]) -> Result<(), StoreError> {
    let bytes = stored.len() as u64;
    if bytes > LARGEST_VALUE {
        return Err(StoreError::TooLarge { key: key.clone(), bytes, limit: LARGEST_VALUE });
    }
    Ok(())
}
