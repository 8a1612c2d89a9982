//! Lists that are sorted by something that no index has: they are read as a whole, so there is a most.

use crate::store::{KeyRange, Scan, StoreError, entry_pages};
use crate::tui::effect::Reply;
use crate::tui::list::read::{PIECE, shortened};
use crate::tui::list::{LIST_VALUE, ListReader, LoadFrom, Row, RowOrder, Sort};
use crate::tui::message::send;

/// The most rows that are sorted.
pub const MOST: usize = 20_000;

impl ListReader<'_> {
    pub fn read_sorted(&mut self, sort: Sort) -> Result<(), StoreError> {
        let mut rows: Vec<Row> = Vec::new();
        let value_limit = self.load.filter.value_bytes().unwrap_or(LIST_VALUE);
        let scan = Scan { value_limit, ..Scan::new(KeyRange::all(), PIECE) };
        for page in entry_pages(self.store, scan) {
            let now = self.store.clock().now();
            let page = page?;
            let read = page.len();
            let (view, filter) = (self.load.view, &self.load.filter);
            let taken = page.into_iter().filter(|entry| view.takes(entry, filter, now)).map(shortened);
            rows.extend(taken.map(Row::Entry));
            if rows.len() > MOST {
                send(self.answers, Reply::TooLong(self.load.generation));
                return Ok(());
            }
            // Nothing is found yet, but how far it is can be told.
            if read == PIECE && !self.goes_on(read) {
                return Ok(());
            }
        }
        let order = RowOrder::Sorted(sort);
        rows.sort_by_cached_key(|row| row.position(order));
        match self.load.from.clone() {
            LoadFrom::Start => self.found = rows,
            LoadFrom::At(at) => {
                self.found = rows.into_iter().filter(|row| row.position(order) >= at).collect()
            }
            LoadFrom::After(at) => {
                self.found = rows.into_iter().filter(|row| row.position(order) > at).collect()
            }
            LoadFrom::End => self.found = rows.into_iter().rev().collect(),
            LoadFrom::Before(at) => {
                self.found = rows.into_iter().rev().filter(|row| row.position(order) < at).collect();
            }
        }
        self.finish(true);
        Ok(())
    }
}
