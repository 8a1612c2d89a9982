//! Requests to a worker: their numbers, the way to cancel them, and the queue that they wait in.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

/// How many single requests are known to be cancelled.
const SINGLE_MAX: usize = 64;

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
    /// Others: those that were cancelled last, because no more are under way at the same time.
    single: Mutex<VecDeque<RequestId>>,
}

impl CancelToken {
    /// Cancels this request only.
    pub fn cancel(&self, id: RequestId) {
        let mut single = self.0.single.lock().unwrap_or_else(PoisonError::into_inner);
        single.push_back(id);
        if single.len() > SINGLE_MAX {
            single.pop_front();
        }
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

pub struct RequestQueue<R> {
    receiver: Receiver<R>,
    waiting: RefCell<VecDeque<R>>,
}

impl<R> RequestQueue<R> {
    /// What comes from the receiver.
    pub fn new(receiver: Receiver<R>) -> RequestQueue<R> {
        RequestQueue { receiver, waiting: RefCell::default() }
    }

    /// Waits until there is a request; false if no more can come.
    pub fn wait(&self) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() {
            waiting.extend(self.receiver.recv());
        }
        !waiting.is_empty()
    }

    /// The first request of those that are wanted, without waiting for one: work that takes its time looks
    /// between two pieces for what is more urgent.
    pub fn take(&self, is_wanted: impl Fn(&R) -> bool) -> Option<R> {
        let mut waiting = self.waiting.borrow_mut();
        waiting.extend(self.receiver.try_iter());
        let place = waiting.iter().position(is_wanted)?;
        waiting.remove(place)
    }

    /// Waits for the next request; `None` if no more can come.
    pub fn next(&self) -> Option<R> {
        self.wait();
        self.take(|_| true)
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

    #[test]
    fn of_single_requests_the_last_that_were_cancelled_are_known() {
        let token = CancelToken::default();
        (0..=SINGLE_MAX as u64).for_each(|id| token.cancel(RequestId(id)));
        assert!(!token.is_cancelled(RequestId(0)) && token.is_cancelled(RequestId(1)));
        assert!(token.is_cancelled(RequestId(SINGLE_MAX as u64)));
    }

    #[test]
    fn a_queue_gives_what_is_urgent_first_and_the_rest_in_order() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let queue = RequestQueue::new(receiver);
        assert_eq!(queue.take(|_| true), None);
        [1, 2, 3, 4].into_iter().for_each(|request| sender.send(request).unwrap());
        assert_eq!(queue.take(|request| request % 2 == 0), Some(2));
        assert_eq!(queue.next(), Some(1));
        sender.send(5).unwrap();
        drop(sender);
        assert_eq!(queue.take(|request| *request > 4), Some(5));
        assert_eq!((queue.next(), queue.next()), (Some(3), Some(4)));
        assert_eq!((queue.wait(), queue.next()), (false, None));
    }
}
