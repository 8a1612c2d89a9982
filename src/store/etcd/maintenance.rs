//! What each writer does for all: it removes what has expired, closes the bucket of history now and then, and
//! drops the oldest ones.

use std::time::Duration;

use super::EtcdStore;
use super::commit_record::{Draft, HEAD_READS, Head, Retries, Sent};
use super::read::{Found, StaleMark, about_of};
use super::record::{self, BucketContent, ClosedBucket, NewChange, OpenBucket};
use super::wire::{Compare, KeySpan, Op, RangeRequest, Txn};
use crate::store::{ErrorKind, Key, KeyRange, Maintained, Retention, StoreError, Subject};
use crate::time::Millis;

/// How often a store that writes looks for what has expired.
const INTERVAL: Duration = Duration::from_secs(1);
/// The most batches of expired entries that one write removes.
const BATCHES: usize = 8;
/// How many records a bucket has on the average, where enough of them are kept.
pub(super) const BUCKET_RECORDS: u64 = 512;
/// How many bytes of values a bucket has on the average, where they are large.
const BUCKET_BYTES: u64 = 8 << 20;
/// How long a bucket is written to at most: it tells times apart.
const BUCKET_AGE: Duration = Duration::from_secs(3600);
/// How many marks of expiries are removed in one transaction.
const STALE_MARKS: usize = 32;
/// How many marks of deletions are removed in one transaction.
const MARKS: i64 = 100;

impl EtcdStore {
    /// Does what is due after a write of that many bytes of history, `None` if nothing was written. It never
    /// fails one: what could not be done now is done later, and a notice says why.
    pub(super) fn keep_up(&self, head: &Head, written: Option<u64>) {
        let now = self.now();
        // A clock that was set back must not put it off.
        let is_due = self.swept.get().is_none_or(|last| now < last || now.since(last) >= INTERVAL);
        if is_due {
            self.swept.set(Some(now));
            for _ in 0..BATCHES {
                match self.sweep() {
                    Ok(swept) if swept >= self.capabilities.operations => {}
                    Ok(_) => break,
                    Err(error) => {
                        self.note_upkeep("expired entries could not be removed", &error);
                        break;
                    }
                }
            }
            if let Err(error) = self.prune_recordings() {
                self.note_upkeep("old recordings could not be removed", &error);
            }
        }
        if let Some(bytes) = written
            && self.is_time_to_rotate(head, now, bytes)
            && let Err(error) = self.rotate(head, now)
        {
            self.note_upkeep("old history could not be removed", &error);
        }
    }

    /// Keeps a notice for the user, once as long as it is the same.
    fn note_upkeep(&self, what: &str, error: &StoreError) {
        // Others that write at the same time do it.
        if matches!(error.kind, ErrorKind::Contended { .. }) {
            return;
        }
        let text = format!("{what}: {error}");
        if self.last_notice.replace(text.clone()) != text {
            self.notices.borrow_mut().push(text);
        }
    }

    /// Removes a batch of what has expired.
    ///
    /// # Errors
    /// Those of a write.
    pub(super) fn maintain_now(&self) -> Result<Maintained, StoreError> {
        if self.settings.read_only || self.format()?.is_none() {
            return Ok(Maintained::Done);
        }
        match self.sweep()? < self.capabilities.operations {
            true => Ok(Maintained::Done),
            false => Ok(Maintained::More),
        }
    }

    /// How many entries of a batch had expired; they are removed, and so are the stale marks before them.
    fn sweep(&self) -> Result<usize, StoreError> {
        let expired = self.expired(&KeyRange::all(), self.capabilities.operations)?;
        let keys: Vec<Key> = expired.found.into_iter().map(|(key, _)| key).collect();
        self.expire(&keys)?;
        for marks in expired.stale.chunks(STALE_MARKS) {
            self.drop_stale_marks(marks)?;
        }
        Ok(keys.len())
    }

    /// Removes marks that are not those of their entries any more, if they and the entries are as they were read.
    fn drop_stale_marks(&self, marks: &[StaleMark]) -> Result<(), StoreError> {
        let mut txn = Txn::default();
        for mark in marks {
            txn.compares.push(Compare::modified_at(mark.name.clone(), mark.written_at));
            txn.compares.push(Compare::modified_at(self.keys.entry(&mark.key), mark.entry_written_at));
            txn.success.push(Op::delete(mark.name.clone()));
        }
        self.txn(&txn)?;
        Ok(())
    }

    /// Removes entries, as many as one transaction can, if they have expired; history shows it. Large ones go in
    /// several.
    ///
    /// # Errors
    /// Those of a write.
    pub(super) fn expire(&self, keys: &[Key]) -> Result<(), StoreError> {
        let Some(first) = keys.first() else { return Ok(()) };
        let mut retries = Retries::new(self.settings.busy_limit);
        loop {
            let mut reads = self.head_reads().to_vec();
            for key in keys {
                reads.extend([self.keys.entry(key), self.keys.about(key)].map(Op::get));
            }
            let (_, answers) = self.read_all(reads)?;
            let head = self.head(&answers)?;
            let (now, name) = (self.now(), self.new_record_name(&head));
            let mut draft = Draft::default();
            let (mut bytes, mut is_all) = (0, true);
            for (key, read) in keys.iter().zip(answers[HEAD_READS..].chunks_exact(2)) {
                let Some(kv) = read[0].first() else { continue };
                let about = about_of(kv, read[1].first()).map_err(|error| self.unreadable(error, &kv.key))?;
                let found = Found { kv: kv.clone(), about };
                let (Some(at), true) = (found.expires_at(), found.is_expired(now)) else { continue };
                bytes += kv.value.len() as u64;
                if bytes > self.capabilities.largest_value && !draft.changes.is_empty() {
                    is_all = false;
                    break;
                }
                draft.compares.push(Compare::modified_at(self.keys.entry(key), kv.mod_revision));
                self.draft_deletion(&mut draft, key, name);
                draft.ops.push(Op::delete(self.keys.expiry(at, key)));
                let change = NewChange {
                    subject: Subject::Entry,
                    key: key.as_bytes(),
                    operation: "expire",
                    old: Some(&found.image()),
                    new: None,
                    version: u64::try_from(kv.version).ok(),
                    previous: found.about.as_ref().map(|about| about.record),
                    is_external: false,
                };
                draft.changes.push(change.record());
            }
            if draft.changes.is_empty() {
                return Ok(());
            }
            match self.commit_record(name, &head, now, draft)? {
                Sent::Done(_) if is_all => return Ok(()),
                Sent::Done(_) => {}
                Sent::Refused(_) => retries.again(first)?,
            }
        }
    }

    fn is_time_to_rotate(&self, head: &Head, now: Millis, bytes: u64) -> bool {
        let rows = head.format.as_ref().map_or_else(Retention::default, |format| format.retention()).rows;
        let records = (rows / 8).clamp(1, self.bucket_records);
        let is_old = head.opened_at.is_some_and(|at| now.since(at) >= BUCKET_AGE);
        is_old || fastrand::u64(..records) == 0 || fastrand::u64(..BUCKET_BYTES) < bytes
    }

    /// Drops what the limits of history do not want, at once: the bucket that is written to is closed for that.
    ///
    /// # Errors
    /// Those of a write.
    pub(super) fn prune_now(&self) -> Result<(), StoreError> {
        let head = self.read_head()?;
        let newest = RangeRequest { keys_only: true, ..RangeRequest::key(self.keys.newest()) };
        match self.range(&newest)?.kvs.is_empty() {
            true => Ok(()),
            false => self.rotate(&head, self.now()),
        }
    }

    /// Closes a bucket, so that later records come after all of it, and drops the oldest ones.
    fn rotate(&self, head: &Head, now: Millis) -> Result<(), StoreError> {
        let bucket = i64::try_from(head.bucket).unwrap_or(i64::MAX);
        let closed = ClosedBucket { closed_at: now.0, content: None };
        let (current, named) = (self.keys.current_bucket(), self.keys.closed_bucket(head.bucket));
        let txn = Txn {
            compares: vec![Compare::modified_at(current.clone(), bucket)],
            success: vec![
                Op::put(current, record::encode(&OpenBucket { opened_at: now.0 })),
                Op::put(named.clone(), record::encode(&closed)),
            ],
            failure: Vec::new(),
        };
        let rotated = self.txn(&txn)?;
        self.last_seen.borrow_mut().forget_head();
        if rotated.succeeded {
            self.count_bucket(head.bucket, closed, rotated.revision)?;
            self.prune(now)?;
        }
        Ok(())
    }

    /// Counts what is in a bucket, and keeps that if nobody else did since it was closed.
    fn count_bucket(
        &self,
        bucket: u64,
        closed: ClosedBucket,
        revision: i64,
    ) -> Result<BucketContent, StoreError> {
        let content = self.content_of(bucket)?;
        let named = self.keys.closed_bucket(bucket);
        let counted = ClosedBucket { content: Some(content), ..closed };
        let put = Txn {
            compares: vec![Compare::modified_at(named.clone(), revision)],
            success: vec![Op::put(named, record::encode(&counted))],
            failure: Vec::new(),
        };
        self.txn(&put)?;
        Ok(content)
    }

    /// Drops the oldest buckets as far as the limits of history want it.
    pub(super) fn prune(&self, now: Millis) -> Result<(), StoreError> {
        let retention = self.format()?.map_or_else(Retention::default, |format| format.retention());
        let current = self.read_head()?.bucket;
        let mut buckets = Vec::new();
        for kv in self.range(&RangeRequest::of(self.keys.closed_buckets()))?.kvs {
            let Some(bucket) = self.keys.bucket_of(&kv.key) else { continue };
            let Ok(closed) = record::decode::<ClosedBucket>(&kv.value) else { continue };
            let content = match closed.content {
                Some(content) => content,
                // A bucket that cannot be counted is dropped by its age.
                None => self.count_bucket(bucket, closed, kv.mod_revision).unwrap_or_else(|error| {
                    self.note_upkeep("a part of history could not be counted", &error);
                    BucketContent::default()
                }),
            };
            buckets.push((bucket, closed, content));
        }
        // There is little in it: it was opened a moment ago.
        let in_current = self.content_of(current)?;
        let (mut changes, mut bytes) = (in_current.changes, in_current.bytes);
        for (_, _, content) in &buckets {
            changes = changes.saturating_add(content.changes);
            bytes = bytes.saturating_add(content.bytes);
        }
        for (place, (bucket, closed, content)) in buckets.iter().enumerate() {
            let is_old = now.since(Millis(closed.closed_at)) > retention.age;
            let is_beyond = changes.saturating_sub(content.changes) >= retention.rows;
            if !is_old && !is_beyond && bytes <= retention.bytes {
                break;
            }
            changes -= content.changes;
            bytes -= content.bytes;
            let next = buckets.get(place + 1).map_or(current, |(next, _, _)| *next);
            self.drop_bucket(*bucket, next)?;
        }
        Ok(())
    }

    /// Drops a bucket, and the marks that only its records explain; the one after it begins at `next`.
    fn drop_bucket(&self, bucket: u64, next: u64) -> Result<(), StoreError> {
        let next = i64::try_from(next).unwrap_or(i64::MAX);
        let undone = self.keys.undones(0, next.min(i64::MAX >> 8) << 8);
        let ops = vec![
            Op::Delete(self.keys.records(bucket)),
            Op::delete(self.keys.closed_bucket(bucket)),
            Op::Delete(undone),
        ];
        self.txn(&Txn { success: ops, ..Txn::default() })?;
        for span in [self.keys.tombstones(&KeyRange::all()), self.keys.lock_records()] {
            self.remove_marks(&span, next)?;
        }
        Ok(())
    }

    fn remove_marks(&self, span: &KeySpan, until: i64) -> Result<(), StoreError> {
        loop {
            let marks = self.range(&RangeRequest {
                limit: MARKS,
                keys_only: true,
                max_mod_revision: until,
                ..RangeRequest::of(span.clone())
            })?;
            if marks.kvs.is_empty() {
                return Ok(());
            }
            let compares =
                marks.kvs.iter().map(|kv| Compare::modified_at(kv.key.clone(), kv.mod_revision)).collect();
            let success = marks.kvs.into_iter().map(|kv| Op::delete(kv.key)).collect();
            let removed = self.txn(&Txn { compares, success, failure: Vec::new() })?;
            // Another one writes in the same moment: the next rotation removes the rest.
            if !removed.succeeded || !marks.more {
                return Ok(());
            }
        }
    }
}
