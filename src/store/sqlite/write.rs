//! Running a write: every one is one immediate transaction.

use rusqlite::{Connection, FileControl};

use super::first_write_check::Rehearsed;
use super::home::Home;
use super::query::execute;
use super::schema_version::SchemaFlavor;
use super::timeline::Anchor;
use super::transaction::{TxEnd, TxError, WriteTx, check_revision};
use super::{LastState, SqliteStore, busy_handler, connect, epoch, timeline};
use crate::store::identity::Reset;
use crate::store::{Actor, ErrorKind, Revision, StoreError};

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
            Err(StoreError { kind: ErrorKind::Reset { why }, .. }) => {
                self.rescue(&why);
                return Err(self.reset(why));
            }
            // A checkpoint may help.
            Err(StoreError { kind: ErrorKind::DiskFull, .. }) => {
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
        self.with_connection(|connection| {
            if full_sync {
                connect::set_sync(connection, true).map_err(|error| self.explain(&error))?;
            }
            let actor = self.actor.borrow();
            let done = self.in_transaction(connection, &actor, true, work);
            let done = done.map_err(|fault| self.explain_fault(fault));
            if full_sync {
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

    pub(super) fn explain_fault(&self, fault: TxError) -> StoreError {
        match fault {
            TxError::Sql(error) => self.without_revision_left().unwrap_or_else(|| self.explain(&error)),
            TxError::Store(error) => error,
        }
    }

    /// Why a write failed, if it did because there is no revision for it.
    fn without_revision_left(&self) -> Option<StoreError> {
        let link = self.link.try_borrow().ok()?;
        check_revision(link.connection.as_ref()?, self.path()).err()
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
        execute(connection, "BEGIN IMMEDIATE", [])?;
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
                    execute(connection, "COMMIT", [])?;
                    if is_recorded {
                        self.records.borrow_mut().are_written();
                    }
                    self.is_settled.set(true);
                    self.written_revision.set(last.as_ref().map(|last| Revision(last.revision)));
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
                    execute(connection, "ROLLBACK", [])?;
                    // Others may have written before it.
                    self.written_revision.set(None);
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
        if !others_wrote {
            writing.newest.set(self.written_revision.get());
        }
        if (begins_log || !self.is_settled.get())
            && let Ok(home) = Home::of(&self.named, &self.settings.process.boot_id)
        {
            let seen = LastState::of(&self.settings).filter(|_| !self.is_settled.get());
            let seen = seen.and_then(|seen| seen.anchor.as_ref());
            if epoch::settle(writing, &home, seen, begins_log)?.is_some() {
                writing.newest.set(None);
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
            && epoch::settle(writing, &home, Some(anchor), false)?.is_some()
        {
            execute(writing.connection, "COMMIT", [])?;
        }
        Ok(())
    }

    /// The log was removed while it was open here: what is in it is taken into the file, as long as nobody
    /// else has begun another one.
    fn rescue(&self, why: &Reset) {
        let link = self.link.borrow();
        if let Some((guard, connection)) = link.guarded()
            && guard.may_rescue(connection, why)
        {
            // The error that led here says what failed.
            let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
    }
}

/// SQLite's number for the state that a connection sees.
fn version_of(connection: &Connection) -> Option<u32> {
    let mut version = 0;
    connection.file_control(None::<&str>, FileControl::DataVersion(&mut version)).ok()?;
    Some(version)
}
