//! Lists that are sorted by something that no index has: they are read as a whole, so there is a most.

use super::{LIST_VALUE, PIECE, Reading, send, shortened};
use crate::store::{KeyRange, Scan, StoreError};
use crate::tui::effect::{Answer, From};
use crate::tui::row::{Row, RowOrder};
use crate::tui::sort::Sort;

/// The most rows that are sorted.
pub const MOST: usize = 20_000;

impl Reading<'_> {
    pub(super) fn read_sorted(&mut self, sort: Sort) -> Result<(), StoreError> {
        let mut rows: Vec<Row> = Vec::new();
        let value_limit = self.load.filter.value_bytes().unwrap_or(LIST_VALUE);
        let mut scan = Scan { value_limit, ..Scan::new(KeyRange::all(), PIECE) };
        loop {
            let now = self.store.clock().now();
            let page = self.store.scan(&scan)?;
            let read = page.len();
            scan.after = page.last().map(|entry| entry.key.clone());
            let (view, filter) = (self.load.view, &self.load.filter);
            let taken = page.into_iter().filter(|entry| view.takes(entry, filter, now)).map(shortened);
            rows.extend(taken.map(Row::Entry));
            if rows.len() > MOST {
                send(self.answers, Answer::TooLong(self.load.epoch));
                return Ok(());
            }
            if read < PIECE {
                break;
            }
            // Nothing is found yet, but how far it is can be told.
            if !self.goes_on(read) {
                return Ok(());
            }
        }
        let order = RowOrder::Sorted(sort);
        rows.sort_by_cached_key(|row| row.position(order));
        match self.load.from.clone() {
            From::Start => self.found = rows,
            From::At(at) => self.found = rows.into_iter().filter(|row| row.position(order) >= at).collect(),
            From::After(at) => self.found = rows.into_iter().filter(|row| row.position(order) > at).collect(),
            From::End => self.found = rows.into_iter().rev().collect(),
            From::Before(at) => {
                self.found = rows.into_iter().rev().filter(|row| row.position(order) < at).collect();
            }
        }
        self.finish(true);
        Ok(())
    }
}
