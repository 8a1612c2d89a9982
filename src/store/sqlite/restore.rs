//! Putting a backup in the place of a database that others have open.
//!
//! A copy is prepared beside the database: brought to the present schema, with an epoch, revisions
//! and tokens above all that were given, without locks, and with pages of the size that the database has,
//! since SQLite copies only what has that. It is then copied over the database, which is
//! one transaction of SQLite's: a reader sees the old state or the new one, and so does whoever
//! comes after a crash. The state before is kept in the same transaction, so no change is lost.

mod copy;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ffi};

use self::copy::{Copy, open_backup};
use super::error_mapping::explain;
use super::file_guard::Guard;
use super::home::Home;
use super::remedies::{error_at, opened_read_only};
use super::schema_version::{self, SchemaFlavor};
use super::side_files::{index_of, log_of};
use super::timeline;
use super::{Options, SqliteStore, backup, busy_handler, connect, path};
use crate::store::{
    ErrorKind, History, Identity, KeyRange, Lock, PAGE, Revision, Run, State, Store, StoreError, all_locks,
    run_pages,
};
use crate::time::Millis;

/// What is in a database, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Entries that have not expired.
    pub entries: u64,
    /// The newest change, and when it was made.
    pub newest: Option<(Revision, Millis)>,
}

/// What is at the place of the database that a backup is to be put in.
#[derive(Debug)]
pub enum Present {
    /// Nothing: it is made.
    Nothing,
    Database {
        contents: Contents,
        locks: Vec<Lock>,
        /// Its runs without an end.
        runs: Vec<Run>,
        /// Whether the backup is of another database.
        is_other: bool,
    },
    /// A file that cannot be used as it is: what is in it, and who uses it, is not known.
    Unusable(StoreError),
}

/// A backup that can be restored, and what it takes the place of.
#[derive(Debug)]
pub struct RestorePlan {
    pub contents: Contents,
    pub present: Present,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Where the state before is kept, if there was one.
    pub kept: Option<PathBuf>,
    /// The database as it is now.
    pub identity: Identity,
}

/// Looks at a backup and at the database at `path` that it is to be restored to. Nothing is changed.
///
/// # Errors
/// What the backup is instead, or why it cannot be read.
pub fn plan_restore(path: &Path, backup: &Path, settings: &Options) -> Result<RestorePlan, StoreError> {
    let looking = Options { read_only: true, seen: None, ..settings.clone() };
    let store = open_backup(backup, looking.clone())?;
    check_backup(&store)?;
    let contents = contents_of(&store)?;
    let of_backup = store.identity()?;
    drop(store);
    let followed = path::followed(path);
    let present = match std::fs::metadata(&followed) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Present::Nothing,
        Ok(metadata) if is_same_file(&metadata, backup) => {
            return Err(error_at(backup, ErrorKind::SameFile));
        }
        _ => match look_at(path, &looking) {
            Ok(store) => present(&store, of_backup.database.as_deref())?,
            Err(error) if is_replaceable(&error) => Present::Unusable(error),
            Err(error) => return Err(error),
        },
    };
    Ok(RestorePlan { contents, present })
}

/// What is in a database, beside a backup of the one with that id.
fn present(store: &SqliteStore, of_backup: Option<&str>) -> Result<Present, StoreError> {
    let own = store.identity()?.database;
    let runs = run_pages(store, None, PAGE).collect::<Result<Vec<_>, _>>()?;
    Ok(Present::Database {
        contents: contents_of(store)?,
        locks: all_locks(store)?,
        runs: runs.into_iter().flatten().filter(|run| run.ended.is_none()).collect(),
        is_other: own.is_some() && of_backup.is_some() && own.as_deref() != of_backup,
    })
}

fn is_same_file(metadata: &std::fs::Metadata, other: &Path) -> bool {
    std::fs::metadata(other).is_ok_and(|other| (other.dev(), other.ino()) == (metadata.dev(), metadata.ino()))
}

/// Opens a database whose rows are all there, as far as they are read here.
fn look_at(path: &Path, looking: &Options) -> Result<SqliteStore, StoreError> {
    let store = SqliteStore::open(path, looking.clone())?;
    contents_of(&store)?;
    let flavor = store.link.borrow().flavor;
    flavor.check_adoptable(store.path())?;
    Ok(store)
}

/// Whether a file with this error may be replaced by another one.
fn is_replaceable(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError {
            kind: ErrorKind::Corrupt { .. }
                | ErrorKind::NotAStateDatabase { .. }
                | ErrorKind::Incomplete { .. }
                | ErrorKind::Emptied { .. }
                | ErrorKind::Mismatched { .. }
                | ErrorKind::Reset { .. }
                | ErrorKind::ReadOnly { .. }
                | ErrorKind::Engine { .. },
            ..
        }
    )
}

fn check_backup(store: &SqliteStore) -> Result<(), StoreError> {
    let flavor = store.link.borrow().flavor;
    flavor.check_adoptable(store.path())?;
    if flavor == SchemaFlavor::Empty {
        let reason = "there is nothing in it".into();
        return Err(error_at(store.path(), ErrorKind::NotAStateDatabase { reason }));
    }
    Ok(())
}

fn contents_of(store: &SqliteStore) -> Result<Contents, StoreError> {
    Ok(Contents {
        entries: store.count(&KeyRange::all())?,
        newest: store.history_span()?.map(|span| span.newest),
    })
}

/// Puts a backup in the place of the database at `path`, as planned. The state before is kept beside it.
/// What is there then is looked at once more while nobody else can write: `None` if `accept` refuses it,
/// and nothing was changed.
///
/// # Errors
/// Nothing was changed then.
pub fn restore(
    path: &Path,
    backup: &Path,
    settings: &Options,
    plan: &RestorePlan,
    accept: &dyn Fn(&Present) -> bool,
) -> Result<Option<Restored>, StoreError> {
    let path = &path::followed(path);
    if settings.read_only {
        return Err(opened_read_only(path));
    }
    path::check_writable(path)?;
    match &plan.present {
        Present::Database { .. } => over(path, backup, settings, accept),
        Present::Nothing | Present::Unusable(_) => in_place(path, backup, settings).map(Some),
    }
}

/// What is to be done once nobody else can write.
enum Ready {
    Copy,
    /// To begin an epoch above this state first: another one began meanwhile.
    Raise(Identity),
    /// Nothing: the present state was not accepted.
    Refused,
}

/// Copies it over a database that others may have open.
fn over(
    path: &Path,
    backup: &Path,
    settings: &Options,
    accept: &dyn Fn(&Present) -> bool,
) -> Result<Option<Restored>, StoreError> {
    let limit = settings.busy_limit;
    let failed = |error: rusqlite::Error| explain(path, limit, &error);
    let mut live = connect::open_to_write(path, limit, true, false)?;
    let guard =
        Guard::new(&live, path, path, false).map_err(|why| error_at(path, ErrorKind::Reset { why }))?;
    let home = home_of(path, settings)?;
    let page_size: i64 = live.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(failed)?;
    let mut copy = Copy::of(path, backup, settings)?;
    let of_backup = copy.identity()?.database.filter(|_| copy.has_id);
    let mut before = identity_of(&live, path, limit)?;
    copy.raise(&before, &home, settings)?;
    copy.set_page_size(page_size)?;
    let kept = backup::free_name(path, "before-restore");
    let looking = Options { read_only: true, seen: None, ..settings.clone() };
    loop {
        let look = || {
            let store = look_at(path, &looking)?;
            if !accept(&present(&store, of_backup.as_deref())?) {
                return Ok(Ready::Refused);
            }
            let now = store.identity()?;
            if (now.epoch, &now.database) != (before.epoch, &before.database) {
                return Ok(Ready::Raise(now));
            }
            backup::copy(path, &kept, limit, false).map(|_| Ready::Copy)
        };
        guard.check(&live).map_err(|why| error_at(path, ErrorKind::Reset { why }))?;
        match copy_over(&copy.connection, &mut live, (path, limit), &look) {
            Ok(Ready::Copy) => break,
            Ok(Ready::Raise(now)) => {
                copy.raise(&now, &home, settings)?;
                before = now;
            }
            Ok(Ready::Refused) => return Ok(None),
            Err(error) => {
                // The state is what it was; each further try would leave another copy of it.
                let _ = std::fs::remove_file(&kept);
                return Err(error);
            }
        }
    }
    let identity = copy.identity()?;
    // The log has all of it twice: what can be taken in now is.
    busy_handler::begin_wait(Duration::ZERO);
    let _ = live.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    Ok(Some(Restored { kept: Some(kept), identity }))
}

/// Copies all pages in one transaction, and commits it. From the first page on SQLite lets nobody else
/// write; what is there then is looked at, and kept, before anything else is done.
fn copy_over(
    from: &Connection,
    to: &mut Connection,
    (path, limit): (&Path, Duration),
    look: &dyn Fn() -> Result<Ready, StoreError>,
) -> Result<Ready, StoreError> {
    let refused = |code| Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    busy_handler::begin_wait(limit);
    let done = busy_handler::insist(|| {
        let backup = Backup::new(from, to)?;
        match backup.step(1)? {
            StepResult::More => {}
            // Somebody else writes, and nothing was done yet: it is tried again.
            _ => return refused(ffi::SQLITE_BUSY),
        }
        match look() {
            Ok(Ready::Copy) => {}
            // What was begun is taken back.
            other => return Ok(other),
        }
        match backup.step(-1)? {
            StepResult::Done => Ok(Ok(Ready::Copy)),
            _ => refused(ffi::SQLITE_LOCKED),
        }
    });
    done.map_err(|error| explain(path, limit, &error))?
}

/// Gives it the name of a database that is not there, or cannot be used.
fn in_place(path: &Path, backup: &Path, settings: &Options) -> Result<Restored, StoreError> {
    let io = |source| error_at(path, ErrorKind::Io { source });
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(io)?;
    }
    let mut copy = Copy::of(path, backup, settings)?;
    let home = home_of(copy.file.path(), settings)?;
    copy.raise(&Identity::default(), &home, settings)?;
    let identity = copy.identity()?;
    let Copy { connection, file, .. } = copy;
    connection.close().map_err(|(_, error)| explain(path, settings.busy_limit, &error))?;
    let kept = backup::free_name(path, "before-restore");
    let mut is_kept = false;
    // The file stays until another one takes its name.
    match std::fs::hard_link(path, &kept) {
        Ok(()) => is_kept = true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
    }
    // SQLite would take the log that is left for that of the new file.
    let log = log_of(path);
    if log.exists() {
        std::fs::rename(&log, log_of(&kept)).map_err(io)?;
        is_kept = true;
    }
    let _ = std::fs::remove_file(index_of(path));
    file.finish_over(backup).map_err(|source| StoreError::of_file(path, source))?;
    Ok(Restored { kept: is_kept.then_some(kept), identity })
}

fn home_of(path: &Path, settings: &Options) -> Result<Home, StoreError> {
    Home::of(path, &settings.process.boot_id).map_err(|source| error_at(path, ErrorKind::Io { source }))
}

fn identity_of(connection: &Connection, path: &Path, limit: Duration) -> Result<Identity, StoreError> {
    let flavor = schema_version::detect(connection, path, limit)?;
    timeline::identity(connection, flavor).map_err(|error| explain(path, limit, &error))
}
