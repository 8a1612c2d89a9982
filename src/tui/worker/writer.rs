//! Writes, one after the other. A busy database is waited for here, and nowhere else.

use std::sync::mpsc::{Receiver, Sender};

use crate::store::{Store, StoreError, undo};
use crate::tui::effect::{Answer, What, Write, Written};
use crate::tui::message::Message;

/// Carries out writes until no more come.
pub fn run(store: &dyn Store, writes: &Receiver<Write>, answers: &Sender<Message>) {
    while let Ok(write) = writes.recv() {
        let written = carry_out(store, &write.what);
        let notices = store.take_notices().into_iter().map(Answer::Notice);
        for answer in std::iter::once(Answer::Written(write, written)).chain(notices) {
            if answers.send(Message::Answer(answer)).is_err() {
                return;
            }
        }
    }
}

fn carry_out(store: &dyn Store, what: &What) -> Result<Written, StoreError> {
    Ok(match what {
        What::Guarded { transaction, .. } => Written::Outcome(store.commit(transaction)?),
        What::Edit(key, edit) => {
            // Of a row that is on the screen: one that went away meanwhile is not made anew.
            store.peek(key, 0)?.ok_or_else(|| StoreError::NoSuchEntry { key: key.clone() })?;
            Written::Edited(store.edit(key, edit)?.revision)
        }
        What::Undo { change, force, .. } => Written::Undone(undo(store, change.revision, *force)?),
        What::ClearLock(lock) => Written::Clearing(store.clear_lock(lock)?),
    })
}
