//! The list of changes, the newest first.

use std::cmp::Reverse;
use std::ops::Bound;

use crate::store::{
    Change, HistoryScan, Key, Page, Revision, StoreError, Subject, change_pages, change_pages_since,
};
use crate::tui::list::read::PIECE;
use crate::tui::list::{LIST_VALUE, ListReader, LoadFrom, Position, Row, RowId};

impl ListReader<'_> {
    pub fn read_changes(&mut self) -> Result<(), StoreError> {
        if self.is_backwards() {
            return self.read_changes_backwards();
        }
        let mut scan = HistoryScan { value_limit: self.bytes_of_values(), ..HistoryScan::newest(PIECE) };
        match &self.load.scope {
            Some(RowId::Entry(key)) => {
                (scan.key, scan.subject) = (Some(key.clone()), Some(Subject::Entry));
            }
            Some(RowId::Lock(name)) => (scan.key, scan.subject) = (Key::new(name).ok(), Some(Subject::Lock)),
            _ => {}
        }
        scan.to = match &self.load.from {
            LoadFrom::At(Position::Newest(Reverse(revision))) => Bound::Included(*revision),
            LoadFrom::After(Position::Newest(Reverse(revision))) => Bound::Excluded(*revision),
            _ => Bound::Unbounded,
        };
        if self.load.filter.is_empty() {
            scan.limit = self.load.limit + 1;
        }
        let limit = scan.limit;
        self.take_pages(limit, change_pages(self.store, scan))
    }

    /// The feed reads history forwards, which here is backwards.
    fn read_changes_backwards(&mut self) -> Result<(), StoreError> {
        let since = match &self.load.from {
            LoadFrom::Before(Position::Newest(Reverse(revision))) => *revision,
            _ => Revision::default(),
        };
        self.take_pages(PIECE, change_pages_since(self.store, since, PIECE, self.bytes_of_values()))
    }

    fn take_pages(
        &mut self,
        limit: usize,
        pages: impl Iterator<Item = Page<Change>>,
    ) -> Result<(), StoreError> {
        for page in pages {
            let page = page?;
            let read = page.len();
            self.take_changes(page);
            if self.is_done(read, limit) {
                return Ok(());
            }
        }
        self.finish(true);
        Ok(())
    }

    fn bytes_of_values(&self) -> u64 {
        self.load.filter.value_bytes().unwrap_or(LIST_VALUE)
    }

    fn take_changes(&mut self, page: Vec<Change>) {
        let now = self.store.clock().now();
        let (filter, scope) = (&self.load.filter, &self.load.scope);
        let matches = |change: &Change| scope.as_ref().is_none_or(|of| RowId::subject_of(change) == *of);
        let taken = page.into_iter().filter(|change| matches(change) && filter.passes_change(change, now));
        self.found.extend(taken.map(|change| Row::Change(shortened(change))));
    }
}

/// What a filter had to read beyond what a list shows is not kept.
fn shortened(mut change: Change) -> Change {
    for image in [&mut change.old, &mut change.new].into_iter().flatten() {
        image.stored.truncate(LIST_VALUE as usize);
    }
    change
}
