//! Writing entries: what a transaction depends on is read at one revision, judged here, and pinned by the
//! compares of one transaction of etcd's, so that it takes effect only if nothing of that has changed.

use super::commit_record::{Draft, HEAD_READS, Head, Retries, Sent};
use super::keys::RecordName;
use super::plan::{self, Plan, Present, Refusal, Slot, Written};
use super::read::{Found, about_of, check_key};
use super::record::{
    self, About, ChangeRecord, HEAD, HistoryRecord, LastRecord, NewChange, etcd_revision, number_of,
};
use super::wire::{Compare, KeyValue, Op, RangeRequest, RangeResponse};
use super::{COPIES, EtcdStore};
use crate::store::lock::lock_lost;
use crate::store::{
    Actor, Condition, ErrorKind, Image, Key, KeyRange, Locks, Outcome, Purpose, Revision, State, Store,
    StoreError, Subject, Token, Transaction,
};
use crate::time::Millis;

/// How many reads one key takes.
const KEY_READS: usize = 3;
/// How often the largest value may be in the history of one write: the old one and the new one, and twice each
/// where another program changed the entry before.
const FOREIGN_COPIES: u64 = 2;
/// How many reads one lock takes.
const LOCK_READS: usize = 2;

/// What a transaction depends on, and the reads of it in their order: the head, the keys, the locks, the
/// ranges of conditions, the ranges that are deleted.
struct Wanted {
    keys: Vec<Key>,
    locks: Vec<(String, Token)>,
    ranges: Vec<(KeyRange, Revision)>,
    deleted: Vec<KeyRange>,
}

/// What is to be done for a transaction.
enum Decision {
    /// A condition does not hold.
    Refused(Refusal),
    /// Nothing would be different.
    WriteNothing(Plan),
    /// These entries are to be written and have expired.
    Expire(Vec<Key>),
    Write(WritePlan),
}

/// What is to be written.
struct WritePlan {
    plan: Plan,
    draft: Draft,
    /// What is there afterwards; the revision is not known yet.
    written: Vec<(Key, Option<Found>)>,
}

impl EtcdStore {
    /// Carries out a transaction; see [`State::commit`].
    pub(super) fn commit_transaction(&self, transaction: &Transaction) -> Result<Outcome, StoreError> {
        self.check_writable()?;
        let named = transaction.operations.iter().filter(|operation| operation.key().is_some()).count();
        self.capabilities.check_operations(named as u64)?;
        self.capabilities.check_conditions(transaction.conditions.len())?;
        let mut wanted = self.wanted(transaction)?;
        let mut retries = Retries::new(self.settings.busy_limit);
        let unique = fastrand::u64(..);
        let mut answers = None;
        let mut swept = false;
        let mut recalled = self.recall(&wanted);
        loop {
            let now = self.now();
            let is_recalled = recalled.is_some();
            let (head, present) = match recalled.take() {
                Some(recalled) => recalled,
                None => self.read_present(&wanted, answers.take())?,
            };
            if self.has_more_keys(&mut wanted, &present)? {
                continue;
            }
            self.check_fence(&present, now)?;
            if !swept && self.sweep_ranges(&wanted)? {
                // It may have been visible at the revision that is asked for: that is refused once.
                swept = true;
                continue;
            }
            let name = RecordName { bucket: head.bucket, unique };
            let plan = match self.decide(transaction, &present, name, now) {
                Ok(Decision::Write(plan)) => plan,
                // What was seen before may be out of date: a write is refused by etcd then, and all else is
                // decided on what is read now.
                _ if is_recalled => continue,
                Err(error) => return Err(error),
                Ok(Decision::Refused((condition, found, others))) => {
                    self.keep_up(&head, None);
                    return Ok(Outcome::Refused { condition, found, others });
                }
                Ok(Decision::WriteNothing(plan)) => {
                    let newest = self.revision()?;
                    let edited = plan.edited.into_iter().map(|planned| planned.made(newest)).collect();
                    self.keep_up(&head, None);
                    return Ok(Outcome::Committed { revision: newest, changed: plan.changed, edited });
                }
                // etcd writes no key twice in one transaction: what has expired goes in one of its own.
                Ok(Decision::Expire(keys)) => {
                    self.expire(&keys)?;
                    continue;
                }
            };
            let WritePlan { plan, mut draft, written } = plan;
            let values: u64 = draft.changes.iter().map(ChangeRecord::bytes).sum();
            if values > self.capabilities.largest_value * FOREIGN_COPIES
                && self.record_foreign(&head, &plan, &present, now)?
            {
                if let Some(written) = plan.written.first() {
                    retries.again(&written.key)?;
                }
                continue;
            }
            self.pin(&mut draft, &wanted, &present);
            draft.reads = self.reads_of(&wanted);
            let last = draft.changes.len().saturating_sub(1);
            let bytes = draft.changes.iter().map(ChangeRecord::bytes).sum();
            let sent = match self.commit_record(name, &head, now, draft) {
                // What it would replace is not as large any more, perhaps.
                Err(error) if is_recalled && error.is_too_much_together() => continue,
                sent => sent?,
            };
            match sent {
                Sent::Done(etcd_revision) => {
                    self.see_written(written, etcd_revision);
                    let revision = record::revision_at(etcd_revision, last);
                    let edited = plan.edited.into_iter().map(|planned| planned.made(revision)).collect();
                    self.keep_up(&head, Some(bytes));
                    return Ok(Outcome::Committed { revision, changed: plan.changed, edited });
                }
                Sent::Refused(read) => {
                    answers = Some(read).filter(|read| !read.is_empty());
                    if let Some(written) = plan.written.first() {
                        retries.again(&written.key)?;
                    }
                }
            }
        }
    }

    /// What was last seen of what a transaction depends on. Locks are supposed to be held: that is pinned.
    fn recall(&self, wanted: &Wanted) -> Option<(Head, Present)> {
        if !wanted.ranges.is_empty() || !wanted.deleted.is_empty() {
            return None;
        }
        let (head, mut present) = self.last_seen.borrow().recall(&wanted.keys)?;
        present.held = wanted.locks.iter().map(|lock| (lock.clone(), etcd_revision(lock.1.0) > 0)).collect();
        Some((head, present))
    }

    /// What a transaction depends on: as it is, or as it was read already.
    fn read_present(
        &self,
        wanted: &Wanted,
        answers: Option<Vec<RangeResponse>>,
    ) -> Result<(Head, Present), StoreError> {
        let (revision, read) = match answers {
            Some(read) => (0, read),
            None => self.read_all(self.reads_of(wanted))?,
        };
        let head = self.head(&read)?;
        let present = self.present(wanted, revision, &read)?;
        let mut last_seen = self.last_seen.borrow_mut();
        last_seen.see_head(&head);
        for (key, slot) in &present.slots {
            last_seen.see(key, slot.found.as_ref());
        }
        Ok((head, present))
    }

    /// Keeps what was written at a revision of etcd's.
    fn see_written(&self, written: Vec<(Key, Option<Found>)>, revision: i64) {
        let mut last_seen = self.last_seen.borrow_mut();
        for (key, mut found) in written {
            if let Some(found) = &mut found {
                found.kv.mod_revision = revision;
            }
            last_seen.see(&key, found.as_ref());
        }
    }

    /// What is to be done for a transaction, where that is present.
    fn decide(
        &self,
        transaction: &Transaction,
        present: &Present,
        name: RecordName,
        now: Millis,
    ) -> Result<Decision, StoreError> {
        if let Some(refusal) = plan::judge(transaction, present, now) {
            return Ok(Decision::Refused(refusal));
        }
        let plan = plan::plan(transaction, present, now, &self.capabilities)?;
        self.capabilities.check_operations(plan.written.len() as u64)?;
        if plan.written.is_empty() {
            return Ok(Decision::WriteNothing(plan));
        }
        let is_expired = |written: &&Written| {
            let slot = present.slots.get(&written.key);
            slot.and_then(|slot| slot.found.as_ref()).is_some_and(|found| found.is_expired(now))
        };
        let expired: Vec<Key> =
            plan.written.iter().filter(is_expired).map(|written| written.key.clone()).collect();
        if !expired.is_empty() {
            return Ok(Decision::Expire(expired));
        }
        self.draft(transaction, plan, present, name, now).map(Decision::Write)
    }

    fn wanted(&self, transaction: &Transaction) -> Result<Wanted, StoreError> {
        let keys = plan::keys_of(transaction);
        if let Some(key) = keys.iter().find(|key| !check_key(&self.keys, key)) {
            return Err(match key.as_bytes().is_empty() {
                true => ErrorKind::EmptyKey.into(),
                false => self.unsupported("keys that are blobs", "rename the key before it is imported"),
            });
        }
        let mut locks = self.fence.borrow().clone();
        let mut ranges = Vec::new();
        for condition in &transaction.conditions {
            match condition {
                Condition::HoldsLock(name, token) => locks.push((name.clone(), *token)),
                Condition::RangeAtRevision(range, since) => ranges.push((range.clone(), *since)),
                _ => {}
            }
        }
        Ok(Wanted { keys, locks, ranges, deleted: plan::deleted_ranges(transaction) })
    }

    fn reads_of(&self, wanted: &Wanted) -> Vec<Op> {
        let mut reads = self.head_reads().to_vec();
        for key in &wanted.keys {
            reads.extend([self.keys.entry(key), self.keys.about(key), self.keys.tombstone(key)].map(Op::get));
        }
        for (name, _) in &wanted.locks {
            reads.extend([self.keys.lock(name), self.keys.life(name)].map(Op::get));
        }
        for (range, since) in &wanted.ranges {
            let min_mod_revision = etcd_revision(*since).saturating_add(1);
            for span in [self.keys.entries(range), self.keys.tombstones(range)] {
                let changed = RangeRequest { min_mod_revision, keys_only: true, ..RangeRequest::of(span) };
                reads.push(Op::Range(RangeRequest { limit: 1, ..changed }));
            }
        }
        if !wanted.ranges.is_empty() {
            let oldest =
                RangeRequest { limit: 1, keys_only: true, ..RangeRequest::of(self.keys.closed_buckets()) };
            reads.push(Op::Range(oldest));
        }
        for range in &wanted.deleted {
            let limit = self.capabilities.operations as i64 + 1;
            let span = self.keys.entries(range);
            reads.push(Op::Range(RangeRequest { limit, keys_only: true, ..RangeRequest::of(span) }));
        }
        reads
    }

    /// What those reads found. A revision of 0 stands for that of the answers, where it does not matter.
    fn present(
        &self,
        wanted: &Wanted,
        revision: i64,
        answers: &[RangeResponse],
    ) -> Result<Present, StoreError> {
        let mut present = Present { revision, ..Present::default() };
        let mut rest = answers.get(HEAD_READS..).unwrap_or_default();
        let mut next = |count: usize| match rest.split_at_checked(count) {
            Some((these, others)) => {
                rest = others;
                Ok(these)
            }
            None => Err(self.malformed("an answer that has not all of what was asked for")),
        };
        for key in &wanted.keys {
            let slot = self.slot(next(KEY_READS)?)?;
            present.slots.insert(key.clone(), slot);
        }
        for (name, token) in &wanted.locks {
            let read = next(LOCK_READS)?;
            let acquired = etcd_revision(token.0);
            let holds = acquired > 0
                && read[0].first().is_some_and(|lock| lock.mod_revision == acquired)
                && read[1].first().is_some_and(|life| life.create_revision == acquired);
            present.held.push(((name.clone(), *token), holds));
        }
        for _ in &wanted.ranges {
            let changed = next(2)?.iter().find_map(RangeResponse::first);
            present.ranges.push(match changed {
                None => Ok(()),
                Some(kv) => Err(self.keys.key_of_entry(&kv.key)),
            });
        }
        if !wanted.ranges.is_empty() {
            let oldest = next(1)?[0].first().and_then(|kv| self.keys.bucket_of(&kv.key));
            let current = answers[0].first().map_or(0, |kv| kv.mod_revision);
            let oldest = oldest.map_or(current, |bucket| i64::try_from(bucket).unwrap_or(i64::MAX));
            for ((_, since), verdict) in wanted.ranges.iter().zip(&mut present.ranges) {
                // History no longer reaches back that far: nobody knows what was deleted since.
                if verdict.is_ok() && oldest > 0 && etcd_revision(*since) < oldest {
                    *verdict = Err(None);
                }
            }
        }
        for range in &wanted.deleted {
            let read = &next(1)?[0];
            let keys = read.kvs.iter().filter_map(|kv| self.keys.key_of_entry(&kv.key)).collect();
            present.deleted.push((range.clone(), keys));
            present.revision = present.revision.max(read.revision);
        }
        Ok(present)
    }

    fn slot(&self, read: &[RangeResponse]) -> Result<Slot, StoreError> {
        let (entry, about, tombstone) = (read[0].first(), read[1].first(), read[2].first());
        let unreadable = |error, kv: &KeyValue| self.unreadable(error, &kv.key);
        let found = match entry {
            None => None,
            Some(kv) => {
                let about = about_of(kv, about).map_err(|error| unreadable(error, kv))?;
                Some(Found { kv: kv.clone(), about })
            }
        };
        let stale = match (&found, about) {
            (Some(Found { about: Some(_), .. }), _) | (_, None) => None,
            (_, Some(kv)) => record::decode(&kv.value).ok(),
        };
        let deleted_at = tombstone.map_or(0, |kv| kv.mod_revision);
        let tombstone = tombstone.and_then(|kv| record::decode(&kv.value).ok());
        let about_at = about.map_or(0, |kv| kv.mod_revision);
        Ok(Slot { found, stale, about_at, tombstone, deleted_at })
    }

    /// Whether ranges that are deleted have keys that were not read yet: they are now wanted.
    fn has_more_keys(&self, wanted: &mut Wanted, present: &Present) -> Result<bool, StoreError> {
        let most = self.capabilities.operations;
        let mut has_more = false;
        for (range, keys) in &present.deleted {
            if keys.len() > most {
                let expired = self.expired_in(range, most)?;
                if !expired.is_empty() {
                    let expired: Vec<Key> = expired.into_iter().map(|(key, _)| key).collect();
                    self.expire(&expired)?;
                    return Ok(true);
                }
                let given = self.count_entries(range)?;
                return Err(ErrorKind::TooManyOperations { given, most: most as u64 }.into());
            }
            for key in keys.iter().filter(|key| !present.slots.contains_key(key)) {
                has_more = true;
                wanted.keys.push(key.clone());
            }
        }
        Ok(has_more)
    }

    /// Refuses the write unless all locks of the fence are held.
    fn check_fence(&self, present: &Present, now: Millis) -> Result<(), StoreError> {
        for (name, token) in &*self.fence.borrow() {
            if !present.holds_lock(name, *token) {
                let found = self.lock(name)?;
                return Err(lock_lost(name, *token, found.as_ref(), now));
            }
        }
        Ok(())
    }

    /// Removes what has expired in the ranges of conditions; whether there was anything.
    fn sweep_ranges(&self, wanted: &Wanted) -> Result<bool, StoreError> {
        let mut any = false;
        for (range, _) in &wanted.ranges {
            let expired: Vec<Key> =
                self.expired_in(range, usize::MAX)?.into_iter().map(|(key, _)| key).collect();
            for part in expired.chunks(self.capabilities.operations) {
                self.expire(part)?;
                any = true;
            }
        }
        Ok(any)
    }

    /// What is written for a plan. Changes that other programs made to these entries are recorded before its own.
    fn draft(
        &self,
        transaction: &Transaction,
        plan: Plan,
        present: &Present,
        name: RecordName,
        now: Millis,
    ) -> Result<WritePlan, StoreError> {
        let mut draft = Draft::default();
        let none = Slot::default();
        for written in &plan.written {
            let slot = present.slots.get(&written.key).unwrap_or(&none);
            if let Some(ForeignChange { old, new }) = self.unrecorded(&written.key, slot)? {
                let change = NewChange {
                    subject: Subject::Entry,
                    key: written.key.as_bytes(),
                    operation: if new.is_some() { "set" } else { "delete" },
                    old: old.as_ref(),
                    new: new.as_ref(),
                    version: slot.found.as_ref().and_then(version_of),
                    previous: previous(slot),
                    is_external: true,
                };
                draft.changes.push(change.record());
            }
        }
        let own = draft.changes.len();
        let mut all_written = Vec::with_capacity(plan.written.len());
        for (place, written) in plan.written.iter().enumerate() {
            let slot = present.slots.get(&written.key).unwrap_or(&none);
            let found = self.draft_entry(&mut draft, written, slot, (own + place, name), now);
            all_written.push((written.key.clone(), found));
        }
        if let Purpose::Undo(undone) = transaction.purpose {
            let by = u8::try_from(own + 1).unwrap_or(u8::MAX);
            draft.ops.push(Op::put(self.keys.undone(undone.0), vec![by]));
        }
        if plan.written.len() > 1 {
            self.check_undo(&plan, present)?;
        }
        Ok(WritePlan { plan, draft, written: all_written })
    }

    /// Refuses several changes that could be made together, and not be taken back together: a value that is
    /// restored is written twice, and the one that it replaces once.
    fn check_undo(&self, plan: &Plan, present: &Present) -> Result<(), StoreError> {
        let (mut old, mut new) = (0, 0);
        for written in &plan.written {
            let found = present.slots.get(&written.key).and_then(|slot| slot.found.as_ref());
            old += found.map_or(0, |found| found.kv.value.len() as u64);
            new += written.image.as_ref().map_or(0, |image| image.stored.len() as u64);
        }
        let (bytes, most) = (old + new + old.max(new), self.capabilities.largest_value * COPIES);
        match bytes > most {
            true => Err(ErrorKind::TransactionTooLarge { bytes, most }.into()),
            false => Ok(()),
        }
    }

    /// The keys and the change of one entry; its change has that place, counted from 0. The entry as it is
    /// afterwards, but for its revision.
    fn draft_entry(
        &self,
        draft: &mut Draft,
        written: &Written,
        slot: &Slot,
        (place, name): (usize, RecordName),
        now: Millis,
    ) -> Option<Found> {
        let key = &written.key;
        let old = slot.found.as_ref().map(Found::image);
        let version = slot.found.as_ref().and_then(version_of).unwrap_or(0);
        draft.compares.extend(self.as_seen(key, slot));
        let known = slot.found.as_ref().and_then(|found| found.about.as_ref()).or(slot.stale.as_ref());
        let marked = known.and_then(|about| about.expires_at);
        let expires_at = written.image.as_ref().and_then(|image| image.expires_at);
        if let Some(at) = marked.filter(|at| expires_at != Some(Millis(*at))) {
            draft.ops.push(Op::delete(self.keys.expiry(Millis(at), key)));
        }
        let after = match &written.image {
            Some(image) => {
                if let Some(at) = expires_at.filter(|at| marked != Some(at.0)) {
                    draft.ops.push(Op::put(self.keys.expiry(at, key), Vec::new()));
                }
                let created_at = match &slot.found {
                    None => Some(now.0),
                    Some(found) => found.about.as_ref().and_then(|about| about.created_at),
                };
                let about = About {
                    stored_type: image.stored_type.map(number_of),
                    expires_at: image.expires_at.map(|at| at.0),
                    created_at,
                    modified_at: now.0,
                    actor: self.actor.borrow().clone(),
                    place: u8::try_from(place + 1).unwrap_or(u8::MAX),
                    record: name,
                    size: image.stored.len() as u64,
                    head: image.stored[..image.stored.len().min(HEAD)].to_vec().into(),
                };
                draft.ops.push(Op::put(self.keys.entry(key), image.stored.clone()));
                draft.ops.push(Op::put(self.keys.about(key), record::encode(&about)));
                let version = slot.found.as_ref().map_or(1, |found| found.kv.version + 1);
                let kv = KeyValue { value: image.stored.clone(), version, ..KeyValue::default() };
                Some(Found { kv, about: Some(about) })
            }
            None => {
                self.draft_deletion(draft, key, name);
                None
            }
        };
        let change = NewChange {
            subject: Subject::Entry,
            key: key.as_bytes(),
            operation: &written.operation,
            old: old.as_ref(),
            new: written.image.as_ref(),
            version: Some(if written.image.is_some() { version + 1 } else { version }),
            previous: previous(slot),
            is_external: false,
        };
        draft.changes.push(change.record());
        after
    }

    /// That an entry is as it was read. One that was absent may come to be absent again: then its tombstone is
    /// another one. So a request that arrives late, after it was answered that a condition did not hold, does
    /// not take effect.
    fn as_seen(&self, key: &Key, slot: &Slot) -> Vec<Compare> {
        match &slot.found {
            // What another program wrote may be recorded by then.
            Some(found) if found.about.is_none() => vec![
                Compare::modified_at(self.keys.entry(key), found.kv.mod_revision),
                Compare::modified_at(self.keys.about(key), slot.about_at),
            ],
            Some(found) => vec![Compare::modified_at(self.keys.entry(key), found.kv.mod_revision)],
            None => vec![
                Compare::modified_at(self.keys.entry(key), 0),
                Compare::modified_at(self.keys.tombstone(key), slot.deleted_at),
            ],
        }
    }

    /// The keys of an entry that goes, except the mark of its expiry.
    pub(super) fn draft_deletion(&self, draft: &mut Draft, key: &Key, name: RecordName) {
        draft.ops.push(Op::delete(self.keys.entry(key)));
        draft.ops.push(Op::delete(self.keys.about(key)));
        draft.ops.push(Op::put(self.keys.tombstone(key), record::encode(&LastRecord { record: name })));
    }

    /// What another program made of an entry, which no record has: what was there before, as far as history
    /// knows, and what is there.
    fn unrecorded(&self, key: &Key, slot: &Slot) -> Result<Option<ForeignChange>, StoreError> {
        let new = match (&slot.found, &slot.stale) {
            (Some(Found { about: Some(_), .. }), _) | (None, None) => return Ok(None),
            (found, _) => found.as_ref().map(Found::image),
        };
        let Some(stale) = &slot.stale else { return Ok(Some(ForeignChange { old: None, new })) };
        let recorded = self.record_named(stale.record)?;
        let last = recorded.as_ref().and_then(|recorded: &HistoryRecord| {
            recorded.changes.iter().rev().find(|change| change.is_about(Subject::Entry, key.as_bytes()))
        });
        let old = match last {
            Some(change) => change.new_image(),
            // That record is gone, and what it said may be as well. What is not known is not recorded as absent.
            None => match self.value_written_with(key, stale, slot.about_at)? {
                Some(stored) => Some(Image {
                    stored,
                    stored_type: stale.stored_type.and_then(record::type_of),
                    expires_at: stale.expires_at.map(Millis),
                }),
                None => return Ok(None),
            },
        };
        // It was recorded by itself.
        if last.is_some_and(ChangeRecord::is_external) && old == new {
            return Ok(None);
        }
        Ok(Some(ForeignChange { old, new }))
    }

    /// The value that was written with what is known of an entry, at that revision of etcd's; `None` if it is
    /// longer than the beginning that is known of it, and etcd has forgotten that revision.
    pub(super) fn value_written_with(
        &self,
        key: &Key,
        about: &About,
        revision: i64,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if about.head.len() as u64 == about.size {
            return Ok(Some(about.head.to_vec()));
        }
        self.was_compacted.set(false);
        match self.range(&RangeRequest { revision, ..RangeRequest::key(self.keys.entry(key)) }) {
            Ok(found) => Ok(found.first().map(|kv| kv.value.clone())),
            Err(_) if self.was_compacted.get() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Records what other programs made of the entries that a plan writes, by itself: with the write of an entry
    /// it would be more than one transaction takes. Whether there was anything.
    fn record_foreign(
        &self,
        head: &Head,
        plan: &Plan,
        present: &Present,
        now: Millis,
    ) -> Result<bool, StoreError> {
        let mut any = false;
        for written in &plan.written {
            let Some(slot) = present.slots.get(&written.key) else { continue };
            let Some(found) = &slot.found else { continue };
            let Some(ForeignChange { old, new: Some(new) }) = self.unrecorded(&written.key, slot)? else {
                continue;
            };
            let name = self.new_record_name(head);
            let about = About {
                stored_type: None,
                expires_at: None,
                created_at: None,
                modified_at: now.0,
                actor: Actor::external(),
                place: 1,
                record: name,
                size: new.stored.len() as u64,
                head: new.stored[..new.stored.len().min(HEAD)].to_vec().into(),
            };
            let mut draft = Draft { compares: self.as_seen(&written.key, slot), ..Draft::default() };
            // It stays another program's: what is known of it was not written with it.
            draft.ops.push(Op::put(self.keys.about(&written.key), record::encode(&about)));
            if let Some(at) = slot.stale.as_ref().and_then(|stale| stale.expires_at) {
                draft.ops.push(Op::delete(self.keys.expiry(Millis(at), &written.key)));
            }
            let change = NewChange {
                subject: Subject::Entry,
                key: written.key.as_bytes(),
                operation: "set",
                old: old.as_ref(),
                new: Some(&new),
                version: version_of(found),
                previous: previous(slot),
                is_external: true,
            };
            draft.changes.push(change.record());
            // Whether it was refused or not, all is read again.
            self.commit_record(name, head, now, draft)?;
            any = true;
        }
        Ok(any)
    }

    fn record_named(&self, name: RecordName) -> Result<Option<HistoryRecord>, StoreError> {
        let found = self.range(&RangeRequest::key(self.keys.record(name)))?;
        let Some(kv) = found.first() else { return Ok(None) };
        record::decode(&kv.value).map(Some).map_err(|error| self.unreadable(error, &kv.key))
    }

    /// Pins what was read and is not written: the keys of conditions, locks, ranges.
    fn pin(&self, draft: &mut Draft, wanted: &Wanted, present: &Present) {
        let is_pinned: std::collections::HashSet<Vec<u8>> =
            draft.compares.iter().map(|compare| compare.span.start.clone()).collect();
        for key in &wanted.keys {
            let name = self.keys.entry(key);
            if !is_pinned.contains(&name) {
                let none = Slot::default();
                draft.compares.extend(self.as_seen(key, present.slots.get(key).unwrap_or(&none)));
            }
        }
        for (name, token) in &wanted.locks {
            let acquired = etcd_revision(token.0);
            draft.compares.push(Compare::modified_at(self.keys.lock(name), acquired));
            draft.compares.push(Compare::created_at(self.keys.life(name), acquired));
        }
        for (range, since) in &wanted.ranges {
            for span in [self.keys.entries(range), self.keys.tombstones(range)] {
                draft.compares.push(Compare::unchanged_since(span, etcd_revision(*since)));
            }
        }
        for (range, _) in &present.deleted {
            draft.compares.push(Compare::unchanged_since(self.keys.entries(range), present.revision));
        }
    }
}

/// What another program made of an entry.
struct ForeignChange {
    /// What was there before, as far as history knows.
    old: Option<Image>,
    /// What is there.
    new: Option<Image>,
}

fn version_of(found: &Found) -> Option<u64> {
    u64::try_from(found.kv.version).ok()
}

/// The last record about an entry.
pub(super) fn previous(slot: &Slot) -> Option<RecordName> {
    let about = slot.found.as_ref().and_then(|found| found.about.as_ref()).or(slot.stale.as_ref());
    about.map(|about| about.record).or(slot.tombstone.map(|tombstone| tombstone.record))
}

/// The head of the database, without anything else.
impl EtcdStore {
    pub(super) fn read_head(&self) -> Result<Head, StoreError> {
        let (_, answers) = self.read_all(self.head_reads().to_vec())?;
        self.head(&answers)
    }
}
