//! Lists of entries in the order of their keys.

use crate::store::{KeyRange, Order, Scan, StoreError};
use crate::tui::list::read::{KEYS, PIECE, shortened};
use crate::tui::list::{LIST_VALUE, ListReader, LoadFrom, Row};
use crate::tui::view::View;

impl ListReader<'_> {
    /// The scan that the question asks for.
    fn scan(&self, value_limit: u64) -> Scan {
        let mut scan = Scan { value_limit, ..Scan::new(KeyRange::all(), PIECE) };
        match &self.load.from {
            LoadFrom::Start => {}
            LoadFrom::End => scan.order = Order::Descending,
            LoadFrom::At(position) => scan.range.start = position.key().cloned(),
            LoadFrom::After(position) => scan.after = position.key().cloned(),
            LoadFrom::Before(position) => {
                scan.order = Order::Descending;
                scan.after = position.key().cloned();
            }
        }
        if self.load.filter.is_empty() && self.load.view == View::Keys {
            scan.limit = self.load.limit + 1;
        }
        scan
    }

    /// A filter about keys alone is answered without looking at values.
    pub fn read_keys(&mut self) -> Result<(), StoreError> {
        let filter = &self.load.filter;
        if filter.is_about_keys() && !filter.is_empty() { self.read_by_key() } else { self.read_by_entry() }
    }

    pub fn read_by_entry(&mut self) -> Result<(), StoreError> {
        let mut scan = self.scan(self.load.filter.value_bytes().unwrap_or(LIST_VALUE));
        let wants_all = self.load.filter.is_empty() && self.load.view == View::Keys;
        if !wants_all {
            // The first piece is small, so that a screen that is easily filled is filled at once.
            scan.limit = 500;
        }
        loop {
            let now = self.store.clock().now();
            let page = self.store.scan(&scan)?;
            let (read, asked) = (page.len(), scan.limit);
            scan.after = page.last().map(|entry| entry.key.clone());
            let (view, filter) = (self.load.view, &self.load.filter);
            let taken = page.into_iter().filter(|entry| view.takes(entry, filter, now)).map(shortened);
            self.found.extend(taken.map(Row::Entry));
            if self.is_done(read, asked) {
                return Ok(());
            }
            scan.limit = PIECE;
        }
    }

    /// A filter about keys is answered from the index of keys; only what passes is read.
    fn read_by_key(&mut self) -> Result<(), StoreError> {
        let needles = self.load.filter.needles();
        let mut scan = Scan { limit: KEYS, ..self.scan(LIST_VALUE) };
        loop {
            let page = self.store.search_keys(&scan, &needles)?;
            for key in page.found.iter().filter(|key| self.load.filter.passes_key(key)) {
                self.found.extend(self.store.get_prefix(key, LIST_VALUE)?.map(Row::Entry));
                if self.handed_over + self.found.len() > self.load.limit {
                    break;
                }
            }
            scan.after = page.last;
            if self.is_done(page.looked_at, KEYS) {
                return Ok(());
            }
        }
    }
}
