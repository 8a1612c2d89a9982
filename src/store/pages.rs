//! Lists that are read page by page: each page begins after the last row of the page before. No reader is
//! open between two pages.

use std::ops::Bound;

use crate::store::{
    Change, Changes, Entry, History, HistoryScan, Key, Lock, Locks, Revision, Run, Runs, Scan, State,
    StoreError,
};
use crate::time::Millis;

/// How many rows a page has where nothing speaks for another number.
pub const PAGE: usize = 1000;

/// One page, never empty.
pub type Page<T> = Result<Vec<T>, StoreError>;

/// Pages of at most `limit` rows, read by `read` from `cursor` on, which `advance` moves behind a row. The
/// last page is one that is not full, or an error.
pub fn pages<C, T>(
    mut cursor: C,
    limit: usize,
    read: impl Fn(&C) -> Page<T>,
    advance: impl Fn(&mut C, &T),
) -> impl Iterator<Item = Page<T>> {
    let mut is_end = false;
    std::iter::from_fn(move || {
        if std::mem::replace(&mut is_end, true) {
            return None;
        }
        let page = read(&cursor);
        if let Ok(rows) = &page {
            advance(&mut cursor, rows.last()?);
            is_end = rows.len() < limit;
        }
        Some(page)
    })
}

/// Pages of what a scan reads, where each row has a key.
pub fn pages_by_key<T>(
    scan: Scan,
    read: impl Fn(&Scan) -> Page<T>,
    key: impl Fn(&T) -> &Key,
) -> impl Iterator<Item = Page<T>> {
    let limit = scan.limit;
    pages(scan, limit, read, move |scan, row| scan.after = Some(key(row).clone()))
}

/// Pages of entries in the order of their keys.
pub fn entry_pages(store: &dyn State, scan: Scan) -> impl Iterator<Item = Page<Entry>> {
    pages_by_key(scan, |scan| store.scan(scan), |entry: &Entry| &entry.key)
}

/// Pages of keys in their order.
pub fn key_pages(store: &dyn State, scan: Scan) -> impl Iterator<Item = Page<Key>> {
    pages_by_key(scan, |scan| store.scan_keys(scan), |key| key)
}

/// Pages of the entries that expire, soonest first, after the one named by its expiry and key.
pub fn expiring_pages(
    store: &dyn State,
    after: Option<(Millis, Key)>,
    limit: usize,
    value_limit: u64,
) -> impl Iterator<Item = Page<Entry>> {
    let read = move |after: &Option<(Millis, Key)>| {
        store.scan_expiring(after.as_ref().map(|(at, key)| (*at, key)), limit, value_limit)
    };
    pages(after, limit, read, |after, entry: &Entry| {
        *after = entry.expires_at.map(|at| (at, entry.key.clone()));
    })
}

pub fn change_pages(store: &dyn History, scan: HistoryScan) -> impl Iterator<Item = Page<Change>> {
    let (limit, read) = (scan.limit, |scan: &HistoryScan| store.history(scan));
    pages(scan, limit, read, |scan, change: &Change| scan.to = Bound::Excluded(change.revision))
}

/// Pages of the changes after `since`, oldest first, with no more than `value_limit` bytes of each value.
/// Changes that are pruned before they were read are skipped; without a history there are no pages.
pub fn change_pages_since(
    store: &dyn History,
    since: Revision,
    limit: usize,
    value_limit: u64,
) -> impl Iterator<Item = Page<Change>> {
    let read = move |since: &Revision| {
        let mut since = *since;
        loop {
            match store.changes(since, limit, value_limit)? {
                Changes::Since(changes) => return Ok(changes),
                Changes::Pruned { oldest } => since = oldest.before(),
                Changes::NotRecorded => return Ok(Vec::new()),
            }
        }
    };
    pages(since, limit, read, |since, change: &Change| *since = change.revision)
}

/// Every lock in the order of their names.
pub fn all_locks(store: &dyn Locks) -> Result<Vec<Lock>, StoreError> {
    let read = |after: &Option<String>| store.locks(after.as_deref(), PAGE);
    let pages = pages(None, PAGE, read, |after, lock: &Lock| *after = Some(lock.name.clone()));
    Ok(pages.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Pages of runs, newest first, before the one of that number.
pub fn run_pages(store: &dyn Runs, before: Option<i64>, limit: usize) -> impl Iterator<Item = Page<Run>> {
    let read = move |before: &Option<i64>| store.runs(*before, limit);
    pages(before, limit, read, |before, run: &Run| *before = Some(run.number))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::store::ErrorKind;

    /// The pages of the numbers up to `last`, and how often was read.
    fn numbers(last: usize, limit: usize) -> (Vec<Vec<usize>>, usize) {
        let reads = Cell::new(0);
        let read = |after: &usize| {
            reads.set(reads.get() + 1);
            Ok((after + 1..=last).take(limit).collect())
        };
        let all = pages(0, limit, read, |after, number| *after = *number).collect::<Result<_, _>>().unwrap();
        (all, reads.get())
    }

    #[test]
    fn every_row_is_on_one_page() {
        assert_eq!(numbers(0, 3), (vec![], 1));
        assert_eq!(numbers(2, 3), (vec![vec![1, 2]], 1));
        assert_eq!(numbers(3, 3), (vec![vec![1, 2, 3]], 2), "a full page may be the last one");
        assert_eq!(numbers(7, 3), (vec![vec![1, 2, 3], vec![4, 5, 6], vec![7]], 3));
    }

    #[test]
    fn nothing_is_read_after_an_error() {
        let read = |after: &usize| {
            if *after < 2 { Ok(vec![after + 1]) } else { Err(ErrorKind::EmptyLockName.into()) }
        };
        let mut all = pages(0, 1, read, |after, number| *after = *number);
        assert_eq!(all.next().unwrap().unwrap(), [1]);
        assert_eq!(all.next().unwrap().unwrap(), [2]);
        assert!(all.next().unwrap().is_err());
        assert!(all.next().is_none());
    }
}
