//! Locks: leases with a fencing token, and the queue of those who wait for one.

use std::time::Duration;

#[cfg(doc)]
use crate::store::ErrorKind;
use crate::store::{
    AcquireOutcome, ClearOutcome, Liveness, Lock, LockRequest, Process, StoreError, Ticket, Token, Waiter,
};

/// How long a waiter may stay silent: an engine passes it over no sooner, and a few seconds later at most.
pub const WAITER_PATIENCE: Duration = Duration::from_secs(2);

/// The locks of a store.
pub trait Locks {
    /// The lock of that name, expired or not; `None` if there is none.
    fn lock(&self, name: &str) -> Result<Option<Lock>, StoreError>;

    /// A page of the locks in the order of their names, expired ones included.
    fn locks(&self, after: Option<&str>, limit: usize) -> Result<Vec<Lock>, StoreError>;

    /// Takes a lock if it is free, or its lease has run out, and nobody has waited for it longer
    /// than `ticket` has; without a ticket, if nobody waits for it at all. An engine may grant a longer lease
    /// than was requested: [`Lock::expires_at`] says how long. A holder that renews in time by the requested
    /// one is safe with both.
    ///
    /// # Errors
    /// [`ErrorKind::Reentrant`] if this process holds it under the same holder's name.
    fn acquire(&self, request: &LockRequest, ticket: Option<Ticket>) -> Result<AcquireOutcome, StoreError>;

    /// Brings a lock over from elsewhere, with its holder, its process and the end of its lease, if
    /// nobody holds that name and nobody waits for it. Its token is a new one. A lease of which the
    /// end is unknown ends at once.
    fn import_lock(&self, lock: &Lock) -> Result<AcquireOutcome, StoreError>;

    /// Makes the lease of a lock last until `lease` from now; false if the token holds it no more.
    fn renew(&self, name: &str, token: Token, lease: Duration) -> Result<bool, StoreError>;

    /// Releases a lock; false if the token holds it no more.
    fn release(&self, name: &str, token: Token) -> Result<bool, StoreError>;

    /// Takes a lock away from its holder, if it still is the one that was seen.
    fn clear_lock(&self, seen: &Lock) -> Result<ClearOutcome, StoreError>;

    /// Whether the process that holds a lock is alive, as seen from `here`. The state of the lease is another
    /// matter: see [`Lock::is_expired`]. The default looks at the processes of this machine and at the last
    /// renewal; an engine that knows the processes of other machines asks its server.
    fn holder_liveness(&self, lock: &Lock, here: &Process) -> Liveness {
        lock.liveness(here)
    }

    /// Joins the queue for a lock. A waiter that does not [`Locks::keep_waiting`] for
    /// [`WAITER_PATIENCE`] is soon passed over.
    fn join_queue(&self, request: &LockRequest) -> Result<Ticket, StoreError>;

    /// Tells the others that this waiter still waits. One that was silent for so long that it was
    /// forgotten gets its place back.
    fn keep_waiting(&self, request: &LockRequest, ticket: Ticket) -> Result<(), StoreError>;

    /// Leaves the queue.
    fn leave_queue(&self, ticket: Ticket) -> Result<(), StoreError>;

    /// The waiters for locks, in the order in which they are served.
    fn waiters(&self) -> Result<Vec<Waiter>, StoreError>;
}
