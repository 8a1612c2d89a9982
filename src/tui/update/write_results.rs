//! What follows a write, and a text that comes back from the user's editor.

use crate::store::{ClearOutcome, Entry, Expiry, Operation, Revision, StoreError, Transaction};
use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialog::{Dialog, Invalid};
use crate::tui::dialogs::conflict::state::Conflict;
use crate::tui::effect::Effect;
use crate::tui::list::RowId;
use crate::tui::terminal::external_editor::Edited;
use crate::tui::undo::stack::UndoableChange;
use crate::tui::write::{Draft, Write, WriteKind, WriteOutcome};
use crate::tui::{bulk, undo};

/// A write took place, or was refused because something had changed.
pub(super) fn done(app: &mut App, write: Write, written: WriteOutcome, now: Millis) {
    match written {
        WriteOutcome::UndoOutcome { made, ended } => {
            undo::update::answer(app, write, made, ended.map(|ended| *ended), now)
        }
        WriteOutcome::Bulk(done) => {
            if let WriteKind::Bulk(_, bulk) = &write.what {
                bulk::update::done(app, bulk, *done, now);
            }
        }
        WriteOutcome::Edited(None) | WriteOutcome::ClearOutcome(ClearOutcome::Cleared) => {
            app.show_done(write.done, now)
        }
        WriteOutcome::Edited(Some(revision)) => changed_here(app, revision, &write, now),
        // With nothing changed it is somebody else's revision.
        WriteOutcome::Committed { changed: 0, .. } => app.show_done(write.done, now),
        WriteOutcome::Committed { revision, .. } => {
            if let WriteKind::Guarded { transaction, seen: None, .. } = &write.what
                && let Some(Operation::Put { key, .. } | Operation::PutUntyped { key, .. }) =
                    transaction.operations.first()
            {
                app.list.pending_cursor = Some(RowId::Entry(key.clone()));
                app.list.follow_pending_cursor();
            }
            changed_here(app, revision, &write, now);
        }
        WriteOutcome::StackLockCleared(true) => app.show_done(write.done, now),
        WriteOutcome::StackLockCleared(false) => {
            app.show_error("the lock was not cleared: it has changed in the meantime");
        }
        WriteOutcome::Signalled(true) => app.show_done(write.done, now),
        WriteOutcome::Signalled(false) => app.show_hint("it has ended in the meantime", now),
        WriteOutcome::ClearOutcome(ClearOutcome::AlreadyGone) => {
            app.show_done("its holder released it in the meantime", now)
        }
        WriteOutcome::ClearOutcome(ClearOutcome::Changed(lock)) => app.show_error(format!(
            "lock {} was not cleared: {} has taken it in the meantime (token {})",
            escape(lock.name.as_bytes()),
            escape(lock.holder.as_bytes()),
            lock.token
        )),
        WriteOutcome::Refused(found) => {
            app.open(Dialog::Conflict(Box::new(Conflict { write, found: *found })))
        }
    }
}

/// Something was changed here, and can be taken back.
fn changed_here(app: &mut App, revision: Revision, write: &Write, now: Millis) {
    let deleted = match &write.what {
        WriteKind::Guarded { transaction, .. } => match &transaction.operations[..] {
            [Operation::Delete(key)] => Some(key.clone()),
            _ => None,
        },
        _ => None,
    };
    app.undo
        .stack
        .changed(UndoableChange { deleted, ..UndoableChange::of(vec![revision], &write.done, now) });
    app.show_done(format!("{}{}", write.done, undo::update::hint(app)), now);
}

/// A write failed. What was typed is not lost: it is offered again.
pub(super) fn failed(app: &mut App, write: Write, error: &StoreError) {
    app.show_error(error.to_string());
    if let WriteKind::Undo { change, chosen, .. } = &write.what {
        undo::update::put_back(app, change, *chosen);
    }
    if let WriteKind::Guarded { transaction, seen, draft: Some(draft) } = write.what
        && let Some(key) = transaction.operations.iter().find_map(Operation::key).cloned()
    {
        let problem = error.to_string();
        app.open(Dialog::Invalid(Invalid { entry: seen, key, draft: *draft, problem }));
    }
}

/// A text comes back from the user's editor.
pub(super) fn edited_outside(
    app: &mut App,
    entry: Entry,
    edited: Result<Option<Box<Edited>>, String>,
    now: Millis,
) -> Vec<Effect> {
    match edited {
        Ok(None) => {
            app.show_done(format!("{} was left as it is", entry.key), now);
            Vec::new()
        }
        Ok(Some(edited)) => write_edited(app, entry, *edited),
        Err(error) => {
            app.show_error(error);
            Vec::new()
        }
    }
}

/// Writes what was edited, or says why it is no value of the entry's type.
fn write_edited(app: &mut App, entry: Entry, edited: Edited) -> Vec<Effect> {
    let Edited { text, value } = edited;
    match value {
        Ok(value) => {
            let done = format!("changed {}", entry.key);
            let transaction = Transaction::put(entry.key.clone(), value, Expiry::Keep);
            let draft = Some(Draft::Outside(text));
            vec![Effect::Write(Write::guarded(entry, transaction, draft, done))]
        }
        Err(error) => {
            let problem = error.to_string();
            let (key, draft) = (entry.key.clone(), Draft::Outside(text));
            app.open(Dialog::Invalid(Invalid { entry: Some(Box::new(entry)), key, draft, problem }));
            Vec::new()
        }
    }
}
