//! What each action does.

use crate::store::secret_keys::MASK;
use crate::store::{
    Condition, Edit, Entry, Expiry, Key, Kind, Liveness, Number, Transaction, Value, kind_inference,
};
use crate::store::{Type, TypedInput};
use crate::text::escape::{escape, escape_data};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::bulk;
use crate::tui::dialogs::form;
use crate::tui::focus::Focus;
use crate::tui::keys::action::Action;
use crate::tui::keys::command;
use crate::tui::keys::command::ScreenKind;
use crate::tui::list::saved_filters_update;
use crate::tui::list::tree_update;
use crate::tui::screens::debugger;
use crate::tui::screens::past;
use crate::tui::screens::value;
use crate::tui::undo;
use crate::tui::update;
use crate::tui::update::copy;
use crate::tui::update::mouse;
use crate::tui::widgets::format;

use crate::tui::dialogs::dialog::{Confirm, Dialog};
use crate::tui::dialogs::form::state::{Draft, Field, Form};
use crate::tui::effect::{Effect, LoadFrom, Write, WriteKind};
use crate::tui::screens::debugger::requests::{DebuggerRequest, OpenAt};

use crate::tui::dialogs::palette::state::Palette;
use crate::tui::dialogs::run_dialog::state::RunDialog;
use crate::tui::list::row::{LockRow, Row, RowId, RunRow};
use crate::tui::list::sort::{Sort, SortBy};
use crate::tui::list::window::ListEnd;

/// Does what an action asks for; it applies to the row under the cursor.
pub fn act(app: &mut App, action: Action, now: Millis) -> Vec<Effect> {
    if let Some(effects) = value::update::act(app, action, now) {
        return effects;
    }
    if let Some(effects) = past::update::act(app, action, now) {
        return effects;
    }
    let is_of_the_run = app.screen_kind() == ScreenKind::Run
        && !matches!(
            action,
            Action::Help
                | Action::Palette
                | Action::Theme
                | Action::Messages
                | Action::Mouse
                | Action::Secrets
                | Action::Suspend
                | Action::Quit
                | Action::StopRun
                | Action::ChangeOf
        );
    if is_of_the_run {
        return debugger::act(app, action, now);
    }
    if let Some(effects) = bulk::update::act(app, action, now) {
        return effects;
    }
    let page = isize::from(app.areas().list.height as i16).max(2);
    match action {
        Action::Move(by) => app.list.window.step(by),
        Action::Page(halves) => app.list.window.step(halves * page / 2),
        Action::Top => {
            if app.list.window.at_start {
                app.list.window.select_first();
            } else {
                app.list.window.select_first();
                let effect = app.load(LoadFrom::Start, now);
                app.list.reading.cursor_to = Some(ListEnd::First);
                return vec![effect];
            }
        }
        Action::Bottom => {
            if app.list.window.at_end {
                app.list.window.select(usize::MAX);
            } else {
                let effect = app.load(LoadFrom::End, now);
                app.list.reading.cursor_to = Some(ListEnd::Last);
                return vec![effect];
            }
        }
        Action::ScrollDetail(by) => return value::update::scroll(app, by, now),
        Action::Show(view) => return update::show(app, view, now),
        Action::StepView(by) => return update::show(app, app.list.view.step(by), now),
        Action::Past => return past::update::begin(app),
        Action::Filter => app.focus = Focus::FilterLine,
        Action::SavedFilters | Action::SaveFilter | Action::ForgetFilter => {
            saved_filters_update::ask(app, action, now);
        }
        Action::Back
            if app.database.opening.as_ref().is_some_and(|opening| opening.number.is_cancellable()) =>
        {
            app.database.opening = None;
            app.show_hint("stays here", now);
        }
        Action::Back => return update::back(app, now),
        Action::Sort => {
            let next = SortBy::after(app.list.sorts.get(&app.list.view).copied());
            return update::sort(app, next, now);
        }
        Action::SortReverse => {
            let sort = app.list.sorts.get(&app.list.view).copied().unwrap_or(SortBy::Name.usual());
            return update::sort(app, Some(Sort { descending: !sort.descending, ..sort }), now);
        }
        Action::Tree => return tree_update::switch(app, now),
        Action::Fold => return tree_update::fold(app, now),
        Action::HistoryOf => return update::history_of(app, now),
        Action::GoTo => {
            let id = match app.list.window.selected() {
                Some(Row::Change(change)) => Some(RowId::subject_of(change)),
                row => row.map(Row::id),
            };
            match id {
                Some(RowId::Change(_)) => app.show_hint("this change is of the database itself", now),
                Some(id) => return update::go_to(app, id, now),
                None => {}
            }
        }
        Action::Palette => app.focus = Focus::Dialog(Dialog::Palette(Palette::default())),
        Action::Copy(part) => return copy::row(app, part, now),
        Action::Messages => app.focus = Focus::Dialog(Dialog::Messages(0)),
        Action::Context if app.settings.contexts.is_empty() => {
            app.show_hint("no database has a name: config.toml gives them theirs, in [contexts.NAME]", now);
        }
        Action::Context | Action::Theme => {
            app.focus = Focus::from(command::of(action).map(Palette::of).map(Dialog::Palette))
        }
        Action::Details => value::update::open(app),
        Action::Format => value::update::change_format(app),
        Action::Help => app.focus = Focus::Dialog(Dialog::Help(0)),
        Action::Reload => {
            app.database.counting.outdate();
            return vec![app.reload(now)];
        }
        Action::Mouse => return mouse::toggle(app, now),
        Action::Secrets if app.settings.secrets.is_empty() => {
            app.show_hint("no keys are hidden: [hide] in config.toml names none", now);
        }
        Action::Secrets => {
            app.settings.shows_secrets = !app.settings.shows_secrets;
            app.show_done(
                match app.settings.shows_secrets {
                    true => "values of secrets are shown",
                    false => "values of secrets are masked",
                },
                now,
            );
        }
        Action::Suspend => return vec![Effect::Suspend],
        Action::Quit => {
            // What was asked for is done before the program ends, unless the user insists.
            if app.requests.writing.is_empty() || app.is_leaving {
                return vec![Effect::Quit];
            }
            app.is_leaving = true;
        }
        Action::Undo => match app.list.window.selected().cloned() {
            Some(Row::Change(change)) => undo::update::ask(app, &change, now),
            _ => return undo::update::step(app, false, now),
        },
        Action::Undos => undo::update::list(app, now),
        Action::Redo => return undo::update::step(app, true, now),
        Action::Add => app.focus = Focus::Dialog(Dialog::Form(Box::new(Form::add()))),
        Action::ClearLock => match app.list.window.selected().cloned() {
            Some(Row::Lock(row)) => app.focus = Focus::Dialog(Dialog::Confirm(clear_lock(&row, now))),
            Some(Row::Entry(entry)) => {
                app.focus = Focus::Dialog(Dialog::Confirm(clear_key(app, &entry, now)))
            }
            Some(Row::Change(_) | Row::Group(_) | Row::Run(_)) | None => {}
        },
        Action::StopRun => {
            let row = match (app.screen.run(), app.list.window.selected()) {
                (Some(debugger), _) => Some(&debugger.run),
                (None, Some(Row::Run(row))) => Some(&**row),
                (None, _) => None,
            };
            app.focus = Focus::from(row.and_then(|row| stop_run(row, now)).map(Dialog::Confirm));
        }
        Action::OpenRun => {
            if let Some(Row::Run(row)) = app.list.window.selected() {
                let run = row.run.number;
                return debugger::open(app, run, OpenAt::Begin, None);
            }
        }
        // They are about marks.
        Action::Mark | Action::MarkRange | Action::MarkAll | Action::Unmark | Action::Export => {}
        Action::MarkRun => {
            if let Some(Row::Run(row)) = app.list.window.selected() {
                let number = row.run.number;
                app.runs.marked = Some(number);
                let key = app.settings.keymap.keys_for(Action::CompareRun).first();
                let hint = key.map_or(String::new(), |key| format!("; {key} compares another with it"));
                app.show_done(format!("run {number} is marked{hint}"), now);
            }
        }
        Action::CompareRun => {
            let Some(Row::Run(row)) = app.list.window.selected() else { return Vec::new() };
            let number = row.run.number;
            match app.runs.marked {
                Some(marked) if marked != number => {
                    return debugger::open(app, marked, OpenAt::Begin, Some(number));
                }
                _ => app.show_hint("mark another run first", now),
            }
        }
        Action::StepOf => {
            if let Some(Row::Change(change)) = app.list.window.selected()
                && let Some(run) = change.actor.run
            {
                let at = OpenAt::Revision(change.revision);
                return debugger::open(app, run, at, None);
            }
        }
        Action::ChangeOf => {
            let Some(about) = app.screen.run().and_then(|debugger| debugger.about.as_ref()) else {
                app.show_hint("the step is still being read", now);
                return Vec::new();
            };
            match about.changes().first().map(|change| change.revision) {
                Some(revision) => return update::go_to_change(app, revision, now),
                None => app.show_hint(about.changed.describe(), now),
            }
        }
        Action::StartRun => {
            app.focus = Focus::Dialog(Dialog::Start(RunDialog::default()));
            return vec![Effect::Debugger(DebuggerRequest::Suggestions)];
        }
        Action::Over(_)
        | Action::NextChange(_)
        | Action::NextFailure(_)
        | Action::NextTask(_)
        | Action::BreakHere
        | Action::BreakOn
        | Action::ClearBreaks
        | Action::Breaks
        | Action::FoldStep
        | Action::FoldSteps(_)
        | Action::Continue(_)
        | Action::Jump
        | Action::FindStep
        | Action::FindNext(_)
        | Action::WhatIf => {}
        // They are about the past, or a value that fills the screen.
        Action::Wander(_)
        | Action::Oldest
        | Action::Newest
        | Action::Differing
        | Action::MarkThen
        | Action::MarkDifferent
        | Action::Restore
        | Action::Present
        | Action::CloseValue
        | Action::FindInValue
        | Action::NextFound(_)
        | Action::ReadOn
        | Action::FoldPart
        | Action::UnfoldPart
        | Action::LeavePart
        | Action::FoldAll(_)
        | Action::CopyPath => {}
        Action::Toggle
        | Action::Edit
        | Action::EditOutside
        | Action::Increment(_)
        | Action::Reset
        | Action::ChangeType
        | Action::TimeToLive
        | Action::Delete => {
            if let Some(entry) = app.list.window.selected().and_then(Row::entry).cloned() {
                return on_entry(app, action, entry);
            }
        }
    }
    Vec::new()
}

fn on_entry(app: &mut App, action: Action, entry: Entry) -> Vec<Effect> {
    match action {
        Action::Toggle => {
            if let Some(value) = kind_inference::toggled(&entry.value()) {
                // Messages are kept: they are masked also while values are shown.
                let shown = match app.settings.secrets.hides(&entry.key) {
                    true => MASK.into(),
                    false => escape_data(&value.to_stored()),
                };
                let done = format!("set {} to {shown}", entry.key);
                return vec![Effect::Write(put(entry, value, done))];
            }
            app.show_error(format!("{} is neither on nor off", entry.key));
        }
        Action::Increment(step) => {
            let done = match step {
                1.. => format!("added {step} to {}", entry.key),
                _ => format!("took {} from {}", step.unsigned_abs(), entry.key),
            };
            let what = WriteKind::Edit(entry.key, Edit::Increment(Number::Integer(step)));
            return vec![Effect::Write(Write { what, done })];
        }
        Action::Reset => {
            let lines = vec![format!("Set {} to 0? It is {} now.", entry.key, app.value_in(&entry, 40))];
            let zero = if entry.value_type() == Type::Number { Value::integer(0) } else { Value::text("0") };
            let done = format!("set {} to 0", entry.key);
            app.focus =
                Focus::Dialog(Dialog::Confirm(Confirm::new(lines, Effect::Write(put(entry, zero, done)))));
        }
        Action::Edit => return form::update::edit(app, entry, Field::Value),
        Action::ChangeType => return form::update::edit(app, entry, Field::Type),
        Action::TimeToLive => return form::update::edit(app, entry, Field::Expiry),
        Action::EditOutside => return vec![Effect::EditOutside(entry, None)],
        Action::Delete => {
            let (kind, _) = kind_inference::infer(&entry);
            let what = if kind == Kind::Plain { "Its value is" } else { &format!("It is a {kind}:") };
            let mut lines =
                vec![format!("Delete {}?", entry.key), format!("{what} {}", app.value_in(&entry, 50))];
            if kind == Kind::Lock {
                lines.push("It is used as a lock: whoever holds it may be at work.".into());
            }
            app.focus = Focus::Dialog(Dialog::Confirm(Confirm::new(lines, Effect::Write(delete(entry)))));
        }
        _ => {}
    }
    Vec::new()
}

/// A write of a value over the entry that was seen, its expiry kept.
pub(super) fn put(seen: Entry, value: Value, done: String) -> Write {
    let draft = Some(Draft::of(&value));
    let transaction = Transaction::put(seen.key.clone(), value, Expiry::Keep);
    guarded(seen, transaction, draft, done)
}

/// A deletion of the entry that was seen.
pub(super) fn delete(seen: Entry) -> Write {
    let done = format!("deleted {}", seen.key);
    let transaction = Transaction::delete(seen.key.clone());
    guarded(seen, transaction, None, done)
}

/// A change of the entry that was seen, if it is still that one.
pub fn guarded(seen: Entry, transaction: Transaction, draft: Option<Draft>, done: String) -> Write {
    let seen = Box::new(seen);
    let transaction = transaction.when(Condition::Unchanged(seen.clone()));
    Write { what: WriteKind::Guarded { transaction, seen: Some(seen), draft: draft.map(Box::new) }, done }
}

/// A new entry, if there is none of its key.
pub fn create(form: &Form, (key, value): (Key, TypedInput), expiry: Expiry) -> Write {
    let done = match (form.value_type(), &value) {
        (Some(_), _) => format!("added {key}"),
        (None, TypedInput::Untyped(_)) => format!("added {key} as untyped text"),
        (None, TypedInput::Value(value)) => format!("added {key} as a {}", value.value_type()),
    };
    let draft = form.draft();
    let transaction = Transaction::of(value.put(key.clone(), expiry)).when(Condition::Absent(key));
    Write { what: WriteKind::Guarded { transaction, seen: None, draft: Some(Box::new(draft)) }, done }
}

fn clear_lock(row: &LockRow, now: Millis) -> Confirm {
    let lock = &row.lock;
    let (name, holder) = (escape(lock.name.as_bytes()), escape(lock.holder.as_bytes()));
    let held = lock.acquired_at.map_or(String::new(), |at| format!(" for {}", format::span(now.since(at))));
    let state = match row.liveness {
        Liveness::Alive => "THE HOLDER IS ALIVE: it goes on until it notices that the lock is lost.",
        Liveness::Stopped => "The holder is STOPPED: it goes on with the lock when it is continued.",
        Liveness::Dead => "The holder is dead: that process has ended.",
        Liveness::Elsewhere => "The holder is on another host or in another container, and may be ALIVE.",
        Liveness::Unknown if lock.process.is_none() => {
            "It is another program's lock; its holder may be ALIVE."
        }
        Liveness::Unknown => "The holder cannot be seen from here, and may be ALIVE.",
    };
    let mut lines = vec![format!("Clear lock {name}? {holder} has held it{held}."), state.into()];
    if lock.is_expired(now) {
        lines.push("Its lease has expired: anybody may take it.".into());
    }
    if let Some((next, _)) = row.waiting.first() {
        lines.push(format!("{} waits for it and gets it next.", escape(next.as_bytes())));
    }
    let done = format!("cleared lock {name}, held by {holder}");
    let what = match &row.stack {
        Some(stack) => WriteKind::ClearStackLock(stack.clone()),
        None => WriteKind::ClearLock(Box::new(lock.clone())),
    };
    Confirm::new(lines, Effect::Write(Write { what, done }))
}

/// Asks whether a run is to be stopped.
pub(super) fn stop_run(row: &RunRow, now: Millis) -> Option<Confirm> {
    let run = &row.run;
    let process = run.process.clone()?;
    let workflow = escape(run.new.workflow.as_bytes());
    let took = row.took(now).map_or(String::new(), |took| format!(", at work for {}", format::span(took)));
    let lines = vec![
        format!("Stop run {} of {workflow}{took}?", run.number),
        format!("Process {} is asked to end: the task fails, hooks and locks are seen to.", process.pid),
    ];
    let done = format!("asked run {} to stop", run.number);
    Some(Confirm::new(lines, Effect::Write(Write { what: WriteKind::StopRun(Box::new(process)), done })))
}

fn clear_key(app: &App, entry: &Entry, now: Millis) -> Confirm {
    let holder = match app.hides(&entry.key) {
        true => MASK.into(),
        false => escape(kind_inference::holder_in(entry).as_bytes()),
    };
    let held = entry.modified_at.map_or(String::new(), |at| format!(" for {}", format::span(now.since(at))));
    let lines = vec![
        format!("Delete {}, used as a lock? {holder} has held it{held}.", entry.key),
        "Whether the holder is alive cannot be told from a key.".into(),
    ];
    Confirm::new(lines, Effect::Write(delete(entry.clone())))
}
