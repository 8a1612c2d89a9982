//! Which entries were changed after a revision of the past, and which changes made them what they were.
//!
//! That is found by one look through history, and kept: for the next page, for what happens in the
//! meantime, and for a step to another revision, which costs no more than what was changed in between.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Connection;

use super::changes::{self, reaches};
use super::columns;
use super::time_travel::{PastError, pruned};
use crate::store::{Key, Revision};

/// What became of entries after a moment.
pub(super) type ChangedKeys = BTreeMap<Key, EntryChange>;

/// What became of one entry after a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryChange {
    /// The first change after the moment: what it replaced is what was there.
    pub next: i64,
    /// The last change up to the moment, which made it so; 0 if history does not go back to it.
    pub last: i64,
    /// When what was there expired.
    pub expires_at: Option<i64>,
    /// Whether anything was there.
    pub is_there: bool,
}

/// The pasts that were asked for last: a moment, the one before it, and the present, between which there
/// are differences.
#[derive(Default)]
pub(super) struct RevisionIndex {
    chains: Chains,
    list: Vec<MomentIndex>,
}

/// How many pasts are kept.
const KEPT: usize = 3;

impl RevisionIndex {
    /// Has the past of that revision ready, as the transaction of `connection` sees it. The one of
    /// `beside` stays, if it is there.
    ///
    /// One that is near goes there, unless less was changed since than lies between the two.
    pub(super) fn follow(
        &mut self,
        connection: &Connection,
        revision: Revision,
        beside: Option<Revision>,
    ) -> Result<(), PastError> {
        let Some(span) = changes::span(connection)? else { return Ok(()) };
        if !reaches(&span, revision) {
            return Err(pruned(span.oldest).into());
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
        past.follow(connection, &mut self.chains, newest)?;
        past.go(connection, &mut self.chains, revision)?;
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
        connection: &Connection,
        chains: &mut Chains,
        newest: Revision,
    ) -> rusqlite::Result<()> {
        if self.seen >= newest {
            return Ok(());
        }
        let mut later = connection.prepare_cached(
            "SELECT revision, key, old_expires_at_ms, old_value IS NOT NULL FROM slothstate_history \
             WHERE revision > ?1 AND subject = 'entry' ORDER BY revision",
        )?;
        // One look through history serves for both.
        let mut rows = later.query([self.seen.min(chains.seen).0])?;
        while let Some(row) = rows.next()? {
            let (next, key) = (row.get(0)?, columns::key(row.get_ref(1)?));
            if next > self.seen.0 && !self.touched.contains_key(&key) {
                let last = chains.last(&key, self.revision);
                let expires_at = columns::integer(row.get_ref(2)?);
                self.touched
                    .insert(key.clone(), EntryChange { next, last, expires_at, is_there: row.get(3)? });
            }
            chains.add(key, next);
        }
        self.seen = newest;
        Ok(())
    }

    /// Goes to another revision: what was not changed in between is as it was.
    fn go(
        &mut self,
        connection: &Connection,
        chains: &mut Chains,
        revision: Revision,
    ) -> rusqlite::Result<()> {
        if self.revision == revision {
            return Ok(());
        }
        chains.follow(connection)?;
        let mut between = connection.prepare_cached(
            "SELECT DISTINCT key FROM slothstate_history \
             WHERE revision > ?1 AND revision <= ?2 AND subject = 'entry'",
        )?;
        let mut replaced = connection.prepare_cached(
            "SELECT old_expires_at_ms, old_value IS NOT NULL FROM slothstate_history WHERE revision = ?1",
        )?;
        let (first, last) = (self.revision.min(revision), self.revision.max(revision));
        let mut rows = between.query([first.0, last.0])?;
        while let Some(row) = rows.next()? {
            let key = columns::key(row.get_ref(0)?);
            let Some(next) = chains.next(&key, revision) else {
                self.touched.remove(&key);
                continue;
            };
            let last = chains.last(&key, revision);
            let touched = replaced.query_row([next], |row| {
                let expires_at = columns::integer(row.get_ref(0)?);
                Ok(EntryChange { next, last, expires_at, is_there: row.get(1)? })
            })?;
            self.touched.insert(key, touched);
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
    of: HashMap<Key, Vec<i64>>,
    /// How many there are in all.
    count: usize,
}

impl Chains {
    /// Looks at the changes that were made since the last time.
    fn follow(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut later = connection.prepare_cached(
            "SELECT revision, key FROM slothstate_history \
             WHERE revision > ?1 AND subject = 'entry' ORDER BY revision",
        )?;
        let mut rows = later.query([self.seen.0])?;
        while let Some(row) = rows.next()? {
            self.add(columns::key(row.get_ref(1)?), row.get(0)?);
        }
        Ok(())
    }

    /// Takes in the next change, unless it was looked at before.
    fn add(&mut self, key: Key, revision: i64) {
        if revision > self.seen.0 {
            self.of.entry(key).or_default().push(revision);
            self.seen = Revision(revision);
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
            revisions.drain(..revisions.partition_point(|revision| *revision < oldest.0));
            !revisions.is_empty()
        });
        self.count = self.of.values().map(Vec::len).sum();
    }

    /// The last change of an entry up to a revision; 0 if there is none.
    fn last(&self, key: &Key, revision: Revision) -> i64 {
        let (revisions, later) = self.around(key, revision);
        later.checked_sub(1).map_or(0, |place| revisions[place])
    }

    /// The first change of an entry after a revision.
    fn next(&self, key: &Key, revision: Revision) -> Option<i64> {
        let (revisions, later) = self.around(key, revision);
        revisions.get(later).copied()
    }

    /// The changes of an entry, and the place of the first one after a revision.
    fn around(&self, key: &Key, revision: Revision) -> (&[i64], usize) {
        let revisions = self.of.get(key).map_or(&[][..], Vec::as_slice);
        (revisions, revisions.partition_point(|made| *made <= revision.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// History in which each revision is a change of the key that is named for it.
    fn history(keys: &[&str]) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE slothstate_history (revision INTEGER PRIMARY KEY, at_ms INTEGER DEFAULT 0,
                     subject TEXT DEFAULT 'entry', key TEXT, old_value TEXT, old_expires_at_ms INTEGER);",
            )
            .unwrap();
        for (place, key) in keys.iter().enumerate() {
            let before = keys[..place].iter().rposition(|other| other == key).map(|place| place as i64);
            let add =
                "INSERT INTO slothstate_history (key, old_value, old_expires_at_ms) VALUES (?1, ?2, ?2)";
            connection.execute(add, (key, before)).unwrap();
        }
        connection
    }

    fn follow(
        revision_index: &mut RevisionIndex,
        connection: &Connection,
        revision: i64,
        beside: Option<i64>,
    ) {
        let followed = revision_index.follow(connection, Revision(revision), beside.map(Revision));
        assert!(followed.is_ok());
    }

    #[test]
    fn going_to_a_revision_leads_to_what_is_found_there_anew() {
        const KEYS: &[&str] = &["a", "b", "a", "c", "c", "a", "d", "b", "e", "a", "c", "f", "a", "b"];
        let connection = history(KEYS);
        let newest = KEYS.len() as i64;
        let mut revision_index = RevisionIndex::default();
        // Each revision is reached from each other one, beside the present as beside another one.
        for (from, to) in (0..=newest).flat_map(|from| (0..=newest).map(move |to| (from, to))) {
            for beside in [None, Some(newest), Some(from)] {
                follow(&mut revision_index, &connection, from, beside);
                beside
                    .into_iter()
                    .for_each(|beside| follow(&mut revision_index, &connection, beside, Some(from)));
                follow(&mut revision_index, &connection, to, beside);
                let mut anew = RevisionIndex::default();
                follow(&mut anew, &connection, to, None);
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
        let connection = history(&["a"; 100]);
        let mut revision_index = RevisionIndex::default();
        follow(&mut revision_index, &connection, 50, None);
        assert_eq!(revision_index.chains.count, 100);
        connection.execute("DELETE FROM slothstate_history WHERE revision < 80", []).unwrap();
        follow(&mut revision_index, &connection, 90, None);
        assert_eq!(revision_index.chains.count, 21);
        assert_eq!(
            revision_index.touched(Revision(90)).values().map(|it| (it.last, it.next)).next(),
            Some((90, 91))
        );
        assert!(revision_index.follow(&connection, Revision(50), None).is_err());
    }
}
