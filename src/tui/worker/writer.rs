//! Writes, one after the other. A busy database is waited for here, and nowhere else.

use std::sync::mpsc::Sender;

use crate::store::{
    Condition, ErrorKind, Outcome, Process, Revision, Store, StoreError, Transaction, UndoOutcome, undo,
};
use crate::tui::bulk;
use crate::tui::bulk::BulkReply;
use crate::tui::effect::Reply;
use crate::tui::message::{Message, send};
use crate::tui::request::{CancelToken, RequestId, RequestQueue};
use crate::tui::write::{Refusal, Write, WriteKind, WriteOutcome};

/// Carries out writes until no more come.
pub fn run(
    store: &dyn Store,
    here: &Process,
    writes: &RequestQueue<Write>,
    answers: &Sender<Message>,
    cancelled: &CancelToken,
) {
    while let Some(write) = writes.next() {
        let tell = |number| move |told| send(answers, Reply::Bulk(number, Box::new(told)));
        let written = carry_out(store, here, &write.what, &tell, cancelled);
        let notices = store.take_notices();
        // A write that adopted the file says so. The watcher may see that only after the next key.
        let adopts = if notices.is_empty() { None } else { store.will_adopt().ok() };
        let answers_now = adopts.map(Reply::Adopts).into_iter().chain([Reply::Written(write, written)]);
        for answer in answers_now.chain(notices.into_iter().map(Reply::Notice)) {
            if answers.send(Message::Reply(answer)).is_err() {
                return;
            }
        }
    }
}

fn carry_out<T: Fn(BulkReply)>(
    store: &dyn Store,
    here: &Process,
    what: &WriteKind,
    tell: &dyn Fn(RequestId) -> T,
    cancelled: &CancelToken,
) -> Result<WriteOutcome, StoreError> {
    Ok(match what {
        WriteKind::Guarded { transaction, .. } => match store.commit(transaction)? {
            Outcome::Committed { revision, changed, .. } => WriteOutcome::Committed { revision, changed },
            Outcome::Refused { found, .. } => {
                WriteOutcome::Refused(Box::new(Refusal::of(transaction, found.map(|found| *found))))
            }
        },
        WriteKind::Edit(key, edit) => {
            // Of a row that is on the screen: one that went away meanwhile is not made anew.
            let edit = Transaction::edit(key.clone(), edit.clone()).when(Condition::Exists(key.clone()));
            match store.commit(&edit)? {
                Outcome::Committed { revision, changed, .. } => {
                    WriteOutcome::Edited((changed > 0).then_some(revision))
                }
                Outcome::Refused { .. } => return Err(ErrorKind::NoSuchEntry { key: key.clone() }.into()),
            }
        }
        WriteKind::Undo { change, force, .. } => {
            take_back(store, &change.revisions, *force, &tell(RequestId::default()))?
        }
        WriteKind::StopRun(process) => WriteOutcome::Signalled(store.request_stop(process, here)?),
        WriteKind::ClearLock(lock) => WriteOutcome::ClearOutcome(store.clear_lock(lock)?),
        WriteKind::ClearStackLock(lock) => WriteOutcome::StackLockCleared(store.clear_stack_lock(lock)?),
        WriteKind::Bulk(number, asked) => WriteOutcome::Bulk(Box::new(bulk::worker::change(
            store,
            asked,
            &tell(*number),
            cancelled,
            *number,
        )?)),
    })
}

/// Takes back what several transactions changed, the last one first. Where one of them cannot be
/// taken back, those that were made before it are left as they are too.
fn take_back(
    store: &dyn Store,
    revisions: &[Revision],
    force: bool,
    tell: &dyn Fn(BulkReply),
) -> Result<WriteOutcome, StoreError> {
    let mut made = Vec::new();
    for (place, revision) in revisions.iter().rev().enumerate() {
        if revisions.len() > 1 {
            let words = format!("took back {place} of {} parts", revisions.len());
            tell(BulkReply::Progress(words));
        }
        match undo(store, *revision, force) {
            Ok(UndoOutcome::Done { revision, .. }) => made.push(revision),
            Err(error) if made.is_empty() => return Err(error),
            ended => return Ok(WriteOutcome::UndoOutcome { made, ended: Some(Box::new(ended)) }),
        }
    }
    Ok(WriteOutcome::UndoOutcome { made, ended: None })
}
