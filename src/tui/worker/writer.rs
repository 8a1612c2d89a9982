//! Writes, one after the other. A busy database is waited for here, and nowhere else.

use std::sync::mpsc::{Receiver, Sender};

use super::bulk::{self, Stops};
use super::restore::restore;
use crate::store::{Liveness, Outcome, Process, Revision, Store, StoreError, UndoOutcome, undo};
use crate::tui::bulk::{Progress, Told};
use crate::tui::conflict::Found;
use crate::tui::effect::{Answer, What, Write, Written};
use crate::tui::message::Message;

/// Carries out writes until no more come.
pub fn run(
    store: &dyn Store,
    here: &Process,
    writes: &Receiver<Write>,
    answers: &Sender<Message>,
    stops: &Stops,
) {
    while let Ok(write) = writes.recv() {
        let tell = |number| move |told| super::reader::send(answers, Answer::Bulk(number, Box::new(told)));
        let written = carry_out(store, here, &write.what, &tell, stops);
        let notices = store.take_notices().into_iter().map(Answer::Notice);
        for answer in std::iter::once(Answer::Written(write, written)).chain(notices) {
            if answers.send(Message::Answer(answer)).is_err() {
                return;
            }
        }
    }
}

fn carry_out<T: Fn(Told)>(
    store: &dyn Store,
    here: &Process,
    what: &What,
    tell: &dyn Fn(u64) -> T,
    stops: &Stops,
) -> Result<Written, StoreError> {
    Ok(match what {
        What::Guarded { transaction, .. } => match store.commit(transaction)? {
            Outcome::Committed { revision, changed } => Written::Committed { revision, changed },
            Outcome::Refused { found, .. } => {
                Written::Refused(Box::new(Found::of(transaction, found.map(|found| *found))))
            }
        },
        What::Edit(key, edit) => {
            // Of a row that is on the screen: one that went away meanwhile is not made anew.
            store.get_prefix(key, 0)?.ok_or_else(|| StoreError::NoSuchEntry { key: key.clone() })?;
            Written::Edited(store.edit(key, edit)?.revision)
        }
        What::Undo { change, force, .. } => take_back(store, &change.revisions, *force, &tell(0))?,
        What::StopRun(process) => Written::Signalled(stop(process, here)),
        What::ClearLock(lock) => Written::ClearOutcome(store.clear_lock(lock)?),
        What::ClearStackLock(lock) => Written::StackLockCleared(store.clear_stack_lock(lock)?),
        What::Restore(asked) => Written::Bulk(Box::new(restore(store, asked, &tell(0))?)),
        What::Bulk(number, asked) => {
            Written::Bulk(Box::new(bulk::change(store, asked, &tell(*number), stops, *number)?))
        }
    })
}

/// Asks a process on this machine to end; whether it was there. Another process that has its PID by
/// now is left alone. One that is suspended is continued, so that it can end.
fn stop(process: &Process, here: &Process) -> bool {
    use nix::sys::signal::{Signal, kill};
    let Ok(pid) = i32::try_from(process.pid).map(nix::unistd::Pid::from_raw) else { return false };
    match process.liveness(here) {
        Liveness::Alive => kill(pid, Signal::SIGTERM).is_ok(),
        Liveness::Stopped => kill(pid, Signal::SIGTERM).and_then(|()| kill(pid, Signal::SIGCONT)).is_ok(),
        Liveness::Dead | Liveness::Elsewhere | Liveness::Unknown => false,
    }
}

/// Takes back what several transactions changed, the last one first. Where one of them cannot be
/// taken back, those that were made before it are left as they are too.
fn take_back(
    store: &dyn Store,
    revisions: &[Revision],
    force: bool,
    tell: &dyn Fn(Told),
) -> Result<Written, StoreError> {
    let mut made = Vec::new();
    for (place, revision) in revisions.iter().rev().enumerate() {
        if revisions.len() > 1 {
            let words = format!("took back {place} of {} parts", revisions.len());
            tell(Told::Progress(Progress { words }));
        }
        match undo(store, *revision, force) {
            Ok(UndoOutcome::Done { revision, .. }) => made.push(revision),
            Err(error) if made.is_empty() => return Err(error),
            ended => return Ok(Written::UndoOutcome { made, ended: Some(Box::new(ended)) }),
        }
    }
    Ok(Written::UndoOutcome { made, ended: None })
}
