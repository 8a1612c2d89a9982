//! What is marked, to be acted on together: by key, so that it stays marked whatever the list does.

use std::collections::BTreeMap;

use crate::store::{Entry, Key};
use crate::tui::list::{LockRow, Row, RowId};

/// The most entries that are marked at the same time.
pub const MARKS_MAX: usize = 20_000;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    /// The marked entries as they were seen then; `None` for one that was not there, as the past shows.
    keys: BTreeMap<Key, Option<Entry>>,
    /// The marked locks as they were seen then, by their names.
    locks: BTreeMap<String, LockRow>,
    /// What was marked last: where a range begins.
    anchor: Option<RowId>,
}

/// Whether an entry is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkState {
    /// It is not.
    None,
    /// It is, and is what it was then.
    Same,
    /// It is, but was changed since: it is left alone unless it is marked again.
    Changed,
}

impl Marks {
    /// Whether nothing is marked.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.locks.is_empty()
    }

    /// One row, as if it were marked.
    pub fn of(row: &Row) -> Marks {
        let mut marks = Marks::default();
        marks.add(row);
        marks
    }

    /// The marked entries as they were seen then; `None` for one that was not there.
    pub fn keys(&self) -> &BTreeMap<Key, Option<Entry>> {
        &self.keys
    }

    /// The marked locks as they were seen then, by their names.
    pub fn locks(&self) -> &BTreeMap<String, LockRow> {
        &self.locks
    }

    /// How many are marked.
    pub fn count(&self) -> u64 {
        (self.keys.len() + self.locks.len()) as u64
    }

    /// Whether the entry or the lock of a row is marked.
    pub fn mark_of(&self, row: &Row) -> MarkState {
        if let Row::Lock(now) = row {
            return match self.locks.get(&now.lock.name) {
                None => MarkState::None,
                Some(seen) if seen.is_same_holding(now) => MarkState::Same,
                Some(_) => MarkState::Changed,
            };
        }
        let marked = row.seen().and_then(|(key, now)| Some((self.keys.get(key)?, now)));
        match marked {
            None => MarkState::None,
            Some((None, None)) => MarkState::Same,
            Some((Some(seen), Some(now))) if now.is_unchanged_since(seen) => MarkState::Same,
            Some(_) => MarkState::Changed,
        }
    }

    /// Marks the entry or the lock of a row, if it has one, as it is now.
    pub fn add(&mut self, row: &Row) {
        if let Row::Lock(lock) = row {
            self.anchor = Some(row.id());
            self.add_lock(lock.clone());
        } else if let Some((key, now)) = row.seen() {
            self.anchor = Some(row.id());
            self.keys.insert(key.clone(), now.cloned());
        }
    }

    /// Marks a lock as it is now.
    pub fn add_lock(&mut self, row: LockRow) {
        self.locks.insert(row.lock.name.clone(), row);
    }

    /// Marks what a row has that is not marked, or was changed since; otherwise unmarks it.
    pub fn turn(&mut self, row: &Row) {
        let is_marked = self.mark_of(row) == MarkState::Same;
        self.add(row);
        if is_marked {
            match row {
                Row::Lock(lock) => drop(self.locks.remove(&lock.lock.name)),
                row => {
                    if let Some((key, _)) = row.seen() {
                        self.keys.remove(key);
                    }
                }
            }
        }
    }

    /// Unmarks an entry.
    pub fn remove(&mut self, key: &Key) {
        self.keys.remove(key);
    }

    /// Marks entries until [`MARKS_MAX`] are marked; whether all of them are.
    pub fn add_all(&mut self, entries: impl IntoIterator<Item = (Key, Option<Entry>)>) -> bool {
        let mut is_all = true;
        for (key, seen) in entries {
            if self.keys.len() < MARKS_MAX || self.keys.contains_key(&key) {
                self.keys.insert(key, seen);
            } else {
                is_all = false;
            }
        }
        is_all
    }

    /// Where a range begins.
    pub fn anchor(&self) -> Option<&RowId> {
        self.anchor.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Revision;
    use crate::tui::list::DiffRow;
    use crate::tui::testing::fixtures::entries;

    fn flag() -> Entry {
        entries().into_iter().find(|entry| entry.key.to_text() == "feature:dark_mode").unwrap()
    }

    #[test]
    fn a_mark_is_of_an_entry_as_it_was_seen() {
        let mut marks = Marks::default();
        let (row, changed) = (Row::Entry(flag()), Row::Entry(Entry { revision: Revision(99), ..flag() }));
        marks.turn(&row);
        assert_eq!(marks.mark_of(&row), MarkState::Same);
        assert_eq!(marks.mark_of(&changed), MarkState::Changed);
        // Turning one that changed takes it as it is now; turning it once more unmarks it.
        marks.turn(&changed);
        assert_eq!(marks.mark_of(&changed), MarkState::Same);
        marks.turn(&changed);
        assert_eq!(marks.mark_of(&changed), MarkState::None);
        assert!(marks.is_empty());
    }

    #[test]
    fn in_the_past_a_mark_is_of_what_is_there_now() {
        let now = |now| Row::Diff(Box::new(DiffRow { key: flag().key, then: Some(flag()), now }));
        let mut marks = Marks::of(&now(None));
        assert_eq!(marks.mark_of(&now(None)), MarkState::Same);
        assert_eq!(marks.mark_of(&now(Some(flag()))), MarkState::Changed, "it came back");
        marks.turn(&now(Some(flag())));
        assert_eq!(marks.mark_of(&now(None)), MarkState::Changed);
        marks.turn(&now(Some(flag())));
        assert!(marks.is_empty());
    }

    #[test]
    fn no_more_than_the_most_are_marked() {
        let mut marks = Marks::of(&Row::Entry(flag()));
        let named = |number| (Key::new(format!("k{number:05}")).unwrap(), None);
        assert!(marks.add_all((1..MARKS_MAX).map(named)));
        assert!(marks.add_all([(flag().key, None), named(1)]), "what is marked already has its place");
        assert!(!marks.add_all([named(MARKS_MAX)]));
        assert_eq!(marks.count(), MARKS_MAX as u64);
    }
}
