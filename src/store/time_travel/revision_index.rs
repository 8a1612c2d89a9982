//! Which entries were changed after a revision of the past, and which changes made them what they were.
//!
//! That is found by one look through history, and kept: for the next page, for what happens in the
//! meantime, and for a step to another revision, which costs no more than what was changed in between.

use std::collections::{BTreeMap, HashMap};

use super::pruned;
use super::source::{ChangeSource, Replaced};
use crate::store::{Key, Revision, StoreError};

/// What became of entries after a moment.
pub(super) type ChangedKeys = BTreeMap<Key, EntryChange>;

/// What became of one entry after a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryChange {
    /// The first change after the moment: what it replaced is what was there.
    pub next: Revision,
    /// The last change up to the moment, which made it so; 0 if history does not go back to it.
    pub last: Revision,
    pub replaced: Replaced,
}

/// The pasts that were asked for last: a moment, the one before it, and the present, between which there
/// are differences.
#[derive(Default)]
pub(in crate::store) struct RevisionIndex {
    chains: Chains,
    list: Vec<MomentIndex>,
}

/// How many pasts are kept.
const KEPT: usize = 3;

impl RevisionIndex {
    /// Has the past of that revision ready, as `source` sees it. The one of
    /// `beside` stays, if it is there.
    ///
    /// One that is near goes there, unless less was changed since than lies between the two.
    pub(super) fn follow(
        &mut self,
        source: &impl ChangeSource,
        revision: Revision,
        beside: Option<Revision>,
    ) -> Result<(), StoreError> {
        let Some(span) = source.span()? else { return Ok(()) };
        if !span.reaches(revision) {
            return Err(pruned(span.oldest));
        }
        let newest = span.newest.0;
        self.chains.forget(span.oldest.0, newest);
        let distance = |past: &MomentIndex| (past.revision.0 - revision.0).unsigned_abs();
        let is_free = |past: &MomentIndex| Some(past.revision) != beside || Some(revision) == beside;
        let free = (0..self.list.len()).filter(|place| is_free(&self.list[*place]));
        let near = free.min_by_key(|place| distance(&self.list[*place]));
        let from_the_present = (newest.0 - revision.0).unsigned_abs();
        // It is taken out meanwhile: what fails half-way is not kept.
        let mut past = match near {
            Some(place) if distance(&self.list[place]) <= from_the_present => self.list.swap_remove(place),
            near => {
                near.filter(|_| self.list.len() >= KEPT).map(|place| self.list.swap_remove(place));
                MomentIndex { revision, seen: revision, touched: ChangedKeys::new() }
            }
        };
        past.follow(source, &mut self.chains, newest)?;
        past.go(source, &mut self.chains, revision)?;
        self.list.push(past);
        Ok(())
    }

    #[cfg(test)]
    fn has(&self, revision: i64) -> bool {
        self.list.iter().any(|past| past.revision.0 == revision)
    }

    /// What became of the entries after that revision: nothing, if it was not asked for before.
    pub(super) fn touched(&self, revision: Revision) -> &ChangedKeys {
        static NONE: ChangedKeys = BTreeMap::new();
        self.list.iter().find(|past| past.revision == revision).map_or(&NONE, |past| &past.touched)
    }
}

/// The entries that were changed after a revision.
struct MomentIndex {
    revision: Revision,
    /// The changes up to this one have been looked at.
    seen: Revision,
    touched: ChangedKeys,
}

impl MomentIndex {
    /// Looks at the changes that were made since the last time.
    fn follow(
        &mut self,
        source: &impl ChangeSource,
        chains: &mut Chains,
        newest: Revision,
    ) -> Result<(), StoreError> {
        if self.seen >= newest {
            return Ok(());
        }
        // One look through history serves for both.
        source.changes_after(self.seen.min(chains.seen), &mut |next, key, replaced| {
            if next > self.seen && !self.touched.contains_key(&key) {
                let last = chains.last(&key, self.revision);
                self.touched.insert(key.clone(), EntryChange { next, last, replaced });
            }
            chains.add(key, next);
        })?;
        self.seen = newest;
        Ok(())
    }

    /// Goes to another revision: what was not changed in between is as it was.
    fn go(
        &mut self,
        source: &impl ChangeSource,
        chains: &mut Chains,
        revision: Revision,
    ) -> Result<(), StoreError> {
        if self.revision == revision {
            return Ok(());
        }
        chains.follow(source)?;
        let (first, last) = (self.revision.min(revision), self.revision.max(revision));
        let (mut changed, mut next) = (Vec::new(), Vec::new());
        for key in source.keys_changed(first, last)? {
            match chains.next(&key, revision) {
                Some(revision) => {
                    changed.push(key);
                    next.push(revision);
                }
                None => drop(self.touched.remove(&key)),
            }
        }
        let replaced = source.replaced(&next)?;
        for ((key, next), replaced) in changed.into_iter().zip(next).zip(replaced) {
            let last = chains.last(&key, revision);
            self.touched.insert(key, EntryChange { next, last, replaced });
        }
        self.revision = revision;
        Ok(())
    }
}

/// Which changes history has of each entry: their revisions, the oldest first.
#[derive(Default)]
struct Chains {
    /// The changes up to this one have been looked at.
    seen: Revision,
    of: HashMap<Key, Vec<Revision>>,
    /// How many there are in all.
    count: usize,
}

impl Chains {
    /// Looks at the changes that were made since the last time.
    fn follow(&mut self, source: &impl ChangeSource) -> Result<(), StoreError> {
        source.changes_after(self.seen, &mut |revision, key, _| self.add(key, revision))
    }

    /// Takes in the next change, unless it was looked at before.
    fn add(&mut self, key: Key, revision: Revision) {
        if revision > self.seen {
            self.of.entry(key).or_default().push(revision);
            self.seen = revision;
            self.count += 1;
        }
    }

    /// Forgets what history no longer has, once that is half of all.
    fn forget(&mut self, oldest: Revision, newest: Revision) {
        let most = usize::try_from(newest.0.saturating_sub(oldest.0))
            .unwrap_or(0)
            .saturating_add(1)
            .saturating_mul(2);
        if self.count <= most {
            return;
        }
        self.of.retain(|_, revisions| {
            revisions.drain(..revisions.partition_point(|revision| *revision < oldest));
            !revisions.is_empty()
        });
        self.count = self.of.values().map(Vec::len).sum();
    }

    /// The last change of an entry up to a revision; 0 if there is none.
    fn last(&self, key: &Key, revision: Revision) -> Revision {
        let (revisions, later) = self.around(key, revision);
        later.checked_sub(1).map_or(Revision::default(), |place| revisions[place])
    }

    /// The first change of an entry after a revision.
    fn next(&self, key: &Key, revision: Revision) -> Option<Revision> {
        let (revisions, later) = self.around(key, revision);
        revisions.get(later).copied()
    }

    /// The changes of an entry, and the place of the first one after a revision.
    fn around(&self, key: &Key, revision: Revision) -> (&[Revision], usize) {
        let revisions = self.of.get(key).map_or(&[][..], Vec::as_slice);
        (revisions, revisions.partition_point(|made| *made <= revision))
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use super::*;
    use crate::store::HistorySpan;
    use crate::time::Millis;

    /// History in which each revision is a change of the key at its place; the oldest are pruned.
    struct Keys<'a> {
        keys: &'a [&'a str],
        oldest: i64,
    }

    impl Keys<'_> {
        fn key(&self, revision: i64) -> Key {
            Key::new(self.keys[revision as usize - 1]).unwrap()
        }

        fn revisions(&self) -> RangeInclusive<i64> {
            self.oldest..=self.keys.len() as i64
        }

        fn replaced_by(&self, revision: i64) -> Replaced {
            let before = (1..revision).rev().find(|before| self.key(*before) == self.key(revision));
            Replaced { expires_at: before.map(Millis), is_there: before.is_some() }
        }
    }

    impl ChangeSource for Keys<'_> {
        fn span(&self) -> Result<Option<HistorySpan>, StoreError> {
            let end = |revision: &i64| (Revision(*revision), Millis::default());
            let revisions = self.revisions();
            let oldest = end(revisions.start());
            Ok(Some(HistorySpan { oldest, newest: end(revisions.end()), since: oldest.0.before() }))
        }

        fn changes_after(
            &self,
            since: Revision,
            each: &mut dyn FnMut(Revision, Key, Replaced),
        ) -> Result<(), StoreError> {
            for revision in self.revisions().filter(|revision| *revision > since.0) {
                each(Revision(revision), self.key(revision), self.replaced_by(revision));
            }
            Ok(())
        }

        fn keys_changed(&self, after: Revision, until: Revision) -> Result<Vec<Key>, StoreError> {
            let mut keys: Vec<Key> = (after.0 + 1..=until.0).map(|revision| self.key(revision)).collect();
            keys.sort_unstable();
            keys.dedup();
            Ok(keys)
        }

        fn replaced(&self, revisions: &[Revision]) -> Result<Vec<Replaced>, StoreError> {
            Ok(revisions.iter().map(|revision| self.replaced_by(revision.0)).collect())
        }
    }

    fn follow(revision_index: &mut RevisionIndex, history: &Keys<'_>, revision: i64, beside: Option<i64>) {
        revision_index.follow(history, Revision(revision), beside.map(Revision)).unwrap();
    }

    #[test]
    fn going_to_a_revision_leads_to_what_is_found_there_anew() {
        const KEYS: &[&str] = &["a", "b", "a", "c", "c", "a", "d", "b", "e", "a", "c", "f", "a", "b"];
        let history = Keys { keys: KEYS, oldest: 1 };
        let newest = KEYS.len() as i64;
        let mut revision_index = RevisionIndex::default();
        // Each revision is reached from each other one, beside the present as beside another one.
        for (from, to) in (0..=newest).flat_map(|from| (0..=newest).map(move |to| (from, to))) {
            for beside in [None, Some(newest), Some(from)] {
                follow(&mut revision_index, &history, from, beside);
                beside
                    .into_iter()
                    .for_each(|beside| follow(&mut revision_index, &history, beside, Some(from)));
                follow(&mut revision_index, &history, to, beside);
                let mut anew = RevisionIndex::default();
                follow(&mut anew, &history, to, None);
                assert_eq!(
                    revision_index.touched(Revision(to)),
                    anew.touched(Revision(to)),
                    "{from} to {to}"
                );
                assert!(
                    beside.is_none_or(|beside| revision_index.has(beside))
                        && revision_index.list.len() <= KEPT
                );
            }
        }
    }

    #[test]
    fn what_history_no_longer_has_is_forgotten_in_the_end() {
        let history = Keys { keys: &["a"; 100], oldest: 1 };
        let mut revision_index = RevisionIndex::default();
        follow(&mut revision_index, &history, 50, None);
        assert_eq!(revision_index.chains.count, 100);
        let history = Keys { oldest: 80, ..history };
        follow(&mut revision_index, &history, 90, None);
        assert_eq!(revision_index.chains.count, 21);
        assert_eq!(
            revision_index.touched(Revision(90)).values().map(|it| (it.last, it.next)).next(),
            Some((Revision(90), Revision(91)))
        );
        assert!(revision_index.follow(&history, Revision(50), None).is_err());
    }
}
