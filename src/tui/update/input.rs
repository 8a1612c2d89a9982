//! What the user does: keys, pasted text, and the size of the terminal.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialog::Dialog;
use crate::tui::dialogs;
use crate::tui::dialogs::form::state::Field;
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::{
    Action, CommandContext, CommandTarget, EntryAction, Mode, RowKind, ScreenKind, command,
};
use crate::tui::screens::screen::Screen;
use crate::tui::screens::{debugger, value};
use crate::tui::update::{actions, mouse, navigation};
use crate::tui::view::View;
use crate::tui::widgets::format;

/// The longest text that is pasted into a line, in bytes: each key after it is read with the whole line.
const PASTE_MAX: usize = 16 * 1024;

pub(super) fn input(app: &mut App, event: Event, now: Millis) -> Vec<Effect> {
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
            navigation::filter_with(app, |line| line.set(""), now)
        }
        KeyCode::Down | KeyCode::Up => {
            let by = if key.code == KeyCode::Down { 1 } else { -1 };
            actions::act(app, Action::Move(by), now)
        }
        _ => {
            let typed = |input: &mut Input| {
                input.handle_event(&Event::Key(key));
            };
            navigation::filter_with(app, |line| line.type_into(typed), now)
        }
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
        Focus::FilterLine => return navigation::filter_with(app, |line| line.type_into(type_into), now),
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
