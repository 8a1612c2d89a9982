//! Locks: rows of the table that Sloth Runner uses too.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{self, integer_at, millis_at, text_at};
use super::query::{execute, row, rows, signed};
use super::schema_version::{SchemaFlavor, has_table};
use super::transaction::{TxEnd, TxError, WriteTx};
use super::{SqliteStore, stored_time, waiters};
use crate::store::{
    AcquireOutcome, ClearOutcome, ErrorKind, Lock, LockReading, LockRequest, LockVersion, Locks, Renewal,
    Revision, StoreError, Ticket, Token, Waiter,
};
use crate::text::escape::escape;
use crate::time::{ClockReading, Millis};

fn columns(flavor: SchemaFlavor) -> &'static str {
    match flavor {
        SchemaFlavor::Current => {
            "name, holder, acquired_at, expires_at, token, acquired_at_ms, expires_at_ms, process, actor, run, task, \
             boot_id, expires_boot_ms, renewed_boot_ms, lease_ms"
        }
        SchemaFlavor::Outdated(_) => {
            "name, holder, acquired_at, expires_at, token, acquired_at_ms, expires_at_ms, process, actor, run, task, \
             NULL, NULL, NULL, NULL"
        }
        SchemaFlavor::Foreign | SchemaFlavor::Incomplete(_) | SchemaFlavor::Empty => {
            "name, holder, acquired_at, expires_at, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
        }
        SchemaFlavor::Legacy => {
            "lock_name, owner, acquired_at, expires_at, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"
        }
    }
}

fn lock(row: &Row<'_>, now: ClockReading) -> rusqlite::Result<Lock> {
    let stored_expiry = text_at(row, 3)?;
    let acquired_at = millis_at(row, 5)?.or_else(|| stored_time::parse(&text_at(row, 2).ok()?));
    let process = columns::text(row.get_ref(7)?).and_then(|json| serde_json::from_str(&json).ok());
    let by_wall_clock = millis_at(row, 6)?.or_else(|| stored_time::parse(&stored_expiry));
    let boot_id = columns::text(row.get_ref(11)?);
    let boot = now.boot.filter(|boot| boot_id.as_deref() == Some(boot.boot_id)).map(|boot| boot.millis);
    let (expires_boot, renewed_boot, lease) =
        (integer_at(row, 12)?, integer_at(row, 13)?, integer_at(row, 14)?);
    let by_boot_clock = boot
        .zip(expires_boot)
        .map(|(boot, expiry)| Millis(now.wall.0.saturating_add(expiry.saturating_sub(boot))));
    let span = |millis: i64| Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    let renewal = boot.zip(renewed_boot).zip(lease).map(|((boot, renewed), lease)| Renewal {
        age: span(boot.saturating_sub(renewed)),
        lease: span(lease),
    });
    Ok(Lock {
        name: text_at(row, 0)?,
        holder: text_at(row, 1)?,
        token: Token(Revision(integer_at(row, 4)?.unwrap_or(0))),
        acquired_at,
        expires_at: by_boot_clock.or(by_wall_clock),
        renewal,
        process,
        actor: columns::actor_at(row, 8)?,
        version: LockVersion(stored_expiry),
        reading: LockReading::Whole,
    })
}

/// The table of locks and its column of names; `None` where there is none, as a file of Sloth
/// Runner may have it.
fn table(
    connection: &Connection,
    flavor: SchemaFlavor,
) -> rusqlite::Result<Option<(&'static str, &'static str)>> {
    let (table, name) = match flavor {
        SchemaFlavor::Outdated(_) | SchemaFlavor::Current => return Ok(Some(("locks", "name"))),
        SchemaFlavor::Empty => return Ok(None),
        SchemaFlavor::Foreign | SchemaFlavor::Incomplete(_) => ("locks", "name"),
        SchemaFlavor::Legacy => ("state_locks", "lock_name"),
    };
    Ok(has_table(connection, table)?.then_some((table, name)))
}

pub(super) fn page(
    connection: &Connection,
    flavor: SchemaFlavor,
    after: Option<&str>,
    limit: usize,
    now: ClockReading,
) -> rusqlite::Result<Vec<Lock>> {
    let Some((table, name)) = table(connection, flavor)? else { return Ok(Vec::new()) };
    let sql = format!(
        "SELECT {} FROM {table} WHERE ?1 IS NULL OR {name} > ?1 ORDER BY {name} LIMIT +?2",
        columns(flavor)
    );
    let mut locks = rows(connection, &sql, params![after, signed(limit)], |row| lock(row, now))?;
    // A name of another program that is not text is not the same when it comes back as a cursor:
    // without this the last page would come again for ever.
    locks.retain(|lock| after.is_none_or(|after| lock.name.as_str() > after));
    Ok(locks)
}

pub(super) fn find(
    connection: &Connection,
    flavor: SchemaFlavor,
    name: &str,
    now: ClockReading,
) -> rusqlite::Result<Option<Lock>> {
    let Some((table, name_column)) = table(connection, flavor)? else { return Ok(None) };
    let sql = format!("SELECT {} FROM {table} WHERE {name_column} = ?1", columns(flavor));
    row(connection, &sql, [name], |row| lock(row, now)).optional()
}

/// Whether a lease has not run out at ?1 by the wall clock, or ?3 by the boot clock of the boot ?2:
/// by the boot clock where the lease was taken in this boot. One whose end cannot be read lasts.
pub(super) const LEASE_RUNS: &str = "CASE WHEN boot_id IS ?2 AND expires_boot_ms IS NOT NULL \
     THEN expires_boot_ms > ?3 ELSE expires_at_ms IS NULL OR expires_at_ms > ?1 END";

impl Locks for SqliteStore {
    fn lock(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        let now = self.settings.clock.read();
        self.read(None, |connection, flavor| find(connection, flavor, name, now))
    }

    fn locks(&self, after: Option<&str>, limit: usize) -> Result<Vec<Lock>, StoreError> {
        let now = self.settings.clock.read();
        self.read(Vec::new(), |connection, flavor| page(connection, flavor, after, limit, now))
    }

    fn acquire(&self, request: &LockRequest, ticket: Option<Ticket>) -> Result<AcquireOutcome, StoreError> {
        if request.name.is_empty() {
            return Err(ErrorKind::EmptyLockName.into());
        }
        // A look costs no write lock; most tries of those who wait end here.
        let now = self.settings.clock.read();
        let seen = self.read(None, |connection, flavor| find(connection, flavor, &request.name, now))?;
        if let Some(lock) = seen
            && !lock.is_expired(now.wall)
        {
            return self.refuse(request, lock);
        }
        let process = Some(self.process_json());
        self.write(true, &|writing| {
            if let Some(lock) = writing.held(&request.name)? {
                return Ok(TxEnd::Rollback(self.refuse(request, lock)?));
            }
            if waiters::is_before(writing, &request.name, ticket)? {
                return Ok(TxEnd::Rollback(AcquireOutcome::Queued));
            }
            let lease = Lease::from_now(writing.reading(), request.lease)?;
            let lock = writing.insert_lock(&request.name, &request.holder, &lease, process.as_deref())?;
            Ok(TxEnd::Commit(AcquireOutcome::Acquired(lock)))
        })
    }

    fn import_lock(&self, lock: &Lock) -> Result<AcquireOutcome, StoreError> {
        let process = lock.process.as_ref().and_then(|process| serde_json::to_string(process).ok());
        self.write(true, &|writing| {
            if let Some(held) = writing.held(&lock.name)? {
                return Ok(TxEnd::Rollback(AcquireOutcome::Held(held)));
            }
            if waiters::is_before(writing, &lock.name, None)? {
                return Ok(TxEnd::Rollback(AcquireOutcome::Queued));
            }
            // Its end is known by the wall clock only.
            let expires_at = lock.expires_at.unwrap_or(writing.now);
            let lease = Lease { expires_at, ..Lease::default() };
            let mut taken = writing.insert_lock(&lock.name, &lock.holder, &lease, process.as_deref())?;
            // History tells when it was brought over; the lock itself how long it has been held.
            if let Some(acquired_at) = lock.acquired_at {
                writing.set_acquired_at(&lock.name, acquired_at)?;
                taken.acquired_at = Some(acquired_at);
            }
            Ok(TxEnd::Commit(AcquireOutcome::Acquired(taken)))
        })
    }

    fn renew(&self, name: &str, token: Token, lease: Duration) -> Result<bool, StoreError> {
        self.write(false, &|writing| {
            let boot = writing.boot;
            let lease = Lease::from_now(writing.reading(), lease)?;
            let sql = format!(
                "UPDATE locks SET expires_at = ?6, expires_at_ms = ?7, boot_id = ?8, expires_boot_ms = ?9, \
                     renewed_boot_ms = ?10, renewed_at_ms = ?11, lease_ms = ?12 \
                 WHERE name = ?4 AND token = ?5 AND {LEASE_RUNS}"
            );
            let renewed = execute(
                writing.connection,
                &sql,
                params![
                    writing.now.0,
                    boot.map(|boot| boot.boot_id),
                    boot.map(|boot| boot.millis),
                    name,
                    token.0.0,
                    stored_time::format(lease.expires_at),
                    lease.expires_at.0,
                    lease.boot_id,
                    lease.expires_boot,
                    lease.renewed_boot,
                    lease.renewed_at,
                    lease.length,
                ],
            )?;
            Ok(TxEnd::Commit(renewed == 1))
        })
    }

    fn release(&self, name: &str, token: Token) -> Result<bool, StoreError> {
        self.write(true, &|writing| match writing.lock(name)? {
            Some(lock) if lock.token == token => {
                let expired = lock.is_expired(writing.now);
                writing.remove_lock(name, if expired { "expire" } else { "unlock" })?;
                Ok(TxEnd::Commit(!expired))
            }
            _ => Ok(TxEnd::Rollback(false)),
        })
    }

    fn clear_lock(&self, seen: &Lock) -> Result<ClearOutcome, StoreError> {
        self.write(true, &|writing| match writing.lock(&seen.name)? {
            None => Ok(TxEnd::Rollback(ClearOutcome::AlreadyGone)),
            Some(lock) if is_the_same(&lock, seen) => {
                let expired = lock.is_expired(writing.now);
                writing.remove_lock(&seen.name, if expired { "expire" } else { "steal" })?;
                Ok(TxEnd::Commit(ClearOutcome::Cleared))
            }
            Some(lock) => Ok(TxEnd::Rollback(ClearOutcome::Changed(Box::new(lock)))),
        })
    }

    fn join_queue(&self, request: &LockRequest) -> Result<Ticket, StoreError> {
        let process = self.process_json();
        self.write(false, &|writing| Ok(TxEnd::Commit(waiters::add(writing, request, &process)?)))
    }

    fn keep_waiting(&self, request: &LockRequest, ticket: Ticket) -> Result<(), StoreError> {
        let process = self.process_json();
        self.write(false, &|writing| Ok(TxEnd::Commit(waiters::renew(writing, request, ticket, &process)?)))
    }

    fn leave_queue(&self, ticket: Ticket) -> Result<(), StoreError> {
        self.write(false, &|writing| Ok(TxEnd::Commit(waiters::remove(writing, ticket)?)))
    }

    fn waiters(&self) -> Result<Vec<Waiter>, StoreError> {
        let now = self.settings.clock.read();
        self.read(Vec::new(), |connection, flavor| waiters::all(connection, flavor, now))
    }
}

impl SqliteStore {
    fn refuse(&self, request: &LockRequest, held: Lock) -> Result<AcquireOutcome, StoreError> {
        if held.process.as_ref() == Some(&self.settings.process) && held.holder == request.holder {
            return Err(ErrorKind::Reentrant {
                name: escape(request.name.as_bytes()),
                holder: escape(held.holder.as_bytes()),
            }
            .into());
        }
        Ok(AcquireOutcome::Held(held))
    }
}

/// Whether a lock is the one that was seen. Tokens tell; a lock that another program took before
/// the file was adopted has none, and is recognized by its holder and its times.
fn is_the_same(lock: &Lock, seen: &Lock) -> bool {
    let same_holder = lock.token == seen.token && lock.holder == seen.holder;
    let has_token = lock.token != Token::default();
    same_holder && (has_token || (lock.acquired_at == seen.acquired_at && lock.version == seen.version))
}

/// A lease as it is stored, in milliseconds; what is not known of one is `None`.
#[derive(Default)]
struct Lease {
    expires_at: Millis,
    boot_id: Option<&'static str>,
    expires_boot: Option<i64>,
    renewed_boot: Option<i64>,
    renewed_at: Option<i64>,
    length: Option<i64>,
}

impl Lease {
    /// A lease that begins, or is renewed, at `now`.
    ///
    /// # Errors
    /// [`ErrorKind::TooLong`] if it ends after [`Millis::LATEST`].
    fn from_now(now: ClockReading, time: Duration) -> Result<Lease, StoreError> {
        let too_long = ErrorKind::TooLong { time, is_lease: true };
        let expires_at = now.wall.checked_plus(time).ok_or(too_long)?;
        let length = signed(time.as_millis());
        Ok(Lease {
            expires_at,
            boot_id: now.boot.map(|boot| boot.boot_id),
            expires_boot: now.boot.map(|boot| boot.millis.saturating_add(length)),
            renewed_boot: now.boot.map(|boot| boot.millis),
            renewed_at: Some(now.wall.0),
            length: Some(length),
        })
    }
}

impl WriteTx<'_> {
    /// The lock of that name, expired or not.
    pub(super) fn lock(&self, name: &str) -> rusqlite::Result<Option<Lock>> {
        find(self.connection, SchemaFlavor::Current, name, self.reading())
    }

    fn remove_lock(&self, name: &str, operation: &str) -> Result<(), TxError> {
        let sql = "DELETE FROM locks WHERE name = ?1";
        self.recorded_as(operation, |connection| execute(connection, sql, [name]))?;
        Ok(())
    }

    /// Who holds a lock. One whose lease has run out is removed.
    fn held(&self, name: &str) -> Result<Option<Lock>, TxError> {
        match self.lock(name)? {
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
        lease: &Lease,
        process: Option<&str>,
    ) -> Result<Lock, TxError> {
        let sql = "INSERT INTO locks (name, holder, acquired_at, expires_at, token, acquired_at_ms, \
                       expires_at_ms, process, actor, run, task, boot_id, expires_boot_ms, renewed_boot_ms, \
                       renewed_at_ms, lease_ms) \
                   VALUES (?1, ?2, datetime(?3 / 1000, 'unixepoch'), ?4, ?5, ?3, ?6, ?7, ?8, ?9, ?10, ?11, \
                       ?12, ?13, ?14, ?15)";
        let parameters = params![
            name,
            holder,
            self.now.0,
            stored_time::format(lease.expires_at),
            self.latest_revision()?.0 + 1,
            lease.expires_at.0,
            process,
            self.actor.name,
            self.actor.run,
            self.actor.task,
            lease.boot_id,
            lease.expires_boot,
            lease.renewed_boot,
            lease.renewed_at,
            lease.length,
        ];
        execute(self.connection, sql, parameters)?;
        Ok(self.lock(name)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?)
    }

    fn set_acquired_at(&self, name: &str, acquired_at: Millis) -> Result<(), TxError> {
        let sql = "UPDATE locks SET acquired_at_ms = ?2, acquired_at = datetime(?2 / 1000, 'unixepoch') \
                   WHERE name = ?1";
        execute(self.connection, sql, params![name, acquired_at.0])?;
        Ok(())
    }
}
