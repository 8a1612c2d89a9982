//! Keys while an entry is edited or added in the form, and what it writes.

use crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::backend::crossterm::EventHandler;

use crate::store::{Condition, Entry, Expiry, Key, Operation, Transaction, Type, TypedInput, Value};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialog::Dialog;
use crate::tui::dialogs::form::state::{Field, Form, line_of};
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::widgets::format;
use crate::tui::write::{Draft, Write, WriteKind};

/// Edits an entry: in the form, or outside where its value is asked for and has no room on a line.
pub fn edit(app: &mut App, entry: Entry, field: Field) -> Vec<Effect> {
    let is_outside = line_of(&entry).is_none() || entry.value_type() == Type::Table;
    if field == Field::Value && is_outside {
        return vec![Effect::EditOutside(entry, None)];
    }
    let mut form = Form::edit(entry, field);
    // The details have more of the value than the list.
    if let Some(detail) = &app.details.row {
        form.learn(detail);
    }
    app.focus = Focus::Dialog(Dialog::Form(Box::new(form)));
    Vec::new()
}

/// Goes on with what was typed, over the entry as it is by now; `None` where it is to be added.
pub fn edit_again(app: &mut App, entry: Option<Entry>, key: &Key, draft: Draft) -> Vec<Effect> {
    match (draft, entry) {
        (Draft::Outside(text), Some(entry)) => return vec![Effect::EditOutside(entry, Some(text))],
        (Draft::Outside(_), None) => {}
        (Draft::Form { text, value_type, expiry }, entry) => {
            let form = Form::again(entry, key, text, value_type, expiry);
            app.focus = Focus::Dialog(Dialog::Form(Box::new(form)));
        }
    }
    Vec::new()
}

pub fn key(app: &mut App, mut form: Box<Form>, key: KeyEvent, now: Millis) -> Vec<Effect> {
    match key.code {
        KeyCode::Tab | KeyCode::Down => form.step(true),
        KeyCode::BackTab | KeyCode::Up => form.step(false),
        KeyCode::Enter => {
            if form.check_all() {
                let effects = finish(app, &form, now);
                app.closed = Some(Dialog::Form(form));
                return effects;
            }
        }
        KeyCode::Right | KeyCode::Char(' ') if form.focus() == Field::Type => form.turn(true),
        KeyCode::Left if form.focus() == Field::Type => form.turn(false),
        _ => form.type_into(|input| {
            input.handle_event(&Event::Key(key));
        }),
    }
    app.focus = Focus::Dialog(Dialog::Form(form));
    Vec::new()
}

/// Writes what was changed, if anything was.
fn finish(app: &mut App, form: &Form, now: Millis) -> Vec<Effect> {
    let (Ok(key), Ok(value), Ok(expiry)) = (form.key(), form.value(), form.expiry()) else {
        return Vec::new();
    };
    let write = match (&form.entry, value) {
        (None, None) => return Vec::new(),
        (None, Some(value)) => create(form, (key, value), expiry),
        (Some(_), None) if expiry == Expiry::Keep => {
            app.show_hint(format!("{key} was left as it is"), now);
            return Vec::new();
        }
        (Some(entry), value) => change(entry, value, expiry, form.draft(), now),
    };
    vec![Effect::Write(write)]
}

/// A new entry, if there is none of its key.
fn create(form: &Form, (key, value): (Key, TypedInput), expiry: Expiry) -> Write {
    let done = match (form.value_type(), &value) {
        (Some(_), _) => format!("added {key}"),
        (None, TypedInput::Untyped(_)) => format!("added {key} as untyped text"),
        (None, TypedInput::Value(value)) => format!("added {key} as a {}", value.value_type()),
    };
    let draft = form.draft();
    let transaction = Transaction::of(value.put(key.clone(), expiry)).when(Condition::Absent(key));
    Write { what: WriteKind::Guarded { transaction, seen: None, draft: Some(Box::new(draft)) }, done }
}

/// One transaction with all that was changed of an entry, and with nothing else.
fn change(entry: &Entry, value: Option<TypedInput>, expiry: Expiry, draft: Draft, now: Millis) -> Write {
    let key = &entry.key;
    let lasts = match expiry {
        Expiry::Keep => None,
        Expiry::Clear => Some("not to expire".to_string()),
        Expiry::After(span) => Some(format!("to expire in {}", format::span(span))),
        Expiry::At(at) => Some(format!("to expire in {}", format::span(at.since(now)))),
    };
    // An entry that exists has a type, or is text without one.
    let value = value.map(|value| match value {
        TypedInput::Value(value) => value,
        TypedInput::Untyped(text) => Value::String(text),
    });
    let changed = value.as_ref().map(|value| match value.value_type() {
        same if same == entry.value_type() => format!("changed {key}"),
        other => format!("made {key} a {other}"),
    });
    let done = match (changed, lasts) {
        (Some(changed), Some(lasts)) => format!("{changed}, and set it {lasts}"),
        (Some(changed), None) => changed,
        (None, lasts) => format!("set {key} {}", lasts.unwrap_or_default()),
    };
    let transaction = match value {
        Some(value) => Transaction::put(key.clone(), value, expiry),
        None => Transaction::of(Operation::SetExpiry { key: key.clone(), expiry }),
    };
    Write::guarded(entry.clone(), transaction, Some(draft), done)
}
