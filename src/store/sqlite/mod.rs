//! The SQLite engine: one file in WAL mode, shared with Sloth Runner and any other program.
//!
//! It imports the files of `store` above it; of those, `open` opens its databases. Each trait of the
//! contract is implemented beside its SQL: `store`, `state`, `locks`, `history`, `runs`; `write` has the
//! transaction that every write goes through.

mod backup;
mod busy_handler;
mod changes;
mod columns;
mod compact;
mod conditions;
mod connect;
mod corruption;
mod doctor;
mod epoch;
mod error_mapping;
mod file_guard;
mod file_system;
mod file_watcher;
mod first_write_check;
mod hardening;
mod history;
mod home;
mod inotify;
mod locks;
mod maintenance;
mod meta;
mod migrate;
mod open_files;
mod operations;
mod page_sample;
mod past_source;
mod path;
mod query;
mod read;
mod remedies;
mod restore;
mod result_code;
mod retention;
mod runs;
mod schema_sql;
mod schema_version;
mod search;
mod side_files;
mod sloth_runner_stacks;
mod state;
mod statement_trace;
mod stats;
mod store;
mod stored_time;
#[cfg(test)]
mod tests;
mod timeline;
mod transaction;
mod waiters;
mod wal_pairing;
mod write;

use std::cell::{Cell, OnceCell, RefCell};
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};

pub use self::doctor::examine;
use self::file_guard::Guard;
use self::past_source::PastTables;
use self::remedies::{error_at, opened_read_only};
pub use self::restore::{Contents, Present, RestorePlan, Restored, plan_restore, restore};
use self::schema_version::{Detect, SchemaFlavor};
use self::timeline::Anchor;
#[cfg(test)]
use crate::store::Capabilities;
use crate::store::identity::Reset;
use crate::store::time_travel::RevisionIndex;
use crate::store::{Actor, Entry, ErrorKind, Location, Options, Recorded, Revision, StoreError, Token};
use crate::time::Millis;

/// What a store saw of its database last: see [`Seen`](crate::store::Seen).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct LastState {
    anchor: Option<Anchor>,
    /// The log that it used, if another file, or other content, took the place of its own.
    leftover: Option<Box<wal_pairing::LeftoverLog>>,
}

impl LastState {
    fn of(options: &Options) -> Option<&LastState> {
        options.seen.as_ref()?.0.downcast_ref()
    }
}

/// A state database.
///
/// It is opened for reading; the first write opens it for writing, and adopts it if nothing of
/// ours is in it yet.
pub struct SqliteStore {
    /// The path by which the user knows it.
    named: PathBuf,
    /// The file that it leads to.
    location: Location,
    settings: Options,
    /// Which tables of the file count.
    detect: Detect,
    actor: RefCell<Actor>,
    fence: RefCell<Vec<(String, Token)>>,
    link: RefCell<Connected>,
    notices: RefCell<Vec<String>>,
    data_version: Cell<Option<i64>>,
    recorded: Cell<Option<Recorded>>,
    revision_index: RefCell<RevisionIndex>,
    file_watcher: OnceCell<Option<file_watcher::WalWatcher>>,
    maintenance_schedule: maintenance::MaintenanceSchedule,
    records: RefCell<runs::recordings::Records>,
    /// What was seen of the database last: what is read and written later has to follow from it.
    anchor: RefCell<Option<Anchor>>,
    /// SQLite's number for the state after the last write of this connection: with another one
    /// another connection committed since.
    written_version: Cell<Option<u32>>,
    /// The newest revision in that state, if that write was a commit.
    written_revision: Cell<Option<Revision>>,
    /// Whether the file is known to be the one that the database is at home in.
    is_settled: Cell<bool>,
    /// What it can do instead of what SQLite can.
    #[cfg(test)]
    limits: Cell<Option<Capabilities>>,
}

/// The connection, and what is known of the file at its other end.
struct Connected {
    /// `None` as long as there is no file.
    connection: Option<Connection>,
    flavor: SchemaFlavor,
    writable: bool,
    /// `None` where there is no connection.
    guard: Option<Guard>,
}

impl Connected {
    fn none() -> Connected {
        Connected { connection: None, flavor: SchemaFlavor::Empty, writable: false, guard: None }
    }

    /// The connection with the guard of the files that it has open.
    fn guarded(&self) -> Option<(&Guard, &Connection)> {
        self.guard.as_ref().zip(self.connection.as_ref())
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let Some((guard, connection)) = self.guarded() else { return };
        let Err(reset) = guard.check_before_close(connection) else { return };
        // The last connection takes the log into the file, which is not to be done to another one.
        if !guard.may_rescue(connection, &reset) {
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }
}

impl SqliteStore {
    /// Opens the database at `path`. Nothing of the file is changed by that.
    ///
    /// # Errors
    /// Says what `path` is instead, or why it cannot be read.
    pub fn open(path: &Path, settings: Options) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_as(path, settings, schema_version::detect)
    }

    /// As [`SqliteStore::open`]; where a file has the tables of both of Sloth Runner's generations, those of
    /// the older one are read.
    pub fn open_older(path: &Path, settings: Options) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_as(path, settings, schema_version::detect_older)
    }

    fn open_as(path: &Path, settings: Options, detect: Detect) -> Result<SqliteStore, StoreError> {
        let named = path;
        let path = &path::followed(named);
        let limit = settings.busy_limit;
        let leftover = LastState::of(&settings).and_then(|seen| seen.leftover.as_deref());
        let kept = leftover.and_then(|leftover| wal_pairing::separate(path, leftover, &settings));
        let opened =
            connect::open_to_read(path, limit, !settings.read_only).and_then(|(connection, frozen)| {
                let flavor = detect(&connection, path, limit)?;
                Ok((connection, frozen, flavor))
            });
        let (connection, frozen, flavor) = match opened {
            Err(
                error @ StoreError {
                    kind: ErrorKind::Corrupt { .. } | ErrorKind::NotAStateDatabase { .. },
                    ..
                },
            ) => {
                return Err(wal_pairing::misfit_of_damaged(path)
                    .map_or(error, |misfit| wal_pairing::error(path, misfit)));
            }
            opened => opened?,
        };
        let held_one = LastState::of(&settings).is_some_and(|seen| seen.anchor.is_some());
        if flavor == SchemaFlavor::Empty && held_one {
            // An empty file in the place of a database is not one to go on with.
            let reason = "it is empty, and held a database before".into();
            return Err(error_at(path, ErrorKind::NotAStateDatabase { reason }));
        }
        if let Some(misfit) = wal_pairing::misfit(&connection, flavor, path, &settings.process.boot_id) {
            return Err(wal_pairing::error(path, misfit));
        }
        let guard = Guard::new(&connection, named, path, frozen)
            .and_then(|guard| guard.compare_log(&connection).map(|_| guard))
            .map_err(|why| error_at(path, ErrorKind::Reset { why }))?;
        let link = Connected { connection: Some(connection), flavor, writable: false, guard: Some(guard) };
        let store = SqliteStore { detect, ..SqliteStore::new(named, path, settings, link) };
        if flavor == SchemaFlavor::Current {
            // A write may come much later, and has to be one to this database.
            let seen = store.read(None, |connection, flavor| Anchor::read(connection, flavor).map(Some));
            match seen {
                Ok(seen) => drop(store.anchor.replace(seen)),
                // A damaged history does not keep the entries from being read; a write looks again, and fails.
                Err(StoreError { kind: ErrorKind::Corrupt { .. }, .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if matches!(flavor, SchemaFlavor::Incomplete(_)) {
            store.notices.borrow_mut().push(store.notice_of_defect());
        }
        if let Some(kept) = kept {
            store.notices.borrow_mut().push(format!(
                "the log (-wal) of what {} was before is kept as {}",
                path.display(),
                kept.display()
            ));
        }
        if frozen {
            store.notices.borrow_mut().push(format!(
                "{} is read as it stands: SQLite cannot make the files that it needs beside it, \
                 so what others write is not seen",
                crate::text::escape::path(path)
            ));
        }
        Ok(store)
    }

    /// The notice about a file of which only the entries can be read.
    fn notice_of_defect(&self) -> String {
        let SchemaFlavor::Incomplete(defect) = self.link.borrow().flavor else { return String::new() };
        let path = crate::text::escape::path(self.path());
        format!(
            "{path}: {defect}: only its entries and the names of its locks are read, and nothing is written; \
             slothstate doctor tells what to do"
        )
    }

    /// What keeps all but the entries from being read.
    fn defect(&self) -> Option<StoreError> {
        match self.link.borrow().flavor {
            SchemaFlavor::Incomplete(defect) => Some(defect.error(self.path())),
            _ => None,
        }
    }

    /// As [`SqliteStore::open`]; where there is no file, it is empty, and made by the first write.
    ///
    /// # Errors
    /// As [`SqliteStore::open`], but for a file that is not there.
    pub fn open_or_create(path: &Path, settings: Options) -> Result<SqliteStore, StoreError> {
        match SqliteStore::open(path, settings.clone()) {
            Err(StoreError { kind: ErrorKind::NotFound, .. }) if !settings.read_only => {
                let followed = path::followed(path);
                Ok(SqliteStore::new(path, &followed, settings, Connected::none()))
            }
            other => other,
        }
    }

    /// A store without a file: there is nothing in it, and nothing can be written.
    pub fn nothing(settings: Options) -> SqliteStore {
        let nowhere = Path::new("");
        SqliteStore::new(nowhere, nowhere, Options { read_only: true, ..settings }, Connected::none())
    }

    fn new(named: &Path, path: &Path, settings: Options, link: Connected) -> SqliteStore {
        SqliteStore {
            named: named.to_path_buf(),
            location: Location::File(path.to_path_buf()),
            actor: RefCell::new(settings.actor.clone()),
            settings,
            detect: schema_version::detect,
            fence: RefCell::default(),
            link: RefCell::new(link),
            notices: RefCell::default(),
            data_version: Cell::new(None),
            recorded: Cell::default(),
            revision_index: RefCell::default(),
            file_watcher: OnceCell::new(),
            maintenance_schedule: maintenance::MaintenanceSchedule::default(),
            records: RefCell::default(),
            anchor: RefCell::default(),
            written_version: Cell::default(),
            written_revision: Cell::default(),
            is_settled: Cell::default(),
            #[cfg(test)]
            limits: Cell::default(),
        }
    }

    fn path(&self) -> &Path {
        self.location.as_file().unwrap_or(&self.named)
    }

    /// Reads in no transaction longer than `work`. `absent` is the answer where there is no file.
    fn read<T>(
        &self,
        absent: T,
        work: impl FnOnce(&Connection, SchemaFlavor) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.look_again()?;
        let link = self.link.borrow();
        let Some(connection) = &link.connection else { return Ok(absent) };
        if link.flavor == SchemaFlavor::Empty {
            return Ok(absent);
        }
        busy_handler::begin_wait(self.settings.busy_limit);
        work(connection, link.flavor).map_err(|error| self.explain(&error))
    }

    /// As [`SqliteStore::read`], for what reads no more than `limit` bytes of each value. The beginning
    /// of a longer one is fetched after its row, by its number, which another row may have by then:
    /// one transaction has both be those of the same state.
    fn read_part<T>(
        &self,
        absent: T,
        limit: u64,
        work: impl FnOnce(&Connection, SchemaFlavor) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.read(absent, |connection, flavor| {
            let _transaction = (limit < u64::MAX).then(|| connection.unchecked_transaction()).transpose()?;
            work(connection, flavor)
        })
    }

    /// As [`SqliteStore::read`], for reads of the past, which are made of several statements: one
    /// transaction has them all see the same state.
    fn read_past<T>(
        &self,
        absent: T,
        work: impl FnOnce(&PastTables<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let read = self.read(None, |connection, flavor| {
            let transaction = connection.unchecked_transaction()?;
            Ok(Some(work(&PastTables { store: self, connection: &transaction, flavor })))
        })?;
        read.unwrap_or(Ok(absent))
    }

    /// As long as a file is not adopted, another process may adopt it, or make it.
    fn look_again(&self) -> Result<(), StoreError> {
        let link = self.link.borrow();
        if let Some((guard, connection)) = link.guarded() {
            guard.check_if_due(connection).map_err(|why| self.reset(why))?;
        }
        if link.flavor == SchemaFlavor::Current {
            return Ok(());
        }
        drop(link);
        let mut link = self.link.borrow_mut();
        if link.connection.is_none() && self.path().exists() {
            let limit = self.settings.busy_limit;
            let (connection, frozen) = connect::open_to_read(self.path(), limit, !self.settings.read_only)?;
            let guard = Guard::new(&connection, &self.named, self.path(), frozen);
            link.guard = Some(guard.map_err(|why| self.reset(why))?);
            link.connection = Some(connection);
        }
        if let Some(connection) = &link.connection {
            link.flavor = (self.detect)(connection, self.path(), self.settings.busy_limit)?;
        }
        Ok(())
    }

    fn reset(&self, why: Reset) -> StoreError {
        error_at(self.path(), ErrorKind::Reset { why })
    }

    /// Whether what a transaction sees follows from what was seen before: see [`Anchor::follow`].
    fn follow(
        &self,
        connection: &Connection,
        flavor: SchemaFlavor,
        may_begin: bool,
    ) -> rusqlite::Result<Result<(), Reset>> {
        let mut anchor = self.anchor.borrow_mut();
        match &mut *anchor {
            Some(anchor) => anchor.follow(connection, flavor, may_begin),
            None => {
                *anchor = Some(Anchor::read(connection, flavor)?);
                Ok(Ok(()))
            }
        }
    }

    fn with_connection<T>(&self, work: impl FnOnce(&Connection) -> T) -> T {
        let link = self.link.borrow();
        match &link.connection {
            Some(connection) => work(connection),
            // Not reached: a write has made the file before it comes here.
            None => unreachable!("a write without a connection"),
        }
    }

    /// Whether writes are possible, and the file as it is now can be adopted.
    fn check_writable_now(&self) -> Result<(), StoreError> {
        if self.settings.read_only {
            return Err(opened_read_only(self.path()));
        }
        path::check_writable(self.path())?;
        self.look_again()?;
        self.link.borrow().flavor.check_adoptable(self.path())
    }

    /// Opens the file for writing and adopts it, the first time something is to be written.
    fn make_writable(&self) -> Result<(), StoreError> {
        if self.link.borrow().writable {
            return Ok(());
        }
        self.check_writable_now()?;
        let limit = self.settings.busy_limit;
        let failed = |why| self.reset(why);
        let known = {
            let link = self.link.borrow();
            // The connection that is opened for writing takes its place.
            if let Some((guard, connection)) = link.guarded() {
                guard.check_before_close(connection).map_err(failed)?;
            }
            link.guard.as_ref().map(Guard::opened)
        };
        // A file that was there and is gone is not made again.
        let mut connection = connect::open_to_write(self.path(), limit, false, known.is_none())?;
        let flavor = schema_version::detect(&connection, self.path(), limit)?;
        flavor.check_adoptable(self.path())?;
        if flavor == SchemaFlavor::Current {
            connect::use_log(&connection).map_err(|error| self.explain(&error))?;
            transaction::check_revision(&connection, self.path())?;
            let notice = migrate::renew_triggers(&mut connection, self.path(), limit)?;
            self.notices.borrow_mut().extend(notice);
        } else {
            let notice = migrate::adopt(&mut connection, self.path(), limit, &self.settings.process.boot_id)?;
            self.notices.borrow_mut().extend(notice);
        }
        let guard = Guard::new(&connection, &self.named, self.path(), false).map_err(failed)?;
        if known.is_some_and(|known| known != guard.opened()) {
            return Err(failed(Reset::Replaced));
        }
        self.data_version.set(None);
        *self.link.borrow_mut() = Connected {
            connection: Some(connection),
            flavor: SchemaFlavor::Current,
            writable: true,
            guard: Some(guard),
        };
        Ok(())
    }

    /// What an error of SQLite means: what happened to the files, if anything did.
    fn explain(&self, error: &rusqlite::Error) -> StoreError {
        let is_about_others = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull)
        );
        if !is_about_others && let Ok(link) = self.link.try_borrow() {
            if let Some(Err(why)) = link.guarded().map(|(guard, connection)| guard.check(connection)) {
                return self.reset(why);
            }
            if let Some(connection) =
                link.connection.as_ref().filter(|_| link.flavor == SchemaFlavor::Current)
                && error.sqlite_error_code() == Some(ErrorCode::Unknown)
            {
                match schema_version::detect(connection, self.path(), self.settings.busy_limit) {
                    Ok(flavor) if flavor == link.flavor => {}
                    Ok(SchemaFlavor::Incomplete(defect)) => return defect.error(self.path()),
                    Err(error @ StoreError { kind: ErrorKind::Incomplete { .. }, .. }) => return error,
                    _ => return self.reset(Reset::OtherDatabase),
                }
            }
        }
        let reason =
            self.link.try_borrow().ok().and_then(|link| hardening::reason(link.connection.as_ref()?, error));
        match reason {
            Some(reason) => error_at(self.path(), ErrorKind::Unsafe { reason }),
            None => error_mapping::explain(self.path(), self.settings.busy_limit, error),
        }
    }

    fn now(&self) -> Millis {
        self.settings.clock.now()
    }

    /// The entries with the kinds that their keys have.
    fn marked(&self, entries: Vec<Entry>) -> Vec<Entry> {
        entries.into_iter().map(|entry| self.settings.kinds.mark(entry)).collect()
    }

    fn process_json(&self) -> String {
        serde_json::to_string(&self.settings.process).unwrap_or_default()
    }
}
