//! Going through the past.

use std::time::Duration;

use crate::store::time_point::TimePoint;
use crate::store::{Change, StoreError, When};
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialog::{Dialog, InputDialog, InputPurpose};
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::{Action, PastAction, ScreenKind};
use crate::tui::list::read_sorted::MOST;
use crate::tui::list::window::PAGE;
use crate::tui::list::{ListState, Load, LoadFrom, Marks, Position, Row, RowId, RowOrder, Sort, SortBy};
use crate::tui::request::RequestId;
use crate::tui::screens::past::restore;
use crate::tui::screens::past::state::{PastPage, PastRequest, PastTarget, PastView};
use crate::tui::screens::value::detail::Detail;
use crate::tui::screens::value::state::{PastEntry, Viewer};
use crate::tui::view::View;
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
        let mut list = ListState::new(View::Keys);
        if app.list.view.has_entries() {
            list.view = app.list.view;
            list.filter_line = app.list.filter_line.clone();
            if let RowOrder::Sorted(sort) = app.list.order() {
                list.sorts.insert(list.view, sort);
            }
        }
        list.pending_cursor = match app.list.window.selected() {
            Some(Row::Change(change)) => Some(RowId::subject_of(change)),
            Some(Row::Group(group)) => Some(RowId::Entry(group.prefix.clone())),
            row => row.map(Row::id),
        };
        list.pending_cursor.take_if(|id| !matches!(id, RowId::Entry(_)));
        app.screen.open_past(Box::new(PastView::of(list)));
    }
    jump(app, goal)
}

/// Asks for a place, with the rows from the first that is shown on.
pub fn go(app: &mut App, goal: PastTarget) -> Vec<Effect> {
    // An entry that is far from the beginning of the list is there again, with what follows it.
    let is_near = app.screen.past().is_some_and(|past_view| past_view.place.is_none())
        && app.list.window.at_start
        && app.list.window.cursor() < PAGE / 2
        && app.list.order() == RowOrder::Name;
    let from = app.screen.past().filter(|past_view| past_view.order().is_none()).and_then(|past_view| {
        let window = &past_view.list.window;
        let first = window.rows().first().filter(|_| !window.at_start).map(Row::id);
        first.or_else(|| past_view.list.pending_cursor.clone().filter(|_| !is_near))
    });
    ask(app, goal, from.map_or(LoadFrom::Start, |id| LoadFrom::At(Position::Name(id))))
}

fn ask(app: &mut App, goal: PastTarget, from: LoadFrom) -> Vec<Effect> {
    let number = app.next_request();
    let Some(past_view) = app.screen.past_mut() else { return Vec::new() };
    // Other rows do not call back a step that is on its way.
    let goal = match goal {
        PastTarget::Stay(_) if past_view.is_awaiting() => past_view.goal,
        goal => goal,
    };
    past_view.goal = goal;
    // More rows of a moment do not tell what became of those that are shown.
    let is_more = matches!(from, LoadFrom::After(_) | LoadFrom::Before(_));
    if !is_more && !matches!(goal, PastTarget::Stay(_)) {
        past_view.list.reading.again = None;
        past_view.list.reading.refreshing.abandon();
        past_view.unread = earlier(past_view.unread, past_view.outdated.take());
    }
    let limit = if is_more { PAGE } else { past_view.list.window.rows().len().max(PAGE) };
    let (only_different, sort) = (past_view.only_different, past_view.order());
    past_view.list.reading.generation = number;
    let load = Load { sort, ..past_view.list.request(from, limit) };
    vec![Effect::ReadPast(PastRequest { goal, only_different, load })]
}

/// So many changes on, or back. What is asked for faster than it can be read is added up.
fn step(app: &mut App, by: isize) -> Vec<Effect> {
    let Some(past_view) = app.screen.past_mut() else { return Vec::new() };
    past_view.steps = past_view.steps.saturating_add(by);
    past_view.marks_on_arrival = false;
    if past_view.is_awaiting() { Vec::new() } else { take_steps(app) }
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
    let past_view = app.screen.past_mut();
    let Some(past_view) = past_view.filter(|past_view| past_view.list.reading.generation == number) else {
        return Vec::new();
    };
    past_view.list.reading.from = None;
    match &visited {
        Ok(PastPage { place: Some(_), .. }) => past_view.unread = None,
        _ => past_view.outdated = earlier(past_view.outdated, past_view.unread.take()),
    }
    // A page or a step beside it puts off no refresh.
    if past_view.list.reading.refreshing.is_awaited() {
        past_view.list.reading.refreshing.end(now);
    }
    let mut is_elsewhere = false;
    let mut unsorted = None;
    match visited {
        Ok(PastPage { place, from, rows, is_end, pruned }) => {
            if let Some(place) = place {
                let made_it = |change: &Change| (change.revision, change.at, change.key.clone());
                let expected = past_view.expects.take();
                if expected.is_some_and(|it| place.before.first().map(made_it) != Some(made_it(&it))) {
                    app.screen.close_past();
                    app.focus.leave_filter_line();
                    app.show_hint("the moment that was shown is not in the database as it is now", now);
                    return Vec::new();
                }
                let before = past_view.place.replace(place).map(|place| place.moment.revision);
                let here = past_view.place.as_ref().map(|place| place.moment.revision);
                is_elsewhere = before.is_some() && before != here;
            }
            match rows {
                Some(rows) => {
                    past_view.take(&from, rows, is_end);
                    // What expires is gone without a commit.
                    let expiry = past_view.next_expiry(now);
                    past_view.list.reading.again = earlier(past_view.list.reading.again, expiry);
                }
                None => {
                    let list = &mut past_view.list;
                    list.sorts.clear();
                    list.pending_cursor = list.pending_cursor.take().or(list.window.selected().map(Row::id));
                    list.window.clear();
                    past_view.is_too_long = true;
                    unsorted = past_view.place.as_ref().map(|place| PastTarget::Stay(place.moment));
                }
            }
            if let Some(pruned) = pruned {
                app.show_notice(format!("{pruned}; this is the oldest state that can be shown"));
            }
            // What is marked is marked as it was then.
            let mut effects = if is_elsewhere { bulk::update::unmark(app) } else { Vec::new() };
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
            let is_there = app.screen.past_mut().filter(|past_view| !past_view.is_awaiting());
            if is_there.is_some_and(|past_view| std::mem::take(&mut past_view.marks_on_arrival)) {
                effects.extend(bulk::update::mark_all(app, now));
            }
            effects
        }
        // It is said that the database is locked; what is shown stays until it can be read.
        Err(error) if error.is_transient() && past_view.place.is_some() => {
            past_view.list.reading.again = Some(now.plus(RETRY));
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

/// Reads again what is shown of the present.
pub fn read_again(app: &mut App, now: Millis) -> Vec<Effect> {
    let Some(past_view) = app.screen.past() else { return Vec::new() };
    let goal = past_view.goal_of_what_is_shown();
    let effects = go(app, goal);
    if let Some(past_view) = app.screen.past_mut() {
        past_view.list.reading.refreshing.begin(now);
    }
    effects
}

/// What follows from any change: more rows where the cursor comes near to an end.
pub fn follow(app: &mut App) -> Vec<Effect> {
    let is_shown = app.screen_kind() == ScreenKind::Past;
    let Some(past_view) = app.screen.past_mut().filter(|_| is_shown) else { return Vec::new() };
    let place = past_view.place.as_ref().filter(|_| !past_view.is_awaiting());
    // What is sorted is there as a whole.
    let Some((place, from)) = place.zip(past_view.list.wants(RowOrder::Name)) else { return Vec::new() };
    let moment = place.moment;
    ask(app, PastTarget::Stay(moment), from)
}

/// Does what an action asks for in the past; `None` if it means there what it means everywhere.
pub fn act(app: &mut App, action: Action, now: Millis) -> Option<Vec<Effect>> {
    if app.screen_kind() == ScreenKind::Run {
        return None;
    }
    if action == Action::Back
        && app.screen.past().is_some()
        && let Some(stop) = bulk::update::stop(app)
    {
        return Some(vec![stop]);
    }
    let past_view = app.screen.past_mut()?;
    match action {
        Action::Top if !past_view.list.window.at_start => return Some(from_the_first(app)),
        Action::Bottom => past_view.list.window.step(isize::MAX),
        Action::Past(PastAction::Step(by)) => return Some(step(app, by)),
        Action::Past(PastAction::Oldest) => return Some(jump(app, PastTarget::Oldest)),
        Action::Past(PastAction::Newest) => return Some(jump(app, PastTarget::Newest)),
        Action::Reload => return Some(read_again(app, now)),
        Action::OpenPast => {
            app.focus = Focus::Dialog(Dialog::Ask(InputDialog::new(InputPurpose::Moment, Marks::default())))
        }
        Action::Past(PastAction::Differing) => {
            past_view.only_different = !past_view.only_different;
            return Some(filtered(app));
        }
        Action::SortReverse => {
            let present = past_view.order().unwrap_or(SortBy::Name.usual());
            return Some(sort(app, Some(Sort { descending: !present.descending, ..present })));
        }
        // Whoever has pressed a key to go elsewhere means what differs from there.
        Action::Past(PastAction::MarkAll)
            if past_view.is_awaiting() && !matches!(past_view.goal, PastTarget::Stay(_)) =>
        {
            past_view.marks_on_arrival = true;
        }
        Action::Past(PastAction::Restore) => restore::ask(app, now),
        Action::Details => return Some(look_closer(app, now)),
        Action::Undo => return Some(undo::update::step(app, false, now)),
        Action::Back if !past_view.list.marks.is_empty() => return Some(bulk::update::unmark(app)),
        Action::Back if !past_view.list.filter_line.text().is_empty() => {
            return Some(if past_view.list.filter_line.set("") { filtered(app) } else { Vec::new() });
        }
        Action::Back | Action::Past(PastAction::Close) => {
            let effects = bulk::update::unmark(app);
            app.screen.close_past();
            app.details.scroll = 0;
            return Some(effects);
        }
        _ => return None,
    }
    Some(Vec::new())
}

/// Reads the list anew, from its first row on.
fn from_the_first(app: &mut App) -> Vec<Effect> {
    let Some(past_view) = app.screen.past_mut() else { return Vec::new() };
    past_view.list.window.clear();
    past_view.list.window.select_first();
    // Where the first answer is still awaited there is nowhere to stay.
    let goal = past_view.place.as_ref().map_or(past_view.goal, |place| PastTarget::Stay(place.moment));
    ask(app, goal, LoadFrom::Start)
}

/// Sorts the list, by what its entries were; with none it is in its usual order again. The cursor stays
/// on its entry.
pub fn sort(app: &mut App, sort: Option<Sort>) -> Vec<Effect> {
    let Some(past_view) = app.screen.past_mut() else { return Vec::new() };
    let list = &mut past_view.list;
    list.pending_cursor = list.window.selected().map(Row::id).or(list.pending_cursor.take());
    past_view.list.sorts = sort.map(|sort| (past_view.list.view, sort)).into_iter().collect();
    past_view.is_too_long = false;
    past_view.list.window.clear();
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

/// To a place, whatever steps were asked for before.
pub fn jump(app: &mut App, goal: PastTarget) -> Vec<Effect> {
    if let Some(past_view) = app.screen.past_mut() {
        past_view.steps = 0;
        past_view.marks_on_arrival = false;
    }
    go(app, goal)
}
