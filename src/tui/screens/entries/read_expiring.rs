//! The list of entries that expire, in the order in which they do.

use crate::store::{Key, StoreError, expiring_pages};
use crate::time::Millis;
use crate::tui::list::read::{PIECE, shortened};
use crate::tui::list::{LIST_VALUE, ListReader, LoadFrom, Position, Row};

impl ListReader<'_> {
    pub fn read_expiring(&mut self) -> Result<(), StoreError> {
        /// Sorts behind every text key.
        const LAST: &[u8] = &[0xff; 9];
        if self.is_backwards() {
            return self.read_expiring_backwards();
        }
        let after = match &self.load.from {
            LoadFrom::At(Position::Expiry(at, _)) => Some((Millis(at.0 - 1), Key::from_stored(LAST, true))),
            LoadFrom::After(Position::Expiry(at, key)) => Some((*at, key.clone())),
            _ => None,
        };
        let value_limit = self.load.filter.value_bytes().unwrap_or(LIST_VALUE);
        for page in expiring_pages(self.store, after, PIECE, value_limit) {
            let now = self.store.clock().now();
            let page = page?;
            let read = page.len();
            let filter = &self.load.filter;
            let taken = page.into_iter().filter(|entry| filter.passes(entry, now)).map(shortened);
            self.found.extend(taken.map(Row::Entry));
            if self.is_done(read, PIECE) {
                return Ok(());
            }
        }
        self.finish(true);
        Ok(())
    }

    /// The store reads by expiry in one direction only; the last rows are those that are left
    /// when all have gone by.
    fn read_expiring_backwards(&mut self) -> Result<(), StoreError> {
        let end = match &self.load.from {
            LoadFrom::Before(Position::Expiry(at, key)) => Some((*at, key.clone())),
            _ => None,
        };
        let mut last = std::collections::VecDeque::new();
        let mut passed = 0;
        'pages: for page in expiring_pages(self.store, None, PIECE, LIST_VALUE) {
            let now = self.store.clock().now();
            for entry in page? {
                let place = entry.expires_at.map(|at| (at, entry.key.clone()));
                if end.is_some() && place >= end {
                    break 'pages;
                }
                if self.load.filter.passes(&entry, now) {
                    passed += 1;
                    last.push_front(Row::Entry(entry));
                    last.truncate(self.load.limit);
                }
            }
            if self.is_outdated() {
                break;
            }
        }
        self.found = last.into();
        self.finish(passed <= self.load.limit);
        Ok(())
    }
}
