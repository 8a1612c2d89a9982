//! Rows that were read: they take their place in the list.

use std::time::Duration;

use crate::store::{Change, Entry, Key};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::list::{ListEnd, LoadFrom, Position, Row, RowId, RowOrder};
use crate::tui::throttle::rest_after;
use crate::tui::timing::{FLASH, HOLDER_REFRESH};
use crate::tui::view::{View, ViewRows};

/// How long a list rests that was read: so many times as long as it took, and at least so long if any
/// commit may change it.
const RESTS: Duration = Duration::from_millis(30);
const SHARE: u32 = 40;
/// How often the overview is read where nothing is committed.
const OVERVIEW_AGAIN: Duration = Duration::from_secs(1);

/// Whether rows that were read again are not those that are shown.
pub(super) fn differ(app: &App, rows: &[Row]) -> bool {
    let shown = app.list.window.rows();
    let is_same = |(row, shown): (&Row, &Row)| row.id() == shown.id() && !shown.differs(row);
    rows.len() != shown.len() || !rows.iter().zip(shown).all(is_same)
}

/// The same rows were read again: those that changed or came catch the eye.
pub(super) fn flash_differences(app: &mut App, rows: &[Row], now: Millis) {
    let order = app.list.order();
    let last = app.list.window.rows().last().map(|row| row.position(order));
    let changed = rows.iter().filter(|row| match app.list.window.get(&row.id()) {
        Some(old) => old.differs(row),
        // What follows the last row may just not have been read before.
        None => Some(row.position(order)) < last,
    });
    app.list.flashes.extend(changed.map(|row| (row.id(), now.plus(FLASH))));
}

/// The first rows of an answer: they take the place of what is there, or join it.
pub(super) fn begin_rows(app: &mut App, from: &LoadFrom, rows: Vec<Row>, exhausted: bool) {
    match from {
        LoadFrom::After(_) | LoadFrom::Before(_) => app.list.add_rows(from, rows, exhausted),
        LoadFrom::Start | LoadFrom::At(_) | LoadFrom::End => {
            let (at_start, at_end) = match from {
                LoadFrom::End => (exhausted, true),
                LoadFrom::Start => (true, exhausted),
                _ => (false, exhausted),
            };
            let order = app.list.order();
            app.list.window.replace(rows, at_start, at_end, order);
            match app.list.reading.cursor_to.take() {
                Some(ListEnd::First) => app.list.window.select_first(),
                Some(ListEnd::Last) => app.list.window.select(usize::MAX),
                None => {}
            }
        }
    }
}

pub(super) fn finish_rows(app: &mut App, now: Millis) {
    add_recent(app, now);
    app.list.follow_pending_cursor();
    outdate_detail(app);
    let from = app.list.reading.from.take();
    if let (Some(LoadFrom::At(Position::Name(from))), Some(pending_cursor)) = (from, &app.list.pending_cursor)
        && from == *pending_cursor
    {
        app.show_hint("it is gone; the cursor is where it would be", now);
        app.list.pending_cursor = None;
    }
    // A list that took long to read is not read again at once.
    let took = now.since(app.list.reading.since);
    app.list.reading.took = took;
    let rest = if matches!(app.list.view.rows(), ViewRows::Locks | ViewRows::Sections) {
        RESTS
    } else {
        Duration::ZERO
    };
    app.list.reading.not_before = now.plus(rest_after(took, rest, SHARE));
    let ends_unsaid = |row: &Row| match row {
        Row::Lock(_) => true,
        // Changes of Sloth Runner's file are not heard of.
        Row::Run(row) => row.is_alive || row.stack.is_some(),
        _ => false,
    };
    let again = match app.list.view.rows() {
        // What counts the last minutes changes without anything being changed.
        ViewRows::Sections => Some(rest_after(took, OVERVIEW_AGAIN, SHARE)),
        _ if app.list.window.rows().iter().any(ends_unsaid) => Some(rest_after(took, HOLDER_REFRESH, SHARE)),
        _ => None,
    };
    app.list.reading.again = again.map(|rest| now.plus(rest));
}

/// What may have changed of the list of runs was read again.
pub(super) fn refreshed(app: &mut App, rows: Vec<Row>, gone: &[RowId], now: Millis) {
    let order = app.list.order();
    gone.iter().for_each(|id| {
        app.list.window.remove(id);
    });
    for row in rows {
        let id = row.id();
        let differs = app.list.window.get(&id).is_none_or(|old| old.differs(&row));
        if app.list.window.put(row, order) && differs {
            app.list.flashes.insert(id, now.plus(FLASH));
        }
    }
    app.list.follow_pending_cursor();
    outdate_detail(app);
    let is_running = |row: &Row| matches!(row, Row::Run(row) if row.is_alive || row.stack.is_some());
    let again = app.list.window.rows().iter().any(is_running);
    app.list.reading.again = again.then(|| now.plus(HOLDER_REFRESH));
}

/// The row under the cursor was read again: where it is not as its details say, those are read again too.
pub(super) fn outdate_detail(app: &mut App) {
    let is_other = match (app.list.window.selected(), app.details.row.as_ref().map(|detail| &detail.row)) {
        (Some(Row::Run(row)), Some(Row::Run(detail))) => {
            (row.is_alive, &row.status, &row.run.ended)
                != (detail.is_alive, &detail.status, &detail.run.ended)
        }
        (Some(Row::Entry(row)), Some(Row::Entry(detail))) if row.key == detail.key => {
            let common = row.stored.len().min(detail.stored.len());
            let is_first = app.details.row.as_ref().is_some_and(|detail| detail.offset == 0);
            row.size != detail.size || is_first && row.stored[..common] != detail.stored[..common]
        }
        _ => false,
    };
    if is_other {
        app.details.refresh.outdate();
    }
}

pub(super) fn patch(app: &mut App, key: &Key, entry: Option<Entry>, now: Millis) {
    let id = RowId::Entry(key.clone());
    let (view, order) = (app.list.view, app.list.order());
    // What is in a closed group, or comes into the tree, is told by its group.
    if order == RowOrder::Tree && app.list.window.get(&id).is_none() {
        return;
    }
    match entry.filter(|entry| view.takes(entry, app.list.filter_line.filter(), now)) {
        Some(entry) => {
            let row = Row::Entry(entry);
            let differs = app.list.window.get(&id).is_none_or(|old| old.differs(&row));
            if app.list.window.put(row, order) && differs {
                app.list.flashes.insert(id, now.plus(FLASH));
            }
            app.list.follow_pending_cursor();
        }
        None => {
            app.list.window.remove(&id);
        }
    }
}

/// A change that belongs into the history that is shown.
pub(super) fn put_change(app: &mut App, change: &Change, now: Millis) {
    let matches = app.list.scope.as_ref().is_none_or(|scope| scope.of == RowId::subject_of(change));
    if matches && app.list.filter_line.filter().passes_change(change, now) {
        let row = Row::Change(change.clone());
        let id = row.id();
        if app.list.window.put(row, app.list.order()) {
            app.list.flashes.insert(id, now.plus(FLASH));
        }
    }
}

/// What was committed while the history was being read may not be in what was read.
fn add_recent(app: &mut App, now: Millis) {
    if app.list.view != View::History || !app.list.window.at_start {
        return;
    }
    let newest = match app.list.window.rows().first() {
        Some(Row::Change(change)) => change.revision,
        _ => Default::default(),
    };
    // Where there were more than are kept the list would have a hole.
    app.list.reading.is_stale |= app.list.told.saturating_sub(app.list.reading.told) > app.list.recent.len();
    let missing: Vec<Change> =
        app.list.recent.iter().filter(|change| change.revision > newest).cloned().collect();
    missing.iter().for_each(|change| put_change(app, change, now));
}
