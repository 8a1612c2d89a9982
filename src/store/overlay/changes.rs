//! The changes of an overlay that is never committed, as history has those of a store.

use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeBounds;
use std::rc::Rc;

use super::Overlay;
use crate::store::{
    Actor, Change, HistoryScan, Image, Key, KeyRange, PAGE, Revision, State as _, Stats, StoreError, Subject,
};
use crate::time::Millis;

/// The most bytes of changes that are kept; older ones are forgotten.
const MOST_BYTES: usize = 64 << 20;
/// The bytes that a change takes besides its key and its values, about.
const ROW_BYTES: usize = 256;

/// The changes that were made in an overlay, the oldest first.
#[derive(Default)]
pub(super) struct OverlayChanges {
    rows: VecDeque<Change>,
    /// How many were made, those that were forgotten included.
    made: u64,
    bytes: usize,
    /// The entries some of whose changes were forgotten: older ones are not to be found either.
    forgotten: BTreeSet<Key>,
}

impl OverlayChanges {
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    pub(super) fn add(&mut self, change: Change) {
        self.bytes += size(&change);
        self.made += 1;
        self.rows.push_back(change);
    }

    /// Takes back the changes after the first `made`.
    pub(super) fn roll_back(&mut self, made: u64) {
        while self.made > made {
            let Some(change) = self.rows.pop_back() else { break };
            self.bytes -= size(&change);
            self.made -= 1;
        }
    }

    /// Forgets old changes where there are too many.
    pub(super) fn prune(&mut self) {
        while self.bytes > MOST_BYTES
            && let Some(change) = self.rows.pop_front()
        {
            self.bytes -= size(&change);
            self.forgotten.insert(change.key);
        }
    }
}

fn size(change: &Change) -> usize {
    let image = |image: &Option<Image>| image.as_ref().map_or(0, |image| image.stored.len());
    ROW_BYTES + change.key.as_bytes().len() + image(&change.old) + image(&change.new)
}

/// The removal of an entry that expires with this image.
fn expire(key: &Key, revision: Revision, image: Image, version: Option<u64>, actor: Actor) -> Change {
    let at = image.expires_at.unwrap_or_default();
    Change {
        revision,
        at,
        recorded_at: at,
        subject: Subject::Entry,
        key: key.clone(),
        operation: "expire".into(),
        old: Some(image),
        new: None,
        actor,
        version,
        transaction: (revision, revision),
        undone_by: None,
    }
}

fn has_expired(image: &Image, now: Millis) -> bool {
    image.expires_at.is_some_and(|at| at <= now)
}

fn cut(image: Option<Image>, limit: u64) -> Option<Image> {
    let mut image = image?;
    image.stored.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Some(image)
}

impl Overlay {
    /// Notes the change that leads to what `key` is now, from `old`, which may have expired since.
    pub(super) fn note_change(
        &self,
        key: &Key,
        operation: &str,
        old: Option<(Image, u64)>,
        new: Option<(Image, u64)>,
        revision: Revision,
    ) -> Result<Revision, StoreError> {
        let now = self.now();
        let actor = self.actor.borrow().clone();
        let mut revision = revision;
        let old = match old {
            Some((image, version)) if has_expired(&image, now) => {
                let change = expire(key, revision, image, Some(version), actor.clone());
                self.kept.borrow_mut().changes.add(change);
                revision = self.next_revision()?;
                None
            }
            old => old,
        };
        if old.is_none() && new.is_none() {
            return Ok(revision);
        }
        let version = new.as_ref().or(old.as_ref()).map(|(_, version)| *version);
        self.kept.borrow_mut().changes.add(Change {
            revision,
            at: now,
            recorded_at: now,
            subject: Subject::Entry,
            key: key.clone(),
            operation: operation.into(),
            old: old.map(|(image, _)| image),
            new: new.map(|(image, _)| image),
            actor,
            version,
            transaction: (revision, revision),
            undone_by: None,
        });
        Ok(revision)
    }

    /// The changes of the store below, up to the moment that is meant, and then those that were made here. An
    /// entry whose time is over counts as removed then.
    pub(super) fn own_history(&self, scan: &HistoryScan) -> Result<Vec<Change>, StoreError> {
        let limit = scan.limit.max(1);
        let now = self.now();
        let kept = self.kept.borrow();
        let fits = |change: &Change| {
            scan.key.as_ref().is_none_or(|key| *key == change.key)
                && scan.subject.is_none_or(|subject| subject == change.subject)
                && (scan.from, scan.to).contains(&change.revision)
        };
        let mut found: Vec<Change> =
            kept.changes.rows.iter().rev().filter(|change| fits(change)).take(limit).cloned().collect();
        let is_whole = match &scan.key {
            Some(key) => !kept.changes.forgotten.contains(key),
            None => kept.changes.forgotten.is_empty(),
        };
        drop(kept);
        if found.len() < limit && is_whole {
            let rest = HistoryScan { limit: limit - found.len(), ..scan.clone() };
            let mut below = self.below.history(&rest)?;
            // What expired since, and was removed before it was written here.
            let next = found.last().map(|change| (change.revision, change.at, change.old.is_none()));
            if let (Some(newest), Some(key)) = (below.first(), &scan.key)
                && let Some(image) = newest.new.as_ref().filter(|_| newest.subject == Subject::Entry)
                && has_expired(image, next.map_or(now, |(_, at, _)| at))
                && next.is_none_or(|(_, _, is_new)| is_new)
            {
                let revision = next.map_or(self.revision()?, |(revision, ..)| revision);
                let change =
                    expire(key, revision, image.clone(), newest.version, self.actor.borrow().clone());
                if fits(&change) {
                    below.insert(0, change);
                }
            }
            found.extend(below);
        } else if let (Some(newest), Some(_)) = (found.first(), &scan.key)
            && let Some(image) = newest.new.as_ref()
            && has_expired(image, now)
        {
            let actor = self.actor.borrow().clone();
            let change = expire(&newest.key, newest.revision, image.clone(), newest.version, actor);
            found.insert(0, change);
        }
        found.truncate(limit);
        for change in &mut found {
            change.old = cut(change.old.take(), scan.value_limit);
            change.new = cut(change.new.take(), scan.value_limit);
        }
        Ok(found)
    }

    /// The figures of the state as it is here, with the sizes of the store below.
    pub(super) fn own_stats(&self) -> Result<Stats, StoreError> {
        let of_locks = self.beside.stats()?;
        let below = self.below.stats()?;
        let mut expiring = 0;
        let mut after = None;
        loop {
            let from = after.as_ref().map(|(at, key)| (*at, key));
            let page = self.scan_expiring(from, PAGE, 0)?;
            expiring += page.len() as u64;
            after = page.last().and_then(|entry| Some((entry.expires_at?, entry.key.clone())));
            if page.len() < PAGE {
                break;
            }
        }
        let of_locks_here = match Rc::ptr_eq(&self.below.store, &self.beside) {
            true => 0,
            false => of_locks.history.saturating_sub(self.history_beside),
        };
        Ok(Stats {
            entries: self.count(&KeyRange::all())?,
            expiring,
            locks: of_locks.locks,
            history: below.history + self.kept.borrow().changes.made() + of_locks_here,
            revision: self.revision()?,
            ..below
        })
    }
}
