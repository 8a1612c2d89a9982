//! Which list is shown: another view, order or filter, the history of one thing, and the way back.

use std::cmp::Reverse;

use crate::store::{Revision, Subject};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::bulk;
use crate::tui::effect::{Effect, Figure};
use crate::tui::list::{FilterLine, HistoryScope, LoadFrom, Position, Row, RowId, RowOrder, Sort, window};
use crate::tui::screens::{debugger, past};
use crate::tui::view::View;

/// Changes the line that filters what is shown, and reads the list anew if it means something else
/// then, as `change` says.
pub(super) fn filter_with(
    app: &mut App,
    change: impl FnOnce(&mut FilterLine) -> bool,
    now: Millis,
) -> Vec<Effect> {
    match change(&mut app.shown_list_mut().filter_line) {
        false => Vec::new(),
        true if app.screen.past().is_some() => past::update::filtered(app),
        true => vec![app.load(LoadFrom::Start, now)],
    }
}

pub(super) fn show(app: &mut App, view: View, now: Millis) -> Vec<Effect> {
    if view == app.list.view && app.list.scope.is_none() {
        return Vec::new();
    }
    open(app, view, None, LoadFrom::Start, now)
}

/// Opens a view from `from` on; of the history, that of something.
pub(super) fn open(
    app: &mut App,
    view: View,
    scope: Option<HistoryScope>,
    from: LoadFrom,
    now: Millis,
) -> Vec<Effect> {
    app.list.view = view;
    app.list.scope = scope;
    app.list.window = window::Window::default();
    app.details.row = None;
    app.details.changes = None;
    let mut effects = vec![app.load(from, now)];
    // How numbers went before this program looked is in history.
    effects.extend((view == View::Counters).then_some(Effect::Figure(Figure::Recent)));
    effects
}

/// Sorts the list, from its beginning; with none it is in its own order again.
pub(super) fn sort(app: &mut App, sort: Option<Sort>, now: Millis) -> Vec<Effect> {
    if app.screen.past().is_some() {
        return past::update::sort(app, sort);
    }
    match sort {
        Some(sort) => app.list.sorts.insert(app.list.view, sort),
        None => app.list.sorts.remove(&app.list.view),
    };
    app.list.reading.left = app.list.window.selected().map(Row::id).or(app.list.reading.left.take());
    let (view, scope) = (app.list.view, app.list.scope.take());
    open(app, view, scope, LoadFrom::Start, now)
}

/// The list has too many rows to be sorted: it is in its own order again, with the cursor on the row
/// where it was.
pub(super) fn unsort(app: &mut App, now: Millis) -> Vec<Effect> {
    app.list.sorts.remove(&app.list.view);
    let left = app.list.reading.left.take();
    let from = match &left {
        Some(id) if app.list.order() == RowOrder::Name => LoadFrom::At(Position::Name(id.clone())),
        _ => LoadFrom::Start,
    };
    let (view, scope) = (app.list.view, app.list.scope.take());
    let effects = open(app, view, scope, from, now);
    app.list.pending_cursor = left;
    effects
}

/// Leaves out no row.
pub(super) fn clear(app: &mut App) {
    app.list.filter_line = FilterLine::default();
}

/// Shows the history of what the row under the cursor is about.
pub(super) fn history_of(app: &mut App, now: Millis) -> Vec<Effect> {
    let of = match app.list.window.selected() {
        Some(Row::Change(change)) if change.subject == Subject::Database => {
            app.show_hint("this change is of the database itself", now);
            return Vec::new();
        }
        Some(Row::Change(change)) => RowId::subject_of(change),
        Some(row) => row.id(),
        None => return Vec::new(),
    };
    let back = app.list.scope.as_ref().map_or(app.list.view, |scope| scope.back);
    clear(app);
    open(app, View::History, Some(HistoryScope { of, back }), LoadFrom::Start, now)
}

/// Opens the list in which an entry or a lock is, with the cursor on it.
pub(super) fn go_to(app: &mut App, id: RowId, now: Millis) -> Vec<Effect> {
    clear(app);
    let (view, from) = match &id {
        RowId::Lock(_) => (View::Locks, LoadFrom::Start),
        RowId::Run(_) => (View::Runs, LoadFrom::Start),
        _ => (View::Keys, LoadFrom::At(Position::Name(id.clone()))),
    };
    app.list.tree.is_shown = false;
    let effects = open(app, view, None, from, now);
    app.list.pending_cursor = Some(id);
    effects
}

/// Shows a change in the history, with the cursor on it; the run that is open is left.
pub(super) fn go_to_change(app: &mut App, revision: Revision, now: Millis) -> Vec<Effect> {
    let mut effects = debugger::navigate::leave(app);
    clear(app);
    let from = LoadFrom::At(Position::Newest(Reverse(revision)));
    effects.extend(open(app, View::History, None, from, now));
    effects
}

/// Stops what takes its time; otherwise leaves what was opened last: the filter, then the history of
/// one thing, then the marks.
pub(super) fn back(app: &mut App, now: Millis) -> Vec<Effect> {
    if let Some(stop) = bulk::update::stop(app) {
        return vec![stop];
    }
    match app.list.scope.clone() {
        Some(scope) if app.list.filter_line.text().is_empty() => {
            let from = match (&scope.of, scope.back) {
                (RowId::Entry(_), view) if view.has_entries() && view.order() == RowOrder::Name => {
                    LoadFrom::At(Position::Name(scope.of.clone()))
                }
                _ => LoadFrom::Start,
            };
            let effects = open(app, scope.back, None, from, now);
            app.list.pending_cursor = (scope.back != View::History).then_some(scope.of);
            effects
        }
        None if app.list.filter_line.text().is_empty() && !app.list.marks.is_empty() => {
            bulk::update::unmark(app)
        }
        _ => filter_with(app, |line| line.set(""), now),
    }
}
