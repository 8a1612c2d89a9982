//! Watches for commits, by anybody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::store::feed::{self, Feed};
use crate::store::{Change, ErrorKind, Recorded, Reset, Revision, Store, StoreError, Subject};
use crate::text::escape::escape;
use crate::tui::effect::{CommitNotice, Reply};
use crate::tui::list::LIST_VALUE;
use crate::tui::message::Message;
use crate::tui::worker::attention::Attention;

/// How long to wait after a failure that was told already.
const RETRY: Duration = Duration::from_millis(100);
/// How long the watcher waits for others who hold the database.
pub const BUSY_TIMEOUT: Duration = Duration::from_millis(200);
/// The most changes that are told one by one; with more at a time the list is read anew.
const CHANGES: usize = 500;

/// Sets the mark: what is committed from here on is told. To be set before anything is read that is
/// to be kept up to date; without one everything counts as new.
pub fn mark(store: &dyn Store) -> Feed {
    Feed::from_now(store).unwrap_or_else(|_| Feed::after(Revision::default()))
}

/// Tells of commits since the mark until it is stopped, or the database is not what it was any more, and of
/// a database that is locked. The store should not wait for long for others, so that a lock is told of
/// soon. `own` is the name under which changes are made here.
pub fn run(
    store: &dyn Store,
    mut feed: Feed,
    own: &str,
    answers: &Sender<Message>,
    stop: &AtomicBool,
    attention: &Attention,
) {
    let mut trouble = Trouble::None;
    let mut looked = Instant::now();
    // The interface knows what held when it opened the file. A first "yes" could arrive after a write of its
    // own has adopted it, and would have it ask again.
    let mut adopts = true;
    let mut oldest = None;
    let mut gap = Gap::default();
    while !stop.load(Ordering::SeqCst) {
        if !attention.rest() {
            feed.wait(store, None);
        }
        let mut told = Vec::new();
        let before = trouble;
        match look(store, &mut feed, own, &mut oldest) {
            Ok(answers) => {
                (trouble, looked) = (Trouble::None, Instant::now());
                told.extend((before == Trouble::Locked).then_some(Reply::Unlocked));
                // Before what was committed, so that no question about adoption is missed or asked in vain.
                if let Ok(now) = store.will_adopt()
                    && std::mem::replace(&mut adopts, now) != now
                {
                    told.push(Reply::Adopts(now));
                }
                let is_news = !answers.is_empty();
                told.extend(answers);
                told.extend(gap.look(store, is_news));
            }
            Err(StoreError { kind: ErrorKind::Reset { why, .. }, .. }) => {
                let _ = answers.send(Message::Reply(Reply::Reset(why, store.seen())));
                return;
            }
            Err(error) if error.is_transient() => {
                trouble = Trouble::Locked;
                told.extend((before != trouble).then(|| Reply::Locked(Some(looked.elapsed()))));
            }
            Err(error) => {
                trouble = Trouble::Failing;
                told.extend((before != trouble).then(|| Reply::failed(error)));
            }
        }
        if trouble != Trouble::None && told.is_empty() {
            std::thread::sleep(RETRY);
        }
        let is_reset = told.iter().any(|answer| matches!(answer, Reply::Reset(..)));
        for answer in told {
            if answers.send(Message::Reply(answer)).is_err() {
                return;
            }
        }
        if is_reset {
            return;
        }
    }
}

/// What no revision tells of: changes that were made while triggers were missing.
#[derive(Default)]
struct Gap {
    /// How changes were recorded at the last look.
    recorded: Option<Recorded>,
    /// Whether something may have changed that was not told yet.
    is_untold: bool,
    told: Option<Instant>,
}

/// The least time between two times that anything is told to have changed because no revision tells.
const UNRECORDED: Duration = Duration::from_millis(250);

impl Gap {
    /// What there is to be told after a look, which brought news or did not.
    fn look(&mut self, store: &dyn Store, is_news: bool) -> Vec<Reply> {
        let mut answers = Vec::new();
        if is_news || self.recorded.is_none() {
            // What cannot be read is told by whoever reads it for the screen.
            let Ok(now) = store.recorded() else { return answers };
            let before = self.recorded.replace(now);
            let is_altered = before.is_some_and(|before| before.version != now.version);
            self.is_untold |= is_altered || is_news && now.gap.is_some();
            if let Some(gap) = now.gap
                && before.is_none_or(|before| before.gap.is_none())
            {
                answers.push(Reply::Notice(gap.into()));
            }
        }
        if self.is_untold && self.told.is_none_or(|told| told.elapsed() >= UNRECORDED) {
            (self.is_untold, self.told) = (false, Some(Instant::now()));
            answers.push(Reply::Changed(CommitNotice::Anything));
        }
        answers
    }
}

/// What keeps the watcher from reading, and was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    Locked,
    Failing,
}

fn look(
    store: &dyn Store,
    feed: &mut Feed,
    own: &str,
    oldest: &mut Option<Revision>,
) -> Result<Vec<Reply>, StoreError> {
    let changes = match feed.look(store, CHANGES, LIST_VALUE)? {
        feed::News::None => return Ok(Vec::new()),
        feed::News::Changes(changes) => changes,
        feed::News::Pruned { .. } | feed::News::Unrecorded => {
            feed.skip_to(store.revision()?);
            return Ok(vec![Reply::Changed(CommitNotice::Anything)]);
        }
    };
    let mut answers = Vec::new();
    if let Some(begun) = changes.iter().rfind(|change| change.subject == Subject::Database) {
        if begun.actor.name != own {
            return Ok(vec![Reply::Reset(epoch_of(store, begun)?, store.seen())]);
        }
        let reason = begun.new.as_ref().map_or_else(String::new, |new| escape(&new.stored));
        answers.push(Reply::Notice(format!("a new epoch began with revision {}: {reason}", begun.revision)));
    }
    // Something was committed that is no change: old changes may have been removed.
    if changes.is_empty() {
        let begins = store.history_span()?.map(|span| span.oldest.0);
        if let (Some(before), Some(begins)) = (oldest.replace(begins.unwrap_or_default()), begins)
            && before < begins
        {
            answers.push(Reply::Forgotten(begins));
        }
    }
    if changes.len() < CHANGES {
        answers.insert(0, Reply::Changed(CommitNotice::Changes(changes)));
    } else {
        feed.skip_to(store.revision()?);
        answers.insert(0, Reply::Changed(CommitNotice::Anything));
    }
    Ok(answers)
}

/// The epoch that a change is the beginning of.
fn epoch_of(store: &dyn Store, change: &Change) -> Result<Reset, StoreError> {
    let epochs = store.epochs()?;
    let epoch = epochs.iter().find(|epoch| epoch.revision == change.revision);
    let reason = change.new.as_ref().map_or_else(String::new, |new| escape(&new.stored));
    Ok(Reset::Epoch { epoch: epoch.map_or(0, |epoch| epoch.epoch), reason })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use rusqlite::Connection;

    use super::*;
    use crate::store::{Expiry, Key, Options, SqliteStore, State, Transaction, Value};

    #[test]
    fn what_is_committed_before_the_thread_has_begun_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let put = |store: &SqliteStore, key: &str| {
            let key = Key::new(key).unwrap();
            store.commit(&Transaction::put(key, Value::text("v"), Expiry::Clear)).unwrap();
        };
        let other = SqliteStore::open_or_create(&path, Options::default()).unwrap();
        put(&other, "before");
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        let feed = mark(&store);
        put(&other, "after");
        let (answers, inbox) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let watcher = std::thread::spawn({
            let stop = stop.clone();
            move || run(&store, feed, "", &answers, &stop, &Attention::default())
        });
        let told = loop {
            match inbox.recv_timeout(Duration::from_secs(300)).unwrap() {
                Message::Reply(Reply::Adopts(adopts)) => assert!(!adopts),
                told => break told,
            }
        };
        stop.store(true, Ordering::SeqCst);
        watcher.join().unwrap();
        let Message::Reply(Reply::Changed(CommitNotice::Changes(changes))) = told else { panic!("{told:?}") };
        let keys: Vec<String> = changes.iter().map(|change| change.key.to_text()).collect();
        assert_eq!(keys, ["after"]);
    }

    #[test]
    fn a_file_that_is_locked_is_told_of_soon_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let other = Connection::open(&path).unwrap();
        other
            .execute_batch(
                "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL, created_at, updated_at);
                 INSERT INTO state (key, value) VALUES ('k', 'v');",
            )
            .unwrap();
        let settings = Options { busy_limit: BUSY_TIMEOUT, ..Options::default() };
        let store = SqliteStore::open(&path, settings).unwrap();
        let feed = mark(&store);
        let (answers, inbox) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let watcher = std::thread::spawn({
            let stop = stop.clone();
            move || run(&store, feed, "", &answers, &stop, &Attention::default())
        });
        let told = || inbox.recv_timeout(Duration::from_secs(300)).unwrap();
        let began = Instant::now();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        // The file is noticed as touched before it is found locked, if the lock comes late.
        let first = match told() {
            Message::Reply(Reply::Changed(CommitNotice::Changes(none))) if none.is_empty() => told(),
            first => first,
        };
        let Message::Reply(Reply::Locked(Some(since))) = first else { panic!("{first:?}") };
        assert!(since <= began.elapsed() + Duration::from_secs(1), "{since:?}");
        // It is told of once, however long it takes.
        assert!(inbox.recv_timeout(BUSY_TIMEOUT * 4).is_err());
        other.execute_batch("COMMIT").unwrap();
        assert!(matches!(told(), Message::Reply(Reply::Unlocked)));
        stop.store(true, Ordering::SeqCst);
        watcher.join().unwrap();
    }
}
