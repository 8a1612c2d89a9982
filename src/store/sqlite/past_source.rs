//! What the past is computed from, read from the tables.

use rusqlite::{Connection, OptionalExtension, Params, Row, named_params};

use super::schema_version::SchemaFlavor;
use super::{SqliteStore, changes, columns, query, read, timeline};
use crate::store::time_travel::{ChangeSource, PastSource, Replaced};
use crate::store::{Change, Changes, Entry, EpochStart, HistorySpan, Key, Revision, Scan, StoreError, When};
use crate::time::Millis;

/// The present and the history as one transaction sees them.
pub(super) struct PastTables<'a> {
    pub store: &'a SqliteStore,
    pub connection: &'a Connection,
    pub flavor: SchemaFlavor,
}

impl PastTables<'_> {
    fn explained<T>(&self, read: rusqlite::Result<T>) -> Result<T, StoreError> {
        read.map_err(|error| self.store.explain(&error))
    }

    /// One change of history, under a condition that names the parameters.
    fn change_where(
        &self,
        condition: &str,
        parameters: impl Params,
        bytes: i64,
    ) -> Result<Option<Change>, StoreError> {
        let sql = format!("{} WHERE {condition}", changes::select_alone(self.flavor));
        let found = query::row(self.connection, &sql, parameters, changes::change_row).optional();
        Ok(self.explained(found)?.map(|row| row.fetch(self.connection, bytes)))
    }

    /// Refuses a state that does not follow from what was seen before.
    pub(super) fn check_followed(&self) -> Result<(), StoreError> {
        let followed = self.store.follow(self.connection, self.flavor, true);
        self.explained(followed)?.map_err(|why| self.store.reset(why))
    }

    /// The changes after `since`, see [`crate::store::History::changes`].
    pub(super) fn changes(
        &self,
        since: Revision,
        limit: usize,
        value_limit: u64,
    ) -> Result<Changes, StoreError> {
        self.explained(changes::changes(self.connection, self.flavor, since, limit, value_limit))
    }
}

impl ChangeSource for PastTables<'_> {
    fn span(&self) -> Result<Option<HistorySpan>, StoreError> {
        if !self.flavor.is_ours() {
            return Ok(None);
        }
        self.explained(changes::span(self.connection))
    }

    fn changes_after(
        &self,
        since: Revision,
        each: &mut dyn FnMut(Revision, Key, Replaced),
    ) -> Result<(), StoreError> {
        let mut read = || {
            let mut later = self.connection.prepare_cached(
                "SELECT revision, key, old_expires_at_ms, old_value IS NOT NULL FROM slothstate_history \
                 WHERE revision > ?1 AND subject = 'entry' ORDER BY revision",
            )?;
            let mut rows = later.query([since.0])?;
            while let Some(row) = rows.next()? {
                let replaced = Replaced { expires_at: columns::millis_at(row, 2)?, is_there: row.get(3)? };
                each(Revision(row.get(0)?), columns::key_at(row, 1)?, replaced);
            }
            Ok(())
        };
        self.explained(read())
    }

    fn keys_changed(&self, after: Revision, until: Revision) -> Result<Vec<Key>, StoreError> {
        let sql = "SELECT DISTINCT key FROM slothstate_history \
                   WHERE revision > ?1 AND revision <= ?2 AND subject = 'entry'";
        let read = |row: &Row<'_>| columns::key_at(row, 0);
        self.explained(query::rows(self.connection, sql, [after.0, until.0], read))
    }

    fn replaced(&self, revisions: &[Revision]) -> Result<Vec<Replaced>, StoreError> {
        let read = || {
            let mut replaced = self.connection.prepare_cached(
                "SELECT old_expires_at_ms, old_value IS NOT NULL FROM slothstate_history WHERE revision = ?1",
            )?;
            let by = |revision: &Revision| {
                replaced.query_row([revision.0], |row| {
                    Ok(Replaced { expires_at: columns::millis_at(row, 0)?, is_there: row.get(1)? })
                })
            };
            revisions.iter().map(by).collect()
        };
        self.explained(read())
    }
}

impl PastSource for PastTables<'_> {
    fn epochs(&self) -> Result<Vec<EpochStart>, StoreError> {
        self.explained(timeline::epochs(self.connection, self.flavor))
    }

    fn newest_until(&self, when: When) -> Result<Option<(Revision, Millis)>, StoreError> {
        let (condition, bound) = match when {
            When::Revision(revision) => ("revision <= ?1", revision.0),
            When::Time(time) => ("at_ms <= ?1", time.0),
            When::Now => ("revision <= ?1", i64::MAX),
        };
        let sql = format!(
            "SELECT revision, at_ms FROM slothstate_history WHERE {condition} ORDER BY revision DESC LIMIT 1"
        );
        let read = |row: &Row<'_>| Ok((Revision(row.get(0)?), Millis(row.get(1)?)));
        self.explained(query::row(self.connection, &sql, [bound], read).optional())
    }

    fn change(&self, revision: Revision, value_limit: u64) -> Result<Option<Change>, StoreError> {
        let bytes = query::signed(value_limit);
        let parameters = named_params! { ":revision": revision.0, ":bytes": bytes };
        self.change_where("h.revision = :revision", parameters, bytes)
    }

    fn first_change_after(&self, key: &Key, revision: Revision) -> Result<Option<Change>, StoreError> {
        self.change_where(
            "subject = 'entry' AND key = :key AND h.revision > :revision ORDER BY h.revision LIMIT 1",
            named_params! { ":key": key, ":revision": revision.0, ":bytes": i64::MAX },
            i64::MAX,
        )
    }

    fn last_change_until(&self, key: &Key, revision: Revision) -> Result<Option<Change>, StoreError> {
        self.change_where(
            "subject = 'entry' AND key = :key AND h.revision <= :revision ORDER BY h.revision DESC LIMIT 1",
            named_params! { ":key": key, ":revision": revision.0, ":bytes": i64::MAX },
            i64::MAX,
        )
    }

    fn present(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let found = read::row_of(self.connection, self.flavor, key, u64::MAX);
        Ok(self.explained(found)?.map(|found| found.entry))
    }

    fn scan_present(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError> {
        self.explained(read::scan(self.connection, self.flavor, scan, None))
    }

    fn keys_expiring(&self, from: Millis, to: Millis, scan: &Scan) -> Result<Vec<Key>, StoreError> {
        self.explained(read::expiring_between(self.connection, from, to, scan))
    }
}
