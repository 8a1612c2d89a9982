//! The queues for locks: a key under a lease for each who waits, in the order in which they came.

use super::EtcdStore;
use super::lock_record::{WaiterRecord, process_of, stored_process};
use super::record;
use super::wire::{Compare, KeyValue, Op, RangeRequest, Txn};
use crate::store::{ErrorKind, LockRequest, Store, StoreError, Ticket, Waiter};
use crate::time::Millis;

/// How many seconds a waiter may be silent: more than it takes to find another leader.
pub(super) const PATIENCE: i64 = 5;

impl EtcdStore {
    fn waiter(&self, kv: &KeyValue) -> Result<WaiterRecord, StoreError> {
        record::decode(&kv.value).map_err(|error| self.unreadable(error, &kv.key))
    }

    /// Whether another of these comes before the one with that ticket, or before one without.
    pub(super) fn is_before(&self, waiters: &[KeyValue], ticket: Option<Ticket>) -> Result<bool, StoreError> {
        for kv in waiters {
            let place = self.waiter(kv)?.ticket(kv);
            if ticket.is_none_or(|ticket| place < ticket.0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn join(&self, request: &LockRequest) -> Result<Ticket, StoreError> {
        self.check_writable()?;
        if request.name.is_empty() {
            return Err(ErrorKind::EmptyLockName.into());
        }
        self.queue(request, None)
    }

    /// Puts a waiter into the queue, at its former place if it had one.
    fn queue(&self, request: &LockRequest, ticket: Option<i64>) -> Result<Ticket, StoreError> {
        let lease = self.wire.grant(PATIENCE).map_err(|error| self.error(error))?.id;
        let waiter = WaiterRecord {
            holder: request.holder.clone(),
            process: stored_process(&self.settings.process),
            since: self.now().0,
            ticket,
        };
        let key = self.keys.waiter(&request.name, lease);
        let txn = Txn {
            compares: vec![Compare::absent(key.clone())],
            success: vec![Op::Put { key: key.clone(), value: record::encode(&waiter), lease }],
            failure: vec![Op::get(key)],
        };
        let answer = self.txn(&txn)?;
        // If it is there, an earlier attempt put it there: nobody else has that lease.
        let revision = match answer.succeeded {
            true => answer.revision,
            false => {
                let found = answer.into_ranges();
                let created = found.first().and_then(|found| found.first()).map(|kv| kv.create_revision);
                created.ok_or_else(|| self.malformed("a transaction without its reads"))?
            }
        };
        let ticket = Ticket(ticket.unwrap_or(revision));
        self.waiting.borrow_mut().insert(ticket, lease);
        Ok(ticket)
    }

    pub(super) fn stay(&self, request: &LockRequest, ticket: Ticket) -> Result<(), StoreError> {
        self.check_writable()?;
        let known = self.waiting.borrow().get(&ticket).copied();
        let lease = match known {
            Some(lease) => Some(lease),
            None => self.lease_of(&RangeRequest::of(self.keys.waiters(&request.name)), ticket)?,
        };
        if let Some(lease) = lease
            && self.wire.keep_alive(lease).map_err(|error| self.error(error))?.is_some()
        {
            self.waiting.borrow_mut().insert(ticket, lease);
            return Ok(());
        }
        self.queue(request, Some(ticket.0)).map(drop)
    }

    pub(super) fn leave(&self, ticket: Ticket) -> Result<(), StoreError> {
        let known = self.waiting.borrow_mut().remove(&ticket);
        let lease = match known {
            Some(lease) => Some(lease),
            None => self.lease_of(&RangeRequest::of(self.keys.all_waiters()), ticket)?,
        };
        match lease {
            Some(lease) => self.wire.revoke(lease).map_err(|error| self.error(error)),
            None => Ok(()),
        }
    }

    /// The lease of the waiter with that ticket.
    fn lease_of(&self, waiters: &RangeRequest, ticket: Ticket) -> Result<Option<i64>, StoreError> {
        for kv in &self.range(waiters)?.kvs {
            if self.waiter(kv)?.ticket(kv) == ticket.0 {
                return Ok(Some(kv.lease));
            }
        }
        Ok(None)
    }

    /// All who wait, in the order in which they are served.
    pub(super) fn all_waiters(&self) -> Result<Vec<Waiter>, StoreError> {
        let mut waiters = Vec::new();
        for kv in &self.range(&RangeRequest::of(self.keys.all_waiters()))?.kvs {
            let Some((lock, _)) = self.keys.waiter_of(&kv.key) else { continue };
            let waiter = self.waiter(kv)?;
            waiters.push(Waiter {
                lock,
                ticket: Ticket(waiter.ticket(kv)),
                since: Millis(waiter.since),
                process: waiter.process.as_deref().and_then(process_of),
                holder: waiter.holder,
            });
        }
        waiters.sort_by(|left, right| (&left.lock, left.ticket).cmp(&(&right.lock, right.ticket)));
        Ok(waiters)
    }
}
