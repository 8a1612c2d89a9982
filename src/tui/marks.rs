//! What is marked, to be acted on together: by key, so that it stays marked whatever the list does.

use std::collections::{BTreeMap, BTreeSet};

use super::action::View;
use super::filter::Filter;
use crate::store::{Entry, Key, Revision};
use crate::time::Millis;

/// What is marked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Marks {
    /// What was marked one by one, as it was seen then.
    keys: BTreeMap<Key, Entry>,
    /// All that passed a filter.
    sets: Vec<Set>,
    /// What was marked last: where a range begins.
    anchor: Option<Key>,
}

/// All that passed a filter when it was marked. It may be very many: it is kept as the question
/// that it answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Its number, under which it is counted.
    pub number: u64,
    /// The view in which it was marked.
    view: View,
    /// The filter that it passed.
    filter: Filter,
    /// When it was marked.
    at: Millis,
    /// The newest revision then: what was written later was not seen. `None` until it is known.
    revision: Option<Revision>,
    /// What was taken out of it one by one.
    except: BTreeSet<Key>,
    /// How many of those it counts.
    taken_out: u64,
    /// How many it has, as far as they were counted.
    counted: u64,
    /// Whether all of them were counted.
    is_counted: bool,
}

/// Whether an entry is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkState {
    /// It is not.
    None,
    /// It is, and is what it was then.
    Same,
    /// It is, but was changed since: it is left alone unless it is marked anew.
    Changed,
}

impl Set {
    /// Whether an entry belongs to it. What it was when it was marked is not known of one that
    /// was changed since.
    pub fn takes(&self, entry: &Entry) -> bool {
        !self.except.contains(&entry.key) && self.view.takes(entry, &self.filter, self.at)
    }

    /// Whether an entry was written after the set was marked.
    pub fn is_unseen(&self, entry: &Entry) -> bool {
        self.revision.is_some_and(|revision| entry.revision > revision)
    }

    /// How much of each value has to be read to tell what belongs to it, in bytes.
    pub fn value_bytes(&self, least: u64) -> u64 {
        self.filter.value_bytes().unwrap_or(least).max(least)
    }
}

impl Marks {
    /// Whether nothing is marked.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.sets.is_empty()
    }

    /// One entry, as if it were marked.
    pub fn of(entry: Entry) -> Marks {
        let mut marks = Marks::default();
        marks.add(entry);
        marks
    }

    /// What was marked one by one.
    pub fn keys(&self) -> &BTreeMap<Key, Entry> {
        &self.keys
    }

    /// All that passed a filter.
    pub fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// Whether an entry is marked.
    pub fn mark_of(&self, entry: &Entry) -> MarkState {
        if let Some(seen) = self.keys.get(&entry.key) {
            return if entry.is_unchanged_since(seen) { MarkState::Same } else { MarkState::Changed };
        }
        match self.sets.iter().find(|set| set.takes(entry)) {
            None => MarkState::None,
            Some(set) if set.is_unseen(entry) => MarkState::Changed,
            Some(_) => MarkState::Same,
        }
    }

    /// Marks an entry as it is now.
    pub fn add(&mut self, entry: Entry) {
        self.leave_sets(&entry);
        self.anchor = Some(entry.key.clone());
        self.keys.insert(entry.key.clone(), entry);
    }

    /// Marks an entry that is not marked, or was changed since; otherwise unmarks it.
    pub fn turn(&mut self, entry: Entry) {
        if self.mark_of(&entry) == MarkState::Same {
            self.keys.remove(&entry.key);
            self.leave_sets(&entry);
            self.anchor = Some(entry.key);
        } else {
            self.add(entry);
        }
    }

    fn leave_sets(&mut self, entry: &Entry) {
        let is_alone = self.keys.contains_key(&entry.key);
        let mut counts = !is_alone;
        for set in &mut self.sets {
            if set.takes(entry) {
                // What is in two sets is counted in the first.
                set.taken_out += u64::from(std::mem::take(&mut counts));
                set.except.insert(entry.key.clone());
            }
        }
    }

    /// Marks all that passes a filter in a view.
    pub fn add_all(&mut self, number: u64, view: View, filter: Filter, at: Millis) {
        self.sets.push(Set {
            number,
            view,
            filter,
            at,
            revision: None,
            except: BTreeSet::new(),
            taken_out: 0,
            counted: 0,
            is_counted: false,
        });
    }

    /// Takes in how many the set of that number has so far, and the newest revision when it was
    /// begun to be counted.
    pub fn counted(&mut self, number: u64, revision: Revision, count: u64, complete: bool) {
        if let Some(set) = self.sets.iter_mut().find(|set| set.number == number) {
            set.revision = Some(revision);
            set.counted = count;
            set.is_counted = complete;
        }
    }

    /// How many are marked, and whether all of them were counted.
    pub fn count(&self) -> (u64, bool) {
        let in_sets: u64 = self.sets.iter().map(|set| set.counted.saturating_sub(set.taken_out)).sum();
        (self.keys.len() as u64 + in_sets, self.sets.iter().all(|set| set.is_counted))
    }

    /// Where a range begins.
    pub fn anchor(&self) -> Option<&Key> {
        self.anchor.as_ref()
    }

    /// Whether an entry that belongs to the set at `place` is counted there: it is neither marked by
    /// itself nor in an earlier set.
    pub fn is_first_in(&self, place: usize, entry: &Entry) -> bool {
        !self.keys.contains_key(&entry.key) && !self.sets[..place].iter().any(|set| set.takes(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples::{NOW, entries, entry};

    fn all_flags() -> Marks {
        let mut marks = Marks::default();
        marks.add_all(7, View::Flags, Filter::default(), NOW);
        marks
    }

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
    fn all_that_passes_a_filter_is_a_question_with_exceptions() {
        let mut marks = all_flags();
        assert_eq!(marks.mark_of(&flag()), MarkState::Same);
        assert_eq!(marks.mark_of(&entry("version", "v1", None)), MarkState::None);
        assert_eq!(marks.count(), (0, false));
        marks.counted(7, Revision(41), 2, true);
        assert_eq!(marks.count(), (2, true));
        let later = Entry { revision: Revision(42), ..flag() };
        assert_eq!(marks.mark_of(&later), MarkState::Changed, "it was not seen");
        marks.turn(flag());
        assert_eq!((marks.mark_of(&flag()), marks.count()), (MarkState::None, (1, true)));
        marks.turn(flag());
        assert_eq!((marks.mark_of(&flag()), marks.count()), (MarkState::Same, (2, true)));
        marks.turn(flag());
        assert_eq!((marks.mark_of(&flag()), marks.count()), (MarkState::None, (1, true)));
    }

    #[test]
    fn what_is_in_two_sets_counts_once() {
        let mut marks = all_flags();
        marks.add_all(8, View::Keys, Filter::parse("feature").unwrap(), NOW);
        assert!(marks.is_first_in(0, &flag()) && !marks.is_first_in(1, &flag()));
        marks.counted(7, Revision(41), 2, true);
        marks.counted(8, Revision(41), 0, true);
        marks.turn(flag());
        assert_eq!((marks.mark_of(&flag()), marks.count()), (MarkState::None, (1, true)));
    }
}
