//! The locks of a database: who holds one is a record, and how long is a key beside it under a lease of etcd's.
//!
//! The token of a lock is the revision at which its record was written, and its lease is the one that was made
//! with it: a write under a token compares both in its transaction, so two processes never hold one lock,
//! whatever their clocks say. A lease that is renewed by the same time is only kept alive, which writes nothing.

use std::time::Duration;

use super::EtcdStore;
use super::commit_record::{Draft, Retries, Sent};
use super::error_mapping::is_lease_gone;
use super::keys::RecordName;
use super::lock_read::{FoundLock, LockSlot, unreadable_token};
use super::lock_record::{LifeRecord, LockRecord, stored_process};
use super::presence::Holding;
use super::record::{self, LastRecord, NewChange, Unreadable, etcd_revision};
use super::wire::{
    Compare, GRANTS, KeySpan, KeyValue, Lease, LeaseTime, Op, RangeRequest, RangeResponse, Txn,
};
use crate::store::{
    AcquireOutcome, ClearOutcome, ErrorKind, Image, Key, Liveness, Lock, LockRequest, Locks, Process, Store,
    StoreError, Subject, Ticket, Token, Waiter,
};
use crate::text::escape::escape;
use crate::time::Millis;

/// The longest lease that etcd grants, in seconds.
const LONGEST: u64 = 9_000_000_000;

/// A lock that is to be held.
struct NewLock<'a> {
    name: &'a str,
    holder: &'a str,
    process: Option<String>,
    /// `None`: now.
    acquired_at: Option<Millis>,
    /// How long its first lease lasts; `None` for one that is over.
    lease: Option<Duration>,
    expires_at: Millis,
    is_imported: bool,
}

/// What became of a lock that was to be removed.
enum Removal {
    Gone,
    /// Another one is there.
    Other(Box<FoundLock>),
    Removed {
        was_expired: bool,
    },
}

impl Locks for EtcdStore {
    fn lock(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        if name.is_empty() {
            return Ok(None);
        }
        let (_, read) = self.read_all([self.keys.lock(name), self.keys.life(name)].map(Op::get).to_vec())?;
        let [lock, life] = &read[..] else { return Ok(None) };
        lock.first().map(|kv| self.lock_in(name, kv, life.first())).transpose()
    }

    fn locks(&self, after: Option<&str>, limit: usize) -> Result<Vec<Lock>, StoreError> {
        let mut span = self.keys.locks();
        if let Some(after) = after {
            span.start = [&self.keys.lock(after)[..], b"\0"].concat();
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = self.range(&RangeRequest { limit, ..RangeRequest::of(span) })?;
        let names: Vec<String> = read.kvs.iter().filter_map(|kv| self.keys.name_of_lock(&kv.key)).collect();
        let (Some(first), Some(last)) = (names.first(), names.last()) else { return Ok(Vec::new()) };
        let end = [&self.keys.life(last)[..], b"\0"].concat();
        let span = KeySpan { start: self.keys.life(first), end };
        let lives = self.range(&RangeRequest { revision: read.revision, ..RangeRequest::of(span) })?;
        let mut locks = Vec::with_capacity(names.len());
        for kv in &read.kvs {
            let Some(name) = self.keys.name_of_lock(&kv.key) else { continue };
            let key = self.keys.life(&name);
            let life = lives.kvs.iter().find(|life| life.key == key);
            locks.push(self.lock_in(&name, kv, life)?);
        }
        Ok(locks)
    }

    fn acquire(&self, request: &LockRequest, ticket: Option<Ticket>) -> Result<AcquireOutcome, StoreError> {
        let expires_at = end_of(self.now(), request.lease)?;
        let new = NewLock {
            name: &request.name,
            holder: &request.holder,
            process: stored_process(&self.settings.process),
            acquired_at: None,
            lease: Some(request.lease),
            expires_at,
            is_imported: false,
        };
        let outcome = self.take(&new, ticket)?;
        if let AcquireOutcome::Held(held) = &outcome
            && held.process.as_ref() == Some(&self.settings.process)
            && held.holder == request.holder
        {
            let (name, holder) = (escape(request.name.as_bytes()), escape(held.holder.as_bytes()));
            return Err(ErrorKind::Reentrant { name, holder }.into());
        }
        Ok(outcome)
    }

    fn import_lock(&self, lock: &Lock) -> Result<AcquireOutcome, StoreError> {
        let now = self.now();
        let expires_at = lock.expires_at.unwrap_or(now);
        let lease = Some(expires_at.since(now)).filter(|lease| !lease.is_zero());
        let new = NewLock {
            name: &lock.name,
            holder: &lock.holder,
            process: lock.process.as_ref().and_then(stored_process),
            acquired_at: lock.acquired_at,
            lease,
            expires_at,
            is_imported: true,
        };
        self.take(&new, None)
    }

    fn renew(&self, name: &str, token: Token, lease: Duration) -> Result<bool, StoreError> {
        self.check_writable()?;
        end_of(self.now(), lease)?;
        let renewed = self.renew_lease(name, token, seconds_of(lease))?;
        if !renewed {
            self.holdings.borrow_mut().remove(&Holding::Lock(name.into(), token));
        }
        Ok(renewed)
    }

    fn release(&self, name: &str, token: Token) -> Result<bool, StoreError> {
        match self.remove_lock(name, token, "unlock")? {
            Removal::Removed { was_expired } => Ok(!was_expired),
            Removal::Gone | Removal::Other(_) => Ok(false),
        }
    }

    fn clear_lock(&self, seen: &Lock) -> Result<ClearOutcome, StoreError> {
        match self.remove_lock(&seen.name, seen.token, "steal")? {
            Removal::Removed { .. } => Ok(ClearOutcome::Cleared),
            Removal::Gone => Ok(ClearOutcome::AlreadyGone),
            Removal::Other(found) => Ok(ClearOutcome::Changed(Box::new(self.lock_of(&seen.name, &found)?))),
        }
    }

    fn holder_liveness(&self, lock: &Lock, here: &Process) -> Liveness {
        self.liveness_of_holder(lock, here)
    }

    fn join_queue(&self, request: &LockRequest) -> Result<Ticket, StoreError> {
        self.join(request)
    }

    fn keep_waiting(&self, request: &LockRequest, ticket: Ticket) -> Result<(), StoreError> {
        self.stay(request, ticket)
    }

    fn leave_queue(&self, ticket: Ticket) -> Result<(), StoreError> {
        self.leave(ticket)
    }

    fn waiters(&self) -> Result<Vec<Waiter>, StoreError> {
        self.all_waiters()
    }
}

/// When a lease ends that begins now.
///
/// # Errors
/// [`ErrorKind::TooLong`].
fn end_of(now: Millis, lease: Duration) -> Result<Millis, StoreError> {
    let too_long = ErrorKind::TooLong { time: lease, is_lease: true };
    match lease.as_secs() > LONGEST {
        true => Err(too_long.into()),
        false => now.checked_plus(lease).ok_or_else(|| too_long.into()),
    }
}

/// A lease in etcd's whole seconds, not shorter than it is.
fn seconds_of(lease: Duration) -> i64 {
    let seconds = lease.as_secs() + u64::from(lease.subsec_nanos() > 0);
    i64::try_from(seconds.clamp(1, LONGEST)).unwrap_or(1)
}

impl EtcdStore {
    /// The lock of that name as it was read by a refused transaction, or as it is now.
    fn lock_slot(&self, name: &str, read: Option<Vec<RangeResponse>>) -> Result<LockSlot, StoreError> {
        let read = match read {
            Some(read) => read,
            None => self.read_all(self.reads_of_lock(name))?.1,
        };
        self.slot_of_lock(&read)
    }

    /// Takes a lock, unless another one holds it or comes before.
    fn take(&self, new: &NewLock<'_>, ticket: Option<Ticket>) -> Result<AcquireOutcome, StoreError> {
        if new.name.is_empty() {
            return Err(ErrorKind::EmptyLockName.into());
        }
        self.check_writable()?;
        let mut retries = Retries::new(self.settings.busy_limit);
        let (mut answers, mut grants) = (None, 0);
        loop {
            let slot = self.lock_slot(new.name, answers.take())?;
            // Whether it is held is not known.
            if let Some((kv, why)) = &slot.unreadable {
                return Err(self.unreadable(*why, &kv.key));
            }
            if let Some(found) = slot.found.as_ref().filter(|found| found.life.is_some()) {
                return Ok(AcquireOutcome::Held(self.lock_of(new.name, found)?));
            }
            // A waiter without a lease is not one of ours, and would wait for ever.
            let stray =
                slot.waiters.iter().find(|kv| kv.lease == 0).map(|kv| (kv.key.clone(), kv.mod_revision));
            let stray = stray.or((slot.life > 0).then(|| (self.keys.life(new.name), slot.life)));
            if let Some((key, seen)) = stray {
                self.remove_stray(key, seen)?;
                retries.again(&Key::new(new.name)?)?;
                continue;
            }
            if self.is_before(&slot.waiters, ticket) {
                return Ok(AcquireOutcome::Queued);
            }
            let presence = if new.is_imported { None } else { Some(self.enter()?) };
            let now = self.now();
            let lease = match new.lease {
                Some(lease) => Some(self.wire.grant(seconds_of(lease)).map_err(|error| self.error(error))?),
                None => None,
            };
            grants += 1;
            match self.write_lock(new, ticket, &slot, (now, lease)) {
                Ok(Ok(found)) => {
                    let time = lease.map(|lease| LeaseTime { granted: lease.seconds, left: lease.seconds });
                    let lock = self.lock_at(new.name, &found, time);
                    if let Some(presence) = presence {
                        let holding = Holding::Lock(lock.name.clone(), lock.token);
                        self.holdings.borrow_mut().insert(holding, presence);
                    }
                    return Ok(AcquireOutcome::Acquired(lock));
                }
                refused => {
                    // The lease may be gone already: etcd forgets one that it granted before a change of leader.
                    if matches!(&refused, Err(error) if is_lease_gone(error)) && grants < GRANTS {
                        continue;
                    }
                    // An attempt that is still on its way fails without its lease.
                    let is_known = !matches!(&refused, Err(error) if is_unreachable(error));
                    if let Some(lease) = lease.filter(|_| is_known) {
                        let _ = self.wire.revoke(lease.id);
                    }
                    if let Err(read) = refused? {
                        answers = Some(read).filter(|read| !read.is_empty());
                    }
                    retries.again(&Key::new(new.name)?)?;
                }
            }
        }
    }

    /// Writes a lock that is free, under a lease; or what was read, if it is not free any more.
    fn write_lock(
        &self,
        new: &NewLock<'_>,
        ticket: Option<Ticket>,
        slot: &LockSlot,
        (now, lease): (Millis, Option<Lease>),
    ) -> Result<Result<FoundLock, Vec<RangeResponse>>, StoreError> {
        let name = self.new_record_name(&slot.head);
        let keys = &self.keys;
        let mut draft = Draft { reads: self.reads_of_lock(new.name), ..Draft::default() };
        let seen = slot.found.as_ref().map_or(0, |found| found.revision);
        draft.compares.push(Compare::modified_at(keys.lock(new.name), seen));
        draft.compares.push(Compare::absent(keys.life(new.name)));
        if ticket.is_none() {
            draft.compares.push(Compare::empty(keys.waiters(new.name)));
        }
        let old = slot.found.as_ref().map(|found| found.record.image());
        if let Some(old) = &old {
            draft.changes.push(change(new.name, "expire", (Some(old), None), slot.previous).record());
        }
        let place = draft.changes.len();
        let record = LockRecord {
            holder: new.holder.into(),
            process: new.process.clone(),
            actor: self.actor.borrow().clone(),
            acquired_at: Some(new.acquired_at.unwrap_or(now).0),
            expires_at: new.expires_at.0,
            seconds: lease.map_or(0, |lease| lease.seconds),
            is_imported: new.is_imported,
            place: u8::try_from(place + 1).unwrap_or(u8::MAX),
            record: name,
        };
        let previous = if old.is_some() { Some(name) } else { slot.previous };
        draft.changes.push(change(new.name, "lock", (None, Some(&record.image())), previous).record());
        draft.ops.push(Op::put(keys.lock(new.name), record::encode(&record)));
        draft.ops.push(Op::put(keys.lock_record(new.name), record::encode(&LastRecord { record: name })));
        if let Some(lease) = lease {
            let value = record::encode(&LifeRecord { seconds: new.lease.map_or(1, seconds_of) });
            draft.ops.push(Op::Put { key: keys.life(new.name), value, lease: lease.id });
        }
        Ok(match self.commit_record(name, &slot.head, now, draft)? {
            Sent::Done(revision) => Ok(FoundLock { record, revision, life: None }),
            Sent::Refused(read) => Err(read),
        })
    }

    /// Removes a key that another program left, such as that of a lease whose lock it removed.
    fn remove_stray(&self, key: Vec<u8>, seen: i64) -> Result<(), StoreError> {
        let compares = vec![Compare::modified_at(key.clone(), seen)];
        self.txn(&Txn { compares, success: vec![Op::delete(key)], failure: Vec::new() }).map(drop)
    }

    fn renew_lease(&self, name: &str, token: Token, seconds: i64) -> Result<bool, StoreError> {
        let acquired = etcd_revision(token.0);
        let mut made: Option<Lease> = None;
        let mut grants = 0;
        let mut retries = Retries::new(self.settings.busy_limit);
        loop {
            let reads = [self.keys.lock(name), self.keys.life(name)].map(Op::get).to_vec();
            let (_, read) = self.read_all(reads)?;
            let found = self.found_lock(&read)?.filter(|found| found.token() == token);
            let Some(life) = found.and_then(|found| found.life) else {
                if let Some(lease) = made {
                    let _ = self.wire.revoke(lease.id);
                }
                return Ok(false);
            };
            let known: Option<LifeRecord> = record::decode(&life.value).ok();
            let is_as_long = known.is_some_and(|known| known.seconds == seconds);
            if is_as_long || made.is_some_and(|made| made.id == life.lease) {
                let renewed = self.wire.keep_alive(life.lease).map_err(|error| self.error(error))?;
                return Ok(renewed.is_some());
            }
            let lease = match made {
                Some(lease) => lease,
                None => {
                    grants += 1;
                    self.wire.grant(seconds).map_err(|error| self.error(error))?
                }
            };
            made = Some(lease);
            let value = record::encode(&LifeRecord { seconds });
            let key = self.keys.life(name);
            let put = Op::Put { key: key.clone(), value, lease: lease.id };
            let compares = vec![
                Compare::modified_at(self.keys.lock(name), acquired),
                Compare::modified_at(key, life.mod_revision),
            ];
            match self.txn(&Txn { compares, success: vec![put], failure: Vec::new() }) {
                Ok(answer) if answer.succeeded => {
                    let _ = self.wire.revoke(life.lease);
                    return Ok(true);
                }
                Ok(_) => {}
                Err(error) if is_lease_gone(&error) && grants < GRANTS => made = None,
                Err(error) => return Err(error),
            }
            retries.again(&Key::new(name)?)?;
        }
    }

    /// Removes what is under the name of a lock and is not a record of ours; `None` if it was changed meanwhile.
    fn remove_unreadable(
        &self,
        name: &str,
        slot: &LockSlot,
        kv: &KeyValue,
    ) -> Result<Option<Removal>, StoreError> {
        let record_name = self.new_record_name(&slot.head);
        let (lock, life) = (self.keys.lock(name), self.keys.life(name));
        let last = record::encode(&LastRecord { record: record_name });
        let old = Image { stored: kv.value.clone(), stored_type: None, expires_at: None };
        let draft = Draft {
            compares: vec![
                Compare::modified_at(lock.clone(), kv.mod_revision),
                Compare::modified_at(life.clone(), slot.life),
            ],
            ops: vec![Op::delete(lock), Op::delete(life), Op::put(self.keys.lock_record(name), last)],
            changes: vec![change(name, "steal", (Some(&old), None), slot.previous).record()],
            reads: Vec::new(),
        };
        match self.commit_record(record_name, &slot.head, self.now(), draft)? {
            Sent::Done(_) => Ok(Some(Removal::Removed { was_expired: false })),
            Sent::Refused(_) => Ok(None),
        }
    }

    /// Removes the lock that was acquired under that token; history names the operation, unless its lease was
    /// over.
    fn remove_lock(&self, name: &str, token: Token, operation: &str) -> Result<Removal, StoreError> {
        self.check_writable()?;
        let mut retries = Retries::new(self.settings.busy_limit);
        let mut answers = None;
        loop {
            let slot = self.lock_slot(name, answers.take())?;
            if let Some((kv, why)) = &slot.unreadable {
                let is_seen = unreadable_token(kv) == token;
                if !is_seen || *why != Unreadable::Damaged || operation != "steal" {
                    return Err(self.unreadable(*why, &kv.key));
                }
                match self.remove_unreadable(name, &slot, kv)? {
                    Some(removal) => return Ok(removal),
                    None => retries.again(&Key::new(name)?)?,
                }
                continue;
            }
            let Some(found) = slot.found else { return Ok(Removal::Gone) };
            if found.token() != token {
                return Ok(Removal::Other(Box::new(found)));
            }
            let was_expired = found.life.is_none();
            let operation = if was_expired { "expire" } else { operation };
            let record_name = self.new_record_name(&slot.head);
            let old = found.record.image();
            let (lock, life) = (self.keys.lock(name), self.keys.life(name));
            let last = record::encode(&LastRecord { record: record_name });
            let draft = Draft {
                compares: vec![
                    Compare::modified_at(lock.clone(), found.revision),
                    Compare::modified_at(life.clone(), slot.life),
                ],
                ops: vec![Op::delete(lock), Op::delete(life), Op::put(self.keys.lock_record(name), last)],
                changes: vec![change(name, operation, (Some(&old), None), slot.previous).record()],
                reads: self.reads_of_lock(name),
            };
            match self.commit_record(record_name, &slot.head, self.now(), draft)? {
                Sent::Done(_) => {
                    if let Some(life) = found.life {
                        // One that stays ends by itself.
                        let _ = self.wire.revoke(life.lease);
                    }
                    self.holdings.borrow_mut().remove(&Holding::Lock(name.into(), token));
                    self.keep_up(&slot.head, Some(0));
                    return Ok(Removal::Removed { was_expired });
                }
                Sent::Refused(read) => {
                    answers = Some(read).filter(|read| !read.is_empty());
                    retries.again(&Key::new(name)?)?;
                }
            }
        }
    }
}

/// Whether nobody answered: it is not known what became of the request.
pub(super) fn is_unreachable(error: &StoreError) -> bool {
    matches!(error.kind, ErrorKind::Unreachable { .. } | ErrorKind::Unconfirmed { .. })
}

/// The change of a lock, with what was there before and what is since.
fn change<'a>(
    name: &'a str,
    operation: &'a str,
    (old, new): (Option<&'a Image>, Option<&'a Image>),
    previous: Option<RecordName>,
) -> NewChange<'a> {
    let (subject, key) = (Subject::Lock, name.as_bytes());
    NewChange { subject, key, operation, old, new, version: None, previous, is_external: false }
}
