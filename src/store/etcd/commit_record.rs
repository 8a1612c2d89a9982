//! The one transaction that writes a record of history, with what it is about: no record without its change,
//! and no change without its record.
//!
//! Every write that history shows goes through [`EtcdStore::commit_record`]: entries, locks, expiries.

use std::thread;
use std::time::{Duration, Instant};

use super::EtcdStore;
use super::keys::RecordName;
use super::record::{self, ChangeRecord, Format, HistoryRecord, Newest, OpenBucket};
use super::wire::{Compare, Op, RangeResponse, Txn};
use crate::store::{ErrorKind, Key, StoreError};
use crate::time::Millis;

/// What every record needs to know of the database: it is read together with what the write depends on.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// The bucket that records are written to.
    pub bucket: u64,
    /// When it was opened; `None` for the first one.
    pub opened_at: Option<Millis>,
    /// `None` before the first write.
    pub format: Option<Format>,
    /// The revision of etcd's at which that was written; 0 before the first write.
    pub format_revision: i64,
}

/// How many reads [`EtcdStore::head_reads`] are.
pub(super) const HEAD_READS: usize = 2;

/// What is written together with a record.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// What must hold besides: all that the changes depend on.
    pub compares: Vec<Compare>,
    /// What is written. The keys of the record itself are not among them.
    pub ops: Vec<Op>,
    /// The changes, in the order of their revisions.
    pub changes: Vec<ChangeRecord>,
    /// What is read if the compares do not hold.
    pub reads: Vec<Op>,
}

/// What became of a draft.
#[derive(Debug)]
pub(super) enum Sent {
    /// It took effect at this revision of etcd's; the changes have the revisions of
    /// [`record::revision_at`].
    Done(i64),
    /// A compare did not hold, and nothing was written: what was read.
    Refused(Vec<RangeResponse>),
}

impl EtcdStore {
    /// The reads that [`Head`] is made of; they stand first.
    pub(super) fn head_reads(&self) -> [Op; HEAD_READS] {
        [Op::get(self.keys.current_bucket()), Op::get(self.keys.format())]
    }

    /// What those reads found.
    pub(super) fn head(&self, answers: &[RangeResponse]) -> Result<Head, StoreError> {
        let [bucket, format, ..] = answers else {
            return Err(self.malformed("an answer without the head of the database"));
        };
        let open: Option<OpenBucket> = bucket.first().and_then(|kv| record::decode(&kv.value).ok());
        let bucket = bucket.first().map_or(0, |kv| kv.mod_revision.max(0).cast_unsigned());
        let opened_at = open.map(|open| Millis(open.opened_at));
        let format_revision = format.first().map_or(0, |kv| kv.mod_revision);
        Ok(Head { bucket, opened_at, format: self.format_of(format)?, format_revision })
    }

    /// A name for a record in the bucket that is written to. It stays the same in each retry of one write,
    /// unless nothing of it can have taken effect.
    pub(super) fn new_record_name(&self, head: &Head) -> RecordName {
        RecordName { bucket: head.bucket, unique: fastrand::u64(..) }
    }

    /// Writes a record and what it is about, if all compares hold. It takes effect once, also if an answer is
    /// lost on the way and the nodes are asked again.
    ///
    /// # Errors
    /// [`ErrorKind::Unconfirmed`] if it is not known whether it took effect; [`ErrorKind::TransactionTooLarge`]
    /// and [`ErrorKind::TooManyOperations`] if etcd does not take so much at once.
    pub(super) fn commit_record(
        &self,
        name: RecordName,
        head: &Head,
        now: Millis,
        draft: Draft,
    ) -> Result<Sent, StoreError> {
        let Draft { mut compares, mut ops, changes, reads } = draft;
        let key = self.keys.record(name);
        let newest = Newest { changes: u8::try_from(changes.len()).unwrap_or(u8::MAX), at: now.0 };
        let record = HistoryRecord { at: now.0, actor: self.actor.borrow().clone(), changes };
        let record = record::encode(&record);
        let bucket = i64::try_from(head.bucket).unwrap_or(i64::MAX);
        compares.push(Compare::modified_at(self.keys.current_bucket(), bucket));
        compares.push(Compare::absent(key.clone()));
        ops.push(Op::put(key.clone(), record));
        ops.push(Op::put(self.keys.newest(), record::encode(&newest)));
        // A newer version may have changed it: that one decides what may be written.
        compares.push(Compare::modified_at(self.keys.format(), head.format_revision));
        if head.format.is_none() {
            ops.push(Op::put(self.keys.format(), record::encode(&Format::new())));
        }
        let mut txn = Txn { compares, success: ops, failure: vec![Op::get(key)] };
        self.check_size(&txn)?;
        let room = self.max_request.saturating_sub(txn.request_bytes());
        let recorded = self.draft_records(newest.changes, room)?;
        txn.compares.extend(recorded.compares);
        txn.success.extend(recorded.ops);
        let has_piece = recorded.read.is_some();
        txn.failure.extend(recorded.read);
        let most = self.max_operations;
        if txn.compares.len() > most || txn.success.len() > most {
            let given = txn.compares.len().max(txn.success.len()) as u64;
            return Err(ErrorKind::TooManyOperations { given, most: most as u64 }.into());
        }
        let found_with = txn.failure.len();
        txn.failure.extend(reads);
        // Without room for all that is to be read, it is read again.
        if txn.failure.len() > most || self.check_size(&txn).is_err() {
            txn.failure.truncate(found_with);
        }
        self.check_size(&txn)?;
        let answer = self.txn(&txn)?;
        if answer.succeeded {
            self.records_are_written();
            return Ok(Sent::Done(answer.revision));
        }
        let mut found = answer.into_ranges();
        if found.len() < found_with {
            return Err(self.malformed("a transaction without its reads"));
        }
        // The record is there: an earlier attempt at this very write took effect.
        if let Some(kv) = found[0].first() {
            self.records_are_written();
            return Ok(Sent::Done(kv.mod_revision));
        }
        if has_piece {
            self.records_are_refused(&found[1]);
        }
        found.drain(..found_with);
        Ok(Sent::Refused(found))
    }

    /// Refuses a transaction that is larger than etcd's requests.
    fn check_size(&self, txn: &Txn) -> Result<(), StoreError> {
        match (txn.request_bytes(), self.max_request) {
            (bytes, most) if bytes > most => Err(ErrorKind::TransactionTooLarge { bytes, most }.into()),
            _ => Ok(()),
        }
    }
}

/// Tries a write again while others change what it depends on.
pub(super) struct Retries {
    start: Instant,
    limit: Duration,
    attempts: u32,
}

impl Retries {
    /// The first attempt is now.
    pub(super) fn new(limit: Duration) -> Retries {
        Retries { start: Instant::now(), limit, attempts: 0 }
    }

    /// Waits for the next attempt: not at all for the first ones, then for a moment that differs from that of
    /// the others.
    ///
    /// # Errors
    /// [`ErrorKind::Contended`] when the time is up.
    pub(super) fn again(&mut self, key: &Key) -> Result<(), StoreError> {
        self.attempts += 1;
        if self.attempts < 3 {
            return Ok(());
        }
        if self.start.elapsed() >= self.limit {
            return Err(ErrorKind::Contended { key: key.clone(), attempts: self.attempts }.into());
        }
        thread::sleep(Duration::from_micros(fastrand::u64(..800)));
        Ok(())
    }
}
