//! Reading locks: the record of one, and the key that says how long it lasts.

use std::time::Duration;

use super::EtcdStore;
use super::commit_record::{HEAD_READS, Head};
use super::keys::RecordName;
use super::lock_record::LockRecord;
use super::record::{self, LastRecord, Unreadable};
use super::wire::{KeyValue, LeaseTime, Op, RangeRequest, RangeResponse};
use crate::store::{Lock, LockReading, LockVersion, Renewal, StoreError, Token};
use crate::time::Millis;

/// A lock as it was read.
pub(super) struct FoundLock {
    pub record: LockRecord,
    /// etcd's revision at which it was acquired.
    pub revision: i64,
    /// The key of its lease, as long as that lasts.
    pub life: Option<KeyValue>,
}

impl FoundLock {
    pub(super) fn token(&self) -> Token {
        self.record.token(self.revision)
    }
}

/// What was read of one lock.
pub(super) struct LockSlot {
    pub head: Head,
    pub found: Option<FoundLock>,
    /// What is there instead and cannot be read.
    pub unreadable: Option<(KeyValue, Unreadable)>,
    /// The revision of the key of a lease, whoever holds it; 0 without one.
    pub life: i64,
    /// The record of history about the change before.
    pub previous: Option<RecordName>,
    pub waiters: Vec<KeyValue>,
}

fn duration(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// What keeps the time of a lock, in the words of the store.
fn renewal(granted: i64, left: i64) -> Renewal {
    Renewal { age: duration(granted.saturating_sub(left)), lease: duration(granted) }
}

impl EtcdStore {
    pub(super) fn slot_of_lock(&self, read: &[RangeResponse]) -> Result<LockSlot, StoreError> {
        let Some([lock, life, last, waiters]) = read.get(HEAD_READS..) else {
            return Err(self.malformed("an answer that has not all of what was asked for"));
        };
        let (found, unreadable) = match lock.first().map(|kv| (kv, self.found_in(kv, life.first()))) {
            None => (None, None),
            Some((_, Ok(found))) => (Some(found), None),
            Some((kv, Err(why))) => (None, Some((kv.clone(), why))),
        };
        let last = last.first().and_then(|kv| record::decode::<LastRecord>(&kv.value).ok());
        Ok(LockSlot {
            head: self.head(read)?,
            found,
            unreadable,
            life: life.first().map_or(0, |kv| kv.mod_revision),
            previous: last.map(|last| last.record),
            waiters: waiters.kvs.clone(),
        })
    }

    pub(super) fn reads_of_lock(&self, name: &str) -> Vec<Op> {
        let mut reads = self.head_reads().to_vec();
        reads.extend([self.keys.lock(name), self.keys.life(name), self.keys.lock_record(name)].map(Op::get));
        reads.push(Op::Range(RangeRequest::of(self.keys.waiters(name))));
        reads
    }

    /// The lock in the answers to a read of it and of its lease.
    pub(super) fn found_lock(&self, read: &[RangeResponse]) -> Result<Option<FoundLock>, StoreError> {
        let first = |place: usize| read.get(place).and_then(RangeResponse::first);
        let found =
            first(0).map(|kv| self.found_in(kv, first(1)).map_err(|why| self.unreadable(why, &kv.key)));
        found.transpose()
    }

    fn found_in(&self, kv: &KeyValue, life: Option<&KeyValue>) -> Result<FoundLock, Unreadable> {
        let record: LockRecord = record::decode(&kv.value)?;
        // One that was made with another lock says nothing of this one.
        let life = life.filter(|life| life.create_revision == kv.mod_revision).cloned();
        Ok(FoundLock { record, revision: kv.mod_revision, life })
    }

    /// A lock in the words of the store, also one that cannot be read.
    pub(super) fn lock_in(
        &self,
        name: &str,
        kv: &KeyValue,
        life: Option<&KeyValue>,
    ) -> Result<Lock, StoreError> {
        match self.found_in(kv, life) {
            Ok(found) => self.lock_of(name, &found),
            Err(why) => Ok(unreadable_lock(name, kv, why)),
        }
    }

    /// The lock in the words of the store: etcd says how long its lease lasts.
    pub(super) fn lock_of(&self, name: &str, found: &FoundLock) -> Result<Lock, StoreError> {
        let time = match &found.life {
            Some(life) => self.wire.time_to_live(life.lease).map_err(|error| self.error(error))?,
            None => None,
        };
        Ok(self.lock_at(name, found, time))
    }

    pub(super) fn lock_at(&self, name: &str, found: &FoundLock, time: Option<LeaseTime>) -> Lock {
        let (now, record) = (self.now(), &found.record);
        let (expires_at, known) = match time {
            // Seconds are whole ones, rounded down.
            Some(time) => {
                let left = duration(time.left).max(Duration::from_millis(1));
                (Some(now.plus(left)), renewal(time.granted, time.left))
            }
            // It may have been renewed often: nobody knows when it ended.
            None if record.seconds > 0 => (None, renewal(record.seconds, 0)),
            None => (Some(Millis(record.expires_at)), renewal(record.seconds, 0)),
        };
        Lock {
            name: name.into(),
            holder: record.holder.clone(),
            token: found.token(),
            acquired_at: record.acquired_at.map(Millis),
            expires_at,
            renewal: (!record.is_imported).then_some(known),
            process: record.process(),
            actor: Some(record.actor.clone()),
            version: LockVersion::default(),
            reading: if time.is_some() { LockReading::Whole } else { LockReading::Ended },
        }
    }
}

/// The token of what is under the name of a lock and cannot be read: it tells it from what comes later.
pub(super) fn unreadable_token(kv: &KeyValue) -> Token {
    Token(record::revision_at(kv.mod_revision, 0))
}

/// A lock of which nothing but the name is known.
fn unreadable_lock(name: &str, kv: &KeyValue, why: Unreadable) -> Lock {
    Lock {
        name: name.into(),
        holder: format!("unreadable: {why}"),
        token: unreadable_token(kv),
        acquired_at: None,
        expires_at: None,
        renewal: None,
        process: None,
        actor: None,
        version: LockVersion::default(),
        reading: LockReading::Unreadable,
    }
}
