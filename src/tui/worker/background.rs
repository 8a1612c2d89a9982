//! What takes its time and is not waited for: each kind of question is answered in its turn, and
//! only the newest of a kind.

use std::sync::mpsc::{Receiver, Sender};

use super::reader::send;
use crate::store::{HistoryScan, Key, KeyRange, Store, StoreError, Subject};
use crate::tui::detail::Past;
use crate::tui::effect::Answer;
use crate::tui::message::Message;
use crate::tui::row::RowId;

/// How much of each value of a past change is read, in bytes.
const VALUE: u64 = 256;

/// What is asked.
pub enum Task {
    /// How many entries there are.
    Count,
    /// What happened to an entry or a lock.
    Past(RowId),
}

/// The newest question of each kind.
#[derive(Default)]
struct Wanted {
    count: bool,
    past: Option<RowId>,
}

impl Wanted {
    fn add(&mut self, task: Task) {
        match task {
            Task::Count => self.count = true,
            Task::Past(of) => self.past = Some(of),
        }
    }
}

/// Answers until nobody asks any more.
pub fn run(store: &dyn Store, tasks: &Receiver<Task>, answers: &Sender<Message>) {
    let mut wanted = Wanted::default();
    while let Ok(task) = tasks.recv() {
        wanted.add(task);
        loop {
            // What was asked meanwhile may replace what is still to be done.
            while let Ok(task) = tasks.try_recv() {
                wanted.add(task);
            }
            let answer = if let Some(of) = wanted.past.take() {
                past(store, of).map(Answer::Past)
            } else if std::mem::take(&mut wanted.count) {
                store.count(&KeyRange::all()).map(Answer::Count)
            } else {
                break;
            };
            send(answers, answer.unwrap_or_else(|error| Answer::Failed(error.to_string())));
        }
    }
}

fn past(store: &dyn Store, of: RowId) -> Result<Past, StoreError> {
    let (key, subject) = match &of {
        RowId::Entry(key) => (Some(key.clone()), Subject::Entry),
        RowId::Lock(name) => (Key::new(name).ok(), Subject::Lock),
        RowId::Change(_) => return Ok(Past { of, changes: Vec::new() }),
    };
    let scan =
        HistoryScan { key, subject: Some(subject), value_limit: VALUE, ..HistoryScan::newest(Past::MOST) };
    Ok(Past { of, changes: store.history(&scan)? })
}
