//! The locks of an overlay: they are those of the store beside it. Apart from everything, a lock is held
//! for as long as it is not given up, and may go by the token of another one that it stands for.

use std::time::Duration;

use super::Overlay;
use crate::store::{
    AcquireOutcome, ClearOutcome, Lock, LockRequest, Locks, StoreError, Ticket, Token, Waiter,
};

/// A lease that nobody has to renew: time passes in leaps there.
const WITHOUT_END: Duration = Duration::from_secs(100 * 365 * 86_400);

/// By which tokens a lock is known.
#[derive(Clone, Copy)]
pub(super) struct Tokens {
    beside: Token,
    here: Token,
}

impl Overlay {
    /// Has the lock that is taken next go by this token.
    pub fn expect_token(&self, token: Token) {
        self.expected.set(Some(token));
    }

    fn here(&self, lock: Lock) -> Lock {
        match self.tokens.borrow().get(&lock.name) {
            Some(tokens) if tokens.beside == lock.token => Lock { token: tokens.here, ..lock },
            _ => lock,
        }
    }

    fn beside(&self, name: &str, token: Token) -> Token {
        match self.tokens.borrow().get(name) {
            Some(tokens) if tokens.here == token => tokens.beside,
            _ => token,
        }
    }
}

impl Locks for Overlay {
    fn lock(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        Ok(self.beside.lock(name)?.map(|lock| self.here(lock)))
    }

    fn locks(&self, after: Option<&str>, limit: usize) -> Result<Vec<Lock>, StoreError> {
        let locks = self.beside.locks(after, limit)?;
        Ok(locks.into_iter().map(|lock| self.here(lock)).collect())
    }

    fn acquire(&self, request: &LockRequest, ticket: Option<Ticket>) -> Result<AcquireOutcome, StoreError> {
        if self.is_to_commit {
            return self.beside.acquire(request, ticket);
        }
        let request = LockRequest { lease: request.lease.max(WITHOUT_END), ..request.clone() };
        Ok(match self.beside.acquire(&request, ticket)? {
            AcquireOutcome::Acquired(lock) => {
                let mut tokens = self.tokens.borrow_mut();
                match self.expected.take() {
                    Some(here) => {
                        tokens.insert(lock.name.clone(), Tokens { beside: lock.token, here });
                    }
                    // The lock that was known by another token is gone. Its token must not be taken for
                    // that of this one, which may be the same number.
                    None => {
                        tokens.remove(&lock.name);
                    }
                }
                drop(tokens);
                AcquireOutcome::Acquired(self.here(lock))
            }
            AcquireOutcome::Held(lock) => AcquireOutcome::Held(self.here(lock)),
            AcquireOutcome::Queued => AcquireOutcome::Queued,
        })
    }

    fn import_lock(&self, lock: &Lock) -> Result<AcquireOutcome, StoreError> {
        self.beside.import_lock(lock)
    }

    fn renew(&self, name: &str, token: Token, lease: Duration) -> Result<bool, StoreError> {
        self.beside.renew(name, self.beside(name, token), lease)
    }

    fn release(&self, name: &str, token: Token) -> Result<bool, StoreError> {
        self.beside.release(name, self.beside(name, token))
    }

    fn clear_lock(&self, seen: &Lock) -> Result<ClearOutcome, StoreError> {
        let seen = Lock { token: self.beside(&seen.name, seen.token), ..seen.clone() };
        Ok(match self.beside.clear_lock(&seen)? {
            ClearOutcome::Changed(lock) => ClearOutcome::Changed(Box::new(self.here(*lock))),
            other => other,
        })
    }

    fn join_queue(&self, request: &LockRequest) -> Result<Ticket, StoreError> {
        self.beside.join_queue(request)
    }

    fn keep_waiting(&self, request: &LockRequest, ticket: Ticket) -> Result<(), StoreError> {
        self.beside.keep_waiting(request, ticket)
    }

    fn leave_queue(&self, ticket: Ticket) -> Result<(), StoreError> {
        self.beside.leave_queue(ticket)
    }

    fn waiters(&self) -> Result<Vec<Waiter>, StoreError> {
        self.beside.waiters()
    }
}
