//! What is marked, to be acted on together: by key, so that it stays marked whatever the list does.

use std::collections::BTreeMap;

use crate::store::{Entry, Key};

/// The most entries that are marked at the same time.
pub const MARKS_MAX: usize = 20_000;

/// What is marked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    /// The marked entries as they were seen then.
    keys: BTreeMap<Key, Entry>,
    /// What was marked last: where a range begins.
    anchor: Option<Key>,
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
        self.keys.is_empty()
    }

    /// One entry, as if it were marked.
    pub fn of(entry: Entry) -> Marks {
        let mut marks = Marks::default();
        marks.add(entry);
        marks
    }

    /// The marked entries as they were seen then.
    pub fn keys(&self) -> &BTreeMap<Key, Entry> {
        &self.keys
    }

    /// How many are marked.
    pub fn count(&self) -> u64 {
        self.keys.len() as u64
    }

    /// Whether an entry is marked.
    pub fn mark_of(&self, entry: &Entry) -> MarkState {
        match self.keys.get(&entry.key) {
            None => MarkState::None,
            Some(seen) if entry.is_unchanged_since(seen) => MarkState::Same,
            Some(_) => MarkState::Changed,
        }
    }

    /// Marks an entry as it is now.
    pub fn add(&mut self, entry: Entry) {
        self.anchor = Some(entry.key.clone());
        self.keys.insert(entry.key.clone(), entry);
    }

    /// Marks an entry that is not marked, or was changed since; otherwise unmarks it.
    pub fn turn(&mut self, entry: Entry) {
        if self.mark_of(&entry) == MarkState::Same {
            self.keys.remove(&entry.key);
            self.anchor = Some(entry.key);
        } else {
            self.add(entry);
        }
    }

    /// Marks entries until [`MARKS_MAX`] are marked; whether all of them are.
    pub fn add_all(&mut self, entries: impl IntoIterator<Item = Entry>) -> bool {
        let mut is_all = true;
        for entry in entries {
            if self.keys.len() < MARKS_MAX || self.keys.contains_key(&entry.key) {
                self.keys.insert(entry.key.clone(), entry);
            } else {
                is_all = false;
            }
        }
        is_all
    }

    /// Where a range begins.
    pub fn anchor(&self) -> Option<&Key> {
        self.anchor.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Revision;
    use crate::tui::testing::fixtures::{entries, entry};

    fn flag() -> Entry {
        entries().into_iter().find(|entry| entry.key.to_text() == "feature:dark_mode").unwrap()
    }

    #[test]
    fn a_mark_is_of_an_entry_as_it_was_seen() {
        let mut marks = Marks::default();
        marks.turn(flag());
        assert_eq!(marks.mark_of(&flag()), MarkState::Same);
        let changed = Entry { revision: Revision(99), ..flag() };
        assert_eq!(marks.mark_of(&changed), MarkState::Changed);
        // Turning one that changed takes it as it is now; turning it once more unmarks it.
        marks.turn(changed.clone());
        assert_eq!(marks.mark_of(&changed), MarkState::Same);
        marks.turn(changed.clone());
        assert_eq!(marks.mark_of(&changed), MarkState::None);
        assert!(marks.is_empty());
    }

    #[test]
    fn no_more_than_the_most_are_marked() {
        let mut marks = Marks::of(flag());
        let named = |number| entry(&format!("k{number:05}"), "v", None);
        assert!(marks.add_all((1..MARKS_MAX).map(named)));
        assert!(marks.add_all([flag(), named(1)]), "what is marked already has its place");
        assert!(!marks.add_all([named(MARKS_MAX)]));
        assert_eq!(marks.count(), MARKS_MAX as u64);
    }
}
