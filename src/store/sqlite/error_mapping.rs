//! SQLite's errors, in words that say what happened and what to do.

use std::path::Path;
use std::time::Duration;

use nix::unistd::{AccessFlags, access};
use rusqlite::ffi::*;

use super::damage::{self, Evidence};
use super::{file_system, hardening};
use crate::atomic_file::folder_of;
use crate::store::StoreError;
use crate::text::escape::escape;

/// What an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// Others held the database for too long.
    Busy,
    /// There is no room left.
    Full,
    /// There may be no room left: the system does not tell why it did not make a file longer.
    MaybeFull,
    /// The content makes no sense. SQLite says so as well where the system could not read it.
    Malformed,
    /// It is not an SQLite file.
    NotADatabase,
    /// It cannot be written.
    ReadOnly(&'static str),
    /// A file could not be opened, for a reason that SQLite does not tell.
    CannotOpen,
    /// The path leads to a folder.
    IsFolder,
    /// The system refuses.
    Permission,
    /// The system could not do it: reading, writing, locking.
    System(&'static str),
    /// Anything else, in SQLite's words.
    Other,
}

const READ: &str = "the system could not read it";
const WRITE: &str = "the system could not write it";
const LOCK: &str = "the system could not lock it";
const INDEX: &str = "the system could not share the index of the log (-shm)";
const SIDE: &str = "the system could not make or remove a file beside it";

/// What the extended result code of SQLite means: https://sqlite.org/rescode.html
fn meaning(code: i32) -> Meaning {
    match code {
        SQLITE_BUSY
        | SQLITE_BUSY_RECOVERY
        | SQLITE_BUSY_SNAPSHOT
        | SQLITE_BUSY_TIMEOUT
        | SQLITE_LOCKED
        | SQLITE_LOCKED_SHAREDCACHE
        | SQLITE_LOCKED_VTAB => Meaning::Busy,
        SQLITE_FULL => Meaning::Full,
        SQLITE_IOERR_SHMSIZE => Meaning::MaybeFull,
        SQLITE_CORRUPT
        | SQLITE_CORRUPT_VTAB
        | SQLITE_CORRUPT_SEQUENCE
        | SQLITE_CORRUPT_INDEX
        | SQLITE_IOERR_DATA => Meaning::Malformed,
        SQLITE_NOTADB => Meaning::NotADatabase,
        SQLITE_READONLY_RECOVERY => Meaning::ReadOnly(
            "its log (-wal) has to be recovered first, which needs the right to write beside it",
        ),
        SQLITE_READONLY_CANTLOCK | SQLITE_READONLY_CANTINIT => {
            Meaning::ReadOnly("the files beside it (-wal, -shm) cannot be written")
        }
        SQLITE_READONLY_DBMOVED => Meaning::ReadOnly("it was moved or removed while it was open"),
        SQLITE_READONLY_DIRECTORY => Meaning::ReadOnly("no files can be made in its folder"),
        SQLITE_READONLY => Meaning::ReadOnly("the system does not allow it"),
        SQLITE_CANTOPEN_ISDIR => Meaning::IsFolder,
        SQLITE_CANTOPEN | SQLITE_CANTOPEN_DIRTYWAL => Meaning::CannotOpen,
        SQLITE_CANTOPEN_NOTEMPDIR | SQLITE_IOERR_GETTEMPPATH => {
            Meaning::System("there is no folder for temporary files: name one in $SQLITE_TMPDIR")
        }
        SQLITE_CANTOPEN_FULLPATH | SQLITE_CANTOPEN_CONVPATH | SQLITE_IOERR_CONVPATH => {
            Meaning::System("its path is too long, or cannot be resolved")
        }
        SQLITE_CANTOPEN_SYMLINK => Meaning::System("a symbolic link cannot be followed here"),
        SQLITE_PERM => Meaning::Permission,
        SQLITE_IOERR_READ
        | SQLITE_IOERR_SHORT_READ
        | SQLITE_IOERR_FSTAT
        | SQLITE_IOERR_ACCESS
        | SQLITE_IOERR_SEEK
        | SQLITE_IOERR_MMAP
        | SQLITE_IOERR_CORRUPTFS
        | SQLITE_IOERR_IN_PAGE => Meaning::System(READ),
        SQLITE_IOERR_WRITE
        | SQLITE_IOERR_FSYNC
        | SQLITE_IOERR_DIR_FSYNC
        | SQLITE_IOERR_TRUNCATE
        | SQLITE_IOERR_CLOSE
        | SQLITE_IOERR_DIR_CLOSE
        | SQLITE_IOERR_BEGIN_ATOMIC
        | SQLITE_IOERR_COMMIT_ATOMIC
        | SQLITE_IOERR_ROLLBACK_ATOMIC => Meaning::System(WRITE),
        SQLITE_IOERR_LOCK
        | SQLITE_IOERR_UNLOCK
        | SQLITE_IOERR_RDLOCK
        | SQLITE_IOERR_CHECKRESERVEDLOCK
        | SQLITE_IOERR_BLOCKED => Meaning::System(LOCK),
        SQLITE_IOERR_SHMOPEN | SQLITE_IOERR_SHMLOCK | SQLITE_IOERR_SHMMAP => Meaning::System(INDEX),
        SQLITE_IOERR_DELETE | SQLITE_IOERR_DELETE_NOENT => Meaning::System(SIDE),
        SQLITE_IOERR_VNODE => Meaning::System("it was removed or replaced while it was open"),
        SQLITE_NOMEM | SQLITE_IOERR_NOMEM => Meaning::System("there is not enough memory"),
        SQLITE_NOLFS => Meaning::System("the system cannot use files of that size"),
        SQLITE_PROTOCOL => {
            Meaning::System("others opened and closed it so often that it could not be locked; try again")
        }
        code if code & 0xff == SQLITE_IOERR => Meaning::System("the system reported an I/O error"),
        code if code & 0xff != code => meaning(code & 0xff),
        _ => Meaning::Other,
    }
}

/// What `error` means for the database at `path`. `limit` is how long it was waited for.
pub(super) fn explain(path: &Path, limit: Duration, error: &rusqlite::Error) -> StoreError {
    let owned = path.to_path_buf();
    if let Some(reason) = hardening::reason_without_schema(error) {
        return StoreError::Unsafe { path: owned, reason };
    }
    let Some(code) = extended_code(error) else {
        return match misfit(error) {
            Some(what) => StoreError::Incomplete { path: owned, what: what.into(), has_entries: true },
            None => StoreError::Engine { path: owned, reason: error.to_string() },
        };
    };
    if code == SQLITE_READONLY_ROLLBACK {
        return StoreError::Engine {
            path: owned,
            reason: "a program was killed while it wrote, and what it left half done has to be undone \
                     first: open it without --read-only, and with the right to write"
                .into(),
        };
    }
    match meaning(code) {
        Meaning::Busy => StoreError::Busy { path: owned, waited: limit, is_write: false },
        Meaning::Full => StoreError::DiskFull { path: owned },
        Meaning::MaybeFull if file_system::is_full(path) => StoreError::DiskFull { path: owned },
        Meaning::MaybeFull => {
            system(path, "the system could not make the index of the log (-shm) longer", code)
        }
        Meaning::Malformed => match damage::look_for(path, limit) {
            Evidence::Found => StoreError::Corrupt { path: owned, reason: error.to_string() },
            Evidence::Unreadable(source) => StoreError::Io { path: owned, source },
            Evidence::None => StoreError::Engine {
                path: owned,
                reason: "SQLite took it for damaged, and a check of the whole file found nothing: as a rule \
                         the system could not read it for a moment; try again, and look for errors of the \
                         disk in the system's log"
                    .into(),
            },
            Evidence::NotSought => StoreError::Engine {
                path: owned,
                reason: "it is damaged, or the system could not read it: slothstate doctor tells which"
                    .into(),
            },
        },
        Meaning::NotADatabase => {
            StoreError::NotAStateDatabase { path: owned, reason: "it is not an SQLite file".into() }
        }
        Meaning::ReadOnly(reason) => {
            let reason = if file_system::is_read_only(path) { file_system::READ_ONLY } else { reason };
            StoreError::ReadOnly { path: owned, reason: reason.into() }
        }
        Meaning::CannotOpen if file_system::is_read_only(path) => {
            StoreError::ReadOnly { path: owned, reason: file_system::READ_ONLY.into() }
        }
        Meaning::CannotOpen => match super::connect::check_permissions(path) {
            Err(StoreError::ReadOnly { reason, .. }) => {
                StoreError::Permission { action: "open", path: owned, reason }
            }
            Err(StoreError::NotFound { .. }) if access(folder_of(path), AccessFlags::W_OK).is_err() => {
                let reason = format!("the permissions of {} do not allow it", folder_of(path).display());
                StoreError::Permission { action: "make", path: owned, reason }
            }
            Err(refused @ (StoreError::NotFound { .. } | StoreError::Permission { .. })) => refused,
            _ => StoreError::Engine {
                path: owned,
                reason: format!("it, or a file that SQLite needs beside it, could not be opened ({error})"),
            },
        },
        Meaning::IsFolder => StoreError::IsDirectory { path: owned },
        Meaning::Permission => {
            StoreError::Permission { action: "open", path: owned, reason: error.to_string() }
        }
        Meaning::System(what) => system(path, what, code),
        Meaning::Other => match missing(error) {
            Some(what) => StoreError::Incomplete { path: owned, what, has_entries: true },
            None => StoreError::Engine { path: owned, reason: error.to_string() },
        },
    }
}

/// What is wrong with tables that do not have what they should, where SQLite finds nothing wrong with them.
fn misfit(error: &rusqlite::Error) -> Option<&'static str> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Some("a row that is always there is missing"),
        rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::Utf8Error(..) => {
            Some("a value in its tables is of another type than it should be")
        }
        _ => None,
    }
}

/// What of the schema is missing that a statement of ours needs.
fn missing(error: &rusqlite::Error) -> Option<String> {
    let (rusqlite::Error::SqlInputError { msg, .. } | rusqlite::Error::SqliteFailure(_, Some(msg))) = error
    else {
        return None;
    };
    let name = |rest: &str| escape(rest.split(" in SELECT").next().unwrap_or(rest).as_bytes());
    let table =
        |rest: &str| format!("its table {} is missing", name(rest.strip_prefix("main.").unwrap_or(rest)));
    let column = |rest: &str| format!("a column {} is missing", name(rest));
    msg.strip_prefix("no such table: ")
        .map(table)
        .or_else(|| msg.strip_prefix("no such column: ").map(column))
}

/// What the system could not do; the code tells more to those who look it up.
fn system(path: &Path, what: &str, code: i32) -> StoreError {
    let reason = match code & 0xff {
        SQLITE_IOERR => format!(
            "{what} (I/O error, SQLite code {code}); nothing tells that the database is damaged: look for \
             errors of the disk in the system's log, and try again"
        ),
        _ => what.to_string(),
    };
    StoreError::Engine { path: path.to_path_buf(), reason }
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => Some(failure.extended_code),
        rusqlite::Error::SqlInputError { error, .. } => Some(error.extended_code),
        _ => None,
    }
}

/// Whether the error, or a code in the words of a check, is that the system could not read.
pub(super) fn is_io_code(code: i32) -> bool {
    code & 0xff == SQLITE_IOERR && code != SQLITE_IOERR_DATA
}

/// Whether SQLite takes the content for damaged, or for that of another kind of file.
pub(super) fn is_malformed(error: &rusqlite::Error) -> bool {
    extended_code(error)
        .is_some_and(|code| matches!(meaning(code), Meaning::Malformed | Meaning::NotADatabase))
}

/// Whether the file holds half a transaction of a program that was killed.
pub(super) fn is_half_written(error: &rusqlite::Error) -> bool {
    extended_code(error) == Some(SQLITE_READONLY_ROLLBACK)
}

/// Whether trying again after a checkpoint may help.
pub(super) fn is_disk_full(error: &StoreError) -> bool {
    matches!(error, StoreError::DiskFull { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
    }

    /// Every result code that SQLite has, but for those that are no errors.
    const TABLE: &[(i32, Meaning)] = &[
        (SQLITE_ERROR, Meaning::Other),
        (SQLITE_ERROR_MISSING_COLLSEQ, Meaning::Other),
        (SQLITE_ERROR_RETRY, Meaning::Other),
        (SQLITE_ERROR_SNAPSHOT, Meaning::Other),
        (SQLITE_ERROR | (4 << 8), Meaning::Other),
        (SQLITE_ERROR | (5 << 8), Meaning::Other),
        (SQLITE_ERROR | (6 << 8), Meaning::Other),
        (SQLITE_INTERNAL, Meaning::Other),
        (SQLITE_PERM, Meaning::Permission),
        (SQLITE_ABORT, Meaning::Other),
        (SQLITE_ABORT_ROLLBACK, Meaning::Other),
        (SQLITE_BUSY, Meaning::Busy),
        (SQLITE_BUSY_RECOVERY, Meaning::Busy),
        (SQLITE_BUSY_SNAPSHOT, Meaning::Busy),
        (SQLITE_BUSY_TIMEOUT, Meaning::Busy),
        (SQLITE_LOCKED, Meaning::Busy),
        (SQLITE_LOCKED_SHAREDCACHE, Meaning::Busy),
        (SQLITE_LOCKED_VTAB, Meaning::Busy),
        (SQLITE_NOMEM, Meaning::System("there is not enough memory")),
        (SQLITE_READONLY, Meaning::ReadOnly("the system does not allow it")),
        (SQLITE_READONLY_DIRECTORY, Meaning::ReadOnly("no files can be made in its folder")),
        (SQLITE_READONLY_DBMOVED, Meaning::ReadOnly("it was moved or removed while it was open")),
        (SQLITE_INTERRUPT, Meaning::Other),
        (SQLITE_IOERR, Meaning::System("the system reported an I/O error")),
        (SQLITE_IOERR_READ, Meaning::System(READ)),
        (SQLITE_IOERR_SHORT_READ, Meaning::System(READ)),
        (SQLITE_IOERR_FSTAT, Meaning::System(READ)),
        (SQLITE_IOERR_ACCESS, Meaning::System(READ)),
        (SQLITE_IOERR_SEEK, Meaning::System(READ)),
        (SQLITE_IOERR_MMAP, Meaning::System(READ)),
        (SQLITE_IOERR_CORRUPTFS, Meaning::System(READ)),
        (SQLITE_IOERR_IN_PAGE, Meaning::System(READ)),
        (SQLITE_IOERR_WRITE, Meaning::System(WRITE)),
        (SQLITE_IOERR_FSYNC, Meaning::System(WRITE)),
        (SQLITE_IOERR_DIR_FSYNC, Meaning::System(WRITE)),
        (SQLITE_IOERR_TRUNCATE, Meaning::System(WRITE)),
        (SQLITE_IOERR_CLOSE, Meaning::System(WRITE)),
        (SQLITE_IOERR_DIR_CLOSE, Meaning::System(WRITE)),
        (SQLITE_IOERR_BEGIN_ATOMIC, Meaning::System(WRITE)),
        (SQLITE_IOERR_COMMIT_ATOMIC, Meaning::System(WRITE)),
        (SQLITE_IOERR_ROLLBACK_ATOMIC, Meaning::System(WRITE)),
        (SQLITE_IOERR_LOCK, Meaning::System(LOCK)),
        (SQLITE_IOERR_UNLOCK, Meaning::System(LOCK)),
        (SQLITE_IOERR_RDLOCK, Meaning::System(LOCK)),
        (SQLITE_IOERR_CHECKRESERVEDLOCK, Meaning::System(LOCK)),
        (SQLITE_IOERR_BLOCKED, Meaning::System(LOCK)),
        (SQLITE_IOERR_SHMOPEN, Meaning::System(INDEX)),
        (SQLITE_IOERR_SHMLOCK, Meaning::System(INDEX)),
        (SQLITE_IOERR_SHMMAP, Meaning::System(INDEX)),
        (SQLITE_IOERR_SHMSIZE, Meaning::MaybeFull),
        (SQLITE_IOERR_DELETE, Meaning::System(SIDE)),
        (SQLITE_IOERR_DELETE_NOENT, Meaning::System(SIDE)),
        (SQLITE_IOERR_NOMEM, Meaning::System("there is not enough memory")),
        (SQLITE_IOERR_AUTH, Meaning::System("the system reported an I/O error")),
        (SQLITE_IOERR | (35 << 8), Meaning::System("the system reported an I/O error")),
        (SQLITE_IOERR | (36 << 8), Meaning::System("the system reported an I/O error")),
        (SQLITE_IOERR_DATA, Meaning::Malformed),
        (SQLITE_CORRUPT, Meaning::Malformed),
        (SQLITE_CORRUPT_VTAB, Meaning::Malformed),
        (SQLITE_CORRUPT_SEQUENCE, Meaning::Malformed),
        (SQLITE_CORRUPT_INDEX, Meaning::Malformed),
        (SQLITE_NOTFOUND, Meaning::Other),
        (SQLITE_FULL, Meaning::Full),
        (SQLITE_CANTOPEN, Meaning::CannotOpen),
        (SQLITE_CANTOPEN_ISDIR, Meaning::IsFolder),
        (SQLITE_EMPTY, Meaning::Other),
        (SQLITE_SCHEMA, Meaning::Other),
        (SQLITE_TOOBIG, Meaning::Other),
        (SQLITE_CONSTRAINT, Meaning::Other),
        (SQLITE_CONSTRAINT_CHECK, Meaning::Other),
        (SQLITE_CONSTRAINT_COMMITHOOK, Meaning::Other),
        (SQLITE_CONSTRAINT_FOREIGNKEY, Meaning::Other),
        (SQLITE_CONSTRAINT_FUNCTION, Meaning::Other),
        (SQLITE_CONSTRAINT_NOTNULL, Meaning::Other),
        (SQLITE_CONSTRAINT_PRIMARYKEY, Meaning::Other),
        (SQLITE_CONSTRAINT_TRIGGER, Meaning::Other),
        (SQLITE_CONSTRAINT_UNIQUE, Meaning::Other),
        (SQLITE_CONSTRAINT_VTAB, Meaning::Other),
        (SQLITE_CONSTRAINT_ROWID, Meaning::Other),
        (SQLITE_CONSTRAINT_PINNED, Meaning::Other),
        (SQLITE_CONSTRAINT_DATATYPE, Meaning::Other),
        (SQLITE_MISMATCH, Meaning::Other),
        (SQLITE_MISUSE, Meaning::Other),
        (SQLITE_NOLFS, Meaning::System("the system cannot use files of that size")),
        (SQLITE_AUTH, Meaning::Other),
        (SQLITE_AUTH_USER, Meaning::Other),
        (SQLITE_FORMAT, Meaning::Other),
        (SQLITE_RANGE, Meaning::Other),
        (SQLITE_NOTADB, Meaning::NotADatabase),
    ];

    #[test]
    fn every_code_means_what_sqlite_says_of_it() {
        for (code, expected) in TABLE {
            assert_eq!(meaning(*code), *expected, "{code}");
        }
    }

    #[test]
    fn nothing_but_a_malformed_content_is_ever_called_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        // Codes of later versions of SQLite are among these.
        for primary in 1..=28 {
            for detail in 0..50 {
                let code = primary | (detail << 8);
                let explained = explain(&path, Duration::ZERO, &error(code));
                assert!(!matches!(explained, StoreError::Corrupt { .. }), "the file is sound: {code}");
                let words = explained.to_string();
                let says_damaged = words.contains("is damaged");
                let denies = words.contains("nothing tells that") || words.contains("took it for damaged");
                assert!(!says_damaged || denies, "{code}: {words}");
                let is_other = matches!(explained, StoreError::NotAStateDatabase { .. });
                assert_eq!(is_other, primary == SQLITE_NOTADB, "{code}: {words}");
            }
        }
    }

    #[test]
    fn damage_is_called_damage_with_the_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection
            .execute_batch(
                "CREATE TABLE t (a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) \
                 INSERT INTO t SELECT hex(randomblob(20)) FROM n",
            )
            .unwrap();
        drop(connection);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2 / 4096 * 4096;
        bytes[middle..middle + 4096].fill(0xa5);
        std::fs::write(&path, bytes).unwrap();
        let explained = explain(&path, Duration::ZERO, &error(SQLITE_CORRUPT));
        assert!(matches!(explained, StoreError::Corrupt { .. }), "{explained}");
    }
}
