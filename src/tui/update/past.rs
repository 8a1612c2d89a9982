//! Going through the past.

use std::time::Duration;

use super::restore;
use crate::store::time_point::TimePoint;
use crate::store::{Revision, StoreError, Subject, When};
use crate::text::escape::escape;
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::action::{Action, Part, View};
use crate::tui::app::App;
use crate::tui::command::Screen;
use crate::tui::detail::Detail;
use crate::tui::dialog::{Ask, Dialog, Wanted};
use crate::tui::effect::Effect;
use crate::tui::lost_database::ChangeMark;
use crate::tui::marks::Marks;
use crate::tui::past::{Goal, PAGE, Page, REST, Travel, Visit, Visited};
use crate::tui::row::{Row, RowOrder};
use crate::tui::sort::{Sort, SortBy};
use crate::tui::throttle::rest_after;
use crate::tui::viewer::{Then, Viewer};
use crate::tui::views;
use crate::tui::worker::MOST;

/// When a past that was locked is read again.
const RETRY: Duration = Duration::from_secs(1);

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
    match TimePoint::parse(text.trim()) {
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
        let mut travel = Travel::of(View::Keys);
        if let View::Keys | View::Flags | View::Counters | View::Expiring = app.view {
            travel.view = app.view;
            travel.filter_line = app.filter_line.clone();
            if let RowOrder::Sorted(sort) = app.order() {
                travel.sort = Some(sort);
            }
        }
        travel.seeks = match app.window.selected() {
            Some(Row::Entry(entry)) => Some(entry.key.clone()),
            Some(Row::Change(change)) if change.subject == Subject::Entry => Some(change.key.clone()),
            Some(Row::Group(group)) => Some(group.prefix.clone()),
            _ => None,
        };
        app.travel = Some(Box::new(travel));
    }
    jump(app, goal)
}

/// Asks for a place, with the rows from the first that is shown on.
pub(super) fn go(app: &mut App, goal: Goal) -> Vec<Effect> {
    // An entry that is far from the beginning of the list is there again, with what follows it.
    let is_near = app.travel.as_ref().is_some_and(|travel| travel.place.is_none())
        && app.window.at_start
        && app.window.cursor() < PAGE / 2
        && app.order() == RowOrder::Name;
    let from = app.travel.as_ref().and_then(|travel| {
        if travel.order().is_some() {
            return None;
        }
        let first = travel.rows.first().filter(|_| !travel.at_start);
        first.map(|row| row.key.clone()).or_else(|| travel.seeks.clone().filter(|_| !is_near))
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
    // More rows of a moment do not tell what became of those that are shown.
    if matches!(from, Page::From(_)) && !matches!(goal, Goal::Stay(_)) {
        travel.again = None;
        travel.unread = earlier(travel.unread, travel.outdated.take());
    }
    let limit = match from {
        Page::From(_) => travel.rows.len().max(PAGE),
        _ => PAGE,
    };
    let (view, filter) = (travel.view, travel.filter_line.filter().clone());
    let (only_different, sort) = (travel.only_different, travel.order());
    vec![Effect::Visit(number, Visit { goal, view, filter, only_different, sort, from, limit })]
}

/// So many changes on, or back. What is asked for faster than it can be read is added up.
fn step(app: &mut App, by: isize) -> Vec<Effect> {
    let Some(travel) = &mut app.travel else { return Vec::new() };
    travel.steps = travel.steps.saturating_add(by);
    travel.marks_on_arrival = false;
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
pub(super) fn visited(
    app: &mut App,
    number: u64,
    visited: Result<Visited, StoreError>,
    now: Millis,
) -> Vec<Effect> {
    let Some(travel) = app.travel.as_mut().filter(|travel| travel.number == number) else {
        return Vec::new();
    };
    travel.is_awaiting = false;
    match &visited {
        Ok(Visited { place: Some(_), .. }) => travel.unread = None,
        _ => travel.outdated = earlier(travel.outdated, travel.unread.take()),
    }
    if let Some(since) = travel.reading_since.take() {
        travel.rests = rest_after(now.since(since), REST, 4);
        travel.again = travel.again.map(|at| at.max(now.plus(travel.rests)));
    }
    let mut is_elsewhere = false;
    let mut unsorted = None;
    match visited {
        Ok(Visited { place, page, rows, is_end, pruned }) => {
            if let Some(place) = place {
                let is_other =
                    |mark: &ChangeMark| place.before.first().map(ChangeMark::of).as_ref() != Some(mark);
                if travel.expects.take().as_ref().is_some_and(is_other) {
                    app.travel = None;
                    app.is_filtering = false;
                    app.explain("the moment that was shown is not in the database as it is now", now);
                    return Vec::new();
                }
                // What is marked is marked as it was then.
                if travel.place.as_ref().is_some_and(|before| before.moment.revision != place.moment.revision)
                {
                    travel.marks.clear();
                    is_elsewhere = true;
                }
                travel.place = Some(place);
            }
            let seeks = travel.selected().map(|row| row.key.clone());
            match rows {
                Some(rows) => {
                    travel.take(&page, rows, is_end);
                    // What expires is gone without a commit.
                    travel.again = earlier(travel.again, travel.next_expiry(now));
                }
                None => {
                    (travel.sort, travel.is_too_long) = (None, true);
                    travel.seeks = travel.seeks.take().or(seeks);
                    travel.rows.clear();
                    travel.at_start = true;
                    unsorted = travel.place.as_ref().map(|place| Goal::Stay(place.moment));
                }
            }
            if let Some(pruned) = pruned {
                app.notify(format!("{pruned}; this is the oldest state that can be shown"));
            }
            let mut effects = if is_elsewhere { restore::stop_marking(app) } else { Vec::new() };
            if let Some(goal) = unsorted {
                let most = thousands(MOST as u64);
                app.explain(
                    format!("more than {most} rows are not sorted, but in the order of their keys: a filter makes them fewer"),
                    now,
                );
                effects.extend(go(app, goal));
                return effects;
            }
            effects.extend(take_steps(app));
            let is_there = app.travel.as_mut().filter(|travel| !travel.is_awaiting);
            if is_there.is_some_and(|travel| std::mem::take(&mut travel.marks_on_arrival)) {
                effects.extend(restore::mark_all(app, now));
            }
            effects
        }
        // It is said that the database is locked; what is shown stays until it can be read.
        Err(StoreError::Busy { .. }) if travel.place.is_some() => {
            travel.again = Some(now.plus(RETRY));
            Vec::new()
        }
        Err(error) => {
            travel.steps = 0;
            travel.marks_on_arrival = false;
            if travel.place.is_none() {
                app.travel = None;
                app.is_filtering = false;
            }
            app.complain(error.to_string());
            Vec::new()
        }
    }
}

/// The earlier of two moments.
fn earlier(one: Option<Millis>, other: Option<Millis>) -> Option<Millis> {
    [one, other].into_iter().flatten().min()
}

/// Somebody changed something: what is shown of the present is old.
pub(super) fn news(app: &mut App, now: Millis) {
    if let Some(travel) = &mut app.travel {
        travel.again = Some(travel.again.map_or(now.plus(travel.rests), |at| at.min(now.plus(travel.rests))));
        travel.outdated.get_or_insert(now);
    }
}

/// Reads again what is shown of the present.
pub(super) fn read_again(app: &mut App, now: Millis) -> Vec<Effect> {
    let Some(travel) = &mut app.travel else { return Vec::new() };
    travel.reading_since = Some(now);
    let goal = travel.goal_of_what_is_shown();
    go(app, goal)
}

/// What follows from any change: more rows where the cursor comes near to an end.
pub(super) fn follow(app: &mut App) -> Vec<Effect> {
    let height = usize::from(app.areas().list.height);
    let is_shown = app.screen() == Screen::Past;
    let Some(travel) = app.travel.as_mut().filter(|_| is_shown) else { return Vec::new() };
    travel.fit(height);
    let Some(place) = travel.place.as_ref().filter(|_| !travel.is_awaiting) else { return Vec::new() };
    let moment = place.moment;
    if let Some(page) = travel.wants() {
        return ask(app, Goal::Stay(moment), page);
    }
    Vec::new()
}

/// Does what an action asks for in the past; `None` if it means there what it means everywhere.
pub(super) fn act(app: &mut App, action: Action, now: Millis) -> Option<Vec<Effect>> {
    if app.screen() == Screen::Run {
        return None;
    }
    let page = isize::try_from(app.areas().list.height).unwrap_or(isize::MAX).max(2);
    let stop = super::marks::stop(app);
    let travel = app.travel.as_mut()?;
    match action {
        Action::Move(by) => travel.step(by),
        Action::Page(halves) => travel.step(halves * page / 2),
        Action::Top if travel.at_start => travel.step(isize::MIN),
        Action::Top => return Some(from_the_first(app)),
        Action::Bottom => travel.step(isize::MAX),
        Action::ScrollDetail(by) => {
            let end = views::past::scroll_end(app, now);
            let travel = app.travel.as_mut()?;
            travel.scroll = travel.scroll.min(end).saturating_add_signed(by).min(end);
        }
        Action::Wander(by) => return Some(step(app, by)),
        Action::Oldest => return Some(jump(app, Goal::Oldest)),
        Action::Newest => return Some(jump(app, Goal::Newest)),
        Action::Reload => {
            let goal = travel.goal_of_what_is_shown();
            return Some(go(app, goal));
        }
        Action::Travel => app.dialog = Some(Dialog::Ask(Ask::new(Wanted::Moment, Marks::default()))),
        Action::Differing => {
            travel.only_different = !travel.only_different;
            travel.is_too_long = false;
            return Some(from_the_first(app));
        }
        Action::Filter => app.is_filtering = true,
        Action::Sort => {
            let next = SortBy::after(travel.sort);
            return Some(sort(app, next));
        }
        Action::SortReverse => {
            let present = travel.order().unwrap_or(SortBy::Name.usual());
            return Some(sort(app, Some(Sort { descending: !present.descending, ..present })));
        }
        Action::MarkThen => {
            if let Some(row) = travel.selected().cloned() {
                if travel.marks.remove(&row.key).is_none() {
                    travel.marks.insert(row.key, row.now);
                }
                travel.step(1);
            }
        }
        Action::MarkDifferent => return Some(restore::mark_all(app, now)),
        Action::Unmark => travel.marks.clear(),
        Action::Restore => restore::ask(app, now),
        Action::Copy(part) => return Some(copy(app, part, now)),
        Action::Details => return Some(look_closer(app, now)),
        Action::Undo => return Some(super::undo::step(app, false, now)),
        Action::Back if travel.marking.is_some() => return Some(restore::stop_marking(app)),
        // An export, say, that was begun in the list.
        Action::Back if stop.is_some() => return Some(stop.into_iter().collect()),
        Action::Back if !travel.marks.is_empty() => travel.marks.clear(),
        Action::Back if !travel.filter_line.text().is_empty() => {
            return Some(super::filter_with(app, |line| line.set(""), now));
        }
        Action::Back | Action::Present => {
            let effects = restore::stop_marking(app);
            app.travel = None;
            return Some(effects);
        }
        _ => return None,
    }
    Some(Vec::new())
}

/// Reads the list anew, from its first row on.
fn from_the_first(app: &mut App) -> Vec<Effect> {
    let Some(travel) = &mut app.travel else { return Vec::new() };
    travel.rows.clear();
    travel.at_start = true;
    travel.step(isize::MIN);
    // Where the first answer is still awaited there is nowhere to stay.
    let goal = travel.place.as_ref().map_or(travel.goal, |place| Goal::Stay(place.moment));
    ask(app, goal, Page::From(None))
}

/// Sorts the list, by what its entries were; with none it is in its usual order again. The cursor stays
/// on its entry.
pub(super) fn sort(app: &mut App, sort: Option<Sort>) -> Vec<Effect> {
    let Some(travel) = &mut app.travel else { return Vec::new() };
    travel.seeks = travel.selected().map(|row| row.key.clone()).or(travel.seeks.take());
    (travel.sort, travel.is_too_long) = (sort, false);
    travel.rows.clear();
    travel.at_start = true;
    let goal = travel.place.as_ref().map_or(travel.goal, |place| Goal::Stay(place.moment));
    go(app, goal)
}

/// The filter means something else: reads the list anew.
pub(super) fn filtered(app: &mut App) -> Vec<Effect> {
    if let Some(travel) = &mut app.travel {
        travel.is_too_long = false;
    }
    from_the_first(app)
}

/// Offers a part of the entry under the cursor, as it was.
fn copy(app: &mut App, part: Part, now: Millis) -> Vec<Effect> {
    let Some(row) = app.travel.as_ref().and_then(|travel| travel.selected()) else { return Vec::new() };
    let entry = match part {
        Part::Key => row.then.as_ref().or(row.now.as_ref()),
        Part::Value | Part::Row => row.then.as_ref(),
    };
    match entry.cloned() {
        Some(entry) => super::copy::part_of(app, &Row::Entry(entry), part, now),
        None => {
            app.explain("it was not there then", now);
            Vec::new()
        }
    }
}

/// Shows the entry under the cursor on the whole screen, as it was; more of its value is read.
fn look_closer(app: &mut App, now: Millis) -> Vec<Effect> {
    let Some(travel) = &app.travel else { return Vec::new() };
    let Some((row, place)) = travel.selected().zip(travel.place.as_ref()) else { return Vec::new() };
    let Some(then) = row.then.clone() else {
        app.explain("it was not there then", now);
        return Vec::new();
    };
    let (key, moment) = (row.key.clone(), place.moment);
    app.last_bulk += 1;
    let number = app.last_bulk;
    let then = Some(Box::new(Then::new(number, moment, then)));
    app.viewer = Some(Box::new(Viewer { then, ..Viewer::default() }));
    app.detail_scroll = 0;
    vec![Effect::LookBack(number, key, moment)]
}

/// More of the value of an entry as it was.
pub(super) fn looked_back(app: &mut App, number: u64, found: Result<Option<Box<Detail>>, StoreError>) {
    let viewer = app.viewer.as_mut();
    let then = viewer.and_then(|viewer| viewer.then.as_mut()).filter(|then| then.number == number);
    match (then, found) {
        (Some(then), Ok(Some(mut detail))) => {
            detail.follow(&then.detail);
            then.detail = *detail;
        }
        (Some(_), Err(error)) => app.complain(error.to_string()),
        _ => {}
    }
}

/// To the state that a revision made.
pub(super) fn jump_to(app: &mut App, revision: Revision) -> Vec<Effect> {
    jump(app, Goal::When(When::Revision(revision)))
}

/// To a place, whatever steps were asked for before.
fn jump(app: &mut App, goal: Goal) -> Vec<Effect> {
    if let Some(travel) = &mut app.travel {
        travel.steps = 0;
        travel.marks_on_arrival = false;
    }
    go(app, goal)
}

/// Where a typed moment is.
pub(super) fn point(text: &str) -> Result<TimePoint, String> {
    TimePoint::parse(text.trim()).map_err(|problem| escape(problem.as_bytes()))
}
