//! SQLite's errors, in words that say what to do.

use std::path::Path;
use std::time::Duration;

use rusqlite::ErrorCode;

use crate::store::StoreError;

/// What `error` means for the database at `path`. `limit` is how long it was waited for.
pub(super) fn explain(path: &Path, limit: Duration, error: &rusqlite::Error) -> StoreError {
    let path = path.to_path_buf();
    let reason = error.to_string();
    let Some(code) = error.sqlite_error_code() else {
        return StoreError::Engine { path, reason };
    };
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy { path, waited: limit },
        ErrorCode::DiskFull => StoreError::DiskFull { path },
        ErrorCode::DatabaseCorrupt => StoreError::Corrupt { path, reason },
        ErrorCode::NotADatabase => {
            StoreError::NotAStateDatabase { path, reason: "it is not an SQLite file".into() }
        }
        ErrorCode::ReadOnly if is_half_written(error) => StoreError::Engine {
            path,
            reason: "a program was killed while it wrote, and what it left half done has to be undone \
                     first: open it without --read-only, and with the right to write"
                .into(),
        },
        ErrorCode::ReadOnly => StoreError::ReadOnly { path, reason },
        ErrorCode::PermissionDenied | ErrorCode::CannotOpen | ErrorCode::AuthorizationForStatementDenied => {
            StoreError::Permission { action: "open", path, reason }
        }
        ErrorCode::SystemIoFailure if is_short_of_room(error) => StoreError::DiskFull { path },
        _ => StoreError::Engine { path, reason },
    }
}

/// A write-ahead log's index that cannot grow is reported as an I/O error of its own.
fn is_short_of_room(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _)
        if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

/// Whether the file holds half a transaction of a program that was killed.
pub(super) fn is_half_written(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _)
        if failure.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK)
}

/// Whether trying again after a checkpoint may help.
pub(super) fn is_disk_full(error: &StoreError) -> bool {
    matches!(error, StoreError::DiskFull { .. })
}
