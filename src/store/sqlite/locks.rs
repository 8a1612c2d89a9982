//! Locks: rows of the table that Sloth Runner uses too.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::connect::Generation;
use super::write::{Ending, Fault, Writing};
use super::{SqliteStore, read, stored_time};
use crate::escape::escape;
use crate::store::{
    Acquisition, Clearing, Lock, LockRequest, Millis, Revision, StoreError, Ticket, Token, WAITER_PATIENCE,
    Waiter,
};

fn columns(generation: Generation) -> &'static str {
    match generation {
        Generation::Earlier(_) | Generation::Adopted => {
            "name, holder, acquired_at, expires_at, token, acquired_at_ms, expires_at_ms, process, actor, run, task"
        }
        Generation::SlothRunner | Generation::Empty => {
            "name, holder, acquired_at, expires_at, 0, NULL, NULL, NULL, NULL, NULL, NULL"
        }
        Generation::Older => {
            "lock_name, owner, acquired_at, expires_at, 0, NULL, NULL, NULL, NULL, NULL, NULL"
        }
    }
}

fn lock(row: &Row<'_>) -> rusqlite::Result<Lock> {
    let text = |column| Ok::<_, rusqlite::Error>(read::text(row.get_ref(column)?).unwrap_or_default());
    let millis = |column| Ok::<_, rusqlite::Error>(read::integer(row.get_ref(column)?).map(Millis));
    let stored_expiry = text(3)?;
    let acquired_at = millis(5)?.or_else(|| stored_time::parse(&text(2).ok()?));
    let process = read::text(row.get_ref(7)?).and_then(|json| serde_json::from_str(&json).ok());
    Ok(Lock {
        name: text(0)?,
        holder: text(1)?,
        token: Token(Revision(read::integer(row.get_ref(4)?).unwrap_or(0))),
        acquired_at,
        expires_at: millis(6)?.or_else(|| stored_time::parse(&stored_expiry)),
        process,
        actor: read::actor(row.get_ref(8)?, row.get_ref(9)?, row.get_ref(10)?),
        stored_expiry,
    })
}

/// The table of locks and its column of names; `None` where there is none, as a file of Sloth
/// Runner may have it.
fn table(
    connection: &Connection,
    generation: Generation,
) -> rusqlite::Result<Option<(&'static str, &'static str)>> {
    let (table, name) = match generation {
        Generation::Earlier(_) | Generation::Adopted => return Ok(Some(("locks", "name"))),
        Generation::Empty => return Ok(None),
        Generation::SlothRunner => ("locks", "name"),
        Generation::Older => ("state_locks", "lock_name"),
    };
    let is_there = connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")?
        .exists([table])?;
    Ok(is_there.then_some((table, name)))
}

pub(super) fn page(
    connection: &Connection,
    generation: Generation,
    after: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Vec<Lock>> {
    let Some((table, name)) = table(connection, generation)? else { return Ok(Vec::new()) };
    let sql = format!(
        "SELECT {} FROM {table} WHERE ?1 IS NULL OR {name} > ?1 ORDER BY {name} LIMIT ?2",
        columns(generation)
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut locks =
        statement.query_map(params![after, limit], lock)?.collect::<rusqlite::Result<Vec<_>>>()?;
    // A name of another program that is no text is not the same when it comes back as a cursor:
    // without this the last page would come again for ever.
    locks.retain(|lock| after.is_none_or(|after| lock.name.as_str() > after));
    Ok(locks)
}

pub(super) fn find(
    connection: &Connection,
    generation: Generation,
    name: &str,
) -> rusqlite::Result<Option<Lock>> {
    let Some((table, name_column)) = table(connection, generation)? else { return Ok(None) };
    let sql = format!("SELECT {} FROM {table} WHERE {name_column} = ?1", columns(generation));
    connection.prepare_cached(&sql)?.query_row([name], lock).optional()
}

pub(super) fn waiters(
    connection: &Connection,
    generation: Generation,
    now: Millis,
) -> rusqlite::Result<Vec<Waiter>> {
    if !generation.is_ours() {
        return Ok(Vec::new());
    }
    connection
        .prepare_cached(
            "SELECT lock, ticket, holder, since_ms, process FROM slothstate_waiters \
             WHERE seen_ms > ?1 AND seen_ms < ?2 ORDER BY lock, ticket",
        )?
        .query_map(heard_between(now), |row| {
            Ok(Waiter {
                lock: read::text(row.get_ref(0)?).unwrap_or_default(),
                ticket: Ticket(row.get(1)?),
                holder: read::text(row.get_ref(2)?).unwrap_or_default(),
                since: Millis(row.get(3)?),
                process: read::text(row.get_ref(4)?).and_then(|json| serde_json::from_str(&json).ok()),
            })
        })?
        .collect()
}

/// Waiters that were last heard of outside of these moments are passed over: long ago, or before
/// the clock was set back.
fn heard_between(now: Millis) -> [i64; 2] {
    let patience = i64::try_from(WAITER_PATIENCE.as_millis()).unwrap_or(0);
    [now.0.saturating_sub(patience), now.0.saturating_add(patience)]
}

impl SqliteStore {
    pub(super) fn acquire_lock(
        &self,
        request: &LockRequest,
        ticket: Option<Ticket>,
    ) -> Result<Acquisition, StoreError> {
        if request.name.is_empty() {
            return Err(StoreError::EmptyLockName);
        }
        // A look costs no write lock; most tries of those who wait end here.
        let now = self.settings.clock.now();
        let seen = self.read(None, |connection, generation| find(connection, generation, &request.name))?;
        if let Some(lock) = seen
            && !lock.is_expired(now)
        {
            return self.refuse(request, lock);
        }
        let process = Some(self.process_json());
        self.write(true, &|writing| {
            if let Some(lock) = writing.held(&request.name)? {
                return Ok(Ending::Rollback(self.refuse(request, lock)?));
            }
            if writing.is_queued(&request.name, ticket)? {
                return Ok(Ending::Rollback(Acquisition::Queued));
            }
            let expires_at = writing.now.plus(request.lease);
            let lock = writing.insert_lock(&request.name, &request.holder, expires_at, process.as_deref())?;
            Ok(Ending::Commit(Acquisition::Acquired(lock)))
        })
    }

    pub(super) fn bring_lock_over(&self, lock: &Lock) -> Result<Acquisition, StoreError> {
        let process = lock.process.as_ref().and_then(|process| serde_json::to_string(process).ok());
        self.write(true, &|writing| {
            if let Some(held) = writing.held(&lock.name)? {
                return Ok(Ending::Rollback(Acquisition::Held(held)));
            }
            if writing.is_queued(&lock.name, None)? {
                return Ok(Ending::Rollback(Acquisition::Queued));
            }
            let expires_at = lock.expires_at.unwrap_or(writing.now);
            let mut taken = writing.insert_lock(&lock.name, &lock.holder, expires_at, process.as_deref())?;
            // History tells when it was brought over; the lock itself how long it has been held.
            if let Some(acquired_at) = lock.acquired_at {
                writing.set_acquired_at(&lock.name, acquired_at)?;
                taken.acquired_at = Some(acquired_at);
            }
            Ok(Ending::Commit(Acquisition::Acquired(taken)))
        })
    }

    /// The answer to a wish for a lock that somebody holds.
    fn refuse(&self, request: &LockRequest, held: Lock) -> Result<Acquisition, StoreError> {
        if held.process.as_ref() == Some(&self.settings.process) && held.holder == request.holder {
            return Err(StoreError::Reentrant {
                name: escape(request.name.as_bytes()),
                holder: escape(held.holder.as_bytes()),
            });
        }
        Ok(Acquisition::Held(held))
    }

    pub(super) fn renew_lock(&self, name: &str, token: Token, lease: Duration) -> Result<bool, StoreError> {
        self.write(false, &|writing| {
            let expires_at = writing.now.plus(lease);
            let renewed = writing
                .connection
                .prepare_cached(
                    "UPDATE locks SET expires_at = ?3, expires_at_ms = ?4 \
                     WHERE name = ?1 AND token = ?2 AND expires_at_ms > ?5",
                )?
                .execute(params![
                    name,
                    token.0.0,
                    stored_time::format(expires_at),
                    expires_at.0,
                    writing.now.0
                ])?;
            Ok(Ending::Commit(renewed == 1))
        })
    }

    pub(super) fn release_lock(&self, name: &str, token: Token) -> Result<bool, StoreError> {
        self.write(true, &|writing| match find(writing.connection, Generation::Adopted, name)? {
            Some(lock) if lock.token == token => {
                let expired = lock.is_expired(writing.now);
                writing.remove_lock(name, if expired { "expire" } else { "unlock" })?;
                Ok(Ending::Commit(!expired))
            }
            _ => Ok(Ending::Rollback(false)),
        })
    }

    pub(super) fn clear_seen_lock(&self, seen: &Lock) -> Result<Clearing, StoreError> {
        self.write(true, &|writing| match find(writing.connection, Generation::Adopted, &seen.name)? {
            None => Ok(Ending::Rollback(Clearing::AlreadyGone)),
            Some(lock) if is_the_same(&lock, seen) => {
                let expired = lock.is_expired(writing.now);
                writing.remove_lock(&seen.name, if expired { "expire" } else { "steal" })?;
                Ok(Ending::Commit(Clearing::Cleared))
            }
            Some(lock) => Ok(Ending::Rollback(Clearing::Changed(Box::new(lock)))),
        })
    }

    pub(super) fn join_lock_queue(&self, request: &LockRequest) -> Result<Ticket, StoreError> {
        let process = self.process_json();
        self.write(false, &|writing| {
            writing
                .connection
                .prepare_cached(
                    "INSERT INTO slothstate_waiters (lock, holder, since_ms, seen_ms, process) \
                     VALUES (?1, ?2, ?3, ?3, ?4)",
                )?
                .execute(params![request.name, request.holder, writing.now.0, process])?;
            Ok(Ending::Commit(Ticket(writing.connection.last_insert_rowid())))
        })
    }

    pub(super) fn keep_lock_ticket(&self, request: &LockRequest, ticket: Ticket) -> Result<(), StoreError> {
        let process = self.process_json();
        self.write(false, &|writing| {
            writing
                .connection
                .prepare_cached(
                    "INSERT INTO slothstate_waiters (ticket, lock, holder, since_ms, seen_ms, process) \
                     VALUES (?1, ?2, ?3, ?4, ?4, ?5) ON CONFLICT (ticket) DO UPDATE SET seen_ms = ?4",
                )?
                .execute(params![ticket.0, request.name, request.holder, writing.now.0, process])?;
            Ok(Ending::Commit(()))
        })
    }

    pub(super) fn leave_lock_queue(&self, ticket: Ticket) -> Result<(), StoreError> {
        self.write(false, &|writing| {
            writing
                .connection
                .prepare_cached("DELETE FROM slothstate_waiters WHERE ticket = ?1")?
                .execute([ticket.0])?;
            Ok(Ending::Commit(()))
        })
    }
}

/// Whether a lock is the one that was seen. Tokens tell; a lock that another program took before
/// the file was adopted has none, and is told by its holder and its times.
fn is_the_same(lock: &Lock, seen: &Lock) -> bool {
    let same_holder = lock.token == seen.token && lock.holder == seen.holder;
    let has_token = lock.token != Token::default();
    same_holder
        && (has_token || (lock.acquired_at == seen.acquired_at && lock.stored_expiry == seen.stored_expiry))
}

impl Writing<'_> {
    fn remove_lock(&self, name: &str, operation: &str) -> Result<(), Fault> {
        self.recorded_as(operation, |connection| {
            connection.prepare_cached("DELETE FROM locks WHERE name = ?1")?.execute([name])
        })?;
        Ok(())
    }

    /// Whether somebody else is to have the lock next.
    fn is_queued(&self, name: &str, ticket: Option<Ticket>) -> Result<bool, Fault> {
        let heard = heard_between(self.now);
        let first: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT min(ticket) FROM slothstate_waiters WHERE lock = ?1 AND seen_ms > ?2 AND seen_ms < ?3",
            )?
            .query_row(params![name, heard[0], heard[1]], |row| row.get(0))?;
        Ok(first.is_some_and(|first| ticket.is_none_or(|ticket| first < ticket.0)))
    }

    /// Who holds a lock. One whose lease has run out is removed.
    fn held(&self, name: &str) -> Result<Option<Lock>, Fault> {
        match find(self.connection, Generation::Adopted, name)? {
            Some(lock) if lock.is_expired(self.now) => {
                self.remove_lock(name, "expire")?;
                Ok(None)
            }
            found => Ok(found),
        }
    }

    fn insert_lock(
        &self,
        name: &str,
        holder: &str,
        expires_at: Millis,
        process: Option<&str>,
    ) -> Result<Lock, Fault> {
        self.connection
            .prepare_cached(
                "INSERT INTO locks (name, holder, acquired_at, expires_at, token, acquired_at_ms, \
                     expires_at_ms, process, actor, run, task) \
                 VALUES (?1, ?2, datetime(?3 / 1000, 'unixepoch'), ?4, ?5, ?3, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                name,
                holder,
                self.now.0,
                stored_time::format(expires_at),
                self.latest_revision()?.0 + 1,
                expires_at.0,
                process,
                self.actor.name,
                self.actor.run,
                self.actor.task
            ])?;
        let lock = find(self.connection, Generation::Adopted, name)?;
        Ok(lock.ok_or(rusqlite::Error::QueryReturnedNoRows)?)
    }

    fn set_acquired_at(&self, name: &str, acquired_at: Millis) -> Result<(), Fault> {
        self.connection
            .prepare_cached(
                "UPDATE locks SET acquired_at_ms = ?2, acquired_at = datetime(?2 / 1000, 'unixepoch') \
                 WHERE name = ?1",
            )?
            .execute(params![name, acquired_at.0])?;
        Ok(())
    }
}
