//! Entries: reading them, and writing them in transactions.

#[cfg(doc)]
use crate::store::Condition;
use crate::store::{
    Edit, EditOutcome, Entry, ErrorKind, Key, KeyPage, KeyRange, Needle, Outcome, RangeSize, Revision, Scan,
    StoreError, Transaction,
};
use crate::time::Millis;

/// The entries of a store.
pub trait State {
    /// The newest revision.
    fn revision(&self) -> Result<Revision, StoreError>;

    /// The revision at which the next read takes place, or an earlier one: what was changed after it is refused
    /// by [`Condition::RangeAtRevision`]. It is [`State::revision`] where every program's changes are recorded.
    fn read_revision(&self) -> Result<Revision, StoreError> {
        self.revision()
    }

    /// One entry with its whole value.
    fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError>;

    /// As [`State::get`], with no more than `value_limit` bytes of the value.
    fn get_prefix(&self, key: &Key, value_limit: u64) -> Result<Option<Entry>, StoreError>;

    /// As [`State::get`], with no more than `limit` bytes of the value from its byte `offset` on.
    ///
    /// The way that is provided reads the whole value; an engine that can read a part of it does.
    fn get_slice(&self, key: &Key, offset: u64, limit: u64) -> Result<Option<Entry>, StoreError> {
        Ok(self.get(key)?.map(|mut entry| {
            let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(entry.stored.len());
            entry.stored = entry.stored[at(offset)..at(offset.saturating_add(limit))].to_vec();
            entry
        }))
    }

    /// A page of entries in the order of their keys.
    fn scan(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError>;

    /// How much is in a page of entries; its values are not read.
    ///
    /// The way that is provided reads the page; an engine that only has to count does.
    fn measure(&self, scan: &Scan) -> Result<RangeSize, StoreError> {
        let page = self.scan(&Scan { value_limit: 0, ..scan.clone() })?;
        let last = page.last().filter(|_| page.len() == scan.limit).map(|entry| entry.key.clone());
        let bytes = page.iter().map(|entry| entry.size).sum();
        Ok(RangeSize { entries: page.len() as u64, bytes, last })
    }

    /// A page of keys in their order, cheaper than a page of entries.
    fn scan_keys(&self, scan: &Scan) -> Result<Vec<Key>, StoreError>;

    /// Looks through a page of keys for those that have every one of `needles` in them: the
    /// limit of the scan is how many keys are looked at.
    fn search_keys(&self, scan: &Scan, needles: &[Needle]) -> Result<KeyPage, StoreError>;

    /// A page of the entries that expire, soonest first, after the one named by its expiry and
    /// key; no more than `value_limit` bytes of each value.
    fn scan_expiring(
        &self,
        after: Option<(Millis, &Key)>,
        limit: usize,
        value_limit: u64,
    ) -> Result<Vec<Entry>, StoreError>;

    /// How many entries a range has.
    fn count(&self, range: &KeyRange) -> Result<u64, StoreError>;

    /// Carries out a transaction if its conditions hold.
    ///
    /// # Errors
    /// [`ErrorKind::TooManyOperations`] and [`ErrorKind::TooLarge`] if the engine cannot carry it out as a
    /// whole. No error leaves anything changed.
    fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError>;

    /// Changes one entry depending on the value that it has: a transaction of one [`Edit`].
    fn edit(&self, key: &Key, edit: &Edit) -> Result<EditOutcome, StoreError> {
        match self.commit(&Transaction::edit(key.clone(), edit.clone()))? {
            Outcome::Committed { mut edited, .. } if edited.len() == 1 => Ok(edited.remove(0)),
            // It has one edit and no condition.
            _ => Err(ErrorKind::Contended { key: key.clone(), attempts: 1 }.into()),
        }
    }
}
