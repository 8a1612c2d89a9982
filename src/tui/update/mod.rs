//! How the state changes: a message in, effects out, time as an argument. Nothing here touches
//! the terminal or the database.

pub mod actions;
pub mod commits;
pub mod mouse;
pub mod replies;
pub mod rows;
pub mod saved_filters;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod visibility;
pub mod write_results;

use std::cmp::Reverse;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::store::{Revision, Subject};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::connection::reset;
use crate::tui::dialog::Dialog;
use crate::tui::dialogs::confirm_changes;
use crate::tui::dialogs::form::state::Field;
use crate::tui::effect::{Effect, Figure};
use crate::tui::focus::Focus;
use crate::tui::keys::action::{Action, EntryAction, View};
use crate::tui::keys::command;
use crate::tui::keys::command::{CommandContext, CommandTarget, Mode, RowKind, ScreenKind};
use crate::tui::list::filter_line::FilterLine;
use crate::tui::list::load::LoadFrom;
use crate::tui::list::row::{Position, Row, RowId, RowOrder};
use crate::tui::list::sort::Sort;
use crate::tui::list::state::HistoryScope;
use crate::tui::list::window;
use crate::tui::message::Message;
use crate::tui::screens::debugger::layout;
use crate::tui::screens::screen::Screen;
use crate::tui::screens::{debugger, details, past, value};
use crate::tui::timers::Timer;
use crate::tui::timing::MESSAGE_DURATION;
use crate::tui::widgets::format;
use crate::tui::{bulk, dialogs};

pub use crate::tui::connection::switch::{await_opening, begin};

/// The longest text that is pasted into a line, in bytes: each key after it is read with the whole line.
const PASTE_MAX: usize = 16 * 1024;

/// Takes in what happened.
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
            let effects = input(app, event, now);
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

/// Does what is due.
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

fn input(app: &mut App, event: Event, now: Millis) -> Vec<Effect> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => pressed(app, key, now),
        Event::Mouse(mouse) => mouse::take(app, mouse, now),
        Event::Resize(columns, rows) => {
            app.size = (columns, rows);
            // More rows have room, or fewer.
            if app.list.view == View::Overview { vec![app.reload(now)] } else { Vec::new() }
        }
        Event::Paste(text) => pasted(app, &text, now),
        _ => Vec::new(),
    }
}

fn pressed(app: &mut App, key: KeyEvent, now: Millis) -> Vec<Effect> {
    let is_held = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    if is_held && app.settings.keymap.action(&key) == Some(Action::Suspend) {
        return vec![Effect::Suspend];
    }
    let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    let key = match is_interrupt {
        // It leaves what is open, as it does in a shell, and only then the program.
        true if app.takes_all_keys() => KeyEvent::from(KeyCode::Esc),
        true => return vec![Effect::Quit],
        false => key,
    };
    app.list.pending_cursor = None;
    app.last_key = Some(key.code);
    // Any other key says that the user stays.
    app.is_leaving &= app.settings.keymap.action(&key) == Some(Action::Quit);
    if app.status.as_ref().is_some_and(|status| status.until.is_none()) {
        app.status = None;
    }
    match &app.focus {
        Focus::Dialog(_) => return dialogs::update::key(app, key, now),
        Focus::FilterLine => return filtering(app, key, now),
        Focus::Screen => {}
    }
    let taken = match &app.screen {
        Screen::Value { .. } => value::update::key(app, key, now),
        Screen::Run { .. } => debugger::keys::key(app, key, now),
        Screen::List | Screen::Past(_) => None,
    };
    if let Some(effects) = taken {
        return effects;
    }
    let context = app.context();
    if let Some(action) = app.settings.keymap.called(&key, &context) {
        return actions::act(app, action, now);
    }
    let Some(command) = app.settings.keymap.meant(&key, context.screen).and_then(command::of) else {
        // It is no more than it seems, whatever was said before it.
        if key.code != KeyCode::Esc {
            let help = app.settings.keymap.keys_for(Action::Help).first();
            let help = help.map_or(String::new(), |help| format!("; {help} lists those that do something"));
            app.show_hint(format!("no command has this key{help}"), now);
        }
        return Vec::new();
    };
    // A group has no value: what would change it opens or closes the group.
    let is_change = matches!(command.action, Action::Entry(EntryAction::Edit | EntryAction::Toggle));
    if context.row == Some(RowKind::Group) && is_change && context.screen == ScreenKind::List {
        return actions::act(app, Action::Fold, now);
    }
    // A key that does nothing here says why, rather than nothing.
    let would_apply = command.applies(&CommandContext { read_only: false, ..context });
    let why = match context.screen {
        ScreenKind::Run => "not while a run is open",
        _ if would_apply => app.why_read_only(),
        ScreenKind::List if app.database.read_only && command.writes => app.why_read_only(),
        ScreenKind::Past if command.when.mode() != Mode::Past => "not in the past",
        ScreenKind::Value { .. } => "not while a value fills the screen",
        ScreenKind::List
            if matches!(
                command.when,
                CommandTarget::List | CommandTarget::Sortable | CommandTarget::Tree
            ) =>
        {
            "not in this list"
        }
        ScreenKind::Past | ScreenKind::List if context.row.is_none() => "there is no row to do it to",
        ScreenKind::Past | ScreenKind::List => "not on this row",
    };
    app.show_hint(format!("{}: {why}", command.name), now);
    Vec::new()
}

/// A key while the filter line has the cursor.
fn filtering(app: &mut App, key: KeyEvent, now: Millis) -> Vec<Effect> {
    match key.code {
        KeyCode::Enter => {
            app.focus.leave_filter_line();
            Vec::new()
        }
        KeyCode::Esc => {
            app.focus.leave_filter_line();
            filter_with(app, |line| line.set(""), now)
        }
        KeyCode::Down | KeyCode::Up => {
            let by = if key.code == KeyCode::Down { 1 } else { -1 };
            actions::act(app, Action::Move(by), now)
        }
        _ => {
            let typed = |input: &mut Input| {
                input.handle_event(&Event::Key(key));
            };
            filter_with(app, |line| line.type_into(typed), now)
        }
    }
}

/// Changes the line that filters what is shown, and reads the list anew if it means something else
/// then, as `change` says.
pub fn filter_with(app: &mut App, change: impl FnOnce(&mut FilterLine) -> bool, now: Millis) -> Vec<Effect> {
    match change(&mut app.shown_list_mut().filter_line) {
        false => Vec::new(),
        true if app.screen.past().is_some() => past::update::filtered(app),
        true => vec![app.load(LoadFrom::Start, now)],
    }
}

/// Types a text at once: the line is as long for each character that is typed by itself.
fn insert(input: &mut Input, text: &str) {
    let typed = input.value();
    let at = typed.char_indices().nth(input.cursor()).map_or(typed.len(), |(at, _)| at);
    let all = format!("{}{text}{}", &typed[..at], &typed[at..]);
    let cursor = input.cursor() + text.chars().count();
    *input = std::mem::take(input).with_value(all).with_cursor(cursor);
}

fn pasted(app: &mut App, text: &str, now: Millis) -> Vec<Effect> {
    if text.len() > PASTE_MAX {
        let (size, most) = (format::bytes(text.len() as u64), format::bytes(PASTE_MAX as u64));
        app.show_hint(
            format!("nothing was pasted: it has {size}, and no more than {most} go into a line"),
            now,
        );
        return Vec::new();
    }
    if let Some(Dialog::Form(form)) = app.focus.dialog_mut()
        && form.focus() == Field::Value
    {
        // Terminals send a line break as a carriage return.
        let lines = text.replace("\r\n", "\n").replace('\r', "\n");
        form.type_into(|input| insert(input, &lines));
        return Vec::new();
    }
    let line: String = text.chars().filter(|character| !character.is_control()).collect();
    let type_into = |input: &mut Input| insert(input, &line);
    match &app.focus {
        Focus::Dialog(_) => {
            dialogs::update::paste(app, type_into);
            return Vec::new();
        }
        Focus::FilterLine => return filter_with(app, |line| line.type_into(type_into), now),
        Focus::Screen => {}
    }
    // Pasted text is never taken for commands.
    match &mut app.screen {
        Screen::Value { viewer, .. } if viewer.is_finding => type_into(&mut viewer.find),
        Screen::Run { .. } => debugger::keys::paste(app, type_into),
        Screen::List | Screen::Past(_) | Screen::Value { .. } => {}
    }
    Vec::new()
}

/// Opens another view.
pub fn show(app: &mut App, view: View, now: Millis) -> Vec<Effect> {
    if view == app.list.view && app.list.scope.is_none() {
        return Vec::new();
    }
    open(app, view, None, LoadFrom::Start, now)
}

/// Opens a view from `from` on; of the history, that of something.
pub fn open(
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
pub fn sort(app: &mut App, sort: Option<Sort>, now: Millis) -> Vec<Effect> {
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
fn unsort(app: &mut App, now: Millis) -> Vec<Effect> {
    app.list.sorts.remove(&app.list.view);
    let left = app.list.reading.left.take();
    let from = match &left {
        Some(id) if app.order() == RowOrder::Name => LoadFrom::At(Position::Name(id.clone())),
        _ => LoadFrom::Start,
    };
    let (view, scope) = (app.list.view, app.list.scope.take());
    let effects = open(app, view, scope, from, now);
    app.list.pending_cursor = left;
    effects
}

/// Leaves out no row.
pub fn clear(app: &mut App) {
    app.list.filter_line = FilterLine::default();
}

/// Shows the history of what the row under the cursor is about.
fn history_of(app: &mut App, now: Millis) -> Vec<Effect> {
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
fn go_to(app: &mut App, id: RowId, now: Millis) -> Vec<Effect> {
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
fn go_to_change(app: &mut App, revision: Revision, now: Millis) -> Vec<Effect> {
    let mut effects = debugger::navigate::leave(app);
    clear(app);
    let from = LoadFrom::At(Position::Newest(Reverse(revision)));
    effects.extend(open(app, View::History, None, from, now));
    effects
}

/// Stops what takes its time; otherwise leaves what was opened last: the filter, then the history of
/// one thing, then the marks.
fn back(app: &mut App, now: Millis) -> Vec<Effect> {
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
