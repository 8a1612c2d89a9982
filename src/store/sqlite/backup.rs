//! Copies of a database that are whole or not there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, ffi};

use super::error_mapping::explain;
use super::side_files::log_of;
use super::{busy_handler, connect, home, path, schema_version};
use crate::atomic_file::{NamedFile, beside};
use crate::store::StoreError;

/// As [`crate::store::Store::back_up`], of the database at `path`. For `may_undo` see
/// [`connect::open_to_read`].
pub(super) fn copy(path: &Path, target: &Path, limit: Duration, may_undo: bool) -> Result<u64, StoreError> {
    let failed = |source| StoreError::of_file(target, source);
    let new = NamedFile::create(target).map_err(failed)?;
    let (source, _) = connect::open_to_read(path, limit, may_undo)?;
    copy_pages(&source, new.path()).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => explain(path, limit, &error),
        _ => explain(target, limit, &error),
    })?;
    drop(source);
    new.finish(Some(path)).map_err(failed)
}

/// Nobody else knows the copy: it is not waited for.
const LIMIT: Duration = Duration::ZERO;

/// One step copies all pages in one read transaction: in smaller ones every commit of somebody
/// else would restart the copy. `VACUUM INTO` would be as consistent, but it writes another
/// file: pages are moved, and rows of tables without a number of their own get new ones.
pub(super) fn copy_pages(source: &Connection, target: &Path) -> rusqlite::Result<()> {
    let mut copy = Connection::open(path::name(target))?;
    // What is left of a copy that fails is thrown away: it needs no way back.
    copy.pragma_update(None, "journal_mode", "OFF")?;
    let backup = Backup::new(source, &mut copy)?;
    busy_handler::insist(|| match backup.step(-1)? {
        StepResult::Done => Ok(()),
        // With all pages in one step nothing but another's lock is left.
        _ => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None)),
    })?;
    drop(backup);
    // The copy has no home: its first writer begins a new epoch.
    // Without the files beside it, which are of no use to anybody yet.
    copy.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    if schema_version::detect(&copy, target, LIMIT).is_ok_and(|found| found.schema() >= 4) {
        home::set_home(&copy, None)?;
    }
    copy.close().map_err(|(_, error)| error)
}

/// A name beside `path` that is free: with `suffix`, and with a number where that is taken.
pub(super) fn free_name(path: &Path, suffix: &str) -> PathBuf {
    let first = beside(path, &format!(".{suffix}"));
    let numbered = (2..).map(|number| beside(&first, &format!(".{number}")));
    // A log that is kept must not lie beside another file than its own.
    let is_free = |name: &PathBuf| !name.exists() && !log_of(name).exists();
    let free = std::iter::once(first.clone()).chain(numbered).find(is_free);
    free.unwrap_or(first)
}
