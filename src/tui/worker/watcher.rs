//! Watches for commits, by anybody.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use crate::store::{Changes, Revision, Store, StoreError, Subject};
use crate::tui::effect::{Answer, News};
use crate::tui::message::Message;
use crate::tui::row::RowId;

/// How often is looked while nothing happens. A look costs microseconds, waking up for it many
/// more; the budget from commit to screen is 50 ms.
const IDLE: Duration = Duration::from_millis(30);
/// How often is looked while things happen, and for how many looks after the last news.
const BUSY: (Duration, u32) = (Duration::from_millis(10), 200);
/// The most changes that are told one by one; with more at a time the list is read anew.
const CHANGES: usize = 2000;

/// Tells of commits until it is stopped.
pub fn run(store: &dyn Store, answers: &Sender<Message>, stop: &AtomicBool) {
    let mut seen = store.revision().unwrap_or_default();
    let mut failing = false;
    let mut quiet = 0;
    // The first look only sets the mark.
    let _ = store.has_news();
    while !stop.load(Ordering::SeqCst) {
        std::thread::sleep(if quiet < BUSY.1 { BUSY.0 } else { IDLE });
        let answer = match look(store, &mut seen) {
            Ok(None) => {
                quiet = quiet.saturating_add(1);
                continue;
            }
            Ok(Some(news)) => {
                failing = false;
                quiet = 0;
                Answer::Changed(news)
            }
            Err(_) if failing => continue,
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

fn look(store: &dyn Store, seen: &mut Revision) -> Result<Option<News>, StoreError> {
    if !store.has_news()? {
        return Ok(None);
    }
    Ok(Some(match store.changes(*seen, CHANGES, 0)? {
        Changes::Since(changes) if changes.len() < CHANGES => {
            *seen = changes.last().map_or(*seen, |change| change.revision);
            let names: HashSet<RowId> = changes
                .into_iter()
                .map(|change| match change.subject {
                    Subject::Entry => RowId::Entry(change.key),
                    Subject::Lock => RowId::Lock(change.key.to_text()),
                })
                .collect();
            News::Names(names.into_iter().collect())
        }
        Changes::Since(_) | Changes::Pruned { .. } | Changes::NotRecorded => {
            *seen = store.revision()?;
            News::Anything
        }
    }))
}
