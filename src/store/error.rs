//! What can go wrong, in the words of somebody who has to mend it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::store::identity::{EpochStart, Reset};
use crate::store::{EmptyKey, Key, Revision, Token, Type};
use crate::text::duration::show_duration;
use crate::text::escape;
use crate::time::Millis;

/// Why the store could not do what it was asked for. No error leaves anything half done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A key is empty.
    #[error(transparent)]
    EmptyKey(#[from] EmptyKey),
    /// A lock's name is empty.
    #[error("the name of a lock cannot be empty")]
    EmptyLockName,
    /// There is no such file.
    #[error(
        "there is no database at {}; name one with --db FILE or $SLOTHSTATE_DB, or make one by writing: slothstate set KEY VALUE",
        escape::path(path)
    )]
    NotFound {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// What is to be made is there already.
    #[error("{} is there already; it was not overwritten: name another file", escape::path(path))]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The path leads to something that is no file.
    #[error("{} is a directory; a state database is a file in it, such as {}", escape::path(path), escape::path(&path.join("state.db")))]
    IsDirectory {
        /// The path.
        path: PathBuf,
    },
    /// The file is no state database.
    #[error("{} is no state database: {reason}", escape::path(path))]
    NotAStateDatabase {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// Something that slothstate keeps in the file is missing or altered.
    #[error(
        "{} is not as slothstate left it: {what}; to go on with a backup: slothstate restore BACKUP{}",
        escape::path(path), if *has_entries { to_new_database(path) } else { String::new() }
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// What is missing or altered.
        what: String,
        /// Whether its entries can be read.
        has_entries: bool,
    },
    /// What the file says to be run is not run: it does not end, or nothing bounds it.
    #[error("{} cannot be used safely: {reason} (sqlite3 FILE .schema shows it)", escape::path(path))]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// The object of its schema, and what is wrong with it.
        reason: String,
    },
    /// The file was made by a later slothstate.
    #[error(
        "{} was made by a newer slothstate (schema {found}; this one knows up to {known}): update slothstate",
        escape::path(path)
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The schema it has.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// The file is damaged.
    #[error(
        "{} is damaged ({reason}); keep a copy of it and of its -wal file, then try: sqlite3 FILE .recover",
        escape::path(path)
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// SQLite's words for it.
        reason: String,
    },
    /// It is no longer the database that was opened, or not in a state that followed from what was
    /// read of it.
    #[error("{} changed while it was in use: {why}; nothing more is written to it", escape::path(path))]
    Reset {
        /// The file.
        path: PathBuf,
        /// What happened.
        why: Reset,
    },
    /// A log without its database, which SQLite would remove.
    #[error(
        "{} is empty or gone, and its log (-wal) has {bytes} bytes, which SQLite would discard; to begin \
         with an empty database move the log away: mv {} ELSEWHERE; to go on with a backup: slothstate restore \
         BACKUP",
        escape::path(path), escape::path(&beside(path, "-wal"))
    )]
    LogAlone {
        /// The file.
        path: PathBuf,
        /// The size of the log.
        bytes: u64,
    },
    /// A database is to be replaced by itself.
    #[error("{} is the database itself, not a backup of it", escape::path(path))]
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// The log beside a database is not its own.
    #[error(
        "{} and its log (-wal) do not belong together: {reason}. SQLite would mix the two. To use the file \
         without the log, end what has it open and move the log away: mv {} ELSEWHERE; to go on with a backup: \
         slothstate restore BACKUP",
        escape::path(path), escape::path(&beside(path, "-wal"))
    )]
    Misfit {
        /// The file.
        path: PathBuf,
        /// How that is known.
        reason: &'static str,
    },
    /// A revision in the gap before an epoch.
    #[error(
        "revision {revision} is not of any state that there is: epoch {epoch} began with revision {first} after \
         revision {after} ({reason})"
    )]
    LostRevision {
        /// The revision.
        revision: Revision,
        /// The epoch.
        epoch: i64,
        /// Its first revision.
        first: Revision,
        /// The newest revision before it.
        after: Revision,
        /// Why it began.
        reason: String,
    },
    /// The system does not let us.
    #[error("no permission to {action} {}: {reason}", escape::path(path))]
    Permission {
        /// What was tried: open, write, create.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words for it.
        reason: String,
    },
    /// The database may be looked at only.
    #[error("{} cannot be written: {reason}", escape::path(path))]
    ReadOnly {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Other processes held the database for too long.
    #[error(
        "{} was busy for {:.1} s: another process has locked it; {}try again",
        escape::path(path), waited.as_secs_f64(), if *is_write { "nothing was changed, " } else { "" }
    )]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
        /// Whether something was to be written.
        is_write: bool,
    },
    /// No room on the disk.
    #[error(
        "no room left on the disk of {}: nothing was changed; free some room and try again",
        escape::path(path)
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// A value is too large for the engine.
    #[error("the value of {key} is too large: {bytes} bytes, at most {limit}")]
    TooLarge {
        /// The entry.
        key: Key,
        /// The size of the value.
        bytes: u64,
        /// The most that is possible.
        limit: u64,
    },
    /// A transaction has more operations than the engine can carry out together.
    #[error(
        "{given} changes in one transaction, and the most that this database can make together are {most}; \
         nothing was changed"
    )]
    TooManyOperations {
        /// How many operations it has; of a range, how many entries are in it.
        given: u64,
        /// The most that are possible.
        most: u64,
    },
    /// An edit does not apply to the value that is there.
    #[error("{key}: {operation} needs a {wanted}, and this is a {found}; it was left as it is")]
    WrongType {
        /// The entry.
        key: Key,
        /// The edit.
        operation: &'static str,
        /// What it needs.
        wanted: &'static str,
        /// What is there.
        found: Type,
    },
    /// An increment found text that only looks like a number.
    #[error("{key}: {}", looks_like_a_number(operation, text))]
    NotWrittenAsNumber {
        /// The entry.
        key: Key,
        /// The edit.
        operation: &'static str,
        /// The text.
        text: String,
    },
    /// The result of an increment has no place in a number, or would be the same number.
    #[error(
        "{key}: the result is out of range: whole numbers go up to 9223372036854775807, and others have about \
         15 digits; it was left as it is"
    )]
    OutOfRange {
        /// The entry.
        key: Key,
    },
    /// A time to live, or a lease, that leads beyond all dates.
    #[error(
        "{} from now is after the year 9999, and was not cut to that: give a shorter time{}",
        show_duration(*time),
        if *is_lease { "" } else { ", or none, for an entry that does not expire" }
    )]
    TooLong {
        /// The time that was given.
        time: Duration,
        /// Whether it is a lease, and not a time to live.
        is_lease: bool,
    },
    /// The newest revision leaves no room for another one.
    #[error(
        "{} cannot be written: its history has the revision {newest}, which no number of changes leads to, so \
         that none can follow; it is damaged, or another program wrote to it: slothstate doctor tells how \
         to mend it",
        escape::path(path)
    )]
    NoRevisionLeft {
        /// The file.
        path: PathBuf,
        /// The newest revision.
        newest: Revision,
    },
    /// There is no such entry, and the operation needs one.
    #[error("there is no key {key}")]
    NoSuchEntry {
        /// The key that was looked for.
        key: Key,
    },
    /// The lock is held by the very one who asks for it.
    #[error("lock {name} is already held by {holder} itself: a lock cannot be taken twice; release it first")]
    Reentrant {
        /// The lock, escaped.
        name: String,
        /// The holder, escaped.
        holder: String,
    },
    /// History does not reach back that far.
    #[error("history goes back to revision {oldest} ({oldest_at}); what was before is not known")]
    Pruned {
        /// The oldest revision that is left.
        oldest: Revision,
        /// When it was made.
        oldest_at: Millis,
    },
    /// There is no such change in history.
    #[error("there is no change {revision} in history")]
    NoSuchChange {
        /// The revision that was looked for.
        revision: Revision,
    },
    /// The file keeps no history yet.
    #[error(
        "{} keeps no history yet: it begins with slothstate's first write (to a file of Sloth Runner's older \
         generation: after its import)",
        escape::path(path)
    )]
    NotRecorded {
        /// The file.
        path: PathBuf,
    },
    /// A revision or a time that has not come.
    #[error("that has not come yet: the newest revision is {newest}")]
    NotYet {
        /// The newest revision.
        newest: Revision,
    },
    /// Too many others changed the same entry at the same time.
    #[error("{key} was changed by others {attempts} times in a row; nothing was changed, try again")]
    Contended {
        /// The entry.
        key: Key,
        /// How often it was tried.
        attempts: u32,
    },
    /// A write was to happen only under a lock, and the lock is not held under that token.
    #[error("lock {name} is not held under token {token}: {now}; nothing was written")]
    LockLost {
        /// The lock, escaped.
        name: String,
        /// The token under which it was to be held.
        token: Token,
        /// Who holds it now, in words, escaped.
        now: String,
    },
    /// The engine does not have such an operation.
    #[error("{location} does not support {operation}: {instead}")]
    Unsupported {
        /// What was asked for.
        operation: &'static str,
        /// The database, escaped.
        location: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A file operation failed.
    #[error("{}: {source}", escape::path(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Anything else that SQLite says.
    #[error("{}: {reason}", escape::path(path))]
    Engine {
        /// The file.
        path: PathBuf,
        /// SQLite's words for it.
        reason: String,
    },
}

impl StoreError {
    /// The error of something that was to be written.
    #[must_use]
    pub fn of_write(self) -> StoreError {
        match self {
            StoreError::Busy { path, waited, .. } => StoreError::Busy { path, waited, is_write: true },
            other => other,
        }
    }

    /// What failed about the file at `path`, which was to be made.
    pub fn of_file(path: &Path, source: std::io::Error) -> StoreError {
        let path = path.to_path_buf();
        match source.kind() {
            std::io::ErrorKind::AlreadyExists => StoreError::Exists { path },
            _ => StoreError::Io { path, source },
        }
    }

    /// Whether this is about the database and not about what was asked of it.
    pub fn is_database_failure(&self) -> bool {
        !matches!(
            self,
            StoreError::EmptyKey(_)
                | StoreError::EmptyLockName
                | StoreError::Exists { .. }
                | StoreError::TooLarge { .. }
                | StoreError::TooManyOperations { .. }
                | StoreError::WrongType { .. }
                | StoreError::NotWrittenAsNumber { .. }
                | StoreError::OutOfRange { .. }
                | StoreError::TooLong { .. }
                | StoreError::NoSuchEntry { .. }
                | StoreError::Reentrant { .. }
                | StoreError::Contended { .. }
                | StoreError::Pruned { .. }
                | StoreError::NoSuchChange { .. }
                | StoreError::NotRecorded { .. }
                | StoreError::NotYet { .. }
                | StoreError::LockLost { .. }
                | StoreError::LostRevision { .. }
                | StoreError::SameFile { .. }
                | StoreError::Unsupported { .. }
        )
    }

    /// That a revision is in the gap before an epoch.
    pub fn lost(revision: Revision, epoch: &EpochStart) -> StoreError {
        StoreError::LostRevision {
            revision,
            epoch: epoch.epoch,
            first: epoch.revision,
            after: epoch.after,
            reason: epoch.reason.clone(),
        }
    }
}

/// How the entries of a file that cannot be written are kept.
fn to_new_database(path: &Path) -> String {
    let file = escape::shell_word(path.as_os_str().as_encoded_bytes());
    format!("; to take the entries into a new database: slothstate --db NEW import {file}")
}

/// A file that SQLite keeps beside a database.
fn beside(path: &std::path::Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Why such text is not added to, without the key.
pub(crate) fn looks_like_a_number(operation: &str, text: &str) -> String {
    format!(
        "{operation} needs a number, and this is the text \"{}\", which is not written as one \
         (as 42, -7, 1.5 or 1e+06); it was left as it is",
        crate::text::escape::escape(text.as_bytes())
    )
}
