//! Watches for commits, by anybody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::attention::Attention;
use crate::store::feed::{self, Feed};
use crate::store::{Revision, Store, StoreError};
use crate::tui::effect::{Answer, News};
use crate::tui::message::Message;

/// How long to wait after a failure that was told already.
const RETRY: Duration = Duration::from_millis(100);
/// How much of each value is told, in bytes: as much as a row of a list has.
const VALUE: u64 = 256;
/// The most changes that are told one by one; with more at a time the list is read anew.
const CHANGES: usize = 500;

/// Sets the mark: what is committed from here on is told. To be set before anything is read that is
/// to be kept up to date; without one everything counts as new.
pub fn mark(store: &dyn Store) -> Feed {
    Feed::from_now(store).unwrap_or_else(|_| Feed::after(Revision::default()))
}

/// Tells of commits since the mark until it is stopped.
pub fn run(
    store: &dyn Store,
    mut feed: Feed,
    answers: &Sender<Message>,
    stop: &AtomicBool,
    attention: &Attention,
) {
    let mut failing = false;
    let mut adopts = None;
    while !stop.load(Ordering::SeqCst) {
        if !attention.rest() {
            feed.wait(store, None);
        }
        // Told before what was committed, so that no question about adoption is missed or put in vain.
        let now = store.adopts().ok();
        if now != adopts
            && let Some(now) = now
        {
            adopts = Some(now);
            if answers.send(Message::Answer(Answer::Adopts(now))).is_err() {
                return;
            }
        }
        let answer = match look(store, &mut feed) {
            Ok(None) => continue,
            Ok(Some(news)) => {
                failing = false;
                Answer::Changed(news)
            }
            Err(_) if failing => {
                std::thread::sleep(RETRY);
                continue;
            }
            Err(error) => {
                failing = true;
                Answer::Failed(error.to_string())
            }
        };
        if answers.send(Message::Answer(answer)).is_err() {
            return;
        }
    }
}

fn look(store: &dyn Store, feed: &mut Feed) -> Result<Option<News>, StoreError> {
    Ok(match feed.look(store, CHANGES, VALUE)? {
        feed::News::None => None,
        feed::News::Changes(changes) if changes.len() < CHANGES => Some(News::Changes(changes)),
        feed::News::Changes(_) | feed::News::Pruned { .. } | feed::News::Unrecorded => {
            feed.skip_to(store.revision()?);
            Some(News::Anything)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::*;
    use crate::store::{Expiry, Key, Settings, SqliteStore, Transaction, Value};

    #[test]
    fn what_is_committed_before_the_thread_has_begun_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let put = |store: &SqliteStore, key: &str| {
            let key = Key::new(key).unwrap();
            store.commit(&Transaction::put(key, Value::text("v"), Expiry::Clear)).unwrap();
        };
        let other = SqliteStore::open_or_create(&path, Settings::default()).unwrap();
        put(&other, "before");
        let store = SqliteStore::open(&path, Settings::default()).unwrap();
        let feed = mark(&store);
        put(&other, "after");
        let (answers, inbox) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let watcher = std::thread::spawn({
            let stop = stop.clone();
            move || run(&store, feed, &answers, &stop, &Attention::default())
        });
        let told = loop {
            match inbox.recv_timeout(Duration::from_secs(300)).unwrap() {
                Message::Answer(Answer::Adopts(adopts)) => assert!(!adopts),
                told => break told,
            }
        };
        stop.store(true, Ordering::SeqCst);
        watcher.join().unwrap();
        let Message::Answer(Answer::Changed(News::Changes(changes))) = told else { panic!("{told:?}") };
        let keys: Vec<String> = changes.iter().map(|change| change.key.to_text()).collect();
        assert_eq!(keys, ["after"]);
    }
}
