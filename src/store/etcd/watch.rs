//! Hearing of what others do: one thread per process and database, shared by all of its stores.
//!
//! It only says that there is news; what the news is, is read. So nothing is lost when it moves to another node:
//! every follower of the database reads once more.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::unrecorded::{LATE, UnrecordedWrites};
use super::wire::{KeySpan, WatchEvent, WatchMessage, Wire, WireError};

/// The pause after a node that did not answer.
const PAUSE: Duration = Duration::from_millis(100);

/// The watches of this process, by the identity of their databases.
static WATCHES: LazyLock<Mutex<HashMap<String, Weak<Watch>>>> = LazyLock::new(Mutex::default);

/// What one store has not heard yet.
struct Mailbox {
    has_news: AtomicBool,
    bell: UnixStream,
}

impl Mailbox {
    fn ring(&self) {
        if !self.has_news.swap(true, Ordering::SeqCst) {
            // One that is full rings already.
            let _ = (&self.bell).write(&[1]);
        }
    }
}

/// A thread that listens to etcd.
#[derive(Default)]
struct Watch {
    mailboxes: Mutex<Vec<Weak<Mailbox>>>,
    unrecorded: Mutex<UnrecordedWrites>,
    /// Whether a thread waits for records that may come late.
    is_checking: AtomicBool,
    /// How often entries were found that were changed without a record, or may have been.
    found: AtomicI64,
}

impl Watch {
    fn unrecorded(&self) -> MutexGuard<'_, UnrecordedWrites> {
        self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sorts events into those of entries and those of what slothstate keeps beside them.
    fn note(self: &Arc<Watch>, entries: &KeySpan, events: &[WatchEvent]) {
        let now = Instant::now();
        let mut unrecorded = self.unrecorded();
        for event in events {
            match event.kv.key >= entries.start && event.kv.key < entries.end {
                true => unrecorded.entry(event.kv.mod_revision, now),
                false => unrecorded.record(event.kv.mod_revision),
            }
        }
        if unrecorded.is_waiting() && !self.is_checking.swap(true, Ordering::SeqCst) {
            let watch = self.clone();
            let checker = thread::Builder::new().name("etcd records".into()).spawn(move || watch.check());
            if checker.is_err() {
                self.is_checking.store(false, Ordering::SeqCst);
            }
        }
    }

    /// Waits for records that come late, and tells of entries that have none.
    fn check(&self) {
        loop {
            thread::sleep(LATE);
            let mut unrecorded = self.unrecorded();
            let is_found = unrecorded.take(Instant::now());
            let is_done = !unrecorded.is_waiting();
            if is_done {
                self.is_checking.store(false, Ordering::SeqCst);
            }
            drop(unrecorded);
            if is_found {
                self.tell_unrecorded();
            }
            if is_done {
                return;
            }
        }
    }

    fn tell_unrecorded(&self) {
        self.found.fetch_add(1, Ordering::SeqCst);
        self.tell();
    }

    fn tell(&self) {
        let mut mailboxes = self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner);
        mailboxes.retain(|mailbox| mailbox.upgrade().map(|mailbox| mailbox.ring()).is_some());
    }
}

/// What a store hears.
pub(super) struct Subscription {
    watch: Arc<Watch>,
    mailbox: Arc<Mailbox>,
    heard: UnixStream,
}

impl Subscription {
    /// Hears of everything in `spans` that is written after the revision `newest`: the entries, and what
    /// slothstate keeps beside them.
    ///
    /// # Errors
    /// The system has no more descriptors or threads.
    pub(super) fn new(
        identity: &std::ffi::OsStr,
        wire: &Arc<dyn Wire>,
        spans: &[KeySpan; 2],
        newest: i64,
    ) -> io::Result<Subscription> {
        let (bell, heard) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        heard.set_nonblocking(true)?;
        let mailbox = Arc::new(Mailbox { has_news: AtomicBool::new(false), bell });
        let name = identity.to_string_lossy().into_owned();
        let mut watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|_, watch| watch.strong_count() > 0);
        if let Some(watch) = watches.get(&name).and_then(Weak::upgrade) {
            watch.mailboxes.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&mailbox));
            // What was written since the newest revision that this store knows may have been heard already.
            mailbox.ring();
            return Ok(Subscription { watch, mailbox, heard });
        }
        let watch = Arc::new(Watch::default());
        watch.mailboxes.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&mailbox));
        let (listening, wire, spans) = (Arc::downgrade(&watch), wire.clone(), spans.clone());
        thread::Builder::new()
            .name("etcd watch".into())
            .spawn(move || listen(&listening, &*wire, &spans, newest))?;
        watches.insert(name, Arc::downgrade(&watch));
        Ok(Subscription { watch, mailbox, heard })
    }

    /// Whether there was news since the last time.
    pub(super) fn take_news(&self) -> Result<bool, WireError> {
        if !self.mailbox.has_news.load(Ordering::SeqCst) {
            return Ok(false);
        }
        let mut rung = [0; 16];
        while (&self.heard).read(&mut rung).is_ok_and(|read| read == rung.len()) {}
        Ok(self.mailbox.has_news.swap(false, Ordering::SeqCst))
    }

    /// How often entries were found to be changed without a record.
    pub(super) fn unrecorded(&self) -> i64 {
        self.watch.found.load(Ordering::SeqCst)
    }

    /// Becomes readable when there is news.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.heard.as_fd()
    }
}

/// Listens until no store is left.
fn listen(listening: &Weak<Watch>, wire: &dyn Wire, spans: &[KeySpan; 2], newest: i64) {
    let mut next = newest.saturating_add(1);
    while listening.strong_count() > 0 {
        let mut has_heard = false;
        let ended = wire.watch(spans, next, &mut |message| {
            let Some(watch) = listening.upgrade() else { return false };
            next = match message {
                WatchMessage::Events { revision, events } => {
                    watch.note(&spans[0], &events);
                    next.max(revision.saturating_add(1))
                }
                WatchMessage::Compacted { oldest } => oldest.max(next),
            };
            has_heard = true;
            watch.tell();
            true
        });
        // The ranges are heard of one by one: of one of them there may be more than was said.
        if (has_heard || ended.is_err())
            && let Some(watch) = listening.upgrade()
        {
            watch.tell_unrecorded();
        }
        if ended.is_err() {
            thread::sleep(PAUSE);
        }
    }
}
