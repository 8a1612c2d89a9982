//! Going through the past.

use std::time::Duration;

use crate::store::time_point::TimePoint;
use crate::store::{ErrorKind, Revision, StoreError, Subject, When};
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::copy;
use crate::tui::dialog::{Dialog, InputDialog, InputPurpose};
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::action::{Action, CopyTarget, MarkAction, PastAction, View};
use crate::tui::keys::command::ScreenKind;
use crate::tui::list::marks::Marks;
use crate::tui::list::read_sorted::MOST;
use crate::tui::list::row::{Row, RowOrder};
use crate::tui::list::sort::{Sort, SortBy};
use crate::tui::list::window::PAGE;
use crate::tui::request::RequestId;
use crate::tui::screens::past;
use crate::tui::screens::past::restore;
use crate::tui::screens::past::state::{
    ChangeMark, PageFrom, PastPage, PastRequest, PastTarget, PastView, REFRESH_COOLDOWN,
};
use crate::tui::screens::value::detail::Detail;
use crate::tui::screens::value::state::{PastEntry, Viewer};
use crate::tui::throttle::rest_after;
use crate::tui::{bulk, undo};

/// When a past that was locked is read again.
const RETRY: Duration = Duration::from_secs(1);

/// Opens the past of what the list shows: at the change under the cursor, otherwise at the present.
pub fn begin(app: &mut App) -> Vec<Effect> {
    let goal = match app.list.window.selected() {
        Some(Row::Change(change)) => PastTarget::When(When::Revision(change.revision)),
        _ => PastTarget::Newest,
    };
    open(app, goal)
}

/// Opens the past at what was written: a revision, a time, or how long ago.
pub fn begin_at(app: &mut App, text: &str, now: Millis) -> Vec<Effect> {
    match TimePoint::parse(text.trim()) {
        Ok(point) => open(app, PastTarget::When(point.when(now))),
        Err(problem) => {
            app.show_error(problem);
            Vec::new()
        }
    }
}

fn open(app: &mut App, goal: PastTarget) -> Vec<Effect> {
    app.screen.close_run();
    if app.screen.past().is_none() {
        let mut past_view = PastView::of(View::Keys);
        if app.list.view.has_entries() {
            past_view.view = app.list.view;
            past_view.filter_line = app.list.filter_line.clone();
            if let RowOrder::Sorted(sort) = app.order() {
                past_view.sort = Some(sort);
            }
        }
        past_view.seeks = match app.list.window.selected() {
            Some(Row::Entry(entry)) => Some(entry.key.clone()),
            Some(Row::Change(change)) if change.subject == Subject::Entry => Some(change.key.clone()),
            Some(Row::Group(group)) => Some(group.prefix.clone()),
            _ => None,
        };
        app.screen.open_past(Box::new(past_view));
    }
    jump(app, goal)
}

/// Asks for a place, with the rows from the first that is shown on.
pub fn go(app: &mut App, goal: PastTarget) -> Vec<Effect> {
    // An entry that is far from the beginning of the list is there again, with what follows it.
    let is_near = app.screen.past().is_some_and(|past_view| past_view.place.is_none())
        && app.list.window.at_start
        && app.list.window.cursor() < PAGE / 2
        && app.order() == RowOrder::Name;
    let from = app.screen.past().and_then(|past_view| {
        if past_view.order().is_some() {
            return None;
        }
        let first = past_view.window.rows().first().filter(|_| !past_view.window.at_start);
        first.map(|row| row.key.clone()).or_else(|| past_view.seeks.clone().filter(|_| !is_near))
    });
    ask(app, goal, PageFrom::From(from))
}

fn ask(app: &mut App, goal: PastTarget, from: PageFrom) -> Vec<Effect> {
    let number = app.next_request();
    let Some(past_view) = app.screen.past_mut() else { return Vec::new() };
    // Other rows do not call back a step that is on its way.
    let goal = match goal {
        PastTarget::Stay(_) if past_view.is_awaiting => past_view.goal,
        goal => goal,
    };
    past_view.number = number;
    past_view.is_awaiting = true;
    past_view.goal = goal;
    // More rows of a moment do not tell what became of those that are shown.
    if matches!(from, PageFrom::From(_)) && !matches!(goal, PastTarget::Stay(_)) {
        past_view.again = None;
        past_view.unread = earlier(past_view.unread, past_view.outdated.take());
    }
    let limit = match from {
        PageFrom::From(_) => past_view.window.rows().len().max(PAGE),
        _ => PAGE,
    };
    let (view, filter) = (past_view.view, past_view.filter_line.filter().clone());
    let (only_different, sort) = (past_view.only_different, past_view.order());
    vec![Effect::ReadPast(number, PastRequest { goal, view, filter, only_different, sort, from, limit })]
}

/// So many changes on, or back. What is asked for faster than it can be read is added up.
fn step(app: &mut App, by: isize) -> Vec<Effect> {
    let Some(past_view) = app.screen.past_mut() else { return Vec::new() };
    past_view.steps = past_view.steps.saturating_add(by);
    past_view.marks_on_arrival = false;
    if past_view.is_awaiting { Vec::new() } else { take_steps(app) }
}

fn take_steps(app: &mut App) -> Vec<Effect> {
    let Some(past_view) = app.screen.past_mut() else { return Vec::new() };
    let by = std::mem::take(&mut past_view.steps);
    match &past_view.place {
        Some(place) if by != 0 => {
            let goal = PastTarget::Steps(place.moment.revision, by);
            go(app, goal)
        }
        _ => Vec::new(),
    }
}

/// An answer from the past.
pub fn visited(
    app: &mut App,
    number: RequestId,
    visited: Result<PastPage, StoreError>,
    now: Millis,
) -> Vec<Effect> {
    let Some(past_view) = app.screen.past_mut().filter(|past_view| past_view.number == number) else {
        return Vec::new();
    };
    past_view.is_awaiting = false;
    match &visited {
        Ok(PastPage { place: Some(_), .. }) => past_view.unread = None,
        _ => past_view.outdated = earlier(past_view.outdated, past_view.unread.take()),
    }
    if let Some(since) = past_view.reading_since.take() {
        past_view.rests = rest_after(now.since(since), REFRESH_COOLDOWN, 4);
        past_view.again = past_view.again.map(|at| at.max(now.plus(past_view.rests)));
    }
    let mut is_elsewhere = false;
    let mut unsorted = None;
    match visited {
        Ok(PastPage { place, page, rows, is_end, pruned }) => {
            if let Some(place) = place {
                let is_other =
                    |mark: &ChangeMark| place.before.first().map(ChangeMark::of).as_ref() != Some(mark);
                if past_view.expects.take().as_ref().is_some_and(is_other) {
                    app.screen.close_past();
                    app.focus.leave_filter_line();
                    app.show_hint("the moment that was shown is not in the database as it is now", now);
                    return Vec::new();
                }
                // What is marked is marked as it was then.
                if past_view
                    .place
                    .as_ref()
                    .is_some_and(|before| before.moment.revision != place.moment.revision)
                {
                    past_view.marks.clear();
                    is_elsewhere = true;
                }
                past_view.place = Some(place);
            }
            let seeks = past_view.selected().map(|row| row.key.clone());
            match rows {
                Some(rows) => {
                    past_view.take(&page, rows, is_end);
                    // What expires is gone without a commit.
                    past_view.again = earlier(past_view.again, past_view.next_expiry(now));
                }
                None => {
                    (past_view.sort, past_view.is_too_long) = (None, true);
                    past_view.seeks = past_view.seeks.take().or(seeks);
                    past_view.window.clear();
                    unsorted = past_view.place.as_ref().map(|place| PastTarget::Stay(place.moment));
                }
            }
            if let Some(pruned) = pruned {
                app.show_notice(format!("{pruned}; this is the oldest state that can be shown"));
            }
            let mut effects = if is_elsewhere { restore::stop_marking(app) } else { Vec::new() };
            if let Some(goal) = unsorted {
                let most = thousands(MOST as u64);
                app.show_hint(
                    format!("more than {most} rows are not sorted, but in the order of their keys: a filter makes them fewer"),
                    now,
                );
                effects.extend(go(app, goal));
                return effects;
            }
            effects.extend(take_steps(app));
            let is_there = app.screen.past_mut().filter(|past_view| !past_view.is_awaiting);
            if is_there.is_some_and(|past_view| std::mem::take(&mut past_view.marks_on_arrival)) {
                effects.extend(restore::mark_all(app, now));
            }
            effects
        }
        // It is said that the database is locked; what is shown stays until it can be read.
        Err(StoreError { kind: ErrorKind::Busy { .. }, .. }) if past_view.place.is_some() => {
            past_view.again = Some(now.plus(RETRY));
            Vec::new()
        }
        Err(error) => {
            past_view.steps = 0;
            past_view.marks_on_arrival = false;
            if past_view.place.is_none() {
                app.screen.close_past();
                app.focus.leave_filter_line();
            }
            app.show_error(error.to_string());
            Vec::new()
        }
    }
}

/// The earlier of two moments.
fn earlier(one: Option<Millis>, other: Option<Millis>) -> Option<Millis> {
    [one, other].into_iter().flatten().min()
}

/// Somebody changed something: what is shown of the present is old.
pub fn news(app: &mut App, now: Millis) {
    if let Some(past_view) = app.screen.past_mut() {
        past_view.again =
            Some(past_view.again.map_or(now.plus(past_view.rests), |at| at.min(now.plus(past_view.rests))));
        past_view.outdated.get_or_insert(now);
    }
}

/// Reads again what is shown of the present.
pub fn read_again(app: &mut App, now: Millis) -> Vec<Effect> {
    let Some(past_view) = app.screen.past_mut() else { return Vec::new() };
    past_view.reading_since = Some(now);
    let goal = past_view.goal_of_what_is_shown();
    go(app, goal)
}

/// What follows from any change: more rows where the cursor comes near to an end.
pub fn follow(app: &mut App) -> Vec<Effect> {
    let height = usize::from(app.areas().list.height);
    let is_shown = app.screen_kind() == ScreenKind::Past;
    let Some(past_view) = app.screen.past_mut().filter(|_| is_shown) else { return Vec::new() };
    past_view.window.fit(height);
    let Some(place) = past_view.place.as_ref().filter(|_| !past_view.is_awaiting) else { return Vec::new() };
    let moment = place.moment;
    if let Some(page) = past_view.wants() {
        return ask(app, PastTarget::Stay(moment), page);
    }
    Vec::new()
}

/// Does what an action asks for in the past; `None` if it means there what it means everywhere.
pub fn act(app: &mut App, action: Action, now: Millis) -> Option<Vec<Effect>> {
    if app.screen_kind() == ScreenKind::Run {
        return None;
    }
    let page = isize::try_from(app.areas().list.height).unwrap_or(isize::MAX).max(2);
    // An export, say, that was begun in the list.
    let is_marking = app.screen.past().is_some_and(|past_view| past_view.marking.is_some());
    if action == Action::Back
        && app.screen.past().is_some()
        && !is_marking
        && let Some(stop) = bulk::update::stop(app)
    {
        return Some(vec![stop]);
    }
    let past_view = app.screen.past_mut()?;
    match action {
        Action::Move(by) => past_view.step(by),
        Action::Page(halves) => past_view.step(halves * page / 2),
        Action::Top if past_view.window.at_start => past_view.step(isize::MIN),
        Action::Top => return Some(from_the_first(app)),
        Action::Bottom => past_view.step(isize::MAX),
        Action::ScrollDetail(by) => {
            let end = past::details::scroll_end(app, now);
            let past_view = app.screen.past_mut()?;
            past_view.scroll = past_view.scroll.min(end).saturating_add_signed(by).min(end);
        }
        Action::Past(PastAction::Step(by)) => return Some(step(app, by)),
        Action::Past(PastAction::Oldest) => return Some(jump(app, PastTarget::Oldest)),
        Action::Past(PastAction::Newest) => return Some(jump(app, PastTarget::Newest)),
        Action::Reload => {
            let goal = past_view.goal_of_what_is_shown();
            return Some(go(app, goal));
        }
        Action::OpenPast => {
            app.focus = Focus::Dialog(Dialog::Ask(InputDialog::new(InputPurpose::Moment, Marks::default())))
        }
        Action::Past(PastAction::Differing) => {
            past_view.only_different = !past_view.only_different;
            past_view.is_too_long = false;
            return Some(from_the_first(app));
        }
        Action::Filter => app.focus = Focus::FilterLine,
        Action::Sort => {
            let next = SortBy::after(past_view.sort);
            return Some(sort(app, next));
        }
        Action::SortReverse => {
            let present = past_view.order().unwrap_or(SortBy::Name.usual());
            return Some(sort(app, Some(Sort { descending: !present.descending, ..present })));
        }
        Action::Past(PastAction::Mark) => {
            if let Some(row) = past_view.selected().cloned() {
                if past_view.marks.remove(&row.key).is_none() {
                    past_view.marks.insert(row.key, row.now);
                }
                past_view.step(1);
            }
        }
        Action::Past(PastAction::MarkAll) => return Some(restore::mark_all(app, now)),
        Action::Mark(MarkAction::Clear) => past_view.marks.clear(),
        Action::Past(PastAction::Restore) => restore::ask(app, now),
        Action::Copy(part) => return Some(copy(app, part, now)),
        Action::Details => return Some(look_closer(app, now)),
        Action::Undo => return Some(undo::update::step(app, false, now)),
        Action::Back if past_view.marking.is_some() => return Some(restore::stop_marking(app)),
        Action::Back if !past_view.marks.is_empty() => past_view.marks.clear(),
        Action::Back if !past_view.filter_line.text().is_empty() => {
            return Some(if past_view.filter_line.set("") { filtered(app) } else { Vec::new() });
        }
        Action::Back | Action::Past(PastAction::Close) => {
            let effects = restore::stop_marking(app);
            app.screen.close_past();
            return Some(effects);
        }
        _ => return None,
    }
    Some(Vec::new())
}

/// Reads the list anew, from its first row on.
fn from_the_first(app: &mut App) -> Vec<Effect> {
    let Some(past_view) = app.screen.past_mut() else { return Vec::new() };
    past_view.window.clear();
    past_view.step(isize::MIN);
    // Where the first answer is still awaited there is nowhere to stay.
    let goal = past_view.place.as_ref().map_or(past_view.goal, |place| PastTarget::Stay(place.moment));
    ask(app, goal, PageFrom::From(None))
}

/// Sorts the list, by what its entries were; with none it is in its usual order again. The cursor stays
/// on its entry.
pub fn sort(app: &mut App, sort: Option<Sort>) -> Vec<Effect> {
    let Some(past_view) = app.screen.past_mut() else { return Vec::new() };
    past_view.seeks = past_view.selected().map(|row| row.key.clone()).or(past_view.seeks.take());
    (past_view.sort, past_view.is_too_long) = (sort, false);
    past_view.window.clear();
    let goal = past_view.place.as_ref().map_or(past_view.goal, |place| PastTarget::Stay(place.moment));
    go(app, goal)
}

/// The filter means something else: reads the list anew.
pub fn filtered(app: &mut App) -> Vec<Effect> {
    if let Some(past_view) = app.screen.past_mut() {
        past_view.is_too_long = false;
    }
    from_the_first(app)
}

/// Offers a part of the entry under the cursor, as it was.
fn copy(app: &mut App, part: CopyTarget, now: Millis) -> Vec<Effect> {
    let Some(row) = app.screen.past().and_then(|past_view| past_view.selected()) else {
        return Vec::new();
    };
    let entry = match part {
        CopyTarget::Key => row.then.as_ref().or(row.now.as_ref()),
        CopyTarget::Value | CopyTarget::Row => row.then.as_ref(),
    };
    match entry.cloned() {
        Some(entry) => copy::part_of(app, &Row::Entry(entry), part, now),
        None => {
            app.show_hint("it was not there then", now);
            Vec::new()
        }
    }
}

/// Shows the entry under the cursor on the whole screen, as it was; more of its value is read.
fn look_closer(app: &mut App, now: Millis) -> Vec<Effect> {
    let Some(past_view) = app.screen.past() else { return Vec::new() };
    let Some((row, place)) = past_view.selected().zip(past_view.place.as_ref()) else { return Vec::new() };
    let Some(then) = row.then.clone() else {
        app.show_hint("it was not there then", now);
        return Vec::new();
    };
    let (key, moment) = (row.key.clone(), place.moment);
    let number = app.next_request();
    let then = Some(Box::new(PastEntry::new(number, moment, then)));
    app.screen.open_value(Box::new(Viewer { then, ..Viewer::default() }));
    app.details.scroll = 0;
    vec![Effect::LookBack(number, key, moment)]
}

/// More of the value of an entry as it was.
pub fn looked_back(app: &mut App, number: RequestId, found: Result<Option<Box<Detail>>, StoreError>) {
    let viewer = app.screen.value_mut();
    let then = viewer.and_then(|viewer| viewer.then.as_mut()).filter(|then| then.number == number);
    match (then, found) {
        (Some(then), Ok(Some(mut detail))) => {
            detail.follow(&then.detail);
            then.detail = *detail;
        }
        (Some(_), Err(error)) => app.show_error(error.to_string()),
        _ => {}
    }
}

/// To the state that a revision made.
pub fn jump_to(app: &mut App, revision: Revision) -> Vec<Effect> {
    jump(app, PastTarget::When(When::Revision(revision)))
}

/// To a place, whatever steps were asked for before.
fn jump(app: &mut App, goal: PastTarget) -> Vec<Effect> {
    if let Some(past_view) = app.screen.past_mut() {
        past_view.steps = 0;
        past_view.marks_on_arrival = false;
    }
    go(app, goal)
}
