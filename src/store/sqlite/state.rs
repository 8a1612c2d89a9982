//! The entries of a database. Each write is one transaction.

use super::schema_version::SchemaFlavor;
use super::transaction::{TxEnd, latest_revision};
use super::{SqliteStore, read, search};
use crate::store::{
    Condition, EditOutcome, Entry, Key, KeyPage, KeyRange, Needle, Outcome, RangeSize, Revision, Scan, State,
    StoreError, Transaction,
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
            read::scan(connection, flavor, scan, Some(now))
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
        #[cfg(test)]
        self.check_limits(transaction)?;
        // Of a file that is adopted by this very write nobody knows who changed it since.
        let recorded = self.link.borrow().flavor.is_ours();
        self.write(false, &|writing| {
            writing.check_fence(&self.fence.borrow())?;
            let is_range = |condition: &Condition| matches!(condition, Condition::RangeAtRevision(..));
            let at_start = writing.connection.total_changes();
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
            let before = writing.revision_before()?;
            let counted = writing.connection.total_changes();
            let (mut changed, mut edited) = (0, Vec::<EditOutcome>::new());
            for operation in &transaction.operations {
                changed += writing.carry_out(operation, transaction.purpose, &mut edited)?;
            }
            let written = writing.connection.total_changes() - counted;
            if written == 0 && !edited.is_empty() {
                let outcome = Outcome::Committed { revision: before, changed, edited };
                // A condition may have removed what had expired, which is a change of its own.
                let is_unchanged = counted == at_start;
                return Ok(if is_unchanged { TxEnd::Rollback(outcome) } else { TxEnd::Commit(outcome) });
            }
            // An entry and its row of history, nothing else: that is the one revision after.
            let revision = match (changed, written) {
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
            edited.iter_mut().filter_map(|edited| edited.revision.as_mut()).for_each(|made| *made = revision);
            Ok(TxEnd::Commit(Outcome::Committed { revision, changed, edited }))
        })
    }
}

#[cfg(test)]
impl SqliteStore {
    /// The same store as an engine that can do as little as any.
    pub(crate) fn limited(self) -> SqliteStore {
        let (largest_value, largest_transaction) = (490_000, 490_000);
        let limits = crate::store::Capabilities {
            largest_value,
            largest_transaction,
            operations: 24,
            conditions: Some(30),
            expiry_grain: 1,
        };
        self.limits.set(Some(limits));
        self
    }

    fn check_limits(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let Some(limits) = self.limits.get() else { return Ok(()) };
        let (mut operations, mut bytes, mut replaced) = (0, 0, 0);
        for operation in &transaction.operations {
            let (key, written) = match operation {
                crate::store::Operation::DeleteRange(range) => {
                    operations += self.count(range)?;
                    let scan = Scan { value_limit: 0, ..Scan::new(range.clone(), limits.operations) };
                    replaced += self.scan(&scan)?.iter().map(|entry| entry.size).sum::<u64>();
                    continue;
                }
                crate::store::Operation::Restore { key, image } => (key, image.stored.len()),
                other => (other.key().unwrap(), other.value().map_or(0, |value| value.to_stored().len())),
            };
            operations += 1;
            bytes += written as u64;
            replaced += self.get_prefix(key, 0)?.map_or(0, |entry| entry.size);
            limits.check_value(key, written as u64)?;
        }
        limits.check_operations(operations)?;
        limits.check_conditions(transaction.conditions.len())?;
        let (taken, most) = (bytes + replaced + bytes.max(replaced), 3 * limits.largest_transaction);
        if taken > most && operations > 1 {
            return Err(crate::store::ErrorKind::TransactionTooLarge { bytes: taken, most }.into());
        }
        let mut keys: Vec<_> =
            transaction.operations.iter().filter_map(|operation| operation.key()).collect();
        keys.sort();
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "a key is written twice in one transaction");
        Ok(())
    }
}
