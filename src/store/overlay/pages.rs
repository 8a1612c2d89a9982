//! Pages of an overlay: those of the store below, with what was written laid over them.

use std::collections::BTreeMap;

use crate::store::overlay::Overlay;
use crate::store::{Entry, Key, KeyRange, Order, Scan, StoreError};
use crate::time::Millis;

/// Reads a page of the store below.
type ReadPage<'a, T> = &'a dyn Fn(&Scan) -> Result<Vec<(Key, T)>, StoreError>;

/// `entry` with no more than `limit` bytes of its value.
pub(super) fn cut(mut entry: Entry, limit: u64) -> Entry {
    entry.stored.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    entry
}

/// What of its range a scan has looked at when its page ended with `last`, or with the range.
fn covered(scan: &Scan, last: Option<&Key>) -> KeyRange {
    let mut range = scan.range.clone();
    match scan.order {
        Order::Ascending => {
            range.start = scan.after.as_ref().map(Key::successor).or(range.start);
            range.end = last.map(Key::successor).or(range.end);
        }
        Order::Descending => {
            range.end = scan.after.clone().or(range.end);
            range.start = last.cloned().or(range.start);
        }
    }
    range
}

impl Overlay {
    pub(super) fn scan_merged(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError> {
        let page = |part: &Scan| {
            let entries = self.below.scan(part)?;
            Ok(entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect())
        };
        self.merge(scan, &page, &|entry| cut(entry.clone(), scan.value_limit))
    }

    pub(super) fn scan_keys_merged(&self, scan: &Scan) -> Result<Vec<Key>, StoreError> {
        let page = |part: &Scan| {
            let keys = self.below.scan_keys(part)?;
            Ok(keys.into_iter().map(|key| (key.clone(), key)).collect())
        };
        self.merge(scan, &page, &|entry| entry.key.clone())
    }

    /// The page that `scan` asks for. Each part of the range that is read below is noted with
    /// the revision before that.
    fn merge<T>(
        &self,
        scan: &Scan,
        page: ReadPage<'_, T>,
        row: &dyn Fn(&Entry) -> T,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        let mut part = scan.clone();
        loop {
            let revision = self.below.revision()?;
            let below = page(&part)?;
            let last =
                (below.len() >= part.limit).then(|| below.last().map(|(key, _)| key.clone())).flatten();
            let range = covered(&part, last.as_ref());
            let mut merged: BTreeMap<Key, T> = below.into_iter().collect();
            let now = self.now();
            for (key, rewritten) in &self.kept.borrow().written {
                if !range.contains(key) {
                    continue;
                }
                match rewritten.new.as_ref().filter(|entry| !entry.is_expired(now)) {
                    Some(entry) => merged.insert(key.clone(), row(entry)),
                    None => merged.remove(key),
                };
            }
            self.note_range(range, revision);
            match scan.order {
                Order::Ascending => found.extend(merged.into_values()),
                Order::Descending => found.extend(merged.into_values().rev()),
            }
            if found.len() >= scan.limit || last.is_none() {
                found.truncate(scan.limit);
                return Ok(found);
            }
            part.after = last;
        }
    }

    pub(super) fn scan_expiring_merged(
        &self,
        after: Option<(Millis, &Key)>,
        limit: usize,
        value_limit: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let now = self.now();
        let place = |entry: &Entry| Some((entry.expires_at?, entry.key.clone()));
        let revision = self.below.revision()?;
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
}
