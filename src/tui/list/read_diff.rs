//! Reads the list of the past in the order of its keys: what belongs into it, page by page.

use crate::store::{Entry, Key, KeyRange, Moment, Order, Scan, Store, StoreError};
use crate::tui::list::{DiffKind, DiffRow, Filter, Load};
use crate::tui::view::View;

/// How much of each value is read, in bytes.
const VALUE: u64 = 1024;
/// How many entries are looked at between two looks for a newer question.
const PIECE: usize = 500;

/// What a list has in it, in the order of the keys.
#[derive(Clone, Debug, PartialEq)]
pub struct PastQuery {
    pub view: View,
    pub filter: Filter,
    pub only_different: bool,
}

impl PastQuery {
    pub fn of(load: &Load, only_different: bool) -> PastQuery {
        PastQuery { view: load.view, filter: load.filter.clone(), only_different }
    }

    /// How much is read of each value: as much as a row shows and the filter asks for.
    pub fn value_limit(&self) -> u64 {
        self.filter.value_bytes().unwrap_or(VALUE).max(VALUE)
    }

    /// A scan for so many rows: where some may be left out, more is looked at together.
    pub fn scan(&self, rows: usize) -> Scan {
        let takes_all = self.filter.is_empty() && self.view == View::Keys;
        let limit = if takes_all { PIECE.min(rows.saturating_add(1)) } else { PIECE };
        Scan { value_limit: self.value_limit(), ..Scan::new(KeyRange::all(), limit) }
    }

    /// Whether an entry is in the list, by what it was or by what it is.
    pub fn takes(&self, store: &dyn Store, row: &DiffRow, moment: Moment) -> bool {
        let takes = |entry: &Option<Entry>, at| {
            entry.as_ref().is_some_and(|entry| self.view.takes(entry, &self.filter, at))
        };
        let is_meant = takes(&row.then, moment.at) || takes(&row.now, store.clock().now());
        is_meant && (!self.only_different || row.difference() != DiffKind::None)
    }
}

/// An entry as it was, with so much of its value: where several are read of one moment, what became
/// of them is looked up once, which reading each by itself is not.
pub fn entry_at(
    store: &dyn Store,
    key: &Key,
    moment: Moment,
    value_limit: u64,
) -> Result<Option<Entry>, StoreError> {
    let scan = Scan { value_limit, ..Scan::new(KeyRange::only(key), 1) };
    Ok(store.scan_at(&scan, moment)?.pop())
}

/// All rows of the list, in pieces.
pub fn pages(
    store: &dyn Store,
    source: PastQuery,
    moments: (Moment, Moment),
) -> impl Iterator<Item = Result<Vec<DiffRow>, StoreError>> {
    let mut scan = Some(source.scan(usize::MAX));
    std::iter::from_fn(move || {
        let mut next = scan.take()?;
        Some(page_of(store, &source, &next, moments).map(|(page, last)| {
            next.after = last;
            scan = Some(next).filter(|next| next.after.is_some());
            page
        }))
    })
}

/// The rows of the list among the next keys, and where to go on if there may be more.
pub fn page_of(
    store: &dyn Store,
    source: &PastQuery,
    scan: &Scan,
    (moment, present): (Moment, Moment),
) -> Result<(Vec<DiffRow>, Option<Key>), StoreError> {
    let (page, last) = match source.only_different {
        true => differing(store, scan, (moment, present))?,
        false => then_and_now(store, scan, moment)?,
    };
    let taken = page.into_iter().filter(|row| source.takes(store, row, moment));
    Ok((taken.map(shortened).collect(), last))
}

/// The entries of the next keys, and where to go on if there may be more.
fn then_and_now(
    store: &dyn Store,
    scan: &Scan,
    moment: Moment,
) -> Result<(Vec<DiffRow>, Option<Key>), StoreError> {
    let now = store.scan(scan)?;
    // What follows a full page is not known of now: nor is it wanted of then. Of a time before
    // anything was there all keys would have to be gone through.
    let mut earlier = scan.clone();
    if let Some(last) = now.last().filter(|_| now.len() >= scan.limit) {
        match scan.order {
            Order::Ascending => earlier.range.end = Some(last.key.successor()),
            Order::Descending => earlier.range.start = Some(last.key.clone()),
        }
    }
    let then = store.scan_at(&earlier, moment)?;
    let is_within = |key: &Key, last: &Key| match scan.order {
        Order::Ascending => key <= last,
        Order::Descending => key >= last,
    };
    // Beyond the last key of a full page it is not known what the other one has there.
    let ends = [&then, &now].map(|page| {
        let is_full = page.len() >= scan.limit;
        page.last().filter(|_| is_full).map(|entry| entry.key.clone())
    });
    let last = match ends {
        [Some(then), Some(now)] => Some(if is_within(&then, &now) { then } else { now }),
        [then, now] => then.or(now),
    };
    let mut rows = std::collections::BTreeMap::new();
    let is_known = |entry: &Entry| last.as_ref().is_none_or(|last| is_within(&entry.key, last));
    for entry in then.into_iter().filter(&is_known) {
        rows.insert(entry.key.clone(), (Some(entry), None));
    }
    for entry in now.into_iter().filter(&is_known) {
        let both = rows.entry(entry.key.clone()).or_insert((None, None));
        both.1 = Some(entry);
    }
    let mut rows: Vec<DiffRow> =
        rows.into_iter().map(|(key, (then, now))| DiffRow { key, then, now }).collect();
    if scan.order == Order::Descending {
        rows.reverse();
    }
    Ok((rows, last))
}

/// The next entries that are not the same now, and where to go on if there may be more: they are found
/// without looking at the others.
fn differing(
    store: &dyn Store,
    scan: &Scan,
    (moment, present): (Moment, Moment),
) -> Result<(Vec<DiffRow>, Option<Key>), StoreError> {
    let page = store.differences(moment, present, scan)?;
    let last = page.last().filter(|_| page.len() >= scan.limit).map(|difference| difference.key.clone());
    let mut rows = Vec::new();
    for difference in page {
        rows.push(row_of(store, &difference.key, moment, scan.value_limit)?);
    }
    Ok((rows, last))
}

/// An entry then and now, with so much of its values.
pub fn row_of(store: &dyn Store, key: &Key, moment: Moment, value_limit: u64) -> Result<DiffRow, StoreError> {
    let then = entry_at(store, key, moment, value_limit)?;
    Ok(DiffRow { key: key.clone(), then, now: store.get_prefix(key, value_limit)? })
}

/// What a filter had to read beyond what a row shows is not kept.
pub fn shortened(mut row: DiffRow) -> DiffRow {
    for entry in [&mut row.then, &mut row.now].into_iter().flatten() {
        entry.stored.truncate(VALUE as usize);
    }
    row
}
