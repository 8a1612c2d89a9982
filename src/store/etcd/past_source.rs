//! What the past is computed from, read from history and from the present entries at one revision of etcd's.

use super::history_view::HistoryView;
use crate::store::time_travel::{ChangeSource, PastSource, Replaced};
use crate::store::{
    Change, Entry, EpochStart, HistorySpan, Key, Order, Revision, Scan, StoreError, Subject, When,
};
use crate::time::Millis;

/// The present and the history as they are at one moment.
pub(super) struct PastView<'a>(pub HistoryView<'a>);

impl ChangeSource for PastView<'_> {
    fn span(&self) -> Result<Option<HistorySpan>, StoreError> {
        self.0.span()
    }

    fn changes_after(
        &self,
        since: Revision,
        each: &mut dyn FnMut(Revision, Key, Replaced),
    ) -> Result<(), StoreError> {
        self.0.walk_up(since, &mut |recorded, place| {
            let change = &recorded.record.changes[place];
            if change.subject() == Subject::Entry {
                let (expires_at, is_there) = change.replaced();
                each(recorded.revision_of(place), change.key(), Replaced { expires_at, is_there });
            }
            Ok(true)
        })
    }

    fn keys_changed(&self, after: Revision, until: Revision) -> Result<Vec<Key>, StoreError> {
        let mut keys = Vec::new();
        self.0.walk_up(after, &mut |recorded, place| {
            if recorded.revision_of(place) > until {
                return Ok(false);
            }
            let change = &recorded.record.changes[place];
            if change.subject() == Subject::Entry {
                keys.push(change.key());
            }
            Ok(true)
        })?;
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    fn replaced(&self, revisions: &[Revision]) -> Result<Vec<Replaced>, StoreError> {
        let mut all = Vec::with_capacity(revisions.len());
        for revision in revisions {
            let old = self.0.change(*revision, 0)?.map(|change| change.old);
            let old = old.ok_or_else(|| self.0.store.malformed("a change that was read before is gone"))?;
            all.push(Replaced {
                expires_at: old.as_ref().and_then(|old| old.expires_at),
                is_there: old.is_some(),
            });
        }
        Ok(all)
    }
}

impl PastSource for PastView<'_> {
    fn epochs(&self) -> Result<Vec<EpochStart>, StoreError> {
        Ok(Vec::new())
    }

    fn newest_until(&self, when: When) -> Result<Option<(Revision, Millis)>, StoreError> {
        let until = match when {
            When::Now => return Ok(self.0.newest),
            When::Time(time) => return self.0.newest_at(time),
            When::Revision(revision) => revision,
        };
        let mut found = None;
        self.0.walk_down(until, &mut |recorded, place| {
            found = Some((recorded.revision_of(place), Millis(recorded.record.at)));
            Ok(false)
        })?;
        Ok(found)
    }

    fn change(&self, revision: Revision, value_limit: u64) -> Result<Option<Change>, StoreError> {
        self.0.change(revision, value_limit)
    }

    fn first_change_after(&self, key: &Key, revision: Revision) -> Result<Option<Change>, StoreError> {
        let mut first = None;
        self.0.walk_key(Subject::Entry, key, &mut |recorded, place| {
            if recorded.revision_of(place) <= revision {
                return Ok(false);
            }
            first = recorded.change(place, u64::MAX);
            Ok(true)
        })?;
        Ok(first)
    }

    fn last_change_until(&self, key: &Key, revision: Revision) -> Result<Option<Change>, StoreError> {
        let mut last = None;
        self.0.walk_key(Subject::Entry, key, &mut |recorded, place| {
            if recorded.revision_of(place) > revision {
                return Ok(true);
            }
            last = recorded.change(place, u64::MAX);
            Ok(false)
        })?;
        Ok(last)
    }

    fn present(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let found = self.0.store.stored_entry(key, self.0.revision)?;
        Ok(found.map(|found| found.entry(key.clone(), u64::MAX)))
    }

    fn scan_present(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError> {
        self.0.store.scan_stored(scan, None, self.0.revision)
    }

    fn keys_expiring(&self, from: Millis, to: Millis, scan: &Scan) -> Result<Vec<Key>, StoreError> {
        let next = |at: Millis| Millis(at.0.saturating_add(1));
        let found = self.0.store.expiring((next(from), next(to)), None, usize::MAX, self.0.revision)?;
        let is_after = |key: &Key| {
            scan.after.as_ref().is_none_or(|after| match scan.order {
                Order::Ascending => key > after,
                Order::Descending => key < after,
            })
        };
        let mut keys: Vec<Key> = found.into_iter().map(|(key, _)| key).collect();
        keys.retain(|key| scan.range.contains(key) && is_after(key));
        match scan.order {
            Order::Ascending => keys.sort_unstable(),
            Order::Descending => keys.sort_unstable_by(|left, right| right.cmp(left)),
        }
        keys.truncate(scan.limit);
        Ok(keys)
    }
}
