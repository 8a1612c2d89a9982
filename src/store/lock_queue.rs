//! Waiting for a lock, first come first served.

use std::time::Duration;

use crate::store::{AcquireOutcome, Lock, LockRequest, Store, StoreError, Ticket, WAITER_PATIENCE};

#[derive(Clone, Debug, PartialEq)]
pub enum WaitOutcome {
    Acquired(Lock),
    /// The time was up; the last holder that was seen, if there was one.
    TimedOut(Option<Lock>),
    /// `pause` asked to stop.
    Cancelled,
}

/// Waits for a lock for at most `limit`. Between two looks `pause` is called with the longest time
/// it should sleep; it returns false to give up.
///
/// # Errors
/// Those of acquiring a lock. The queue is left in every case.
pub fn wait_for_lock(
    store: &dyn Store,
    request: &LockRequest,
    limit: Duration,
    pause: &mut dyn FnMut(Duration) -> bool,
) -> Result<WaitOutcome, StoreError> {
    let seen = match store.acquire(request, None)? {
        AcquireOutcome::Acquired(lock) => return Ok(WaitOutcome::Acquired(lock)),
        AcquireOutcome::Held(lock) => Some(lock),
        AcquireOutcome::Queued => None,
    };
    if limit.is_zero() {
        return Ok(WaitOutcome::TimedOut(seen));
    }
    let ticket = store.join_queue(request)?;
    let waited = wait_in_line(store, request, ticket, limit, pause);
    let left = store.leave_queue(ticket);
    let waited = waited?;
    left?;
    Ok(waited)
}

fn wait_in_line(
    store: &dyn Store,
    request: &LockRequest,
    ticket: Ticket,
    limit: Duration,
    pause: &mut dyn FnMut(Duration) -> bool,
) -> Result<WaitOutcome, StoreError> {
    // A lock that goes from hand to hand is looked at more often than one that stays where it is.
    const SOONEST: Duration = Duration::from_micros(250);
    const LATEST: Duration = Duration::from_millis(10);
    // Not by the time of day, which somebody may set.
    let start = store.clock().elapsed();
    let mut last_sign = start;
    let mut last_try = None;
    let mut holder: Option<Lock> = None;
    let mut look = SOONEST;
    loop {
        let now = store.clock().elapsed();
        // Even without news a lease can run out, or a waiter in front fall silent.
        let overdue = last_try.is_none_or(|last| now.saturating_sub(last) >= Duration::from_millis(100));
        if store.poll_changes()? || overdue {
            last_try = Some(now);
            match store.acquire(request, Some(ticket))? {
                AcquireOutcome::Acquired(lock) => return Ok(WaitOutcome::Acquired(lock)),
                AcquireOutcome::Held(lock) => {
                    if holder.as_ref().is_none_or(|seen| seen.token != lock.token) {
                        look = SOONEST;
                    }
                    holder = Some(lock);
                }
                AcquireOutcome::Queued => look = SOONEST,
            }
        }
        if now.saturating_sub(start) >= limit {
            return Ok(WaitOutcome::TimedOut(holder));
        }
        if now.saturating_sub(last_sign) >= WAITER_PATIENCE / 4 {
            store.keep_waiting(request, ticket)?;
            last_sign = now;
        }
        if !pause(look) {
            return Ok(WaitOutcome::Cancelled);
        }
        look = (look * 2).min(LATEST);
    }
}
