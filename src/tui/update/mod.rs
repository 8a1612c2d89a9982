//! How the state changes: a message in, effects out, time as an argument. Nothing here touches
//! the terminal or the database.
//!
//! `input` takes keys and the mouse, `actions` does what a command asks for, `navigation` opens lists, `replies` takes
//! what workers answer, `commits` what was committed.

pub mod actions;
pub mod commits;
pub mod input;
pub mod mouse;
pub mod navigation;
pub mod replies;
pub mod rows;
pub mod saved_filters;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod visibility;
pub mod write_results;

use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::connection::reset;
use crate::tui::dialogs::confirm_changes;
use crate::tui::effect::{Effect, Figure};
use crate::tui::list::{Row, RowId};
use crate::tui::message::Message;
use crate::tui::screens::debugger::layout;
use crate::tui::screens::{debugger, details, past};
use crate::tui::timing::MESSAGE_DURATION;
use crate::tui::view::View;
use crate::tui::wakeups::Timer;

pub use crate::tui::connection::switch::{await_opening, begin};

pub fn update(app: &mut App, message: Message, now: Millis) -> Vec<Effect> {
    let selected = selected(app);
    app.needs_drawing |= visibility::may_show(app, &message);
    let mut effects = match message {
        Message::End => vec![Effect::Quit],
        Message::Fault => vec![Effect::Fail],
        Message::Suspend => vec![Effect::Suspend],
        Message::Continued => vec![Effect::Repair],
        Message::Background(background) => {
            app.suit(background);
            Vec::new()
        }
        Message::Input(event) => {
            let effects = input::input(app, event, now);
            called(app, effects, now)
        }
        Message::Reply(answer) => replies::take(app, answer, now),
    };
    effects = confirm_changes::gate(app, effects, now);
    after(app, selected, &mut effects, now);
    await_answer(app, &effects, now);
    app.needs_drawing |= app.messages.has_new();
    app.messages.stamp(now);
    effects
}

/// Calls the commands that a dialog leads to.
fn called(app: &mut App, effects: Vec<Effect>, now: Millis) -> Vec<Effect> {
    let call = |effect| match effect {
        Effect::Call(action, argument) => actions::call(app, action, argument.as_deref(), now),
        effect => vec![effect],
    };
    effects.into_iter().flat_map(call).collect()
}

/// Lets time pass: what is over goes away, what is due is done. Nothing that was due is due afterwards:
/// it is done, or answers are awaited.
pub fn pass(app: &mut App, now: Millis) -> Vec<Effect> {
    let selected = selected(app);
    if now < app.passed {
        clock_set_back(app, now);
    }
    app.passed = now;
    let mut effects = Vec::new();
    for duty in Timer::ALL {
        if app.is_due(duty, now) {
            effects.extend(serve(app, duty, now));
        }
    }
    effects = confirm_changes::gate(app, effects, now);
    after(app, selected, &mut effects, now);
    await_answer(app, &effects, now);
    effects
}

fn serve(app: &mut App, duty: Timer, now: Millis) -> Vec<Effect> {
    app.needs_drawing |= matches!(duty, Timer::Message | Timer::Flash | Timer::Expiry);
    match duty {
        Timer::Message => app.status = None,
        Timer::Flash => app.list.flashes.retain(|_, until| *until > now),
        // An expired entry is gone, also as long as nobody has removed it.
        Timer::Expiry => {
            if app.list.window.remove_expired(now) {
                app.database.counting.outdate();
                app.list.reading.is_stale |= app.list.view == View::Overview;
            }
        }
        Timer::GroupSizes => return tree::count(app, now).into_iter().collect(),
        Timer::Count => {
            app.database.counting.begin(now);
            return vec![Effect::Figure(Figure::Count)];
        }
        Timer::Rows if app.screen.past().is_some() => return past::update::read_again(app, now),
        Timer::Rows => return vec![app.refresh(now)],
        Timer::Compare => return commits::compare(app, now),
        Timer::Detail => {
            let id = app.list.window.selected().map(Row::id);
            let offset = app.details.row.as_ref().map_or(0, |detail| detail.offset);
            let mut effects: Vec<Effect> = detail_of(id.as_ref(), offset).into_iter().collect();
            match effects.is_empty() {
                true => app.details.refresh.abandon(),
                false => app.details.refresh.begin(now),
            }
            effects.extend(past_of(id));
            return effects;
        }
        Timer::Run => return debugger::replies::look_again(app, now).into_iter().collect(),
        Timer::Reopen => return vec![reset::again(app)],
    }
    Vec::new()
}

/// The clock was set back: what was to wait for a moment that is now far away waits no longer.
fn clock_set_back(app: &mut App, now: Millis) {
    app.list.clock_set_back(now);
    for pace in [&mut app.database.counting, &mut app.details.refresh] {
        pace.clock_set_back(now);
    }
    if let Some(status) = &mut app.status {
        status.until = status.until.map(|at| at.min(now.plus(MESSAGE_DURATION)));
    }
    app.requests.writing.iter_mut().for_each(|since| *since = (*since).min(now));
    if let Some(opening) = &mut app.database.opening {
        opening.since = opening.since.min(now);
    }
    if let Some(lost) = &mut app.database.lost {
        lost.again = lost.again.map(|at| at.min(now));
    }
    if let Some(past_view) = app.screen.past_mut() {
        past_view.list.clock_set_back(now);
        past_view.outdated = past_view.outdated.map(|at| at.min(now));
        past_view.unread = past_view.unread.map(|at| at.min(now));
    }
    if let Some(debugger) = app.screen.run_mut() {
        debugger.looked = debugger.looked.min(now);
        if let Some(search) = &mut debugger.search {
            search.since = search.since.min(now);
        }
    }
}

/// The database owes an answer to what every reader answers.
fn await_answer(app: &mut App, effects: &[Effect], now: Millis) {
    let is_asked = effects.iter().any(|effect| matches!(effect, Effect::Load(_) | Effect::Refresh(_)));
    if is_asked && app.list.reading.waiting_since.is_none() {
        app.list.reading.waiting_since = Some(now);
    }
}

/// What is under the cursor: of the list, and of the one that is shown, which may be that of the past.
fn selected(app: &App) -> [Option<RowId>; 2] {
    [&app.list, app.shown_list()].map(|list| list.window.selected().map(Row::id))
}

/// What follows from any change: the details of another row, more rows, another count.
fn after(app: &mut App, before: [Option<RowId>; 2], effects: &mut Vec<Effect>, now: Millis) {
    app.open_next();
    confirm_changes::remember_key(app);
    let steps = layout::steps_height(app);
    if let Some(debugger) = app.screen.run_mut() {
        debugger.steps.window.fit(steps);
    }
    let height = usize::from(app.areas().list.height);
    app.shown_list_mut().window.fit(height);
    let ([was_selected, was_shown], [selected, shown]) = (before, selected(app));
    // An entry as it was does not change with the list.
    if shown != was_shown && app.then().is_none() {
        app.details.scroll = 0;
    }
    if selected != was_selected {
        app.details.row = None;
        app.details.pending_chunk = None;
        app.details.changes = None;
        app.details.refresh.abandon();
        effects.extend(detail_of(selected.as_ref(), 0));
        effects.extend(past_of(selected));
    }
    app.wrap_value(details::columns_of_text(app));
    if app.shows_list() {
        effects.extend(app.extend(now));
    }
    effects.extend(past::update::follow(app));
}

/// Asks for the details of a row; a lock has no more than its row.
fn detail_of(id: Option<&RowId>, offset: u64) -> Option<Effect> {
    let id = id.filter(|id| !matches!(id, RowId::Lock(_) | RowId::Group(_)))?;
    Some(Effect::Detail(id.clone(), offset))
}

/// Asks for the last changes of a row, if it is of something that has changes.
fn past_of(id: Option<RowId>) -> Option<Effect> {
    id.filter(|id| matches!(id, RowId::Entry(_) | RowId::Lock(_))).map(|id| Effect::Figure(Figure::Past(id)))
}
