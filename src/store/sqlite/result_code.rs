//! The result codes of SQLite, and what each of them means.

use rusqlite::ffi::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Others held the database for too long.
    Busy,
    Full,
    /// There may be no room left: the system does not tell why it did not make a file longer.
    MaybeFull,
    /// The content makes no sense. SQLite says so as well where the system could not read it.
    Malformed,
    /// It is not an SQLite file.
    NotADatabase,
    ReadOnly(&'static str),
    /// A file could not be opened, for a reason that SQLite does not tell.
    CannotOpen,
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
pub(super) fn meaning(code: i32) -> Meaning {
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

pub(super) fn extended_code(error: &rusqlite::Error) -> Option<i32> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Result codes of SQLite that are errors. Those of a path, a side file or a temporary folder that have a
    /// message of their own are not in it.
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
}
