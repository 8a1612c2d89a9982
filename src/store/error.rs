//! What can go wrong in a store: the kind of an error, the database it is about, and the engine's remedy.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use crate::store::identity::{EpochStart, Reset};
use crate::store::{EmptyKey, Key, Location, Revision, Token, Type};
use crate::time::Millis;

/// Why the store could not do what was requested. No error leaves anything half done.
///
/// Its sentence is written in `error_text`.
#[derive(Debug)]
pub struct StoreError {
    pub kind: ErrorKind,
    /// `None` if it is about the request alone. Boxed, since every function of the store returns an error.
    place: Option<Box<ErrorPlace>>,
}

/// The database or the file that an error is about.
#[derive(Debug)]
struct ErrorPlace {
    location: Location,
    remedy: Option<Cow<'static, str>>,
}

#[derive(Debug)]
pub enum ErrorKind {
    EmptyKey,
    EmptyLockName,
    NotFound,
    /// The file to be made exists already.
    Exists,
    IsDirectory,
    NotAStateDatabase {
        /// What it is instead.
        reason: String,
    },
    /// Something that slothstate keeps in the database is missing or altered.
    Incomplete {
        /// What is missing or altered.
        what: String,
        /// Whether its entries can be read.
        has_entries: bool,
    },
    /// The database contains code that never ends or that nothing bounds; it is not run.
    Unsafe {
        /// The object of its schema, and what is wrong with it.
        reason: String,
    },
    /// The database was made by a later slothstate.
    NewerSchema {
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    Corrupt {
        /// The engine's words for it.
        reason: String,
    },
    /// It is no longer the database that was opened, or its state does not follow from the one that was
    /// read before.
    Reset {
        why: Reset,
    },
    /// The database is empty or gone, and a part of it remains that opening it would destroy.
    Emptied {
        remains: String,
    },
    /// A database is to be replaced by itself.
    SameFile,
    /// Two parts of the database are not of the same database or state.
    Mismatched {
        /// The part that does not belong to the rest.
        part: &'static str,
        /// How that is known.
        reason: &'static str,
    },
    /// A revision in the gap before an epoch.
    LostRevision {
        revision: Revision,
        epoch: i64,
        first: Revision,
        /// The newest revision before it.
        after: Revision,
        reason: String,
    },
    /// The system does not allow it.
    Permission {
        /// What was tried: open, write, create.
        action: &'static str,
        /// The system's words for it.
        reason: String,
    },
    ReadOnly {
        reason: String,
    },
    /// Other processes held the database for too long.
    Busy {
        waited: Duration,
        /// Whether something was to be written.
        is_write: bool,
    },
    /// No node of the database answered in time.
    Unreachable {
        /// How long it was waited for.
        waited: Duration,
        /// The nodes, each with the reason.
        reasons: String,
    },
    /// No node confirmed a write in time, and it may have taken effect.
    Unconfirmed {
        /// How long it was waited for.
        waited: Duration,
        /// The nodes, each with the reason.
        reasons: String,
    },
    /// The server of the database does not let this user do that.
    Denied {
        /// The server's words for it.
        reason: String,
    },
    DiskFull,
    /// There is something where nothing may be.
    NotEmpty,
    /// A value is too large for the engine.
    TooLarge {
        key: Key,
        /// The size of the value in bytes.
        bytes: u64,
        /// The largest size that is possible.
        limit: u64,
    },
    /// A transaction has more operations than the engine can carry out together.
    TooManyOperations {
        /// How many operations it has; of a range, how many entries are in it.
        given: u64,
        /// The most that are possible.
        most: u64,
    },
    /// A transaction writes more bytes than the engine can write together, or than it could take back together.
    TransactionTooLarge {
        /// How many bytes it takes, with what it replaces.
        bytes: u64,
        /// The most that are possible.
        most: u64,
    },
    /// A transaction has more conditions than the engine can check together.
    TooManyConditions {
        /// How many it has.
        given: usize,
        /// The most that are possible.
        most: usize,
    },
    /// An edit does not apply to the present value.
    WrongType {
        key: Key,
        operation: &'static str,
        /// What it needs.
        wanted: &'static str,
        found: Type,
    },
    /// An increment found text that only looks like a number.
    NotWrittenAsNumber {
        key: Key,
        operation: &'static str,
        text: String,
    },
    /// The result of an increment has no place in a number, or would be the same number.
    OutOfRange {
        key: Key,
    },
    /// A time to live, or a lease, that leads beyond all dates.
    TooLong {
        time: Duration,
        /// Whether it is a lease, and not a time to live.
        is_lease: bool,
    },
    /// The newest revision leaves no room for another one.
    NoRevisionLeft {
        newest: Revision,
    },
    /// There is no such entry, and the operation needs one.
    NoSuchEntry {
        key: Key,
    },
    /// The lock is already held by the holder that asks for it.
    Reentrant {
        /// The lock, escaped.
        name: String,
        /// The holder, escaped.
        holder: String,
    },
    /// History does not reach back that far.
    Pruned {
        /// The oldest revision that is kept.
        oldest: Revision,
        oldest_at: Millis,
    },
    NoSuchChange {
        revision: Revision,
    },
    /// The database keeps no history yet.
    NotRecorded,
    /// A revision or a time in the future.
    NotYet {
        newest: Revision,
    },
    /// Too many others changed the same entry at the same time.
    Contended {
        key: Key,
        /// How often it was tried.
        attempts: u32,
    },
    /// A write was to happen only under a lock, and the lock is not held under that token.
    LockLost {
        /// The lock, escaped.
        name: String,
        /// The token under which it was to be held.
        token: Token,
        /// Who holds it now, in words, escaped.
        now: String,
    },
    /// The engine does not have such an operation.
    Unsupported {
        operation: &'static str,
    },
    /// A file operation failed.
    Io {
        source: std::io::Error,
    },
    /// Any other error of the engine.
    Engine {
        /// The engine's words for it.
        reason: String,
    },
}

impl ErrorKind {
    /// The error about the database or the file at `location`.
    pub fn at(self, location: impl Into<Location>) -> StoreError {
        let place = ErrorPlace { location: location.into(), remedy: None };
        StoreError { kind: self, place: Some(Box::new(place)) }
    }
}

impl StoreError {
    /// The same error with what the user can do about it; only for an error about a database.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<Cow<'static, str>>) -> StoreError {
        if let Some(place) = &mut self.place {
            place.remedy = Some(remedy.into());
        }
        self
    }

    /// The database or the file that it is about; `None` if it is about the request alone.
    pub fn location(&self) -> Option<&Location> {
        self.place.as_ref().map(|place| &place.location)
    }

    /// What the user can do about it, in the words of the engine.
    pub fn remedy(&self) -> Option<&str> {
        self.place.as_ref()?.remedy.as_deref()
    }

    #[must_use]
    pub fn of_write(mut self) -> StoreError {
        if let ErrorKind::Busy { is_write, .. } = &mut self.kind {
            *is_write = true;
        }
        self
    }

    /// Why the file at `path` could not be made.
    pub fn of_file(path: &Path, source: std::io::Error) -> StoreError {
        match source.kind() {
            std::io::ErrorKind::AlreadyExists => ErrorKind::Exists.at(path),
            _ => ErrorKind::Io { source }.at(path),
        }
    }

    /// Whether the database may answer a little later: others lock it, or no node of it could be reached.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, ErrorKind::Busy { .. } | ErrorKind::Unreachable { .. })
    }

    /// Whether the engine cannot carry out so much in one transaction, but may do it in parts.
    pub fn is_too_much_together(&self) -> bool {
        matches!(self.kind, ErrorKind::TooManyOperations { .. } | ErrorKind::TransactionTooLarge { .. })
    }

    /// Whether this is about the database and not about the request.
    pub fn is_database_failure(&self) -> bool {
        !matches!(
            self.kind,
            ErrorKind::EmptyKey
                | ErrorKind::EmptyLockName
                | ErrorKind::Exists
                | ErrorKind::NotEmpty
                | ErrorKind::TooLarge { .. }
                | ErrorKind::TooManyOperations { .. }
                | ErrorKind::TransactionTooLarge { .. }
                | ErrorKind::TooManyConditions { .. }
                | ErrorKind::WrongType { .. }
                | ErrorKind::NotWrittenAsNumber { .. }
                | ErrorKind::OutOfRange { .. }
                | ErrorKind::TooLong { .. }
                | ErrorKind::NoSuchEntry { .. }
                | ErrorKind::Reentrant { .. }
                | ErrorKind::Contended { .. }
                | ErrorKind::Pruned { .. }
                | ErrorKind::NoSuchChange { .. }
                | ErrorKind::NotRecorded
                | ErrorKind::NotYet { .. }
                | ErrorKind::LockLost { .. }
                | ErrorKind::LostRevision { .. }
                | ErrorKind::SameFile
                | ErrorKind::Unsupported { .. }
        )
    }

    /// The error for a revision in the gap before an epoch.
    pub fn lost(revision: Revision, epoch: &EpochStart) -> StoreError {
        let (number, first, after) = (epoch.epoch, epoch.revision, epoch.after);
        let reason = epoch.reason.clone();
        ErrorKind::LostRevision { revision, epoch: number, first, after, reason }.into()
    }
}

impl From<ErrorKind> for StoreError {
    /// An error that is about the request alone.
    fn from(kind: ErrorKind) -> StoreError {
        StoreError { kind, place: None }
    }
}

impl From<EmptyKey> for StoreError {
    fn from(_: EmptyKey) -> StoreError {
        ErrorKind::EmptyKey.into()
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ErrorKind::Io { source } => Some(source),
            _ => None,
        }
    }
}
