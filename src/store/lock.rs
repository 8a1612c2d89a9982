//! Locks are leases whose token is a revision.

use std::fmt;
use std::time::Duration;

use crate::store::{Actor, ErrorKind, Liveness, Process, Renewal, StoreError, Token};
use crate::text::escape::escape;
use crate::time::Millis;

/// A lock that is held, or whose lease ran out without anybody having taken it since.
#[derive(Clone, Debug, PartialEq)]
pub struct Lock {
    pub name: String,
    /// Who holds it, as the holder named itself.
    pub holder: String,
    /// The fencing token.
    pub token: Token,
    /// When it was acquired, if that is known.
    pub acquired_at: Option<Millis>,
    /// When the lease runs out; `None` if the time could not be read. A lease that was taken in this
    /// boot runs by the boot clock: this is what it comes to by the wall clock of the reading.
    pub expires_at: Option<Millis>,
    /// The last renewal, as of the reading; `None` if it was not recorded, or in another boot.
    pub renewal: Option<Renewal>,
    /// The process that took it; `None` for another program's lock.
    pub process: Option<Process>,
    pub actor: Option<Actor>,
    /// What tells it from another lock of its name and holder, where neither has a token.
    pub version: LockVersion,
    /// Whether more is known of it than the other fields have, or less.
    pub reading: LockReading,
}

/// How much is known of a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockReading {
    /// What the fields have.
    #[default]
    Whole,
    /// Its lease is over, and nobody knows since when.
    Ended,
    /// There is something under its name that cannot be read; the holder says why. Whether anybody holds it is
    /// not known.
    Unreadable,
}

/// What an engine stores of a lock to tell it from another one, as text that only the engine understands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockVersion(pub(in crate::store) String);

impl From<String> for LockVersion {
    fn from(text: String) -> LockVersion {
        LockVersion(text)
    }
}

impl fmt::Display for LockVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Lock {
    /// Whether the lease has run out at `now`, so that another may take the lock.
    pub fn is_expired(&self, now: Millis) -> bool {
        self.has_expired(now).unwrap_or(false)
    }

    /// As [`Lock::is_expired`]; `None` if that is not known.
    pub fn has_expired(&self, now: Millis) -> Option<bool> {
        match self.reading {
            LockReading::Ended => Some(true),
            LockReading::Whole | LockReading::Unreadable => self.expires_at.map(|expiry| expiry <= now),
        }
    }

    /// Whether the process that took the lock is alive, as seen from `here`. The state of the lease
    /// is another matter: see [`Lock::is_expired`].
    pub fn liveness(&self, here: &Process) -> Liveness {
        self.process.as_ref().map_or(Liveness::Unknown, |process| process.liveness_with(here, self.renewal))
    }

    /// Whether the lock can be cleared without harm at `now`: its holder is provably dead, or its lease has
    /// run out and its holder is not alive.
    pub fn is_stale(&self, liveness: Liveness, now: Millis) -> bool {
        match liveness {
            Liveness::Dead => true,
            Liveness::Alive => false,
            Liveness::Stopped | Liveness::Elsewhere | Liveness::Unknown => self.is_expired(now),
        }
    }
}

/// Who holds a lock at `now`, in words and escaped, for an error.
pub fn holder_in_words(lock: Option<&Lock>, now: Millis) -> String {
    match lock {
        None => "nobody holds it now".into(),
        Some(Lock { reading: LockReading::Unreadable, holder, .. }) => {
            format!("whether anybody holds it is not known: {}", escape(holder.as_bytes()))
        }
        Some(lock) if lock.is_expired(now) => {
            format!("the lease of {} has run out", escape(lock.holder.as_bytes()))
        }
        Some(lock) => format!("{} holds it now, under token {}", escape(lock.holder.as_bytes()), lock.token),
    }
}

/// The error that a write meets which was to happen under a lock, where `found` is what there
/// is of that lock at `now`.
pub(crate) fn lock_lost(name: &str, token: Token, found: Option<&Lock>, now: Millis) -> StoreError {
    let now = holder_in_words(found, now);
    ErrorKind::LockLost { name: escape(name.as_bytes()), token, now }.into()
}

#[derive(Clone, Debug, PartialEq)]
pub struct LockRequest {
    /// The name of the lock; not empty.
    pub name: String,
    pub holder: String,
    /// How long the lease lasts unless it is renewed.
    pub lease: Duration,
}

/// A place in the queue of those who wait for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub i64);

/// Somebody who waits for a lock.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiter {
    pub lock: String,
    /// The place in the queue: the lowest is served first.
    pub ticket: Ticket,
    pub holder: String,
    /// Since when, if that can be read.
    pub since: Option<Millis>,
    /// The process that waits, if it can be read.
    pub process: Option<Process>,
}

/// What became of a wish to hold a lock.
#[derive(Clone, Debug, PartialEq)]
pub enum AcquireOutcome {
    Acquired(Lock),
    /// Somebody else holds it.
    Held(Lock),
    /// It is free, and goes to a process that has waited longer.
    Queued,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ClearOutcome {
    /// The lock that was seen is gone.
    Cleared,
    /// The lock no longer exists: it was released in the meantime.
    AlreadyGone,
    /// Another one than the one that was seen; it was left alone.
    Changed(Box<Lock>),
}
