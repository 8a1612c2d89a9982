//! Watches for commits, by anybody.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::store::feed::{self, Feed};
use crate::store::{Store, StoreError, Subject};
use crate::tui::effect::{Answer, News};
use crate::tui::message::Message;
use crate::tui::row::RowId;

/// How long to wait after a failure that was told already.
const RETRY: Duration = Duration::from_millis(100);
/// The most changes that are told one by one; with more at a time the list is read anew.
const CHANGES: usize = 2000;

/// Tells of commits until it is stopped.
pub fn run(store: &dyn Store, answers: &Sender<Message>, stop: &AtomicBool) {
    let mut feed = Feed::after(store.revision().unwrap_or_default());
    let mut failing = false;
    // The first look only sets the mark.
    let _ = feed.look(store, CHANGES, 0);
    while !stop.load(Ordering::SeqCst) {
        std::thread::sleep(feed.pause());
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
    Ok(match feed.look(store, CHANGES, 0)? {
        feed::News::None => None,
        feed::News::Changes(changes) if changes.len() < CHANGES => {
            let names: HashSet<RowId> = changes
                .into_iter()
                .map(|change| match change.subject {
                    Subject::Entry => RowId::Entry(change.key),
                    Subject::Lock => RowId::Lock(change.key.to_text()),
                })
                .collect();
            Some(News::Names(names.into_iter().collect()))
        }
        feed::News::Changes(_) | feed::News::Pruned { .. } | feed::News::Unrecorded => {
            feed.skip_to(store.revision()?);
            Some(News::Anything)
        }
    })
}
