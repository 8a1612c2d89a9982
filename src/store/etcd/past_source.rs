//! What the past is computed from, read from history and from the present entries at one revision of etcd's.
//!
//! The past is what history says. An entry that another program has changed or deleted since it was last recorded
//! is what that record says, until the next write of slothstate records what became of it.

use super::history_view::HistoryView;
use super::record::{self, About};
use super::wire::{Op, RangeRequest, RangeResponse};
use crate::store::time_travel::{ChangeSource, PastSource, Replaced};
use crate::store::{
    Change, Entry, EpochStart, HistorySpan, Key, KeyRange, Moment, Order, Revision, Scan, StoreError,
    Subject, When,
};
use crate::time::Millis;

/// The most keys that are looked at together.
const PAGE_KEYS: usize = 1000;
/// How many records of history are read together.
const RECORDS: usize = 16;

/// The present and the history as they are at one moment.
pub(super) struct PastView<'a> {
    history: HistoryView<'a>,
    /// The revision whose entries are wanted, as history knows them; `None` for what is there now.
    as_of: Option<Revision>,
}

impl<'a> PastView<'a> {
    pub(super) fn new(history: HistoryView<'a>) -> PastView<'a> {
        PastView { history, as_of: None }
    }

    /// For what was there at a moment. Of the time after the last change history knows nothing: then that is what
    /// is there now.
    pub(super) fn at(history: HistoryView<'a>, moment: Moment) -> PastView<'a> {
        let is_past = |(newest, at)| moment.revision < newest || moment.at <= at;
        let as_of = history.newest.is_some_and(is_past).then_some(moment.revision);
        PastView { history, as_of }
    }

    /// A page of entries as they were when they were last recorded.
    fn scan_recorded(&self, scan: &Scan, as_of: Revision) -> Result<Vec<Entry>, StoreError> {
        let mut page = Vec::new();
        let mut part = scan.clone();
        loop {
            part.limit = (scan.limit - page.len()).min(PAGE_KEYS);
            let entries = self.history.store.scan_stored(&part, None, self.history.revision)?;
            let last = entries.last().map(|entry| &entry.key).filter(|_| entries.len() >= part.limit);
            // All keys that are known of up to the last one: another program may have deleted some.
            let (known, has_more) = self.keys_known(&part, last)?;
            let is_end = last.is_none() && !has_more;
            let mut keys: Vec<Key> = entries.iter().map(|entry| entry.key.clone()).chain(known).collect();
            sort(&mut keys, scan.order);
            keys.dedup();
            let is_end = is_end && keys.len() <= part.limit;
            keys.truncate(part.limit);
            part.after = keys.last().cloned();
            let mut entries = entries.into_iter().peekable();
            let pairs = keys.into_iter().map(|key| {
                let entry = entries.next_if(|entry| entry.key == key);
                (key, entry)
            });
            page.extend(self.as_recorded(pairs.collect(), as_of, scan.value_limit)?);
            if is_end || page.len() >= scan.limit {
                return Ok(page);
            }
        }
    }

    /// The keys of a scan that slothstate wrote, up to `last` or as many as a page takes, and whether there are
    /// more.
    fn keys_known(&self, scan: &Scan, last: Option<&Key>) -> Result<(Vec<Key>, bool), StoreError> {
        let KeyRange { mut start, mut end } = scan.range.clone();
        match scan.order {
            Order::Ascending => {
                start = start.max(scan.after.as_ref().map(Key::successor));
                end = last.map(Key::successor).or(end);
            }
            Order::Descending => {
                start = last.cloned().or(start);
                end = scan.after.clone().or(end);
            }
        }
        // Each is the key of an entry of the page, or of one that is gone.
        let limit = i64::try_from(scan.limit.saturating_mul(2)).unwrap_or(i64::MAX);
        let found = self.history.store.range(&RangeRequest {
            limit,
            keys_only: true,
            revision: self.history.revision,
            is_descending: scan.order == Order::Descending,
            ..RangeRequest::of(self.history.store.keys.abouts(&KeyRange { start, end }))
        })?;
        let keys = found.kvs.iter().filter_map(|kv| self.history.store.keys.key_of_about(&kv.key));
        Ok((keys.collect(), found.more))
    }

    /// What history says of these keys, of which there are these entries now.
    fn as_recorded(
        &self,
        entries: Vec<(Key, Option<Entry>)>,
        as_of: Revision,
        value_limit: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let is_changed =
            |entry: &Option<Entry>| entry.as_ref().is_none_or(|entry| entry.modified_at.is_none());
        let changed: Vec<&Key> =
            entries.iter().filter(|(_, entry)| is_changed(entry)).map(|(key, _)| key).collect();
        let mut recorded = Vec::with_capacity(changed.len());
        for part in changed.chunks(RECORDS) {
            recorded.extend(self.last_recorded(part, value_limit)?);
        }
        let mut recorded = recorded.into_iter();
        let mut all = Vec::with_capacity(entries.len());
        for (_, entry) in entries {
            all.extend(match is_changed(&entry) {
                false => entry,
                true => match recorded.next().flatten() {
                    Some(entry) => Some(entry),
                    // No record mentions it: it was there since it was written.
                    None => entry.filter(|entry| entry.revision <= as_of),
                },
            });
        }
        Ok(all)
    }

    /// For each of these keys the entry that was last recorded, if it was not deleted by that.
    fn last_recorded(&self, keys: &[&Key], value_limit: u64) -> Result<Vec<Option<Entry>>, StoreError> {
        let abouts = self.read(keys.iter().map(|key| self.history.store.keys.about(key)))?;
        let decoded = |about: &RangeResponse| {
            let kv = about.first()?;
            Some((record::decode::<About>(&kv.value).ok()?, kv.mod_revision))
        };
        let abouts: Vec<Option<(About, i64)>> = abouts.iter().map(decoded).collect();
        let names = abouts.iter().flatten().map(|(about, _)| self.history.store.keys.record(about.record));
        let mut records = self.read(names)?.into_iter();
        let mut all = Vec::with_capacity(keys.len());
        for (key, about) in keys.iter().zip(abouts) {
            let Some((about, revision)) = about else {
                all.push(None);
                continue;
            };
            let record = records.next().unwrap_or_default();
            let record = record.first().map(|kv| self.history.store.recorded(kv)).transpose()?;
            let change = record.and_then(|record| {
                let is_meant =
                    |place: &usize| record.record.changes[*place].is_about(Subject::Entry, key.as_bytes());
                let place = (0..record.record.changes.len()).rev().find(is_meant)?;
                record.change(place, u64::MAX)
            });
            all.push(match change {
                Some(change) => made_by(change, value_limit),
                None => {
                    let value = self.history.store.value_written_with(key, &about, revision)?;
                    value.map(|value| known_of((*key).clone(), about, value, value_limit))
                }
            });
        }
        Ok(all)
    }

    fn read(&self, names: impl Iterator<Item = Vec<u8>>) -> Result<Vec<RangeResponse>, StoreError> {
        let revision = self.history.revision;
        let get = |name| Op::Range(RangeRequest { revision, ..RangeRequest::key(name) });
        Ok(self.history.store.read_all(names.map(get).collect())?.1)
    }
}

/// The entry that a change made.
fn made_by(change: Change, value_limit: u64) -> Option<Entry> {
    let mut image = change.new?;
    let size = image.stored.len() as u64;
    image.stored.truncate(usize::try_from(value_limit).unwrap_or(usize::MAX));
    Some(Entry {
        key: change.key,
        stored: image.stored,
        size,
        stored_type: image.stored_type,
        expires_at: image.expires_at,
        version: change.version.unwrap_or(0),
        revision: change.revision,
        created_at: None,
        modified_at: Some(change.recorded_at),
        actor: Some(change.actor),
        kind: None,
    })
}

/// An entry whose record is gone, with its value.
fn known_of(key: Key, about: About, mut stored: Vec<u8>, value_limit: u64) -> Entry {
    stored.truncate(usize::try_from(value_limit).unwrap_or(usize::MAX));
    Entry {
        key,
        stored,
        size: about.size,
        stored_type: about.stored_type.and_then(record::type_of),
        expires_at: about.expires_at.map(Millis),
        version: 0,
        revision: Revision::default(),
        created_at: None,
        modified_at: Some(Millis(about.modified_at)),
        actor: Some(about.actor),
        kind: None,
    }
}

fn sort(keys: &mut [Key], order: Order) {
    match order {
        Order::Ascending => keys.sort_unstable(),
        Order::Descending => keys.sort_unstable_by(|left, right| right.cmp(left)),
    }
}

impl ChangeSource for PastView<'_> {
    fn span(&self) -> Result<Option<HistorySpan>, StoreError> {
        self.history.span()
    }

    fn changes_after(
        &self,
        since: Revision,
        each: &mut dyn FnMut(Revision, Key, Replaced),
    ) -> Result<(), StoreError> {
        self.history.walk_up(since, &mut |recorded, place| {
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
        self.history.walk_up(after, &mut |recorded, place| {
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
            let old = self.history.change(*revision, 0)?.map(|change| change.old);
            let old =
                old.ok_or_else(|| self.history.store.malformed("a change that was read before is gone"))?;
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
            When::Now => return Ok(self.history.newest),
            When::Time(time) => return self.history.newest_at(time),
            When::Revision(revision) => revision,
        };
        let mut found = None;
        self.history.walk_down(until, &mut |recorded, place| {
            found = Some((recorded.revision_of(place), Millis(recorded.record.at)));
            Ok(false)
        })?;
        Ok(found)
    }

    fn change(&self, revision: Revision, value_limit: u64) -> Result<Option<Change>, StoreError> {
        self.history.change(revision, value_limit)
    }

    fn first_change_after(&self, key: &Key, revision: Revision) -> Result<Option<Change>, StoreError> {
        let mut first = None;
        self.history.walk_key(Subject::Entry, key, &mut |recorded, place| {
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
        self.history.walk_key(Subject::Entry, key, &mut |recorded, place| {
            if recorded.revision_of(place) > revision {
                return Ok(true);
            }
            last = recorded.change(place, u64::MAX);
            Ok(false)
        })?;
        Ok(last)
    }

    fn present(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let found = self.history.store.stored_entry(key, self.history.revision)?;
        let entry = found.map(|found| found.entry(key.clone(), u64::MAX));
        match self.as_of {
            None => Ok(entry),
            Some(as_of) => Ok(self.as_recorded(vec![(key.clone(), entry)], as_of, u64::MAX)?.pop()),
        }
    }

    fn scan_present(&self, scan: &Scan) -> Result<Vec<Entry>, StoreError> {
        match self.as_of {
            None => self.history.store.scan_stored(scan, None, self.history.revision),
            Some(as_of) => self.scan_recorded(scan, as_of),
        }
    }

    fn keys_expiring(&self, from: Millis, to: Millis, scan: &Scan) -> Result<Vec<Key>, StoreError> {
        let next = |at: Millis| Millis(at.0.saturating_add(1));
        let found =
            self.history.store.expiring((next(from), next(to)), None, usize::MAX, self.history.revision)?;
        let is_after = |key: &Key| {
            scan.after.as_ref().is_none_or(|after| match scan.order {
                Order::Ascending => key > after,
                Order::Descending => key < after,
            })
        };
        let mut keys: Vec<Key> = found.into_iter().map(|(key, _)| key).collect();
        keys.retain(|key| scan.range.contains(key) && is_after(key));
        sort(&mut keys, scan.order);
        keys.truncate(scan.limit);
        Ok(keys)
    }
}
