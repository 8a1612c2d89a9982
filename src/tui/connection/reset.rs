//! A database that is no longer the one that was opened: nothing of it is shown any more, and it is
//! opened again.

use std::collections::HashSet;

use crate::store::{Change, Reset, Revision, Seen, When};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::connection::lost_database::{LostDatabase, RETRY};
use crate::tui::dialog::Dialog;
use crate::tui::effect::{DatabaseInfo, Effect, Figure};
use crate::tui::focus::Focus;
use crate::tui::list::{ListReading, LoadFrom, Position, Row, RowId, RowOrder, Trends};
use crate::tui::request::RequestId;
use crate::tui::screens::debugger::requests::OpenAt;
use crate::tui::screens::past::state::PastTarget;
use crate::tui::screens::{debugger, past};
use crate::tui::undo::stack::UndoableChange;
use crate::tui::view::View;

/// Something happened to the database.
pub fn lost(app: &mut App, why: Reset, seen: Option<Seen>) -> Vec<Effect> {
    if let Some(lost) = &mut app.database.lost {
        // It happened before it was open again.
        lost.why = why;
        return Vec::new();
    }
    let past = app.screen.close_past().filter(|past_view| past_view.last_change().is_some());
    app.database.lost = Some(LostDatabase {
        why,
        number: RequestId::default(),
        again: None,
        error: None,
        cursor: app.list.window.selected().map(Row::id),
        run: app.screen.run().map(|debugger| (debugger.sitting.run, debugger.run.run.began_at)),
        past,
    });
    forget(app);
    vec![try_again(app, seen)]
}

/// Nothing that was read counts any more; what the user typed does.
fn forget(app: &mut App) {
    app.list.window = Default::default();
    // Replies to earlier requests are dropped.
    let generation = app.next_request();
    app.list.reading = ListReading { generation, ..Default::default() };
    app.details.row = None;
    app.details.changes = None;
    app.overview = None;
    app.database.count = None;
    app.list.trends = Trends::default();
    app.list.recent.clear();
    app.list.flashes.clear();
    (app.list.marks, app.list.marking) = Default::default();
    app.requests.progress = None;
    app.screen.close_run();
    app.runs.pending = None;
    app.screen.close_value();
    app.list.pending_cursor = None;
    // What would be confirmed is about what was seen.
    let is_about_rows = |dialog: &Dialog| matches!(dialog, Dialog::Confirm(_));
    if app.focus.dialog().is_some_and(is_about_rows) {
        app.focus = Focus::Screen;
    }
    app.pending_dialogs.retain(|dialog| !is_about_rows(dialog));
}

fn try_again(app: &mut App, seen: Option<Seen>) -> Effect {
    let number = app.next_request();
    if let Some(lost) = &mut app.database.lost {
        lost.number = number;
        lost.again = None;
    }
    Effect::Reopen(number, seen)
}

/// Tries once more to open it.
pub fn again(app: &mut App) -> Effect {
    try_again(app, None)
}

/// It is open again, or cannot be opened; `None` if something else was.
pub fn opened(
    app: &mut App,
    number: RequestId,
    opened: &Result<Box<DatabaseInfo>, String>,
    now: Millis,
) -> Option<Vec<Effect>> {
    app.database.lost.as_ref().filter(|lost| lost.number == number)?;
    let arrival = match opened {
        Ok(arrival) => arrival,
        Err(error) => {
            if let Some(lost) = &mut app.database.lost {
                lost.again = Some(now.plus(RETRY));
                if lost.error.is_none() {
                    let text = format!("{}; {error}", lost.why);
                    lost.error = Some(error.clone());
                    app.show_error(text);
                }
            }
            return Some(Vec::new());
        }
    };
    let lost = app.database.lost.take()?;
    app.database.read_only = arrival.read_only;
    app.database.unwritable.clone_from(&arrival.unwritable);
    let mut effects = vec![Effect::Enter(number)];
    app.database.counting.outdate();
    let from = match (&lost.cursor, app.list.order()) {
        (Some(id @ RowId::Entry(_)), RowOrder::Name) => LoadFrom::At(Position::Name(id.clone())),
        _ => LoadFrom::Start,
    };
    // A row that is not there any more is no news: all of them may be others.
    let is_at_row = matches!(from, LoadFrom::At(_));
    effects.push(app.load(from, now));
    app.list.pending_cursor = lost.cursor.filter(|_| !is_at_row);
    effects.extend((app.list.view == View::Counters).then_some(Effect::Figure(Figure::Recent)));
    effects.extend(check_undo(app));
    if let Some((run, began_at)) = lost.run {
        app.runs.previous = Some((run, began_at));
        effects.extend(debugger::navigate::open(app, run, OpenAt::Begin, None));
    }
    if let Some(past_view) = lost.past {
        let revision = past_view.last_change().map_or(Revision(0), |change| change.revision);
        let goal = PastTarget::When(When::Revision(revision));
        app.screen.open_past(Box::new(past_view.reopened()));
        effects.extend(past::update::go(app, goal));
    }
    let said = [format!("the database was read again: {}", lost.why)];
    app.show_notice(said.iter().chain(&arrival.notices).cloned().collect::<Vec<_>>().join("; "));
    Some(effects)
}

/// Asks which of the changes that were made here are still in history.
fn check_undo(app: &App) -> Option<Effect> {
    let undo_stack = &app.undo.stack;
    let revisions: Vec<Revision> =
        undo_stack.done.iter().chain(&undo_stack.undone).flat_map(|done| done.revisions.clone()).collect();
    (!revisions.is_empty()).then_some(Effect::Figure(Figure::Known(revisions)))
}

/// Of the changes that were made here these are still in history; the others can no longer be undone.
pub fn known(app: &mut App, asked: &[Revision], known: &HashSet<Revision>) {
    let is_lost = |revision: &Revision| asked.contains(revision) && !known.contains(revision);
    let keep = |done: &UndoableChange| !done.revisions.iter().any(is_lost);
    let before = app.undo.stack.done.len();
    app.undo.stack.done.retain(keep);
    app.undo.stack.undone.retain(keep);
    match before - app.undo.stack.done.len() {
        0 => {}
        1 => app.show_notice("a change that was made here is no longer in the database: it cannot be undone"),
        count => app.show_notice(format!(
            "{count} changes that were made here are no longer in the database: they cannot be undone"
        )),
    }
}

/// History begins later than before: what it no longer has is not shown.
pub fn forgotten(app: &mut App, oldest: Revision) {
    let is_gone = |change: &Change| change.revision < oldest;
    let gone =
        app.list.window.rows().iter().filter(|row| matches!(row, Row::Change(change) if is_gone(change)));
    let gone: Vec<RowId> = gone.map(Row::id).collect();
    if app.list.view == View::History {
        for id in gone {
            app.list.window.remove(&id);
        }
    }
    app.list.recent.retain(|change| !is_gone(change));
    if let Some(past) = &mut app.details.changes {
        past.changes.retain(|change| !is_gone(change));
    }
}
