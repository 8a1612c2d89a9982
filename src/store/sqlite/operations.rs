//! Carrying out the operations of a transaction on the table of entries.

use rusqlite::{ToSql, params};

use super::columns::TextBytes;
use super::hardening;
use super::query::{execute, exists};
use super::read::{self, CurrentRow, EntryRow};
use super::schema_version::SchemaFlavor;
use super::transaction::{TxError, WriteTx};
use crate::store::{
    Actor, Capabilities, EditOutcome, Expiry, Image, Key, KeyRange, Operation, Purpose, Revision, StoreError,
    Type, Value,
};
use crate::time::Millis;

/// The largest value: history keeps the old and the new one in one row, which SQLite limits to
/// a thousand million bytes.
const LARGEST_VALUE: u64 = 256 * 1024 * 1024;

/// What SQLite can do.
pub(super) const CAPABILITIES: Capabilities = Capabilities {
    largest_value: LARGEST_VALUE,
    operations: usize::MAX,
    conditions: None,
    largest_transaction: u64::MAX,
    expiry_grain: 1,
};

struct NewRow<'a> {
    stored: &'a [u8],
    stored_type: Option<Type>,
    expires_at: Option<Millis>,
    operation: &'a str,
}

impl WriteTx<'_> {
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
            execute(connection, "DELETE FROM state WHERE rowid = ?1", [rowid])
        })?;
        Ok(None)
    }

    /// Ties the changes after `before` together, so that they are undone together, and notes what
    /// they take back.
    pub(super) fn tie(&self, before: Revision, last: Revision, purpose: Purpose) -> rusqlite::Result<()> {
        let first = before.next().0;
        if last.0 > first {
            let sql = "INSERT INTO slothstate_transactions (first, last) VALUES (?1, ?2)";
            execute(self.connection, sql, [first, last.0])?;
        }
        if let Purpose::Undo(undone) = purpose
            && last.0 >= first
        {
            let sql = "INSERT INTO slothstate_undone (revision, undone_by) VALUES (?1, ?2) \
                       ON CONFLICT (revision) DO UPDATE SET undone_by = excluded.undone_by";
            execute(self.connection, sql, [undone.0, first])?;
        }
        Ok(())
    }

    /// Carries out one operation; how many entries it changed. What edits came to is added to `edits`.
    pub(super) fn carry_out(
        &self,
        operation: &Operation,
        purpose: Purpose,
        edits: &mut Vec<EditOutcome>,
    ) -> Result<u64, TxError> {
        let named = |name: &'static str| match purpose {
            Purpose::Change => name,
            Purpose::Import => "import",
            Purpose::Undo(_) => "undo",
        };
        match operation {
            Operation::Put { key, value, expiry } => {
                let stored = value.to_stored();
                check_size(key, &stored)?;
                if !self.overwrite(key, value, &stored, *expiry, named("set"))? {
                    let present = self.present(key)?;
                    self.put(key, present, value, &stored, *expiry, named("set"))?;
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
                self.write_row(key, present.map(|present| present.rowid), &row)?;
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
                self.write_row(key, self.present(key)?.map(|present| present.rowid), &row)?;
                Ok(1)
            }
            Operation::Edit { key, edit } => {
                let present = self.present(key)?;
                let value = present.as_ref().map(|present| present.image.value());
                let planned = edit.plan(key, value.as_ref())?;
                let written = planned.written();
                if let Some(value) = written {
                    let stored = value.to_stored();
                    check_size(key, &stored)?;
                    // Text that another program wrote without a type stays without one.
                    self.put(key, present, value, &stored, Expiry::Keep, named(edit.operation_name()))?;
                }
                let changed = u64::from(written.is_some());
                // Most transactions with an edit have no other one.
                edits.reserve_exact(1);
                edits.push(planned.made(Revision::default()));
                Ok(changed)
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
                        only_one(execute(connection, "DELETE FROM state WHERE rowid = ?1", [present.rowid])?)
                    })?;
                    Ok(1)
                }
            },
            Operation::DeleteRange(range) => Ok(self.delete_range(range, named("delete"))?),
        }
    }

    /// Writes a value over one that has not expired, without reading it first, which is what most writes
    /// are and takes half as many statements; whether there was one. An expiry that is kept is read.
    fn overwrite(
        &self,
        key: &Key,
        value: &Value,
        stored: &[u8],
        expiry: Expiry,
        operation: &str,
    ) -> Result<bool, TxError> {
        if expiry == Expiry::Keep || matches!(expiry, Expiry::At(at) if at > Millis::LATEST) {
            return Ok(false);
        }
        let expires_at = expiry.after(None, self.now)?;
        let row = NewRow { stored, stored_type: Some(value.value_type()), expires_at, operation };
        let (newest, changes) = (self.newest.get(), self.connection.total_changes());
        // The type is that of `Image::type_over`; a list behind IN would be rebuilt for each write.
        let written = self.execute(
            "UPDATE state SET value = ?2, updated_at = datetime(?3 / 1000, 'unixepoch'), \
                 type = CASE WHEN ?4 <> 'string' OR type = 'string' OR type = 'number' \
                     OR type = 'boolean' OR type = 'table' OR type = 'list' THEN ?4 END, \
                 expires_at_ms = ?5, version = version + 1, \
                 revision = ifnull(?10, (SELECT ifnull(max(revision), 0) + 1 FROM slothstate_history)), \
                 modified_at_ms = ?3, operation = ?6, actor = ?7, run = ?8, task = ?9 \
             WHERE rowid = (SELECT rowid FROM state WHERE key = ?1) \
                 AND (expires_at_ms IS NULL OR expires_at_ms > ?3)",
            key,
            &row,
        )?;
        // The revision is still to be given, unless a trigger of another program used it.
        if self.connection.total_changes() == changes {
            self.newest.set(newest);
        }
        Ok(written > 0)
    }

    /// Writes a value. A string put over text without a type, as other programs write it, leaves
    /// it without one.
    fn put(
        &self,
        key: &Key,
        present: Option<CurrentRow>,
        value: &Value,
        stored: &[u8],
        expiry: Expiry,
        operation: &str,
    ) -> Result<(), TxError> {
        let image = present.as_ref().map(|present| &present.image);
        let row = NewRow {
            stored,
            stored_type: Image::type_over(image.map(|image| image.stored_type), value),
            expires_at: expiry.after(image.and_then(|image| image.expires_at), self.now)?,
            operation,
        };
        Ok(self.write_row(key, present.map(|present| present.rowid), &row)?)
    }

    fn write_row(&self, key: &Key, rowid: Option<i64>, row: &NewRow<'_>) -> rusqlite::Result<()> {
        match rowid {
            Some(rowid) => self.update(rowid, row),
            None => self.insert(key, row),
        }
    }

    fn insert(&self, key: &Key, row: &NewRow<'_>) -> rusqlite::Result<()> {
        only_one(self.execute(
            "INSERT INTO state (key, value, created_at, updated_at, type, expires_at_ms, version, \
                 revision, modified_at_ms, operation, actor, run, task) \
             VALUES (?1, ?2, datetime(?3 / 1000, 'unixepoch'), datetime(?3 / 1000, 'unixepoch'), ?4, ?5, 1, \
                 ifnull(?10, (SELECT ifnull(max(revision), 0) + 1 FROM slothstate_history)), ?3, ?6, ?7, \
                 ?8, ?9)",
            key,
            row,
        )?)
    }

    fn update(&self, rowid: i64, row: &NewRow<'_>) -> rusqlite::Result<()> {
        only_one(self.execute(
            "UPDATE state SET value = ?2, updated_at = datetime(?3 / 1000, 'unixepoch'), type = ?4, \
                 expires_at_ms = ?5, version = version + 1, \
                 revision = ifnull(?10, (SELECT ifnull(max(revision), 0) + 1 FROM slothstate_history)), \
                 modified_at_ms = ?3, operation = ?6, actor = ?7, run = ?8, task = ?9 \
             WHERE rowid = ?1",
            &rowid,
            row,
        )?)
    }

    /// Runs a statement that writes `row` where `place` (?1) says; how many rows it changed.
    fn execute(&self, sql: &str, place: &dyn ToSql, row: &NewRow<'_>) -> rusqlite::Result<usize> {
        let Actor { name, run, task } = self.actor;
        let parameters = params![
            place,
            TextBytes(row.stored),
            self.now.0,
            row.stored_type.map(Type::name),
            row.expires_at.map(|at| at.0),
            row.operation,
            name,
            run,
            task,
            self.take_next_revision(),
        ];
        execute(self.connection, sql, parameters)
    }

    fn delete_range(&self, range: &KeyRange, operation: &str) -> rusqlite::Result<u64> {
        const MEANT: &str = "FROM state WHERE (?1 IS NULL OR key >= ?1) AND (?2 IS NULL OR key < ?2) \
                             AND (expires_at_ms IS NULL OR expires_at_ms > ?3)";
        let parameters = params![range.start, range.end, self.now.0];
        if !exists(self.connection, &format!("SELECT 1 {MEANT} LIMIT 1"), parameters)? {
            return Ok(0);
        }
        self.recorded_as(operation, |connection| {
            Ok(execute(connection, &format!("DELETE {MEANT}"), parameters)? as u64)
        })
    }
}

/// A trigger of another program may discard a write without an error.
fn only_one(written: usize) -> rusqlite::Result<()> {
    if written == 1 { Ok(()) } else { Err(hardening::write_was_discarded(written)) }
}

fn check_size(key: &Key, stored: &[u8]) -> Result<(), StoreError> {
    CAPABILITIES.check_value(key, stored.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::{connect, migrate};
    use crate::time::ClockReading;

    #[test]
    fn a_new_key_leaves_the_known_revision_to_its_row() {
        let connection = connect::open_in_memory().unwrap();
        for script in migrate::scripts(SchemaFlavor::Empty) {
            connection.execute_batch(script).unwrap();
        }
        let actor = Actor::external();
        let writing = WriteTx::new(&connection, &actor, ClockReading { wall: Millis(1), boot: None });
        let overwrite = || {
            writing.newest.set(Some(Revision(7)));
            let key = Key::new("k").unwrap();
            let written = writing.overwrite(&key, &Value::integer(1), b"1", Expiry::Clear, "set");
            (written.ok().unwrap(), writing.newest.get())
        };
        assert_eq!(overwrite(), (false, Some(Revision(7))));
        connection.execute_batch("INSERT INTO state (key, value) VALUES ('k', 'v')").unwrap();
        assert_eq!(overwrite(), (true, None));
        connection
            .execute_batch(
                "CREATE TRIGGER other BEFORE UPDATE ON state BEGIN \
                     INSERT INTO state (key, value) VALUES ('other', 'v'); SELECT RAISE(IGNORE); END",
            )
            .unwrap();
        assert_eq!(overwrite(), (false, None));
    }
}
