//! Giving free space inside the file, and a log that has grown, back to the disk.
//!
//! SQLite's VACUUM rebuilds the database in a temporary file and writes it back through the log,
//! in one transaction: readers go on with what they see, and writers wait. Rows without a number of
//! their own, as those of `state`, get new ones; nothing that is stored refers to them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};
use rusqlite::Connection;

use super::side_files::log_bytes;
use super::stats::{self, Space};
use super::{SqliteStore, busy_handler, connect};
use crate::atomic_file::folder_of;
use crate::store::{Compacted, CompactionPlan, StoreError};

/// For how long it is tried to make the log empty, and how often.
const LOG: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

/// How many bytes are rebuilt per second, by a disk that is slow and by one that is fast.
const RATES: (u64, u64) = (20 << 20, 200 << 20);

/// [`Store::plan_compaction`](crate::store::Store::plan_compaction).
pub(super) fn plan(store: &SqliteStore) -> Result<CompactionPlan, StoreError> {
    store.check_writable_now()?;
    let space = store.read(Space::default(), |connection, _| stats::space(connection))?;
    let live = space.bytes.saturating_sub(space.free);
    let time = |rate: u64| Duration::from_millis(live * 1000 / rate);
    // The temporary file is as large as what is left, and so is the log.
    let folders = [temporary_folder(), folder_of(store.path()).to_path_buf()];
    let short = folders.into_iter().filter_map(|folder| {
        let room = room(&folder)?;
        (room < live).then_some((folder, room, live))
    });
    Ok(CompactionPlan {
        bytes: space.bytes,
        free: space.free,
        time: (time(RATES.1), time(RATES.0)),
        short: short.collect(),
    })
}

/// Compacts the database. The file stays what it is: one of Sloth Runner is not adopted.
///
/// # Errors
/// Those of a write; nothing was changed then.
pub(super) fn compact(store: &SqliteStore) -> Result<Compacted, StoreError> {
    store.check_writable_now()?;
    let limit = store.settings.busy_limit;
    let connection = connect::open_to_write(store.path(), limit, false, false)?;
    let failed = |error: &rusqlite::Error| store.explain(error);
    let bytes = || stats::space(&connection).map(|space| space.bytes).map_err(|error| failed(&error));
    let (before, log) = (bytes()?, log_bytes(store.path()));
    let start = Instant::now();
    busy_handler::begin_wait(limit);
    connection.execute_batch("VACUUM").map_err(|error| failed(&error))?;
    // A reader of an old state keeps it in the log; the writes to come shorten that later.
    let end = Instant::now() + LOG.min(limit);
    while !truncate_log(&connection).unwrap_or(false) && Instant::now() < end {
        std::thread::sleep(LOOK);
    }
    let duration = start.elapsed();
    Ok(Compacted { bytes: (before, bytes()?), log: (log, log_bytes(store.path())), duration })
}

/// Where SQLite makes temporary files: https://sqlite.org/tempfiles.html
fn temporary_folder() -> PathBuf {
    let named = ["SQLITE_TMPDIR", "TMPDIR"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let usual = ["/var/tmp", "/usr/tmp", "/tmp"].into_iter().map(PathBuf::from);
    let is_usable =
        |folder: &PathBuf| folder.is_dir() && access(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_ok();
    named.chain(usual).find(is_usable).unwrap_or_else(|| PathBuf::from("."))
}

/// The bytes that are free on the file system of a folder.
// The types differ from system to system.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
fn room(folder: &Path) -> Option<u64> {
    let facts = statvfs(folder).ok()?;
    Some(facts.blocks_available() as u64 * facts.fragment_size() as u64)
}

/// Takes the log into the file and makes it empty, if nobody is at work on it in this moment; whether
/// it is empty.
///
/// SQLite locks writers out while it waits for readers, so none is waited for; and most of the work
/// is done before that.
pub(super) fn truncate_log(connection: &Connection) -> rusqlite::Result<bool> {
    busy_handler::begin_wait(Duration::ZERO);
    let is_taken = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
        Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
    })?;
    if !is_taken {
        return Ok(false);
    }
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0))
}
