//! Watches for commits, by anybody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::store::feed::{self, Feed};
use crate::store::{Store, StoreError};
use crate::tui::effect::{Answer, News};
use crate::tui::message::Message;

/// How long to wait after a failure that was told already.
const RETRY: Duration = Duration::from_millis(100);
/// How much of each value is told, in bytes: as much as a row of a list has.
const VALUE: u64 = 256;
/// The most changes that are told one by one; with more at a time the list is read anew.
const CHANGES: usize = 2000;

/// Tells of commits until it is stopped.
pub fn run(store: &dyn Store, answers: &Sender<Message>, stop: &AtomicBool) {
    let mut feed = Feed::after(store.revision().unwrap_or_default());
    let mut failing = false;
    // The first look only sets the mark.
    let _ = feed.look(store, CHANGES, 0);
    while !stop.load(Ordering::SeqCst) {
        feed.wait(store, None);
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
