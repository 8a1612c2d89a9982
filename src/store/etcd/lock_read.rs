//! Reading locks: the record of one, and the key that says how long it lasts.

use std::time::Duration;

use super::EtcdStore;
use super::commit_record::{HEAD_READS, Head};
use super::keys::RecordName;
use super::lock_record::LockRecord;
use super::record::{self, LastRecord};
use super::wire::{KeyValue, LeaseTime, Op, RangeRequest, RangeResponse};
use crate::store::{Lock, LockVersion, Renewal, StoreError, Token};
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
    /// The revision of the key of a lease, whose ever it is; 0 without one.
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
        let pair = [lock.clone(), life.clone()];
        let last = last.first().and_then(|kv| record::decode::<LastRecord>(&kv.value).ok());
        Ok(LockSlot {
            head: self.head(read)?,
            found: self.found_lock(&pair)?,
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
        first(0).map(|kv| self.found_in(kv, first(1))).transpose()
    }

    pub(super) fn found_in(&self, kv: &KeyValue, life: Option<&KeyValue>) -> Result<FoundLock, StoreError> {
        let record: LockRecord =
            record::decode(&kv.value).map_err(|error| self.unreadable(error, &kv.key))?;
        // One that was made with another lock says nothing of this one.
        let life = life.filter(|life| life.create_revision == kv.mod_revision).cloned();
        Ok(FoundLock { record, revision: kv.mod_revision, life })
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
                (now.plus(left), renewal(time.granted, time.left))
            }
            // It may have been renewed often: all that is known is that it was over before this reading, which
            // the caller's clock may be a little behind.
            None => {
                let over = Millis(now.0.saturating_sub(1000));
                let end = if record.seconds > 0 { over } else { Millis(record.expires_at).min(over) };
                (end, renewal(record.seconds, 0))
            }
        };
        Lock {
            name: name.into(),
            holder: record.holder.clone(),
            token: found.token(),
            acquired_at: record.acquired_at.map(Millis),
            expires_at: Some(expires_at),
            renewal: (!record.is_imported).then_some(known),
            process: record.process(),
            actor: Some(record.actor.clone()),
            version: LockVersion::default(),
        }
    }
}
