//! The list of changes, the newest first.

use std::cmp::Reverse;
use std::ops::Bound;

use super::{LIST_VALUE, ListReader, PIECE};
use crate::store::{Change, Changes, HistoryScan, Key, Revision, StoreError, Subject};
use crate::tui::effect::LoadFrom;
use crate::tui::row::{Position, Row, RowId};

impl ListReader<'_> {
    pub(super) fn read_changes(&mut self) -> Result<(), StoreError> {
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
        loop {
            let page = self.store.history(&scan)?;
            let read = page.len();
            scan.to = page.last().map_or(scan.to, |change| Bound::Excluded(change.revision));
            self.take_changes(page);
            if self.is_done(read, scan.limit) {
                return Ok(());
            }
        }
    }

    /// The feed reads history forwards, which here is backwards.
    fn read_changes_backwards(&mut self) -> Result<(), StoreError> {
        let mut since = match &self.load.from {
            LoadFrom::Before(Position::Newest(Reverse(revision))) => *revision,
            _ => Revision::default(),
        };
        loop {
            let page = match self.store.changes(since, PIECE, self.bytes_of_values())? {
                Changes::Since(page) => page,
                Changes::Pruned { oldest } => {
                    since = oldest.before();
                    continue;
                }
                Changes::NotRecorded => Vec::new(),
            };
            let read = page.len();
            since = page.last().map_or(since, |change| change.revision);
            self.take_changes(page);
            if self.is_done(read, PIECE) {
                return Ok(());
            }
        }
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
