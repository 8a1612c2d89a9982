//! The number of a request to a worker, and the way to cancel it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The number of a request: a reply to an earlier one is dropped. Each request has a greater number than all
/// before it, whichever databases they are for. 0 is given to what cannot be cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

impl RequestId {
    /// The number of the next request, of which this is the last.
    pub fn next(&mut self) -> RequestId {
        self.0 += 1;
        *self
    }

    /// Whether the user can cancel the request.
    pub fn is_cancellable(self) -> bool {
        self != RequestId::default()
    }
}

/// Which requests of one kind are cancelled. The one who asks and the one who answers share it: work that takes
/// its time asks between two pieces whether it goes on.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Cancelled>);

#[derive(Debug, Default)]
struct Cancelled {
    /// All requests before this one.
    before: AtomicU64,
    /// Others.
    single: Mutex<BTreeSet<RequestId>>,
}

impl CancelToken {
    /// Cancels this request only.
    pub fn cancel(&self, id: RequestId) {
        self.0.single.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    /// Cancels all that are older than this request, which replaces them.
    pub fn cancel_before(&self, id: RequestId) {
        self.0.before.fetch_max(id.0, Ordering::SeqCst);
    }

    /// Cancels all requests, and those that come later: the database is closed.
    pub fn cancel_all(&self) {
        self.cancel_before(RequestId(u64::MAX));
    }

    /// Whether nobody waits for the reply to this request.
    pub fn is_cancelled(&self, id: RequestId) -> bool {
        id.0 < self.0.before.load(Ordering::SeqCst)
            || self.0.single.lock().unwrap_or_else(PoisonError::into_inner).contains(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_cancels_one_request_or_all_before_one_or_all() {
        let mut last = RequestId::default();
        let [first, second, third] = [last.next(), last.next(), last.next()];
        assert!(first < second && second < third && last == third);
        let token = CancelToken::default();
        let cancelled = || [first, second, third].map(|id| token.is_cancelled(id));
        assert_eq!(cancelled(), [false, false, false]);
        let other = token.clone();
        other.cancel(second);
        assert_eq!(cancelled(), [false, true, false]);
        other.cancel_before(second);
        assert_eq!(cancelled(), [true, true, false]);
        // A request that was sent late does not bring the earlier ones back.
        other.cancel_before(first);
        assert_eq!(cancelled(), [true, true, false]);
        other.cancel_all();
        assert_eq!(cancelled(), [true, true, true]);
        assert!(token.is_cancelled(last.next()));
    }
}
