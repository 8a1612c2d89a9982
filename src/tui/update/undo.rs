//! Taking back what was changed here, and doing it again.

use crate::store::{Millis, Nothing, Undone};
use crate::tui::app::App;
use crate::tui::dialog::{Confirm, Dialog};
use crate::tui::effect::{Effect, What, Write};
use crate::tui::format;
use crate::tui::session::Done;
use crate::tui::update::actions;

/// Takes back the last change made here, or does again the last one taken back.
pub(super) fn step(app: &mut App, again: bool, now: Millis) -> Vec<Effect> {
    let verb = if again { "did again" } else { "took back" };
    let Some(change) = app.session.stacks(again).0.pop() else {
        app.explain(
            if again {
                "nothing was taken back here"
            } else {
                "nothing was changed here; other changes: slothstate history, slothstate undo"
            },
            now,
        );
        return Vec::new();
    };
    let done = format!("{verb}: {}", change.words);
    actions::start(app, Write { what: What::Undo { change, again, force: false }, done }, now)
}

/// It was not done: it can be tried again.
pub(super) fn put_back(app: &mut App, change: &Done, again: bool) {
    app.session.stacks(again).0.push(change.clone());
}

/// What became of it.
pub(super) fn answer(app: &mut App, write: Write, undone: Undone, now: Millis) {
    let What::Undo { change, again, .. } = write.what else { return };
    let name = &change.words;
    match undone {
        Undone::Done { revision, .. } => {
            let (from, to) = app.session.stacks(again);
            // After a conflict it was put back there.
            from.retain(|done| *done != change);
            to.push(Done { revision, words: change.words });
            app.say(write.done, now);
        }
        Undone::Conflict(conflicts) => {
            put_back(app, &change, again);
            let mut lines = vec![format!("Since then somebody changed what this was about: {name}")];
            lines.extend(conflicts.iter().take(5).map(|(key, found)| match found {
                None => format!("{key} is gone"),
                Some(entry) => {
                    let by = entry.actor.as_ref().map_or(String::new(), |actor| format!(", by {actor}"));
                    format!("{key} is {} now{by}", format::value(entry, 40))
                }
            }));
            lines.push("Restore what was there before all the same?".into());
            let force = What::Undo { change, again, force: true };
            app.open(Dialog::Confirm(Confirm { lines, write: Write { what: force, done: write.done } }));
        }
        Undone::AlreadyUndone(by) => app.complain(format!("revision {by} took it back already: {name}")),
        Undone::Nothing(Nothing::Expired { key, at }) => {
            app.complain(format!("{key} was left alone: what it was would have expired at {at}"));
        }
        Undone::Nothing(Nothing::Locks) => app.complain("a lock is not taken back".to_string()),
    }
}
