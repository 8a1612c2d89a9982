//! History as it is at one revision of etcd's: the buckets in their order, and the records in each.
//!
//! A bucket is named by the revision at which it was opened, and every record in it was written after that and
//! before the next one was opened. So the order of buckets is that of their names, and the order within one
//! that of its records' revisions.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use super::EtcdStore;
use super::keys::RecordName;
use super::record::{
    self, BucketContent, ClosedBucket, HistoryRecord, LastRecord, Newest, RecordedTransaction, etcd_revision,
    revision_at,
};
use super::wire::{KeyValue, Op, RangeRequest};
use crate::store::{Change, HistorySpan, Key, Revision, StoreError, Subject};
use crate::time::Millis;

/// How many changes of one key are followed from one to the one before it. Beyond that, all changes are looked
/// through.
const STEPS: usize = 64;

/// The history of a database at one moment.
pub(super) struct HistoryView<'a> {
    pub store: &'a EtcdStore,
    /// etcd's revision at which all is read.
    pub revision: i64,
    /// All buckets, the oldest first; the last one is written to.
    buckets: Vec<(u64, Option<ClosedBucket>)>,
    /// The newest change, and when it was made; `None` if there is none.
    pub newest: Option<(Revision, Millis)>,
    read: RefCell<HashMap<u64, Rc<Vec<RecordedTransaction>>>>,
}

impl EtcdStore {
    /// Reads history as it is at one moment; again, as long as one waits for a busy database, if etcd forgets that
    /// moment meanwhile.
    pub(super) fn with_history<T>(
        &self,
        work: impl Fn(HistoryView<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let start = Instant::now();
        loop {
            self.was_compacted.set(false);
            match work(self.history_view()?) {
                Err(_) if self.was_compacted.get() && start.elapsed() < self.settings.busy_limit => {}
                done => return done,
            }
        }
    }

    /// History as it is now.
    fn history_view(&self) -> Result<HistoryView<'_>, StoreError> {
        let closed = Op::Range(RangeRequest::of(self.keys.closed_buckets()));
        let reads = vec![Op::get(self.keys.current_bucket()), closed, Op::get(self.keys.newest())];
        let (revision, answers) = self.read_all(reads)?;
        let mut buckets: Vec<(u64, Option<ClosedBucket>)> = Vec::new();
        for kv in &answers[1].kvs {
            if let Some(bucket) = self.keys.bucket_of(&kv.key) {
                buckets.push((bucket, Some(record::decode(&kv.value).unwrap_or_default())));
            }
        }
        buckets.sort_unstable_by_key(|(bucket, _)| *bucket);
        let current = answers[0].first().map_or(0, |kv| kv.mod_revision.max(0).cast_unsigned());
        buckets.push((current, None));
        let newest = match answers[2].first() {
            None => None,
            Some(kv) => {
                let newest: Newest =
                    record::decode(&kv.value).map_err(|error| self.unreadable(error, &kv.key))?;
                let place = usize::from(newest.changes).saturating_sub(1);
                Some((revision_at(kv.mod_revision, place), Millis(newest.at)))
            }
        };
        Ok(HistoryView { store: self, revision, buckets, newest, read: RefCell::default() })
    }

    pub(super) fn recorded(&self, kv: &KeyValue) -> Result<RecordedTransaction, StoreError> {
        let record: HistoryRecord =
            record::decode(&kv.value).map_err(|error| self.unreadable(error, &kv.key))?;
        Ok(RecordedTransaction { revision: kv.mod_revision, record })
    }

    /// What is in a bucket that is closed.
    pub(super) fn content_of(&self, bucket: u64) -> Result<BucketContent, StoreError> {
        let mut content = BucketContent { earliest: i64::MAX, ..BucketContent::default() };
        self.range_in_pages(RangeRequest::of(self.keys.records(bucket)), &mut |kv| {
            let Ok(recorded) = self.recorded(&kv) else { return Ok(()) };
            content.changes += recorded.record.changes.len() as u64;
            content.bytes += recorded.record.changes.iter().map(record::ChangeRecord::bytes).sum::<u64>();
            content.earliest = content.earliest.min(recorded.record.at);
            Ok(())
        })?;
        Ok(content)
    }
}

impl HistoryView<'_> {
    /// The revision before the oldest change that is kept, as one since which nothing was dropped.
    pub(super) fn reaches_back_to(&self) -> Revision {
        let oldest = self.buckets.first().map_or(0, |(bucket, _)| *bucket);
        Revision(i64::try_from(oldest).unwrap_or(i64::MAX).min(i64::MAX >> 8) << 8)
    }

    /// The records of a bucket, in the order of their revisions.
    fn records(&self, bucket: u64) -> Result<Rc<Vec<RecordedTransaction>>, StoreError> {
        if let Some(read) = self.read.borrow().get(&bucket) {
            return Ok(read.clone());
        }
        let records = Rc::new(self.read_records(bucket, 0)?);
        self.read.borrow_mut().insert(bucket, records.clone());
        Ok(records)
    }

    /// The records of a bucket that were written at `from` or later.
    fn read_records(&self, bucket: u64, from: i64) -> Result<Vec<RecordedTransaction>, StoreError> {
        let request = RangeRequest {
            revision: self.revision,
            min_mod_revision: from,
            ..RangeRequest::of(self.store.keys.records(bucket))
        };
        let mut records: Vec<RecordedTransaction> = Vec::new();
        self.store.range_in_pages(request, &mut |kv| {
            if self.store.keys.name_of_record(&kv.key).is_some() {
                records.push(self.store.recorded(&kv)?);
            }
            Ok(())
        })?;
        records.sort_unstable_by_key(|recorded| recorded.revision);
        Ok(records)
    }

    /// The place of the bucket that has the changes of that revision of etcd's, if it is kept.
    fn bucket_of(&self, revision: i64) -> usize {
        let begun =
            self.buckets.partition_point(|(bucket, _)| i64::try_from(*bucket).is_ok_and(|it| it < revision));
        begun.saturating_sub(1)
    }

    /// Calls `each` with the changes after `since`, oldest first, until it returns false.
    pub(super) fn walk_up(
        &self,
        since: Revision,
        each: &mut dyn FnMut(&RecordedTransaction, usize) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let from = etcd_revision(since);
        let start = self.bucket_of(from);
        for (place, (bucket, _)) in self.buckets.iter().enumerate().skip(start) {
            let is_read = self.read.borrow().contains_key(bucket);
            let records = match place == start && from > 0 && !is_read {
                true => Rc::new(self.read_records(*bucket, from)?),
                false => self.records(*bucket)?,
            };
            for recorded in records.iter() {
                for place in 0..recorded.record.changes.len() {
                    if recorded.revision_of(place) > since && !each(recorded, place)? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Calls `each` with the changes up to `until`, newest first, until it returns false.
    pub(super) fn walk_down(
        &self,
        until: Revision,
        each: &mut dyn FnMut(&RecordedTransaction, usize) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let end = self.bucket_of(etcd_revision(until)).saturating_add(1).min(self.buckets.len());
        for (bucket, _) in self.buckets[..end].iter().rev() {
            for recorded in self.records(*bucket)?.iter().rev() {
                for place in (0..recorded.record.changes.len()).rev() {
                    if recorded.revision_of(place) <= until && !each(recorded, place)? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The newest change whose time is not after `time`.
    pub(super) fn newest_at(&self, time: Millis) -> Result<Option<(Revision, Millis)>, StoreError> {
        for (bucket, closed) in self.buckets.iter().rev() {
            let content = closed.as_ref().and_then(|closed| closed.content);
            if content.is_some_and(|content| content.earliest > time.0) {
                continue;
            }
            let records = self.records(*bucket)?;
            if let Some(found) = records.iter().rev().find(|recorded| recorded.record.at <= time.0) {
                return Ok(Some((found.last(), Millis(found.record.at))));
            }
        }
        Ok(None)
    }

    /// The oldest change that is kept.
    pub(super) fn oldest(&self) -> Result<Option<(Revision, Millis)>, StoreError> {
        let oldest = self.buckets.first().map_or(0, |(bucket, _)| *bucket);
        if let Some((bucket, revision, at)) = self.store.oldest.get()
            && bucket == oldest
        {
            return Ok(Some((revision, at)));
        }
        for (bucket, _) in &self.buckets {
            if let Some(first) = self.records(*bucket)?.first() {
                let (revision, at) = (first.revision_of(0), Millis(first.record.at));
                self.store.oldest.set(Some((oldest, revision, at)));
                return Ok(Some((revision, at)));
            }
        }
        Ok(None)
    }

    /// How far history goes; `None` if it has not begun.
    pub(super) fn span(&self) -> Result<Option<HistorySpan>, StoreError> {
        let ends = self.oldest()?.zip(self.newest);
        Ok(ends.map(|(oldest, newest)| HistorySpan { oldest, newest, since: self.reaches_back_to() }))
    }

    /// How many changes are kept.
    pub(super) fn count(&self) -> Result<u64, StoreError> {
        let mut all = 0u64;
        for (bucket, closed) in &self.buckets {
            all += match closed.as_ref().and_then(|closed| closed.content) {
                Some(content) => content.changes,
                None => {
                    self.records(*bucket)?.iter().map(|recorded| recorded.record.changes.len() as u64).sum()
                }
            };
        }
        Ok(all)
    }

    /// The change of that revision.
    pub(super) fn change(&self, revision: Revision, limit: u64) -> Result<Option<Change>, StoreError> {
        let (bucket, _) = self.buckets[self.bucket_of(etcd_revision(revision))];
        let records = self.records(bucket)?;
        let found = records.binary_search_by_key(&etcd_revision(revision), |recorded| recorded.revision);
        let place = usize::try_from(revision.0 & 255).unwrap_or(0).checked_sub(1);
        Ok(found.ok().zip(place).and_then(|(found, place)| records[found].change(place, limit)))
    }

    /// The changes of a key or a lock, newest first, as far as `each` wants them.
    pub(super) fn walk_key(
        &self,
        subject: Subject,
        key: &Key,
        each: &mut dyn FnMut(&RecordedTransaction, usize) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut next = self.last_record(subject, key)?;
        let mut seen = self.newest.map_or(Revision::default(), |(newest, _)| newest);
        for _ in 0..STEPS {
            let Some(name) = next else { return Ok(()) };
            let Some(recorded) = self.record_named(name)? else { return Ok(()) };
            next = None;
            for (place, change) in recorded.record.changes.iter().enumerate().rev() {
                if change.is_about(subject, key.as_bytes()) {
                    next = change.previous;
                    seen = recorded.revision_of(place);
                    if !each(&recorded, place)? {
                        return Ok(());
                    }
                }
            }
        }
        self.walk_down(seen.before(), &mut |recorded, place| {
            let is_meant = recorded.record.changes[place].is_about(subject, key.as_bytes());
            if is_meant { each(recorded, place) } else { Ok(true) }
        })
    }

    /// The last record about a key or a lock.
    fn last_record(&self, subject: Subject, key: &Key) -> Result<Option<RecordName>, StoreError> {
        let keys = &self.store.keys;
        let names = match subject {
            Subject::Entry => vec![keys.about(key), keys.tombstone(key)],
            Subject::Lock => key.as_str().map(|name| keys.lock_record(name)).into_iter().collect(),
            Subject::Database => Vec::new(),
        };
        let get = |name| Op::Range(RangeRequest { revision: self.revision, ..RangeRequest::key(name) });
        if names.is_empty() {
            return Ok(None);
        }
        let (_, answers) = self.store.read_all(names.into_iter().map(get).collect())?;
        let about = answers[0].first().filter(|_| subject == Subject::Entry);
        let about = about.and_then(|kv| record::decode::<record::About>(&kv.value).ok());
        let mark = answers.last().and_then(|answer| answer.first());
        let mark = mark.and_then(|kv| record::decode::<LastRecord>(&kv.value).ok());
        Ok(about.map(|about| about.record).or(mark.map(|mark| mark.record)))
    }

    fn record_named(&self, name: RecordName) -> Result<Option<Rc<RecordedTransaction>>, StoreError> {
        let revision = self.revision;
        let request = RangeRequest { revision, ..RangeRequest::key(self.store.keys.record(name)) };
        let found = self.store.range(&request)?;
        found.first().map(|kv| self.store.recorded(kv).map(Rc::new)).transpose()
    }

    /// Notes which of the changes were undone, and by which revision.
    pub(super) fn mark_undone(&self, changes: &mut [Change]) -> Result<(), StoreError> {
        let firsts = || changes.iter().map(|change| change.transaction.0.0);
        let (Some(first), Some(last)) = (firsts().min(), firsts().max()) else { return Ok(()) };
        let span = self.store.keys.undones(first, last);
        let found = self.store.range(&RangeRequest { revision: self.revision, ..RangeRequest::of(span) })?;
        let mut undone: HashMap<i64, Revision> = HashMap::new();
        for kv in &found.kvs {
            if let Some(revision) = self.store.keys.revision_of_undone(&kv.key) {
                let place = usize::from(kv.value.first().copied().unwrap_or(1)).saturating_sub(1);
                undone.insert(revision, revision_at(kv.mod_revision, place));
            }
        }
        for change in changes {
            change.undone_by = undone.get(&change.transaction.0.0).copied();
        }
        Ok(())
    }
}
