//! Going through the past, and restoring what was.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use crate::cli::when::Point;
use crate::escape::escape;
use crate::store::{Millis, Revision, StoreError, When};
use crate::tui::action::View;
use crate::tui::app::App;
use crate::tui::bulk::{BulkDone, entries};
use crate::tui::dialog::{Ask, Confirm, Dialog, Wanted};
use crate::tui::effect::{Effect, What, Write};
use crate::tui::filter::Filter;
use crate::tui::format;
use crate::tui::marks::Marks;
use crate::tui::row::Row;
use crate::tui::session::Done;
use crate::tui::travel::{Difference, Goal, PAGE, Page, Restore, ThenAndNow, Travel, Visit, Visited};
use crate::tui::views;

/// How soon after a change what is shown of the present is read again.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(300);
/// How many of the entries that would be restored are named.
const NAMED: usize = 5;

/// Opens the past of what the list shows: at the change under the cursor, otherwise at the present.
pub(super) fn begin(app: &mut App) -> Vec<Effect> {
    let goal = match app.window.selected() {
        Some(Row::Change(change)) => Goal::When(When::Revision(change.revision)),
        _ => Goal::Newest,
    };
    open(app, goal)
}

/// Opens the past at what was written: a revision, a time, or how long ago.
pub(super) fn begin_at(app: &mut App, text: &str, now: Millis) -> Vec<Effect> {
    match Point::parse(text.trim()) {
        Ok(point) => open(app, Goal::When(point.when(now))),
        Err(problem) => {
            app.complain(problem);
            Vec::new()
        }
    }
}

fn open(app: &mut App, goal: Goal) -> Vec<Effect> {
    app.debugger = None;
    if app.travel.is_none() {
        let (view, filter) = match app.view {
            view @ (View::Keys | View::Flags | View::Counters | View::Expiring) => (view, app.filter.clone()),
            _ => (View::Keys, Filter::default()),
        };
        app.travel = Some(Box::new(Travel::of(view, filter)));
    }
    go(app, goal)
}

/// Asks for a place, with the rows from the first that is shown on.
fn go(app: &mut App, goal: Goal) -> Vec<Effect> {
    let from = app.travel.as_ref().and_then(|travel| {
        let first = travel.rows.first().filter(|_| !travel.at_start && !travel.only_different);
        first.map(|row| row.key.clone())
    });
    ask(app, goal, Page::From(from))
}

fn ask(app: &mut App, goal: Goal, from: Page) -> Vec<Effect> {
    app.last_bulk += 1;
    let number = app.last_bulk;
    let Some(travel) = &mut app.travel else { return Vec::new() };
    // Other rows do not call back a step that is on its way.
    let goal = match goal {
        Goal::Stay(_) if travel.is_awaiting => travel.goal,
        goal => goal,
    };
    travel.number = number;
    travel.is_awaiting = true;
    travel.goal = goal;
    travel.again = None;
    let limit = match from {
        Page::From(_) => travel.rows.len().max(PAGE),
        _ => PAGE,
    };
    let (view, filter) = (travel.view, travel.filter.clone());
    let only_different = travel.only_different;
    vec![Effect::Visit(number, Visit { goal, view, filter, only_different, from, limit })]
}

/// So many changes on, or back. What is asked for faster than it can be read is added up.
fn step(app: &mut App, by: isize) -> Vec<Effect> {
    let Some(travel) = &mut app.travel else { return Vec::new() };
    travel.steps = travel.steps.saturating_add(by);
    if travel.is_awaiting { Vec::new() } else { take_steps(app) }
}

fn take_steps(app: &mut App) -> Vec<Effect> {
    let Some(travel) = &mut app.travel else { return Vec::new() };
    let by = std::mem::take(&mut travel.steps);
    match &travel.place {
        Some(place) if by != 0 => {
            let goal = Goal::Steps(place.moment.revision, by);
            go(app, goal)
        }
        _ => Vec::new(),
    }
}

/// An answer from the past.
pub(super) fn visited(app: &mut App, number: u64, visited: Result<Visited, StoreError>) -> Vec<Effect> {
    let Some(travel) = app.travel.as_mut().filter(|travel| travel.number == number) else {
        return Vec::new();
    };
    travel.is_awaiting = false;
    match visited {
        Ok(Visited { place, page, rows, is_end, pruned }) => {
            if let Some(place) = place {
                // What is marked is marked as it was then.
                if travel.place.as_ref().is_some_and(|before| before.moment.revision != place.moment.revision)
                {
                    travel.marks.clear();
                }
                travel.place = Some(place);
            }
            travel.take(&page, rows, is_end);
            if let Some(pruned) = pruned {
                app.notify(format!("{pruned}; this is the oldest state that can be shown"));
            }
            take_steps(app)
        }
        Err(error) => {
            travel.steps = 0;
            if travel.place.is_none() {
                app.travel = None;
            }
            app.complain(error.to_string());
            Vec::new()
        }
    }
}

/// Somebody changed something: what is shown of the present is old.
pub(super) fn news(app: &mut App, now: Millis) {
    if let Some(travel) = &mut app.travel {
        travel.again.get_or_insert(now.plus(AGAIN));
    }
}

/// What follows from any change, and from time going by: more rows, the present read again.
pub(super) fn follow(app: &mut App, now: Millis) -> Vec<Effect> {
    let height = usize::from(app.areas().list.height);
    let Some(travel) = &mut app.travel else { return Vec::new() };
    travel.fit(height);
    let Some(place) = travel.place.as_ref().filter(|_| !travel.is_awaiting) else { return Vec::new() };
    let moment = place.moment;
    if let Some(page) = travel.wants() {
        return ask(app, Goal::Stay(moment), page);
    }
    if travel.again.is_some_and(|at| at <= now) {
        // At the present one goes along with it.
        let is_newest = moment.revision >= place.span.newest.0;
        let goal = if is_newest { Goal::Newest } else { Goal::When(When::Revision(moment.revision)) };
        return go(app, goal);
    }
    Vec::new()
}

/// A key while the past is shown.
pub(super) fn key(app: &mut App, key: KeyEvent, now: Millis) -> Vec<Effect> {
    let page = isize::from(app.areas().list.height.cast_signed()).max(1);
    let Some(travel) = &mut app.travel else { return Vec::new() };
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Esc if !travel.marks.is_empty() => travel.marks.clear(),
        KeyCode::Esc | KeyCode::Char('q' | 'p') => app.travel = None,
        KeyCode::Left if control => return step(app, -10),
        KeyCode::Right if control => return step(app, 10),
        KeyCode::Left | KeyCode::Char('[' | 'h') => return step(app, -1),
        KeyCode::Right | KeyCode::Char(']' | 'l') => return step(app, 1),
        KeyCode::Char('{') => return step(app, -10),
        KeyCode::Char('}') => return step(app, 10),
        KeyCode::Char('(') => return step(app, -100),
        KeyCode::Char(')') => return step(app, 100),
        KeyCode::Home => return jump(app, Goal::Oldest),
        KeyCode::End => return jump(app, Goal::Newest),
        KeyCode::Down | KeyCode::Char('j') => travel.step(1),
        KeyCode::Up | KeyCode::Char('k') => travel.step(-1),
        KeyCode::PageDown => travel.step(page),
        KeyCode::PageUp => travel.step(-page),
        KeyCode::Char('g') => travel.step(isize::MIN),
        KeyCode::Char('G') => travel.step(isize::MAX),
        KeyCode::Char('@' | ':') => {
            app.dialog = Some(Dialog::Ask(Ask::new(Wanted::Moment, Marks::default())));
        }
        KeyCode::Char('d') => {
            travel.only_different = !travel.only_different;
            travel.rows.clear();
            travel.at_start = true;
            let moment = travel.place.as_ref().map(|place| place.moment);
            return moment.map_or_else(Vec::new, |moment| ask(app, Goal::Stay(moment), Page::From(None)));
        }
        KeyCode::Char('m' | ' ') => {
            if let Some(row) = travel.selected().cloned() {
                if travel.marks.remove(&row.key).is_none() {
                    travel.marks.insert(row.key, row.now);
                }
                travel.step(1);
            }
        }
        KeyCode::Char('*') => mark_all(app, now),
        KeyCode::Char('R') => restore(app, now),
        KeyCode::Char('u') => return super::undo::step(app, false, now),
        KeyCode::Char('U') => return super::undo::step(app, true, now),
        _ => {}
    }
    Vec::new()
}

/// To a place, whatever steps were asked for before.
fn jump(app: &mut App, goal: Goal) -> Vec<Effect> {
    if let Some(travel) = &mut app.travel {
        travel.steps = 0;
    }
    go(app, goal)
}

/// Marks all that are not the same now, as far as the list has been read.
fn mark_all(app: &mut App, now: Millis) {
    let Some(travel) = &mut app.travel else { return };
    let different = travel.rows.iter().filter(|row| row.difference() != Difference::None);
    let marks: Vec<_> = different.map(|row| (row.key.clone(), row.now.clone())).collect();
    travel.marks.extend(marks);
    if !(travel.at_start && travel.at_end) {
        let text = "marked as far as the list was read; with only the differences (d) G reads on";
        app.explain(text, now);
    }
}

/// Asks whether what is marked, or under the cursor, is to be again what it was.
fn restore(app: &mut App, now: Millis) {
    if app.read_only {
        app.explain("this database is opened for looking only", now);
        return;
    }
    let Some(travel) = &app.travel else { return };
    let Some(place) = &travel.place else { return };
    let chosen: Vec<&ThenAndNow> = match travel.marks.is_empty() {
        true => travel.selected().into_iter().collect(),
        false => travel.rows.iter().filter(|row| travel.marks.contains_key(&row.key)).collect(),
    };
    let lines_of = |row: &&ThenAndNow| {
        let shown = |entry: &Option<crate::store::Entry>, nothing: &str| {
            entry.as_ref().map_or_else(|| nothing.into(), |entry| format::value(entry, 40))
        };
        format!("  {}: {} → {}", row.key, shown(&row.now, "(not there)"), shown(&row.then, "(gone)"))
    };
    let is_same = |row: &&ThenAndNow| row.difference() == Difference::None;
    let list: Vec<(crate::store::Key, Option<crate::store::Entry>)> = if travel.marks.is_empty() {
        chosen.iter().filter(|row| !is_same(row)).map(|row| (row.key.clone(), row.now.clone())).collect()
    } else {
        let same: Vec<_> = chosen.iter().filter(|row| is_same(row)).map(|row| &row.key).collect();
        travel
            .marks
            .iter()
            .filter(|(key, _)| !same.contains(key))
            .map(|(key, now)| (key.clone(), now.clone()))
            .collect()
    };
    if list.is_empty() {
        app.explain("there is nothing to restore: it is what it was", now);
        return;
    }
    let count = list.len() as u64;
    let revision = place.moment.revision;
    let mut lines = vec![format!("Make {} again what it was at revision {revision}?", entries(count))];
    lines.extend(chosen.iter().filter(|row| !is_same(row)).take(NAMED).map(lines_of));
    let more = count.saturating_sub(NAMED as u64);
    if more > 0 {
        lines.push(format!("  and {} more", format::thousands(more)));
    }
    let done = format!("restored {} from revision {revision}", entries(count));
    let restore = Restore { moment: place.moment, entries: list };
    let what = What::Restore(Box::new(restore));
    app.dialog = Some(Dialog::Confirm(Confirm { lines, write: Write { what, done } }));
}

/// What was is again, as far as that was possible.
pub(super) fn restored(app: &mut App, restore: &Restore, done: BulkDone, now: Millis) {
    let BulkDone { tally, revisions, .. } = done;
    let Revision(revision) = restore.moment.revision;
    let words = match tally.done {
        0 => "nothing was restored".to_string(),
        count => format!("restored {} from revision {revision}", entries(count)),
    };
    let mut hint = String::new();
    if !revisions.is_empty() {
        app.session.changed(Done { revisions, words: words.clone(), at: now });
        hint = super::answers::undo_hint(app);
    }
    if let Some(travel) = &mut app.travel {
        travel.marks.clear();
    }
    news(app, now);
    match tally.left_alone() {
        Some(left_alone) => app.notify(format!("{words}{hint}. {left_alone}")),
        None => app.say(format!("{words}{hint}"), now),
    }
}

/// Where a typed moment is.
pub(super) fn point(text: &str) -> Result<Point, String> {
    Point::parse(text.trim()).map_err(|problem| escape(problem.as_bytes()))
}

/// The mouse while the past is shown: the wheel, a row, a change of the scrubber.
pub(super) fn mouse(app: &mut App, mouse: MouseEvent) -> Vec<Effect> {
    const WHEEL: isize = 3;
    let areas = app.areas();
    let at = Position::new(mouse.column, mouse.row);
    let by_scrubber = views::travel::change_at(app, mouse.column);
    let Some(travel) = &mut app.travel else { return Vec::new() };
    match mouse.kind {
        MouseEventKind::ScrollDown => travel.step(WHEEL),
        MouseEventKind::ScrollUp => travel.step(-WHEEL),
        MouseEventKind::Down(MouseButton::Left) if areas.list.contains(at) => {
            let place = travel.top + usize::from(mouse.row - areas.list.y);
            if place < travel.rows.len() {
                travel.cursor = place;
            }
        }
        MouseEventKind::Down(MouseButton::Left) if areas.filter.contains(at) => {
            if let Some(revision) = by_scrubber {
                return jump(app, Goal::When(When::Revision(revision)));
            }
        }
        _ => {}
    }
    Vec::new()
}
