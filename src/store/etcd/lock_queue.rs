//! The queues for locks: a key under a lease for each who waits, in the order in which they came.

use super::EtcdStore;
use super::error_mapping::is_lease_gone;
use super::lock_record::{WaiterRecord, process_of, stored_process};
use super::record;
use super::wire::{Compare, GRANTS, KeyValue, Op, RangeRequest, Txn};
use crate::store::{ErrorKind, LockRequest, Store, StoreError, Ticket, Waiter};
use crate::time::Millis;

/// How many seconds a waiter may be silent: more than it takes to find another leader.
pub(super) const PATIENCE: i64 = 5;

impl EtcdStore {
    /// Whether another of these comes before the one with that ticket, or before one without. One that cannot be
    /// read, as that of a later version, has the place at which it came.
    pub(super) fn is_before(&self, waiters: &[KeyValue], ticket: Option<Ticket>) -> bool {
        let Some(ticket) = ticket else { return !waiters.is_empty() };
        waiters.iter().any(|kv| match record::decode::<WaiterRecord>(&kv.value) {
            Ok(waiter) => waiter.ticket(kv) < ticket.0,
            Err(_) => kv.create_revision < ticket.0,
        })
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
        let waiter = WaiterRecord {
            holder: request.holder.clone(),
            process: stored_process(&self.settings.process),
            since: self.now().0,
            ticket,
        };
        let mut grants = 0;
        let (lease, answer) = loop {
            let lease = self.wire.grant(PATIENCE).map_err(|error| self.error(error))?.id;
            grants += 1;
            let key = self.keys.waiter(&request.name, lease);
            let txn = Txn {
                compares: vec![Compare::absent(key.clone())],
                success: vec![Op::Put { key: key.clone(), value: record::encode(&waiter), lease }],
                failure: vec![Op::get(key)],
            };
            match self.txn(&txn) {
                Err(error) if is_lease_gone(&error) && grants < GRANTS => {}
                answer => break (lease, answer?),
            }
        };
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
            let waiter = record::decode::<WaiterRecord>(&kv.value);
            if waiter.is_ok_and(|waiter| waiter.ticket(kv) == ticket.0) {
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
            waiters.push(match record::decode::<WaiterRecord>(&kv.value) {
                Ok(waiter) => Waiter {
                    lock,
                    ticket: Ticket(waiter.ticket(kv)),
                    since: Some(Millis(waiter.since)),
                    process: waiter.process.as_deref().and_then(process_of),
                    holder: waiter.holder,
                },
                Err(why) => Waiter {
                    lock,
                    ticket: Ticket(kv.create_revision),
                    since: None,
                    process: None,
                    holder: format!("unreadable: {why}"),
                },
            });
        }
        waiters.sort_by(|left, right| (&left.lock, left.ticket).cmp(&(&right.lock, right.ticket)));
        Ok(waiters)
    }
}
