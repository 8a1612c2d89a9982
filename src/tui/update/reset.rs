//! A database that is no longer the one that was opened: nothing of it is shown any more, and it is
//! opened again.

use std::collections::HashSet;

use crate::store::{Change, Reset, Revision, Seen, When};
use crate::time::Millis;
use crate::tui::action::View;
use crate::tui::app::App;
use crate::tui::debugger;
use crate::tui::debugger::requests::At;
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Arrival, Effect, From};
use crate::tui::lost_database::{ChangeMark, Lost, RETRY};
use crate::tui::past::Goal;
use crate::tui::row::{Position, Row, RowId, RowOrder};
use crate::tui::trends::Trends;
use crate::tui::undo_stack::Done;

/// Something happened to the database.
pub(super) fn lost(app: &mut App, why: Reset, seen: Option<Seen>) -> Vec<Effect> {
    if let Some(lost) = &mut app.lost {
        // It happened before it was open again.
        lost.why = why;
        return Vec::new();
    }
    let past = app.travel.take().and_then(|travel| {
        let mark = travel.place.as_ref()?.before.first().map(ChangeMark::of)?;
        Some((travel, mark))
    });
    app.lost = Some(Lost {
        why,
        number: 0,
        again: None,
        error: None,
        cursor: app.window.selected().map(Row::id),
        run: app.debugger.as_ref().map(|debugger| (debugger.sitting.run, debugger.run.run.began_at)),
        past,
    });
    forget(app);
    vec![try_again(app, seen)]
}

/// Nothing that was read counts any more; what the user typed does.
fn forget(app: &mut App) {
    app.window = Default::default();
    app.reading = crate::tui::app::Reading { epoch: app.reading.epoch, ..Default::default() };
    // The readers begin with this one: answers to earlier questions are dropped.
    app.reading.epoch.0 += 1;
    app.detail = None;
    app.past = None;
    app.overview = None;
    app.count = None;
    app.trends = Trends::default();
    app.recent.clear();
    app.flashes.clear();
    app.marks = Default::default();
    app.progress = None;
    app.debugger = None;
    app.run_awaited = None;
    app.viewer = None;
    app.awaited = None;
    // What would be confirmed is about what was seen.
    let is_about_rows = |dialog: &Dialog| matches!(dialog, Dialog::Confirm(_));
    app.dialog = app.dialog.take().filter(|dialog| !is_about_rows(dialog));
    app.questions.retain(|dialog| !is_about_rows(dialog));
}

/// Opens the database again.
fn try_again(app: &mut App, seen: Option<Seen>) -> Effect {
    app.last_opening += 1;
    if let Some(lost) = &mut app.lost {
        lost.number = app.last_opening;
        lost.again = None;
    }
    Effect::Reopen(app.last_opening, seen)
}

/// Tries once more to open it.
pub(super) fn again(app: &mut App) -> Effect {
    try_again(app, None)
}

/// It is open again, or cannot be opened; `None` if something else was.
pub(super) fn opened(
    app: &mut App,
    number: u64,
    opened: &Result<Box<Arrival>, String>,
    now: Millis,
) -> Option<Vec<Effect>> {
    app.lost.as_ref().filter(|lost| lost.number == number)?;
    let arrival = match opened {
        Ok(arrival) => arrival,
        Err(error) => {
            if let Some(lost) = &mut app.lost {
                lost.again = Some(now.plus(RETRY));
                if lost.error.is_none() {
                    let text = format!("{}; {error}", lost.why);
                    lost.error = Some(error.clone());
                    app.complain(text);
                }
            }
            return Some(Vec::new());
        }
    };
    let lost = app.lost.take()?;
    app.read_only = arrival.read_only;
    app.unwritable.clone_from(&arrival.unwritable);
    let mut effects = vec![Effect::Enter(number)];
    app.counting.outdate();
    let from = match (&lost.cursor, app.order()) {
        (Some(id @ RowId::Entry(_)), RowOrder::Name) if app.view != View::Locks => {
            From::At(Position::Name(id.clone()))
        }
        _ => From::Start,
    };
    // A row that is not there any more is no news: all of them may be others.
    let is_at_row = matches!(from, From::At(_));
    effects.push(app.load(from, now));
    app.awaited = lost.cursor.filter(|_| !is_at_row);
    effects.extend((app.view == View::Counters).then_some(Effect::Recent));
    effects.extend(check_undo(app));
    if let Some((run, began_at)) = lost.run {
        app.run_before = Some((run, began_at));
        effects.extend(debugger::open(app, run, At::Begin, None));
    }
    if let Some((mut travel, mark)) = lost.past {
        let goal = Goal::When(When::Revision(mark.revision));
        travel.forget();
        travel.expects = Some(mark);
        app.travel = Some(travel);
        effects.extend(super::past::go(app, goal));
    }
    let said = [format!("the database was read again: {}", lost.why)];
    app.notify(said.iter().chain(&arrival.notices).cloned().collect::<Vec<_>>().join("; "));
    Some(effects)
}

/// Asks which of the changes that were made here are still in history.
fn check_undo(app: &App) -> Option<Effect> {
    let session = &app.session;
    let revisions: Vec<Revision> =
        session.done.iter().chain(&session.undone).flat_map(|done| done.revisions.clone()).collect();
    (!revisions.is_empty()).then_some(Effect::Known(revisions))
}

/// Of the changes that were made here these are still in history; the others can no longer be undone.
pub(super) fn known(app: &mut App, asked: &[Revision], known: &HashSet<Revision>) {
    let is_lost = |revision: &Revision| asked.contains(revision) && !known.contains(revision);
    let keep = |done: &Done| !done.revisions.iter().any(is_lost);
    let before = app.session.done.len();
    app.session.done.retain(keep);
    app.session.undone.retain(keep);
    match before - app.session.done.len() {
        0 => {}
        1 => app.notify("a change that was made here is no longer in the database: it cannot be undone"),
        count => app.notify(format!(
            "{count} changes that were made here are no longer in the database: they cannot be undone"
        )),
    }
}

/// History begins later than before: what it no longer has is not shown.
pub(super) fn forgotten(app: &mut App, oldest: Revision) {
    let is_gone = |change: &Change| change.revision < oldest;
    let gone = app.window.rows().iter().filter(|row| matches!(row, Row::Change(change) if is_gone(change)));
    let gone: Vec<RowId> = gone.map(Row::id).collect();
    if app.view == View::History {
        for id in gone {
            app.window.remove(&id);
        }
    }
    app.recent.retain(|change| !is_gone(change));
    if let Some(past) = &mut app.past {
        past.changes.retain(|change| !is_gone(change));
    }
}
