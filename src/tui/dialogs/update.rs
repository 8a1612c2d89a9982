//! Keys while a dialog is open.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::Input;

use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialog::{Dialog, Invalid};
use crate::tui::dialogs::{confirm_changes, conflict, form, help, messages, palette, run_dialog};
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::keys::scroll::scrolled;
use crate::tui::{bulk, undo};

/// Gives a key to the dialog that is open.
pub fn key(app: &mut App, key: KeyEvent, now: Millis) -> Vec<Effect> {
    let Some(dialog) = app.focus.take_dialog() else { return Vec::new() };
    if let Dialog::Counting(counting) = dialog {
        return bulk::update::while_counting(app, counting, key);
    }
    if key.code == KeyCode::Esc && !matches!(dialog, Dialog::Confirm(_)) {
        return Vec::new();
    }
    // Escape and a letter in quick succession arrive as one key: that is no answer.
    let is_chord = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    if is_chord && matches!(dialog, Dialog::Confirm(_) | Dialog::Conflict(_) | Dialog::Invalid(_)) {
        app.focus = Focus::Dialog(dialog);
        return Vec::new();
    }
    match dialog {
        Dialog::Counting(_) => Vec::new(),
        Dialog::Ask(ask) => bulk::update::in_ask(app, ask, key),
        Dialog::Start(start) => run_dialog::update::key(app, start, key),
        Dialog::Help(top) => {
            app.focus = Focus::from(help(app, top, key));
            Vec::new()
        }
        Dialog::Undos(chosen) => undo::update::key(app, chosen, key, now),
        Dialog::Messages(chosen) => messages::update::key(app, chosen, key, now),
        Dialog::Palette(palette) => palette::update::key(app, palette, key),
        Dialog::Form(form) => form::update::key(app, form, key, now),
        Dialog::Confirm(confirm) => confirm_changes::key(app, confirm, key),
        Dialog::Conflict(conflict) => conflict::update::key(app, conflict, key),
        Dialog::Invalid(invalid) => match key.code {
            KeyCode::Char('e') => {
                let Invalid { entry, key, draft, .. } = invalid;
                form::update::edit_again(app, entry.map(|entry| *entry), &key, draft)
            }
            _ => {
                app.focus = Focus::Dialog(Dialog::Invalid(invalid));
                Vec::new()
            }
        },
    }
}

/// Gives pasted text to the dialog that is open, if it takes text.
pub fn paste(app: &mut App, type_into: impl FnOnce(&mut Input)) {
    match app.focus.dialog_mut() {
        Some(Dialog::Palette(palette)) => type_into(&mut palette.input),
        Some(Dialog::Ask(ask)) => type_into(&mut ask.input),
        Some(Dialog::Start(start)) => type_into(start.field()),
        Some(Dialog::Form(form)) => form.type_into(type_into),
        _ => {}
    }
}

fn help(app: &App, top: usize, key: KeyEvent) -> Option<Dialog> {
    let by = match key.code {
        KeyCode::Char('q' | '?') | KeyCode::Enter => return None,
        _ => scrolled(key, usize::from(app.size.1)),
    };
    let end = help::scroll_end(app);
    Some(Dialog::Help(top.min(end).saturating_add_signed(by).min(end)))
}
