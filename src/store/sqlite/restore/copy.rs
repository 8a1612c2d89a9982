//! A backup, and the copy of it that takes the place of a database.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use crate::atomic_file::NamedFile;
use crate::store::sqlite::epoch::{self, Beginning};
use crate::store::sqlite::error_mapping::explain;
use crate::store::sqlite::home::{self, Home};
use crate::store::sqlite::remedies::error_at;
use crate::store::sqlite::schema_version::{self, SchemaFlavor};
use crate::store::sqlite::side_files::log_of;
use crate::store::sqlite::transaction::WriteTx;
use crate::store::sqlite::{Connected, SqliteStore, backup, connect, meta, migrate, path, timeline};
use crate::store::{ErrorKind, Identity, Options, StoreError};

/// Opens a backup; one without a log is read as it stands, so that nothing is made beside it.
pub(super) fn open_backup(backup: &Path, looking: Options) -> Result<SqliteStore, StoreError> {
    path::check_file(backup)?;
    if std::fs::metadata(log_of(backup)).is_ok() {
        return SqliteStore::open(backup, looking);
    }
    let limit = looking.busy_limit;
    let connection = connect::open_alone(backup).map_err(|error| explain(backup, limit, &error))?;
    let flavor = schema_version::detect(&connection, backup, limit)?;
    let link = Connected { connection: Some(connection), flavor, writable: false, guard: None };
    Ok(SqliteStore::new(backup, backup, looking, link))
}

/// A copy of a backup that nobody else knows of.
pub(super) struct Copy<'a> {
    pub connection: Connection,
    pub file: NamedFile,
    backup: &'a Path,
    limit: Duration,
    /// Whether the backup knows which database it is of.
    pub has_id: bool,
}

impl<'a> Copy<'a> {
    /// A sound copy of a backup, of the present schema, beside the database at `path`.
    pub(super) fn of(path: &Path, backup: &'a Path, settings: &Options) -> Result<Copy<'a>, StoreError> {
        let limit = settings.busy_limit;
        let file = NamedFile::over(path).map_err(|source| StoreError::of_file(path, source))?;
        let source = open_backup(backup, Options { read_only: true, ..settings.clone() })?;
        source.with_connection(|source| backup::copy_pages(source, file.path())).map_err(
            |error| match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => explain(path, limit, &error),
                _ => explain(backup, limit, &error),
            },
        )?;
        drop(source);
        let failed = |error: rusqlite::Error| explain(backup, limit, &error);
        let connection = connect::open_private(file.path()).map_err(failed)?;
        let checked = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
        match checked.map_err(failed)?.as_str() {
            "ok" => {}
            damage => {
                return Err(error_at(backup, ErrorKind::Corrupt { reason: damage.into() }));
            }
        }
        let flavor = schema_version::detect(&connection, backup, limit)?;
        let has_id = flavor.schema() >= 4;
        let mut copy = Copy { connection, file, backup, limit, has_id };
        copy.migrate(flavor)?;
        Ok(copy)
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> StoreError + 'a {
        let (backup, limit) = (self.backup, self.limit);
        move |error| explain(backup, limit, &error)
    }

    fn migrate(&mut self, flavor: SchemaFlavor) -> Result<(), StoreError> {
        let failed = self.failed();
        let transaction = self.connection.transaction().map_err(&failed)?;
        let done = migrate::scripts(flavor).iter().try_for_each(|script| transaction.execute_batch(script));
        done.and_then(|()| transaction.commit()).map_err(failed)
    }

    /// Begins an epoch above all that the database `before` has given, and leaves out what cannot be
    /// restored: that locks are held, and that somebody waits for them or runs.
    pub(super) fn raise(
        &mut self,
        before: &Identity,
        home: &Home,
        settings: &Options,
    ) -> Result<(), StoreError> {
        let failed = self.failed();
        let name = crate::text::escape::escape(self.backup.as_os_str().as_encoded_bytes());
        let now = settings.clock.now();
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let own = timeline::identity(&transaction, SchemaFlavor::Current).map_err(&failed)?;
        if let Some(database) = before.database.as_ref().filter(|_| !self.has_id) {
            meta::set(&transaction, "database", database).map_err(&failed)?;
        }
        let reason = format!("restored from {name}");
        let beginning = Beginning {
            epoch: own.epoch.max(before.epoch) + 1,
            above: before.revision,
            // Whoever begins an epoch in the database until it is copied over does so earlier.
            now: now.plus(self.limit.saturating_add(Duration::from_secs(1))),
            at: now,
            reason: &reason,
            actor: &settings.actor,
        };
        let done = epoch::begin_epoch(&transaction, &beginning)
            .and_then(|_| home::set_home(&transaction, Some(home)))
            .and_then(|()| leave_behind(&transaction, settings));
        done.and_then(|()| transaction.commit()).map_err(failed)
    }

    /// Gives the pages the size that those of the database have.
    pub(super) fn set_page_size(&mut self, bytes: i64) -> Result<(), StoreError> {
        let failed = self.failed();
        let own: i64 =
            self.connection.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(&failed)?;
        if own != bytes {
            self.connection
                .pragma_update(None, "page_size", bytes)
                .and_then(|()| self.connection.execute_batch("VACUUM"))
                .map_err(failed)?;
        }
        Ok(())
    }

    pub(super) fn identity(&self) -> Result<Identity, StoreError> {
        timeline::identity(&self.connection, SchemaFlavor::Current).map_err(self.failed())
    }
}

/// Removes what was only so while the backup was made.
fn leave_behind(connection: &Connection, settings: &Options) -> rusqlite::Result<()> {
    let writing = WriteTx::new(connection, &settings.actor, settings.clock.read());
    writing.recorded_as("unlock", |connection| connection.execute("DELETE FROM locks", []))?;
    connection.execute("DELETE FROM slothstate_waiters", [])?;
    // How a run ended that was running then is not known: its process is none of this state.
    connection.execute(
        "UPDATE slothstate_runs SET process = 'null', \
             reason = ifnull(reason, 'it was running when the backup was made that was restored later') \
         WHERE ended_ms IS NULL",
        [],
    )?;
    Ok(())
}
