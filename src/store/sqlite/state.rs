//! The entries of a database: each read is one statement, each write one transaction.

use super::schema_version::SchemaFlavor;
use super::timeline::Last;
use super::transaction::{TxEnd, latest_revision};
use super::{SqliteStore, read, search};
use crate::store::edit::Planned;
use crate::store::{
    Condition, Edit, Edited, Entry, Key, KeyPage, KeyRange, Needle, Outcome, RangeSize, Revision, Scan,
    State, StoreError, Transaction,
};
use crate::time::Millis;

impl State for SqliteStore {
    fn revision(&self) -> Result<Revision, StoreError> {
        self.read(Revision::default(), |connection, flavor| match flavor {
            SchemaFlavor::Outdated(_) | SchemaFlavor::Current => latest_revision(connection),
            _ => Ok(Revision::default()),
        })
    }

    fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.get_prefix(key, u64::MAX)
    }

    fn get_prefix(&self, key: &Key, value_limit: u64) -> Result<Option<Entry>, StoreError> {
        let now = self.now();
        let entry = self.read_part(None, value_limit, |connection, flavor| {
            read::get(connection, flavor, key, value_limit, now)
        })?;
        Ok(entry.map(|entry| self.settings.kinds.mark(entry)))
    }

    fn get_slice(&self, key: &Key, offset: u64, limit: u64) -> Result<Option<Entry>, StoreError> {
        let now = self.now();
        let entry = self.read_part(None, 0, |connection, flavor| {
            read::get_from(connection, flavor, key, (offset, limit), now)
        })?;
        Ok(entry.map(|entry| self.settings.kinds.mark(entry)))
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError> {
        let now = self.now();
        let page = self.read_part(Vec::new(), scan.value_limit, |connection, flavor| {
            read::scan(connection, flavor, scan, now)
        })?;
        Ok(self.marked(page))
    }

    fn measure(&self, scan: &Scan) -> Result<RangeSize, StoreError> {
        let now = self.now();
        self.read(RangeSize::default(), |connection, flavor| read::measure(connection, flavor, scan, now))
    }

    fn scan_keys(&self, scan: &Scan) -> Result<Vec<Key>, StoreError> {
        Ok(self.search_keys(scan, &[])?.found)
    }

    fn search_keys(&self, scan: &Scan, needles: &[Needle]) -> Result<KeyPage, StoreError> {
        let now = self.now();
        self.read(KeyPage::default(), |connection, flavor| {
            search::search_keys(connection, flavor, scan, needles, now)
        })
    }

    fn scan_expiring(
        &self,
        after: Option<(Millis, &Key)>,
        limit: usize,
        value_limit: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let now = self.now();
        let page = self.read_part(Vec::new(), value_limit, |connection, flavor| {
            read::scan_expiring(connection, flavor, after, limit, value_limit, now)
        })?;
        Ok(self.marked(page))
    }

    fn count(&self, range: &KeyRange) -> Result<u64, StoreError> {
        let now = self.now();
        self.read(0, |connection, flavor| read::count(connection, flavor, range, now))
    }

    fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        // Of a file that is adopted by this very write nobody knows who changed it since.
        let recorded = self.link.borrow().flavor.is_ours();
        self.write(false, &|writing| {
            writing.check_fence(&self.fence.borrow())?;
            let is_range = |condition: &Condition| matches!(condition, Condition::RangeAtRevision(..));
            let mut conditions = transaction.conditions.iter().enumerate();
            while let Some((place, condition)) = conditions.next() {
                let range = is_range(condition);
                let verdict = if range && !recorded { Err(None) } else { writing.check(condition)? };
                let Err(found) = verdict else { continue };
                let mut others = Vec::new();
                if range {
                    // So far nothing but what has expired was removed; a range is to be without
                    // that for the next try, and the changes until then are to be recorded.
                    return Ok(TxEnd::Adopt(Outcome::Refused { condition: place, found, others }));
                }
                // Whoever leaves out what does not hold needs no try for each of it.
                for (place, condition) in conditions {
                    if !is_range(condition) && writing.check(condition)?.is_err() {
                        others.push(place);
                    }
                }
                return Ok(TxEnd::Rollback(Outcome::Refused { condition: place, found, others }));
            }
            let before = writing.latest_revision()?;
            let counted = writing.connection.total_changes();
            let mut changed = 0;
            for operation in &transaction.operations {
                changed += writing.carry_out(operation, transaction.purpose)?;
            }
            // An entry and its row of history, nothing else: that is the one revision after.
            let revision = match (changed, writing.connection.total_changes() - counted) {
                (1, 2) => {
                    let revision = before.next();
                    // Of several operations any may be the one that changed something.
                    if let [operation] = &transaction.operations[..] {
                        writing.note_last(revision, operation);
                    }
                    revision
                }
                _ => writing.latest_revision()?,
            };
            writing.tie(before, revision, transaction.purpose)?;
            self.maintenance_schedule.count(changed.saturating_sub(1));
            Ok(TxEnd::Commit(Outcome::Committed { revision, changed }))
        })
    }

    fn edit(&self, key: &Key, edit: &Edit) -> Result<Edited, StoreError> {
        self.write(false, &|writing| {
            writing.check_fence(&self.fence.borrow())?;
            let present = writing.present(key)?;
            let value = present.as_ref().map(|present| present.image.value());
            let Planned { write, edited } = edit.plan(key, value.as_ref())?;
            match write {
                None => Ok(TxEnd::Rollback(edited)),
                Some(value) => {
                    // Text that another program wrote without a type stays without one.
                    writing.put(key, present, &value, edit.expiry(), edit.operation_name())?;
                    let revision = writing.latest_revision()?;
                    writing.last.set(Some(Last { revision: revision.0, at: writing.now, key: key.clone() }));
                    Ok(TxEnd::Commit(Edited { revision: Some(revision), ..edited }))
                }
            }
        })
    }
}
