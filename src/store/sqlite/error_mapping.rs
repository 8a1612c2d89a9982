//! SQLite's errors, in words that say what happened and what to do.

use std::path::Path;
use std::time::Duration;

use nix::unistd::{AccessFlags, access};
use rusqlite::ffi::*;

use super::corruption::{self, Evidence};
use super::remedies::error_at;
use super::result_code::{Meaning, extended_code, meaning};
use super::{file_system, hardening, path};
use crate::atomic_file::folder_of;
use crate::store::{ErrorKind, StoreError};
use crate::text::escape::escape;

/// What `error` means for the database at `path`. `limit` is how long it was waited for.
pub(super) fn explain(path: &Path, limit: Duration, error: &rusqlite::Error) -> StoreError {
    error_at(path, kind_of(path, limit, error))
}

fn kind_of(path: &Path, limit: Duration, error: &rusqlite::Error) -> ErrorKind {
    if let Some(reason) = hardening::reason_without_schema(error) {
        return ErrorKind::Unsafe { reason };
    }
    let Some(code) = extended_code(error) else {
        return match misfit(error) {
            Some(what) => ErrorKind::Incomplete { what: what.into(), has_entries: true },
            None => ErrorKind::Engine { reason: error.to_string() },
        };
    };
    if code == SQLITE_READONLY_ROLLBACK {
        return ErrorKind::Engine {
            reason: "a program was killed while it wrote, and what it left half done has to be undone \
                     first: open it without --read-only, and with the right to write"
                .into(),
        };
    }
    match meaning(code) {
        Meaning::Busy => ErrorKind::Busy { waited: limit, is_write: false },
        Meaning::Full => ErrorKind::DiskFull,
        Meaning::MaybeFull if file_system::is_full(path) => ErrorKind::DiskFull,
        Meaning::MaybeFull => system("the system could not make the index of the log (-shm) longer", code),
        Meaning::Malformed => match corruption::look_for(path, limit) {
            Evidence::Found => ErrorKind::Corrupt { reason: error.to_string() },
            Evidence::Unreadable(source) => ErrorKind::Io { source },
            Evidence::None => ErrorKind::Engine {
                reason: "SQLite took it for damaged, and a check of the whole file found nothing: as a rule \
                         the system could not read it for a moment; try again, and look for errors of the \
                         disk in the system's log"
                    .into(),
            },
            Evidence::NotSought => ErrorKind::Engine {
                reason: "it is damaged, or the system could not read it: slothstate doctor tells which"
                    .into(),
            },
        },
        Meaning::NotADatabase => ErrorKind::NotAStateDatabase { reason: "it is not an SQLite file".into() },
        Meaning::ReadOnly(reason) => {
            let reason = if file_system::is_read_only(path) { file_system::READ_ONLY } else { reason };
            ErrorKind::ReadOnly { reason: reason.into() }
        }
        Meaning::CannotOpen if file_system::is_read_only(path) => {
            ErrorKind::ReadOnly { reason: file_system::READ_ONLY.into() }
        }
        Meaning::CannotOpen => match path::check_permissions(path) {
            Err(StoreError { kind: ErrorKind::ReadOnly { reason, .. }, .. }) => {
                ErrorKind::Permission { action: "open", reason }
            }
            Err(StoreError { kind: ErrorKind::NotFound, .. })
                if access(folder_of(path), AccessFlags::W_OK).is_err() =>
            {
                let reason = format!("the permissions of {} do not allow it", folder_of(path).display());
                ErrorKind::Permission { action: "make", reason }
            }
            Err(StoreError { kind: kind @ (ErrorKind::NotFound | ErrorKind::Permission { .. }), .. }) => kind,
            _ => ErrorKind::Engine {
                reason: format!("it, or a file that SQLite needs beside it, could not be opened ({error})"),
            },
        },
        Meaning::IsFolder => ErrorKind::IsDirectory,
        Meaning::Permission => ErrorKind::Permission { action: "open", reason: error.to_string() },
        Meaning::System(what) => system(what, code),
        Meaning::Other => match missing(error) {
            Some(what) => ErrorKind::Incomplete { what, has_entries: true },
            None => ErrorKind::Engine { reason: error.to_string() },
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
fn system(what: &str, code: i32) -> ErrorKind {
    let reason = match code & 0xff {
        SQLITE_IOERR => format!(
            "{what} (I/O error, SQLite code {code}); nothing tells that the database is damaged: look for \
             errors of the disk in the system's log, and try again"
        ),
        _ => what.to_string(),
    };
    ErrorKind::Engine { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
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
                assert!(
                    !matches!(explained, StoreError { kind: ErrorKind::Corrupt { .. }, .. }),
                    "the file is sound: {code}"
                );
                let words = explained.to_string();
                let says_damaged = words.contains("is damaged");
                let denies = words.contains("nothing tells that") || words.contains("took it for damaged");
                assert!(!says_damaged || denies, "{code}: {words}");
                let is_other =
                    matches!(explained, StoreError { kind: ErrorKind::NotAStateDatabase { .. }, .. });
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
        assert!(matches!(explained, StoreError { kind: ErrorKind::Corrupt { .. }, .. }), "{explained}");
    }
}
