//! Taking changes back, and doing them again.

use crossterm::event::{KeyCode, KeyEvent};

use crate::store::{Change, NothingToUndo, Revision, StoreError, Subject, UndoOutcome};
use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialog::{Confirm, Dialog};
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::Action;
use crate::tui::keys::scroll::scrolled;
use crate::tui::list::{Row, RowId};
use crate::tui::undo::stack::UndoableChange;
use crate::tui::widgets::format;
use crate::tui::write::{UndoSource, Write, WriteKind};

/// Said where there is nothing to take back.
const NOTHING: &str = "nothing was changed here that can be taken back (a cleared lock cannot); \
     other changes are taken back in the history";

/// Takes back the last change made here, or does again the last one taken back. While a change is
/// being made that is the last one, so that the step waits for it.
pub fn step(app: &mut App, again: bool, now: Millis) -> Vec<Effect> {
    if !app.requests.writing.is_empty() {
        app.undo.stack.asked.push_back(again);
        return Vec::new();
    }
    let Some(change) = app.undo.stack.stacks(again).0.pop() else {
        app.show_hint(if again { "nothing was taken back here" } else { NOTHING }, now);
        return Vec::new();
    };
    // To take back a taking back is to do it again.
    let verb = if again == change.took_back.is_empty() { "did again" } else { "took back" };
    let done = format!("{verb}: {}", change.words);
    let chosen = if again { UndoSource::LastUndone } else { UndoSource::Last };
    vec![Effect::Write(Write { what: WriteKind::Undo { change, chosen, force: false }, done })]
}

/// Takes the next step that had to wait, once nothing is being written any more. A question, or an
/// error, ends the waiting: what was asked for before it was seen may not be wanted after it.
pub fn next_step(app: &mut App, is_settled: bool, now: Millis) -> Vec<Effect> {
    if !is_settled {
        app.undo.stack.asked.clear();
    }
    if !app.requests.writing.is_empty() {
        return Vec::new();
    }
    app.undo.stack.asked.pop_front().map_or_else(Vec::new, |again| step(app, again, now))
}

pub fn list(app: &mut App, now: Millis) {
    if app.undo.stack.done.is_empty() {
        app.show_hint(NOTHING, now);
    } else {
        app.focus = Focus::Dialog(Dialog::Undos(0));
    }
}

/// A key in the list of what was changed here, of which one, counted from the newest, is chosen.
pub fn key(app: &mut App, chosen: usize, key: KeyEvent, now: Millis) -> Vec<Effect> {
    let count = app.undo.stack.done.len();
    if key.code == KeyCode::Char('q') {
        return Vec::new();
    }
    if key.code == KeyCode::Enter && chosen < count {
        app.closed = Some(Dialog::Undos(chosen));
        // The last one is taken back as by its key: it can be done again.
        if chosen == 0 {
            return step(app, false, now);
        }
        let change = app.undo.stack.done[count - 1 - chosen].clone();
        let done = format!("took back: {}", change.describe());
        let what = WriteKind::Undo { change, chosen: UndoSource::FromList, force: false };
        return vec![Effect::Write(Write { what, done })];
    }
    let by = scrolled(key, usize::from(app.size.1));
    let last = count.saturating_sub(1);
    app.focus =
        Focus::from((count > 0).then(|| Dialog::Undos(chosen.min(last).saturating_add_signed(by).min(last))));
    Vec::new()
}

/// Asks whether a change of the history is to be taken back.
pub fn ask(app: &mut App, change: &Change, now: Millis) {
    let operation = escape(change.operation.as_bytes());
    if change.subject == Subject::Database {
        app.show_hint("an epoch that began is not undone", now);
        return;
    }
    if change.subject == Subject::Lock {
        app.show_hint("a lock is held by a process: it is cleared, not taken back", now);
        return;
    }
    if let Some(by) = taken_back_by(app, change) {
        app.show_hint(format!("revision {by} took this back already"), now);
        return;
    }
    let shown = |image: Option<&crate::store::Image>, nothing: &str| {
        image.map_or_else(|| nothing.into(), |image| app.value_of(&change.key, &image.stored, 50))
    };
    let words = format!("{operation} of {}, revision {}", change.key, change.revision);
    let mut lines = vec![
        format!("Take back the {words}?"),
        format!(
            "by {}, {} ago",
            escape(change.actor.to_string().as_bytes()),
            format::age(Some(change.at), now)
        ),
        format!("It was {}", shown(change.old.as_ref(), "not there")),
        format!("and is {} since", shown(change.new.as_ref(), "gone")),
    ];
    let (first, last) = change.transaction;
    if first != last {
        lines.push(format!("With all of its transaction: revisions {first} to {last}."));
    }
    let done = format!("took back: {words}");
    // The session knows a transaction by its last revision.
    let change = UndoableChange::of(vec![last], &words, change.at);
    let what = WriteKind::Undo { change, chosen: UndoSource::FromHistory, force: false };
    app.focus = Focus::Dialog(Dialog::Confirm(Confirm::new(lines, Effect::Write(Write { what, done }))));
}

/// Which key takes back what was just done.
pub fn hint(app: &App) -> String {
    let key = app.settings.keymap.keys_for(Action::Undo).first();
    key.map_or(String::new(), |key| format!("  ({key} takes it back)"))
}

/// The revision that took a change back, if the list shows that it counts. One that was itself taken
/// back may count again: where the list does not show all of it, the store tells.
fn taken_back_by(app: &App, change: &Change) -> Option<Revision> {
    let by = change.undone_by?;
    match app.list.window.get(&RowId::Change(by)) {
        Some(Row::Change(taking_back)) if taking_back.undone_by.is_none() => Some(by),
        _ => None,
    }
}

/// It was not done: it can be tried again.
pub fn put_back(app: &mut App, change: &UndoableChange, chosen: UndoSource) {
    let stack = match chosen {
        UndoSource::Last => &mut app.undo.stack.done,
        UndoSource::LastUndone => &mut app.undo.stack.undone,
        UndoSource::FromList | UndoSource::FromHistory => return,
    };
    // It need not have been the last.
    let place = stack.partition_point(|done| done.at <= change.at);
    stack.insert(place, change.clone());
}

/// What became of it: `made` are the revisions that took it back, `ended` is why not all of it was.
pub fn answer(
    app: &mut App,
    write: Write,
    made: Vec<Revision>,
    ended: Option<Result<UndoOutcome, StoreError>>,
    now: Millis,
) {
    let WriteKind::Undo { change, chosen, .. } = write.what else { return };
    // Those that were made last were taken back first.
    let left = change.revisions.len().saturating_sub(made.len());
    let rest = UndoableChange { revisions: change.revisions[..left].to_vec(), ..change.clone() };
    if !made.is_empty() {
        match chosen {
            // It is a change that was made here, and can be taken back as any other.
            UndoSource::FromList | UndoSource::FromHistory => {
                let took_back = change.revisions[left..].to_vec();
                app.undo.stack.changed(UndoableChange {
                    took_back,
                    ..UndoableChange::of(made, &change.describe(), now)
                });
            }
            UndoSource::Last | UndoSource::LastUndone => {
                let (from, to) = app.undo.stack.stacks(chosen == UndoSource::LastUndone);
                // After a conflict it was put back there.
                from.retain(|done| *done != change);
                to.push(UndoableChange { revisions: made, at: now, ..change.clone() });
            }
        }
    }
    match ended {
        None => {
            if let (UndoSource::Last | UndoSource::FromList, Some(key)) = (chosen, change.deleted) {
                app.list.pending_cursor = Some(RowId::Entry(key));
                app.list.follow_pending_cursor();
            }
            app.show_done(write.done, now);
        }
        Some(Ok(undone)) => not_undone(app, rest, chosen, undone, write.done),
        Some(Err(error)) => {
            put_back(app, &rest, chosen);
            app.show_error(error.to_string());
        }
    }
}

/// A change, or what is left of it, was not taken back.
fn not_undone(app: &mut App, change: UndoableChange, chosen: UndoSource, undone: UndoOutcome, done: String) {
    let name = &change.words;
    match undone {
        UndoOutcome::Done { .. } => {}
        UndoOutcome::Conflict(conflicts) => {
            put_back(app, &change, chosen);
            let mut lines = vec![format!("Since then somebody changed what this was about: {name}")];
            lines.extend(conflicts.iter().take(5).map(|(key, found)| match found {
                None => format!("{key} is gone"),
                Some(entry) => {
                    let by = entry.actor.as_ref().map_or(String::new(), |actor| {
                        format!(", by {}", escape(actor.to_string().as_bytes()))
                    });
                    format!("{key} is {} now{by}", app.value_in(entry, 40))
                }
            }));
            lines.push("Restore what was there before all the same?".into());
            let force = WriteKind::Undo { change, chosen, force: true };
            app.open(Dialog::Confirm(Confirm::new(lines, Effect::Write(Write { what: force, done }))));
        }
        UndoOutcome::AlreadyUndone(by) => {
            app.show_error(format!("revision {by} took it back already: {name}"))
        }
        UndoOutcome::NothingToUndo(NothingToUndo::Expired { key, at }) => {
            app.show_error(format!("{key} was left alone: what it was would have expired at {at}"));
        }
        UndoOutcome::NothingToUndo(NothingToUndo::AsBefore) => {
            app.show_error(format!("there is nothing to take back, all is as it was before: {name}"));
        }
        UndoOutcome::NothingToUndo(NothingToUndo::Epoch) => {
            app.show_error("an epoch that began is not undone".to_string())
        }
        UndoOutcome::NothingToUndo(NothingToUndo::Locks) => {
            app.show_error("a lock is not taken back".to_string())
        }
    }
}
