//! The entries of a database.

use super::EtcdStore;
use super::record::{self, Newest, revision_at};
use super::wire::RangeRequest;
use crate::store::{
    Entry, Key, KeyPage, KeyRange, Needle, Outcome, Revision, Scan, State, StoreError, Transaction,
};
use crate::time::Millis;

impl State for EtcdStore {
    fn revision(&self) -> Result<Revision, StoreError> {
        let found = self.range(&RangeRequest::key(self.keys.newest()))?;
        let Some(kv) = found.first() else { return Ok(Revision::default()) };
        let newest: Newest = record::decode(&kv.value).map_err(|error| self.unreadable(error, &kv.key))?;
        Ok(revision_at(kv.mod_revision, usize::from(newest.changes).saturating_sub(1)))
    }

    fn read_revision(&self) -> Result<Revision, StoreError> {
        let found = self.range(&RangeRequest::key(self.keys.newest()))?;
        Ok(record::end_of(found.revision))
    }

    fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.entry(key, u64::MAX)
    }

    fn get_prefix(&self, key: &Key, value_limit: u64) -> Result<Option<Entry>, StoreError> {
        self.entry(key, value_limit)
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError> {
        let page = self.scan_stored(scan, Some(self.now()), 0)?;
        Ok(page.into_iter().map(|entry| self.settings.kinds.mark(entry)).collect())
    }

    fn scan_keys(&self, scan: &Scan) -> Result<Vec<Key>, StoreError> {
        self.scan_only_keys(scan)
    }

    fn search_keys(&self, scan: &Scan, needles: &[Needle]) -> Result<KeyPage, StoreError> {
        self.look_through_keys(scan, needles)
    }

    fn scan_expiring(
        &self,
        after: Option<(Millis, &Key)>,
        limit: usize,
        value_limit: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let from = Millis(self.now().0.saturating_add(1));
        let page = self.expiring((from, Millis(i64::MAX)), after, limit, 0)?;
        let entry = |(key, found): (Key, super::read::Found)| found.entry(key, value_limit);
        Ok(page.into_iter().map(|found| self.settings.kinds.mark(entry(found))).collect())
    }

    fn count(&self, range: &KeyRange) -> Result<u64, StoreError> {
        self.count_entries(range)
    }

    fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        self.commit_transaction(transaction)
    }
}
