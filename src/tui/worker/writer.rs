//! Writes, one after the other. A busy database is waited for here, and nowhere else.

use std::sync::mpsc::{Receiver, Sender};

use crate::store::{Liveness, Process, Store, StoreError, undo};
use crate::tui::effect::{Answer, What, Write, Written};
use crate::tui::message::Message;

/// Carries out writes until no more come.
pub fn run(store: &dyn Store, here: &Process, writes: &Receiver<Write>, answers: &Sender<Message>) {
    while let Ok(write) = writes.recv() {
        let written = carry_out(store, here, &write.what);
        let notices = store.take_notices().into_iter().map(Answer::Notice);
        for answer in std::iter::once(Answer::Written(write, written)).chain(notices) {
            if answers.send(Message::Answer(answer)).is_err() {
                return;
            }
        }
    }
}

fn carry_out(store: &dyn Store, here: &Process, what: &What) -> Result<Written, StoreError> {
    Ok(match what {
        What::Guarded { transaction, .. } => Written::Outcome(store.commit(transaction)?),
        What::Edit(key, edit) => {
            // Of a row that is on the screen: one that went away meanwhile is not made anew.
            store.peek(key, 0)?.ok_or_else(|| StoreError::NoSuchEntry { key: key.clone() })?;
            Written::Edited(store.edit(key, edit)?.revision)
        }
        What::Undo { change, force, .. } => Written::Undone(undo(store, change.revision, *force)?),
        What::StopRun(process) => Written::Signalled(stop(process, here)),
        What::ClearLock(lock) => Written::Clearing(store.clear_lock(lock)?),
    })
}

/// Asks a process on this machine to end; whether it was there. A number that belongs to another
/// process by now is none of it.
fn stop(process: &Process, here: &Process) -> bool {
    use nix::sys::signal::{Signal, kill};
    process.liveness(here) == Liveness::Alive
        && i32::try_from(process.pid)
            .is_ok_and(|pid| kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM).is_ok())
}
