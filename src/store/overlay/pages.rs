//! Pages of an overlay: those of the store below, with what was written laid over them.

use std::collections::BTreeMap;

use crate::store::overlay::Overlay;
use crate::store::{Entry, Key, KeyRange, Order, Scan, StoreError};

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
    /// The page that `scan` asks for. Each part of the range that is read below is noted with
    /// the revision before that.
    pub(super) fn merge<T>(
        &self,
        scan: &Scan,
        page: ReadPage<'_, T>,
        row: &dyn Fn(&Entry) -> T,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        let mut part = scan.clone();
        loop {
            let revision = self.below.read_revision()?;
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
}
