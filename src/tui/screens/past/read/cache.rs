//! What was read of a list of the past, kept for the next question: what was not changed since then is
//! in it as it was, so that a step costs what it changes, and not what is looked through to find it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::store::{ErrorKind, HistoryScan, Key, KeyRange, Moment, Scan, Store, StoreError, Subject};
use crate::tui::list::read_diff::{page_of, row_of, shortened};
use crate::tui::list::read_sorted::MOST;
use crate::tui::list::{DiffRow, PastQuery};

/// The most changes that are followed; where there were more, the list is read anew.
const CHANGES: usize = 2000;

/// A part of a list, from where its reading began to where it goes on.
pub struct PastCache {
    source: PastQuery,
    moment: Moment,
    /// Nothing was read before this moment.
    present: Moment,
    start: Bound<Key>,
    /// The last key that was looked at.
    last: Option<Key>,
    is_end: bool,
    rows: BTreeMap<Key, DiffRow>,
}

impl PastCache {
    /// Nothing yet, of what follows `start`.
    pub fn new(source: PastQuery, (moment, present): (Moment, Moment), start: Bound<Key>) -> PastCache {
        PastCache { source, moment, present, start, last: None, is_end: false, rows: BTreeMap::new() }
    }

    /// Whether it is worth keeping: it is not too much, and does not change by time going by.
    pub fn is_of_use(&self) -> bool {
        self.rows.len() <= MOST && !self.source.filter.is_about_time()
    }

    /// The same part at another moment; `None` if it has to be read anew.
    pub fn follow(
        mut self,
        store: &dyn Store,
        source: &PastQuery,
        (moment, present): (Moment, Moment),
    ) -> Result<Option<PastCache>, StoreError> {
        if self.source != *source {
            return Ok(None);
        }
        let mut keys = BTreeSet::new();
        for (before, after) in [(self.moment, moment), (self.present, present)] {
            match changed(store, before, after)? {
                Some(changed) => keys.extend(changed),
                None => return Ok(None),
            }
        }
        (self.moment, self.present) = (moment, present);
        keys.retain(|key| self.was_looked_at(key));
        for key in keys {
            let row = row_of(store, &key, moment, self.source.value_limit())?;
            if self.source.takes(store, &row, moment) {
                self.rows.insert(key, shortened(row));
            } else {
                self.rows.remove(&key);
            }
        }
        Ok(Some(self))
    }

    fn was_looked_at(&self, key: &Key) -> bool {
        let begins = match &self.start {
            Bound::Unbounded => true,
            Bound::Included(start) => key >= start,
            Bound::Excluded(start) => key > start,
        };
        begins && (self.is_end || self.last.as_ref().is_some_and(|last| key <= last))
    }

    /// Whether what follows `from` is in it, or where its reading goes on.
    pub fn covers(&self, from: &Bound<Key>) -> bool {
        match (from, &self.start) {
            (Bound::Unbounded, start) => *start == Bound::Unbounded,
            (Bound::Excluded(from), Bound::Excluded(start)) if from == start => true,
            (Bound::Included(from) | Bound::Excluded(from), _) => self.was_looked_at(from),
        }
    }

    /// The `limit` rows before a key, in their order, and whether they are the first; `None` if that is
    /// not known.
    pub fn before(&self, key: &Key, limit: usize) -> Option<(Vec<DiffRow>, bool)> {
        if self.start != Bound::Unbounded || !self.was_looked_at(key) {
            return None;
        }
        let mut rows: Vec<_> =
            self.rows.range::<Key, _>(..key).rev().take(limit + 1).map(|(_, row)| row.clone()).collect();
        let is_start = rows.len() <= limit;
        rows.truncate(limit);
        rows.reverse();
        Some((rows, is_start))
    }

    /// The `limit` rows from `from` on and whether they are the last, read on as far as it takes; `None`
    /// if nobody wants them any more.
    pub fn after(
        &mut self,
        store: &dyn Store,
        from: Bound<Key>,
        limit: usize,
        is_outdated: &dyn Fn() -> bool,
    ) -> Result<Option<(Vec<DiffRow>, bool)>, StoreError> {
        let bounds = (from.as_ref(), Bound::Unbounded);
        while !self.is_end && self.rows.range::<Key, _>(bounds).take(limit + 1).count() <= limit {
            if is_outdated() {
                return Ok(None);
            }
            let mut scan = self.source.scan(limit);
            match (&self.last, &self.start) {
                (Some(last), _) | (None, Bound::Excluded(last)) => scan.after = Some(last.clone()),
                (None, Bound::Included(start)) => scan.range.start = Some(start.clone()),
                (None, Bound::Unbounded) => {}
            }
            let (page, last) = page_of(store, &self.source, &scan, (self.moment, self.present))?;
            self.rows.extend(page.into_iter().map(|row| (row.key.clone(), row)));
            self.is_end = last.is_none();
            self.last = last.or(self.last.take());
        }
        let mut rows: Vec<_> =
            self.rows.range::<Key, _>(bounds).take(limit + 1).map(|(_, row)| row.clone()).collect();
        let is_end = rows.len() <= limit;
        rows.truncate(limit);
        Ok(Some((rows, is_end)))
    }
}

/// The keys of which something may not be the same at two moments; `None` if they are too many, or not
/// known any more.
fn changed(store: &dyn Store, one: Moment, other: Moment) -> Result<Option<BTreeSet<Key>>, StoreError> {
    if one == other {
        return Ok(Some(BTreeSet::new()));
    }
    let is_back = (one.revision, one.at) > (other.revision, other.at);
    let (from, to) = if is_back { (other, one) } else { (one, other) };
    // What was written again with the same value has another revision, and perhaps another writer.
    let between = HistoryScan {
        subject: Some(Subject::Entry),
        from: Bound::Excluded(from.revision),
        to: Bound::Included(to.revision),
        value_limit: 0,
        ..HistoryScan::newest(CHANGES + 1)
    };
    let written = store.history(&between)?;
    if written.len() > CHANGES {
        return Ok(None);
    }
    // What has expired in between was not written.
    let differing = match store.differences(from, to, &Scan::new(KeyRange::all(), CHANGES + 1)) {
        Err(StoreError { kind: ErrorKind::Pruned { .. }, .. }) => return Ok(None),
        differing => differing?,
    };
    if differing.len() > CHANGES {
        return Ok(None);
    }
    let written = written.into_iter().map(|change| change.key);
    Ok(Some(written.chain(differing.into_iter().map(|difference| difference.key)).collect()))
}
