//! The locks of a database.

use std::time::Duration;

use super::EtcdStore;
use crate::store::{
    AcquireOutcome, ClearOutcome, Lock, LockRequest, Locks, Store, StoreError, Ticket, Token, Waiter,
};

impl EtcdStore {
    fn no_locks(&self) -> StoreError {
        self.unsupported("locks", "use a file")
    }
}

impl Locks for EtcdStore {
    fn lock(&self, _name: &str) -> Result<Option<Lock>, StoreError> {
        Ok(None)
    }

    fn locks(&self, _after: Option<&str>, _limit: usize) -> Result<Vec<Lock>, StoreError> {
        Ok(Vec::new())
    }

    fn acquire(&self, _request: &LockRequest, _ticket: Option<Ticket>) -> Result<AcquireOutcome, StoreError> {
        Err(self.no_locks())
    }

    fn import_lock(&self, _lock: &Lock) -> Result<AcquireOutcome, StoreError> {
        Err(self.no_locks())
    }

    fn renew(&self, _name: &str, _token: Token, _lease: Duration) -> Result<bool, StoreError> {
        Err(self.no_locks())
    }

    fn release(&self, _name: &str, _token: Token) -> Result<bool, StoreError> {
        Err(self.no_locks())
    }

    fn clear_lock(&self, _seen: &Lock) -> Result<ClearOutcome, StoreError> {
        Err(self.no_locks())
    }

    fn join_queue(&self, _request: &LockRequest) -> Result<Ticket, StoreError> {
        Err(self.no_locks())
    }

    fn keep_waiting(&self, _request: &LockRequest, _ticket: Ticket) -> Result<(), StoreError> {
        Err(self.no_locks())
    }

    fn leave_queue(&self, _ticket: Ticket) -> Result<(), StoreError> {
        Err(self.no_locks())
    }

    fn waiters(&self) -> Result<Vec<Waiter>, StoreError> {
        Ok(Vec::new())
    }
}
