//! The history of a database: what changed, what was, and how much of it is kept.

use super::remedies::error_at;
use super::schema_version::SchemaFlavor;
use super::{SqliteStore, changes, doctor, query, retention};
use crate::store::time_travel;
use crate::store::{
    Change, Changes, Entry, EntryDiff, ErrorKind, History, HistoryScan, HistorySpan, Key, Moment, Recorded,
    Retention, Revision, Scan, StoreError, When,
};

/// Why history does not have all changes.
const TRIGGERS_MISSING: &str = "history does not have all changes: triggers of slothstate are missing in this \
     file, or were altered (slothstate doctor tells which)";

impl History for SqliteStore {
    fn changes(&self, since: Revision, limit: usize, value_limit: u64) -> Result<Changes, StoreError> {
        self.read_past(Changes::NotRecorded, |past| {
            // What is read here follows from what was read before, or is not read.
            past.check_followed()?;
            past.changes(since, limit, value_limit)
        })
    }

    fn history_span(&self) -> Result<Option<HistorySpan>, StoreError> {
        self.read(
            None,
            |connection, flavor| {
                if flavor.is_ours() { changes::span(connection) } else { Ok(None) }
            },
        )
    }

    fn history(&self, scan: &HistoryScan) -> Result<Vec<Change>, StoreError> {
        self.read_part(Vec::new(), scan.value_limit, |connection, flavor| {
            changes::scan(connection, flavor, scan)
        })
    }

    fn moment(&self, when: When) -> Result<Moment, StoreError> {
        let now = self.now();
        let moment = self.read_past(None, |past| time_travel::moment(past, when, now))?;
        moment.ok_or_else(|| self.not_recorded())
    }

    fn get_at(&self, key: &Key, moment: Moment) -> Result<Option<Entry>, StoreError> {
        let entry = self.read_past(None, |past| time_travel::get(past, key, moment))?;
        Ok(entry.map(|entry| self.settings.kinds.mark(entry)))
    }

    fn scan_at(&self, scan: &Scan, moment: Moment) -> Result<Vec<Entry>, StoreError> {
        let mut revision_index = self.revision_index.borrow_mut();
        let page =
            self.read_past(Vec::new(), |past| time_travel::scan(past, &mut revision_index, scan, moment))?;
        Ok(self.marked(page))
    }

    fn differences(&self, from: Moment, to: Moment, scan: &Scan) -> Result<Vec<EntryDiff>, StoreError> {
        let mut revision_index = self.revision_index.borrow_mut();
        self.read_past(Vec::new(), |past| {
            time_travel::differences(past, &mut revision_index, (from, to), scan)
        })
    }

    fn not_recorded(&self) -> StoreError {
        self.defect().unwrap_or_else(|| error_at(self.path(), ErrorKind::NotRecorded))
    }

    fn recorded(&self) -> Result<Recorded, StoreError> {
        let none = Recorded { version: 0, gap: None };
        self.read(none, |connection, flavor| {
            let schema_version = query::row(connection, "PRAGMA schema_version", [], |row| row.get(0))?;
            if let Some(known) = self.recorded.get().filter(|known| known.version == schema_version) {
                return Ok(known);
            }
            let is_complete = flavor != SchemaFlavor::Current || doctor::has_all_triggers(connection)?;
            let gap = (!is_complete).then_some(TRIGGERS_MISSING);
            let recorded = Recorded { version: schema_version, gap };
            self.recorded.set(Some(recorded));
            Ok(recorded)
        })
    }

    fn retention(&self) -> Result<Retention, StoreError> {
        self.read(Retention::default(), |connection, flavor| {
            if flavor.is_ours() { retention::read(connection) } else { Ok(Retention::default()) }
        })
    }

    fn set_retention(&self, retention: &Retention) -> Result<(), StoreError> {
        self.write(false, &|writing| retention::set(writing, retention))
    }
}
