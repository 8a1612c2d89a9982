//! A write transaction that is under way, and how it ends.

use std::cell::Cell;
use std::path::Path;

use rusqlite::{Connection, params};

use super::query::{execute, row};
use super::remedies::error_at;
use super::timeline::{Anchor, Last};
use crate::store::{Actor, ErrorKind, Operation, Revision, StoreError};
use crate::time::{BootTime, ClockReading, Millis};

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
    /// The newest revision, if that is known and nothing was written in the transaction.
    pub newest: Cell<Option<Revision>>,
    /// The newest change, where it is known.
    pub last: Cell<Option<Last>>,
    /// What there is to be seen of an epoch that the transaction began, once it is committed.
    pub begun: Cell<Option<Anchor>>,
}

impl<'a> WriteTx<'a> {
    /// A transaction of a connection, as the writes of one actor, begun at that time.
    pub(super) fn new(connection: &'a Connection, actor: &'a Actor, began: ClockReading) -> WriteTx<'a> {
        WriteTx {
            connection,
            actor,
            now: began.wall,
            boot: began.boot,
            newest: Cell::default(),
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

    /// As [`WriteTx::latest_revision`], for a caller that wrote nothing except by the operations of this type.
    pub(super) fn revision_before(&self) -> rusqlite::Result<Revision> {
        self.newest.get().map_or_else(|| self.latest_revision(), Ok)
    }

    /// The revision of the next change, if it is known without a look at the history: it is for one change,
    /// after which others may have followed by a trigger of another program.
    pub(super) fn take_next_revision(&self) -> Option<i64> {
        self.newest.take().map(|newest| newest.next().0)
    }

    /// Notes the newest change, which the only operation of a transaction made. What removed an entry may also
    /// have been its expiry, at another time.
    pub(super) fn note_last(&self, revision: Revision, operation: &Operation) {
        let key = match operation {
            Operation::Put { key, .. }
            | Operation::PutUntyped { key, .. }
            | Operation::Restore { key, .. }
            | Operation::Edit { key, .. }
            | Operation::SetExpiry { key, .. } => key.clone(),
            Operation::Delete(_) | Operation::DeleteRange(_) => return,
        };
        self.last.set(Some(Last { revision: revision.0, at: self.now, key }));
    }

    /// Does deletions that history records under `operation` and this actor's name.
    pub(super) fn recorded_as<T>(
        &self,
        operation: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.newest.set(None);
        let sql = "INSERT INTO slothstate_context (id, at_ms, operation, actor, run, task) \
                   VALUES (1, ?1, ?2, ?3, ?4, ?5)";
        let Actor { name, run, task } = self.actor;
        execute(self.connection, sql, params![self.now.0, operation, name, run, task])?;
        let done = work(self.connection)?;
        execute(self.connection, "DELETE FROM slothstate_context", [])?;
        Ok(done)
    }
}

/// The newest revision of an adopted database. The newest row of history is never pruned.
pub(super) fn latest_revision(connection: &Connection) -> rusqlite::Result<Revision> {
    let sql = "SELECT ifnull(max(revision), 0) FROM slothstate_history";
    row(connection, sql, [], |row| row.get(0)).map(Revision)
}

/// The largest revision after which others are given. Counting does not get there, nor does any clock; a
/// larger one comes from damage or from another program, and Lua and JSON, which have it as a number, would
/// round it.
pub(super) const LARGEST_REVISION: i64 = 1 << 53;

/// Refuses a database whose newest revision leaves no room for others: it must not overflow in the middle
/// of a write, nor may what was read at that revision come back later as something else.
pub(super) fn check_revision(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    match latest_revision(connection) {
        Ok(newest) if newest.0 > LARGEST_REVISION => {
            Err(error_at(path, ErrorKind::NoRevisionLeft { newest }))
        }
        // Whatever else is wrong with it, the write itself says.
        _ => Ok(()),
    }
}
