//! Opening a file, for reading or for writing.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error_mapping::explain;
use super::hardening::{self, Access};
use super::path::{check_file, check_writable, name};
use super::remedies::error_at;
use super::side_files::{LARGE_LOG, has_content, size_beside};
use super::{busy_handler, file_system, result_code, search, stored_time};
use crate::store::{ErrorKind, StoreError};

/// Opens a file for looking at it. Nothing of the file is changed by that.
///
/// A file in WAL mode needs files beside it even to be read; where they cannot be made and there
/// is none to be taken into account, it is read as it stands. The second answer is whether that
/// was so, in which case nothing that others commit is seen.
///
/// The one change is that of any program that opens such a file: if another one was killed in the
/// middle of a transaction, what it left is undone, provided that `may_undo`.
pub(super) fn open_to_read(
    path: &Path,
    limit: Duration,
    may_undo: bool,
) -> Result<(Connection, bool), StoreError> {
    check_file(path)?;
    check_log(path)?;
    busy_handler::begin_wait(limit);
    let looking = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let writing = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = |flags| {
        let mut connection = Connection::open_with_flags(name(path), flags)?;
        prepare(&mut connection, path, Access::Read)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    // The files that SQLite makes beside one in WAL mode are removed by the last connection that
    // closes it, if that may write. With a log in them they belong to another process.
    let is_undisturbed = !has_content(path, "-wal") && (may_undo || !has_content(path, "-journal"));
    let removes = is_undisturbed && check_writable(path).is_ok();
    let flags = if removes { writing } else { looking };
    let opened = match open(flags) {
        Err(error) if may_undo && result_code::is_half_written(&error) => {
            open(writing).and_then(|_| open(flags))
        }
        other => other,
    };
    match opened {
        Ok(connection) => Ok((connection, false)),
        Err(error) if cannot_open(&error) && !has_content(path, "-wal") => {
            let frozen = open_alone(path).map_err(|error| explain(path, limit, &error))?;
            Ok((frozen, true))
        }
        // It was there a moment ago: what cannot be opened is the log, or its index.
        Err(error) if cannot_open(&error) => Err(error_at(
            path,
            ErrorKind::Permission {
                action: "read",
                reason: match file_system::is_read_only(path) {
                    true => "there are changes in the log beside it (-wal), which SQLite cannot read on a \
                         read-only file system: copy the file and its -wal elsewhere"
                        .into(),
                    false => {
                        "there are changes in the log beside it (-wal), which are read only with the right \
                          to write there, or while the program that wrote them runs"
                            .into()
                    }
                },
            },
        )),
        Err(error) => Err(explain(path, limit, &error)),
    }
}

/// Opens a file as it stands, without the files beside it.
pub(super) fn open_alone(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(frozen_uri(path), flags | OpenFlags::SQLITE_OPEN_URI)?;
    prepare(&mut connection, path, Access::Read)?;
    Ok(connection)
}

/// Opens a file that nobody else knows of, and that is removed where a change of it fails.
pub(super) fn open_private(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(name(path), flags)?;
    prepare(&mut connection, path, Access::Write)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    // The size of pages cannot be changed in WAL mode. OFF is refused to a hardened connection.
    connection.pragma_update(None, "journal_mode", "MEMORY")?;
    Ok(connection)
}

/// Opens a file for writing, and makes it if it is not there and `may_create`.
pub(super) fn open_to_write(
    path: &Path,
    limit: Duration,
    full_sync: bool,
    may_create: bool,
) -> Result<Connection, StoreError> {
    check_writable(path)?;
    check_log(path)?;
    if may_create
        && !path.exists()
        && let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(|source| error_at(folder, ErrorKind::Io { source }))?;
    }
    busy_handler::begin_wait(limit);
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, may_create);
    let open = || {
        let mut connection = Connection::open_with_flags(name(path), flags)?;
        prepare(&mut connection, path, Access::Write)?;
        set_sync(&connection, full_sync)?;
        // Every write has a row of history, and in a run that is recorded a piece of that, so the log
        // fills two or three times as fast; this keeps the waits for the disk as rare as they are with
        // SQLite's own 1,000 pages and neither.
        connection.pragma_update(None, "wal_autocheckpoint", 6000)?;
        connection.pragma_update(None, "journal_size_limit", LARGE_LOG as i64)?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    open().map_err(|error| explain(path, limit, &error))
}

/// A database in memory, with everything that a connection to a file has.
pub(super) fn open_in_memory() -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    prepare(&mut connection, Path::new(""), Access::Write)?;
    Ok(connection)
}

/// Makes the file use a write-ahead log, also if another program has switched that off.
pub(super) fn use_log(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode != "wal" {
        busy_handler::insist(|| connection.pragma_update(None, "journal_mode", "WAL"))?;
    }
    Ok(())
}

/// Whether a commit waits until it is on the disk (FULL), or only survives the death of any process.
pub(super) fn set_sync(connection: &Connection, full: bool) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", if full { "FULL" } else { "NORMAL" })
}

fn prepare(connection: &mut Connection, path: &Path, purpose: Access) -> rusqlite::Result<()> {
    hardening::harden(connection, path, purpose)?;
    busy_handler::install(connection)?;
    stored_time::install(connection)?;
    search::install(connection)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Whether the files that are needed beside the database cannot be opened, or made.
fn cannot_open(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly))
        && !result_code::is_half_written(error)
}

/// SQLite removes a log whose database is empty or gone, which never is so unless somebody truncated,
/// overwrote or deleted the database: the log may have the last that there is of it.
fn check_log(path: &Path) -> Result<(), StoreError> {
    /// The header of the log, which is nothing without a page.
    const HEADER: u64 = 32;
    let log = size_beside(path, "-wal");
    let is_empty = match std::fs::metadata(path) {
        Ok(metadata) => metadata.is_file() && metadata.len() == 0,
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if is_empty && log > HEADER {
        let remains = format!("its log (-wal) has {log} bytes, which SQLite would discard");
        return Err(error_at(path, ErrorKind::Emptied { remains }));
    }
    Ok(())
}

/// The path as a URI that says that nobody changes the file.
fn frozen_uri(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut uri = String::from("file://");
    for byte in absolute.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                uri.push(*byte as char)
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}
