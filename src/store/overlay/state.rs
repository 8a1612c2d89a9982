//! The entries of an overlay: those of the store below, with what was written laid over them.

use std::collections::BTreeMap;

use super::Overlay;
use super::pages::cut;
use crate::store::{
    Entry, Key, KeyPage, KeyRange, Needle, Outcome, Revision, Scan, State, StoreError, Transaction,
};
use crate::time::Millis;

impl State for Overlay {
    fn revision(&self) -> Result<Revision, StoreError> {
        match self.kept.borrow().revision {
            Some((base, made)) => Ok(Revision(base.0 + made)),
            None => self.below.revision(),
        }
    }

    fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.find(key)
    }

    fn get_prefix(&self, key: &Key, value_limit: u64) -> Result<Option<Entry>, StoreError> {
        Ok(self.find(key)?.map(|entry| cut(entry, value_limit)))
    }

    fn scan(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError> {
        let page = |part: &Scan| {
            let entries = self.below.scan(part)?;
            Ok(entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect())
        };
        self.merge(scan, &page, &|entry| cut(entry.clone(), scan.value_limit))
    }

    fn scan_keys(&self, scan: &Scan) -> Result<Vec<Key>, StoreError> {
        let page = |part: &Scan| {
            let keys = self.below.scan_keys(part)?;
            Ok(keys.into_iter().map(|key| (key.clone(), key)).collect())
        };
        self.merge(scan, &page, &|entry| entry.key.clone())
    }

    fn search_keys(&self, scan: &Scan, needles: &[Needle]) -> Result<KeyPage, StoreError> {
        let keys = self.scan_keys(scan)?;
        let looked_at = keys.len();
        let last = keys.last().filter(|_| looked_at >= scan.limit).cloned();
        let fits = |key: &Key| needles.iter().all(|needle| needle.is_in(key.as_bytes()));
        Ok(KeyPage { found: keys.into_iter().filter(fits).collect(), last, looked_at })
    }

    fn scan_expiring(
        &self,
        after: Option<(Millis, &Key)>,
        limit: usize,
        value_limit: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let now = self.now();
        let place = |entry: &Entry| Some((entry.expires_at?, entry.key.clone()));
        let revision = self.below.read_revision()?;
        // Any entry may come to be among those that expire.
        self.note_range(KeyRange::all(), revision);
        let mut merged: BTreeMap<(Millis, Key), Entry> = BTreeMap::new();
        for rewritten in self.kept.borrow().written.values() {
            let Some(entry) = rewritten.new.as_ref().filter(|entry| !entry.is_expired(now)) else { continue };
            let Some(at) = place(entry) else { continue };
            if after.is_none_or(|(moment, key)| (at.0, &at.1) > (moment, key)) {
                merged.insert(at, cut(entry.clone(), value_limit));
            }
        }
        let mut cursor = after.map(|(at, key)| (at, key.clone()));
        let mut taken = 0;
        while taken < limit {
            let from = cursor.as_ref().map(|(at, key)| (*at, key));
            let page = self.below.scan_expiring(from, limit, value_limit)?;
            let whole = page.len() >= limit;
            cursor = page.last().and_then(place);
            for entry in page {
                let Some(at) = place(&entry) else { continue };
                if !self.kept.borrow().written.contains_key(&entry.key) {
                    taken += 1;
                    merged.insert(at, entry);
                }
            }
            if !whole {
                break;
            }
        }
        Ok(merged.into_values().take(limit).collect())
    }

    fn count(&self, range: &KeyRange) -> Result<u64, StoreError> {
        let revision = self.below.read_revision()?;
        let below = self.below.count(range)?;
        self.note_range(range.clone(), revision);
        let now = self.now();
        let kept = self.kept.borrow();
        let live = |entry: &Option<Entry>| {
            u64::from(
                entry.as_ref().is_some_and(|entry| range.contains(&entry.key) && !entry.is_expired(now)),
            )
        };
        let (gone, come) = kept.written.values().fold((0, 0), |(gone, come), rewritten| {
            (gone + live(&rewritten.old), come + live(&rewritten.new))
        });
        Ok((below + come).saturating_sub(gone))
    }

    fn commit(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        let checkpoint = self.checkpoint();
        for (place, condition) in transaction.conditions.iter().enumerate() {
            if let Err(found) = self.check(condition)? {
                self.roll_back(checkpoint);
                return Ok(Outcome::Refused { condition: place, found, others: Vec::new() });
            }
        }
        let (mut changed, mut edits) = (0, Vec::new());
        for operation in &transaction.operations {
            match self.carry_out(operation, &mut edits) {
                Ok(more) => changed += more,
                Err(error) => {
                    self.roll_back(checkpoint);
                    return Err(error);
                }
            }
        }
        if !self.is_to_commit {
            self.forget_operations();
        }
        let revision = self.revision()?;
        let edited = edits.into_iter().map(|planned| planned.made(revision)).collect();
        Ok(Outcome::Committed { revision, changed, edited })
    }
}
