//! What lies below an overlay: a store as it is, or as it was at a moment.

use std::ops::Bound;
use std::rc::Rc;

use crate::store::{
    Change, Entry, HistoryScan, Key, KeyRange, Moment, PAGE, Revision, Scan, Stats, Store, StoreError,
    pages_by_key,
};
use crate::time::Millis;

/// A store, and the moment of it that is meant; `None` is now.
pub(super) struct Base {
    pub store: Rc<dyn Store>,
    moment: Option<Moment>,
}

impl Base {
    pub(super) fn now(store: Rc<dyn Store>) -> Base {
        Base { store, moment: None }
    }

    pub(super) fn at(store: Rc<dyn Store>, moment: Option<Moment>) -> Base {
        Base { store, moment }
    }

    pub(super) fn revision(&self) -> Result<Revision, StoreError> {
        match self.moment {
            Some(moment) => Ok(moment.revision),
            None => self.store.revision(),
        }
    }

    pub(super) fn read_revision(&self) -> Result<Revision, StoreError> {
        match self.moment {
            Some(moment) => Ok(moment.revision),
            None => self.store.read_revision(),
        }
    }

    pub(super) fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        match self.moment {
            Some(moment) => self.store.get_at(key, moment),
            None => self.store.get(key),
        }
    }

    pub(super) fn scan(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError> {
        match self.moment {
            Some(moment) => self.store.scan_at(scan, moment),
            None => self.store.scan(scan),
        }
    }

    pub(super) fn scan_keys(&self, scan: &Scan) -> Result<Vec<Key>, StoreError> {
        match self.moment {
            Some(moment) => {
                let scan = Scan { value_limit: 0, ..scan.clone() };
                Ok(self.store.scan_at(&scan, moment)?.into_iter().map(|entry| entry.key).collect())
            }
            None => self.store.scan_keys(scan),
        }
    }

    pub(super) fn count(&self, range: &KeyRange) -> Result<u64, StoreError> {
        match self.moment {
            Some(_) => {
                let scan = Scan { value_limit: 0, ..Scan::new(range.clone(), PAGE) };
                self.each_page(scan, |page| page.len() as u64)
            }
            None => self.store.count(range),
        }
    }

    pub(super) fn scan_expiring(
        &self,
        after: Option<(Millis, &Key)>,
        limit: usize,
        value_limit: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        if self.moment.is_none() {
            return self.store.scan_expiring(after, limit, value_limit);
        }
        // The past is not kept in the order of expiry: all of it is looked through.
        let mut expiring: Vec<Entry> = Vec::new();
        let place = |entry: &Entry| Some((entry.expires_at?, entry.key.clone()));
        let after = after.map(|(at, key)| (at, key.clone()));
        let scan = Scan { value_limit, ..Scan::new(KeyRange::all(), PAGE) };
        self.each_page(scan, |page| {
            expiring.extend(page.into_iter().filter(|entry| place(entry).is_some_and(|at| Some(at) > after)));
            expiring.sort_by_key(place);
            expiring.truncate(limit);
            0
        })?;
        Ok(expiring)
    }

    /// The changes up to the moment that is meant.
    pub(super) fn history(&self, scan: &HistoryScan) -> Result<Vec<Change>, StoreError> {
        let to = match (self.moment, scan.to) {
            (None, to) => to,
            (Some(moment), Bound::Included(to)) if to < moment.revision => Bound::Included(to),
            (Some(moment), Bound::Excluded(to)) if to <= moment.revision => Bound::Excluded(to),
            (Some(moment), _) => Bound::Included(moment.revision),
        };
        self.store.history(&HistoryScan { to, ..scan.clone() })
    }

    /// The figures of the store; the number of changes is that at the moment that is meant, as far as later
    /// ones were not pruned.
    pub(super) fn stats(&self) -> Result<Stats, StoreError> {
        let mut stats = self.store.stats()?;
        let Some(moment) = self.moment else { return Ok(stats) };
        let mut to = Bound::Unbounded;
        loop {
            let from = Bound::Excluded(moment.revision);
            let page =
                self.store.history(&HistoryScan { from, to, value_limit: 0, ..HistoryScan::newest(PAGE) })?;
            stats.history = stats.history.saturating_sub(page.len() as u64);
            match page.last().filter(|_| page.len() >= PAGE) {
                Some(last) => to = Bound::Excluded(last.revision),
                None => return Ok(stats),
            }
        }
    }

    /// Reads page by page; the sum of what is made of each.
    fn each_page(&self, scan: Scan, mut count: impl FnMut(Vec<Entry>) -> u64) -> Result<u64, StoreError> {
        let mut sum = 0;
        for page in pages_by_key(scan, |scan| self.scan(scan), |entry: &Entry| &entry.key) {
            sum += count(page?);
        }
        Ok(sum)
    }
}
