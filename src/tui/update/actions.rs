//! What each action does.

use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::connection::switch;
use crate::tui::dialog::Dialog;
use crate::tui::dialogs::form;
use crate::tui::dialogs::form::state::{Field, Form};
use crate::tui::dialogs::palette::state::Palette;
use crate::tui::dialogs::run_dialog::state::RunDialog;
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::{Action, Argument, EntryAction, ScreenKind, command};
use crate::tui::list::{ListEnd, LoadFrom, Row, RowId, Sort, SortBy};
use crate::tui::screens::debugger::requests::{DebuggerRequest, OpenAt};
use crate::tui::screens::{debugger, entries, locks, past, runs, value};
use crate::tui::theme::AUTO;
use crate::tui::update::{navigation, saved_filters, tree};
use crate::tui::{bulk, copy, undo};

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
        return debugger::keys::act(app, action, now);
    }
    if let Some(effects) = bulk::update::act(app, action, now) {
        return effects;
    }
    let page = isize::from(app.areas().list.height as i16).max(2);
    match action {
        Action::Move(by) => app.shown_list_mut().window.step(by),
        Action::Page(halves) => app.shown_list_mut().window.step(halves * page / 2),
        Action::Top => {
            let window = &mut app.shown_list_mut().window;
            window.select_first();
            if !window.at_start {
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
        Action::Show(view) => return navigation::show(app, view, now),
        Action::StepView(by) => return navigation::show(app, app.list.view.step(by), now),
        Action::OpenPast => return past::update::begin(app),
        Action::Filter => app.focus = Focus::FilterLine,
        Action::SavedFilters | Action::SaveFilter | Action::ForgetFilter => {
            saved_filters::ask(app, action, now);
        }
        Action::Back
            if app.database.opening.as_ref().is_some_and(|opening| opening.number.is_cancellable()) =>
        {
            app.database.opening = None;
            app.show_hint("stays here", now);
        }
        Action::Back => return navigation::back(app, now),
        Action::Sort => {
            let list = app.shown_list();
            let next = SortBy::after(list.sorts.get(&list.view).copied());
            return navigation::sort(app, next, now);
        }
        Action::SortReverse => {
            let sort = app.list.sorts.get(&app.list.view).copied().unwrap_or(SortBy::Name.usual());
            return navigation::sort(app, Some(Sort { descending: !sort.descending, ..sort }), now);
        }
        Action::Tree => return tree::switch(app, now),
        Action::Fold => return tree::fold(app, now),
        Action::HistoryOf => return navigation::history_of(app, now),
        Action::GoTo => {
            let id = match app.list.window.selected() {
                Some(Row::Change(change)) => Some(RowId::subject_of(change)),
                row => row.map(Row::id),
            };
            match id {
                Some(RowId::Change(_)) => app.show_hint("this change is of the database itself", now),
                Some(id) => return navigation::go_to(app, id, now),
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
        Action::Mouse => {
            app.settings.mouse = !app.settings.mouse;
            let text = match app.settings.mouse {
                true => "the mouse selects rows here",
                false => "the mouse selects text in the terminal; mouse = false in config.toml keeps it so",
            };
            app.show_done(text, now);
            return vec![Effect::Mouse(app.settings.mouse)];
        }
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
            Some(Row::Lock(row)) => {
                app.focus = Focus::Dialog(Dialog::Confirm(locks::update::clear_lock(&row, now)))
            }
            Some(Row::Entry(entry)) => {
                app.focus = Focus::Dialog(Dialog::Confirm(locks::update::clear_key(app, &entry, now)))
            }
            Some(Row::Change(_) | Row::Group(_) | Row::Run(_) | Row::Diff(_)) | None => {}
        },
        Action::StopRun => {
            let row = match (app.screen.run(), app.list.window.selected()) {
                (Some(debugger), _) => Some(&debugger.run),
                (None, Some(Row::Run(row))) => Some(&**row),
                (None, _) => None,
            };
            app.focus =
                Focus::from(row.and_then(|row| runs::update::stop_run(row, now)).map(Dialog::Confirm));
        }
        Action::OpenRun => {
            if let Some(Row::Run(row)) = app.list.window.selected() {
                let run = row.run.number;
                return debugger::navigate::open(app, run, OpenAt::Begin, None);
            }
        }
        // They are about marks.
        Action::Mark(_) => {}
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
                    return debugger::navigate::open(app, marked, OpenAt::Begin, Some(number));
                }
                _ => app.show_hint("mark another run first", now),
            }
        }
        Action::StepOf => {
            if let Some(Row::Change(change)) = app.list.window.selected()
                && let Some(run) = change.actor.run
            {
                let at = OpenAt::Revision(change.revision);
                return debugger::navigate::open(app, run, at, None);
            }
        }
        Action::ChangeOf => {
            let Some(about) = app.screen.run().and_then(|debugger| debugger.about.as_ref()) else {
                app.show_hint("the step is still being read", now);
                return Vec::new();
            };
            match about.changes().first().map(|change| change.revision) {
                Some(revision) => return navigation::go_to_change(app, revision, now),
                None => app.show_hint(about.changed.describe(), now),
            }
        }
        Action::StartRun => {
            app.focus = Focus::Dialog(Dialog::Start(RunDialog::default()));
            return vec![Effect::Debugger(DebuggerRequest::Suggestions)];
        }
        // They belong to another screen.
        Action::Past(_) | Action::Run(_) | Action::Value(_) => {}
        Action::Entry(action) => {
            let Some(entry) = app.list.window.selected().and_then(Row::entry).cloned() else {
                return Vec::new();
            };
            return match action {
                EntryAction::Edit => form::update::edit(app, entry, Field::Value),
                EntryAction::ChangeType => form::update::edit(app, entry, Field::Type),
                EntryAction::TimeToLive => form::update::edit(app, entry, Field::Expiry),
                action => entries::update::act(app, action, entry),
            };
        }
    }
    Vec::new()
}

/// Calls a command, with what was written after its name.
pub fn call(app: &mut App, action: Action, argument: Option<&str>, now: Millis) -> Vec<Effect> {
    let Some(argument) = argument else { return act(app, action, now) };
    match command::of(action).map_or(Argument::None, |command| command.argument) {
        Argument::None => act(app, action, now),
        Argument::Filter => {
            let mut effects = act(app, action, now);
            effects.extend(navigation::filter_with(app, |line| line.set(argument), now));
            effects
        }
        Argument::Sort => match SortBy::ALL.into_iter().find(|by| by.name() == argument) {
            Some(by) => navigation::sort(app, Some(by.usual()), now),
            None => Vec::new(),
        },
        Argument::SavedFilter | Argument::FilterName => saved_filters::named(app, action, argument, now),
        Argument::Moment => past::update::begin_at(app, argument, now),
        Argument::Context => switch::to(app, argument, now),
        Argument::Theme => {
            app.settings.suiting.is_wanted = argument == AUTO;
            app.suit(None);
            if let Some(theme) = app.settings.themes.named(argument) {
                app.settings.theme = theme;
            }
            app.show_done(format!("theme = \"{argument}\" in config.toml keeps it"), now);
            if app.settings.suiting.asks() { vec![Effect::AskBackground] } else { Vec::new() }
        }
    }
}
