//! Keys while a dialog is open.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use super::actions;
use crate::span::parse_span;
use crate::store::{Condition, Entry, Expiry, Key, Millis, Operation, Transaction, Type, Value};
use crate::tui::app::App;
use crate::tui::bulk::Lasting;
use crate::tui::dialog::{Confirm, Conflict, Dialog, Form, Invalid, Prompt, Purpose};
use crate::tui::effect::{Effect, What};
use crate::tui::format;
use crate::tui::views;

/// Gives a key to the dialog that is open.
pub(super) fn key(app: &mut App, key: KeyEvent, now: Millis) -> Vec<Effect> {
    let Some(dialog) = app.dialog.take() else { return Vec::new() };
    if let Dialog::Counting(counting) = dialog {
        return super::marks::while_counting(app, counting, key);
    }
    if key.code == KeyCode::Esc {
        app.answer.reset();
        return Vec::new();
    }
    // Escape and a letter in quick succession arrive as one key: that is no answer.
    let is_chord = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    if is_chord && matches!(dialog, Dialog::Confirm(_) | Dialog::Conflict(_) | Dialog::Invalid(_)) {
        app.dialog = Some(dialog);
        return Vec::new();
    }
    match dialog {
        Dialog::Counting(_) => Vec::new(),
        Dialog::Ask(ask) => super::marks::in_ask(app, ask, key, now),
        Dialog::Start(start) => crate::tui::start::key(app, start, key),
        Dialog::Help(top) => {
            app.dialog = help(app, top, key);
            Vec::new()
        }
        Dialog::Undos(chosen) => super::undo::key(app, chosen, key, now),
        Dialog::Messages(chosen) => super::messages::key(app, chosen, key, now),
        Dialog::Palette(palette) => super::palette::key(app, palette, key, now),
        Dialog::Prompt(prompt) => in_prompt(app, prompt, key, now),
        Dialog::Form(form) => in_form(app, form, key, now),
        Dialog::Confirm(confirm) => in_question(app, confirm, key, now),
        Dialog::Conflict(conflict) => in_conflict(app, conflict, key, now),
        Dialog::Invalid(invalid) => match key.code {
            KeyCode::Char('e') => {
                let Invalid { entry, text, .. } = invalid;
                vec![Effect::EditOutside(entry, Some(text))]
            }
            _ => {
                app.dialog = Some(Dialog::Invalid(invalid));
                Vec::new()
            }
        },
    }
}

fn in_question(app: &mut App, confirm: Confirm, key: KeyEvent, now: Millis) -> Vec<Effect> {
    match answer(app, key) {
        Some(true) => return actions::start(app, confirm.write, now),
        Some(false) => {}
        None => app.dialog = Some(Dialog::Confirm(confirm)),
    }
    Vec::new()
}

/// What a key answers to a question; `None` if it is no answer. `y` says yes, and where mistakes are
/// felt by others the name of the database does. The key that asked, or any other, is none.
pub fn answer(app: &mut App, key: KeyEvent) -> Option<bool> {
    let answer = match (app.production(), key.code) {
        (_, KeyCode::Esc) => Some(false),
        (Some(name), KeyCode::Enter) => (app.answer.value().trim() == name).then_some(true),
        (Some(_), _) => {
            app.answer.handle_event(&Event::Key(key));
            None
        }
        (None, KeyCode::Char('n' | 'N' | 'q')) => Some(false),
        (None, code) => matches!(code, KeyCode::Char('y' | 'Y')).then_some(true),
    };
    if answer.is_some() {
        app.answer.reset();
    }
    answer
}

/// Gives pasted text to the dialog that is open, if it takes text.
pub(super) fn paste(app: &mut App, type_into: impl FnOnce(&mut Input)) {
    match &mut app.dialog {
        Some(Dialog::Palette(palette)) => type_into(&mut palette.input),
        Some(Dialog::Prompt(prompt)) => type_into(&mut prompt.input),
        Some(Dialog::Ask(ask)) => type_into(&mut ask.input),
        Some(Dialog::Start(start)) => type_into(start.field()),
        Some(Dialog::Form(form)) => {
            if let Some(input) = form.field() {
                type_into(input);
            }
        }
        _ => {}
    }
}

fn help(app: &App, top: usize, key: KeyEvent) -> Option<Dialog> {
    let by = match key.code {
        KeyCode::Char('q' | '?') | KeyCode::Enter => return None,
        _ => scrolled(key, usize::from(app.size.1)),
    };
    let end = views::help::scroll_end(app);
    Some(Dialog::Help(top.min(end).saturating_add_signed(by).min(end)))
}

/// How many lines a key scrolls a text that fills `page` lines.
pub fn scrolled(key: KeyEvent, page: usize) -> isize {
    let page = page.saturating_sub(3).max(1).cast_signed();
    match key.code {
        KeyCode::Char('j' | 'J') | KeyCode::Down => 1,
        KeyCode::Char('k' | 'K') | KeyCode::Up => -1,
        KeyCode::PageDown | KeyCode::Char(' ') => page,
        KeyCode::PageUp => -page,
        KeyCode::Char('g') | KeyCode::Home => isize::MIN,
        KeyCode::Char('G') | KeyCode::End => isize::MAX,
        _ => 0,
    }
}

fn in_prompt(app: &mut App, mut prompt: Prompt, key: KeyEvent, now: Millis) -> Vec<Effect> {
    if key.code != KeyCode::Enter {
        prompt.input.handle_event(&Event::Key(key));
        prompt.problem = problem(&prompt);
        app.dialog = Some(Dialog::Prompt(prompt));
        return Vec::new();
    }
    let text = prompt.input.value().to_string();
    match prompt.purpose {
        Purpose::Value => match Value::parse(text.as_bytes(), prompt.entry.value_type()) {
            Ok(value) => {
                let done = format!("changed {}", prompt.entry.key);
                return actions::start(app, actions::put(prompt.entry, value, done), now);
            }
            Err(error) => prompt.problem = Some(error.to_string()),
        },
        Purpose::TimeToLive => match expiry(&text, &prompt.entry) {
            Ok(expiry) => {
                let done = match expiry {
                    Expiry::After(span) => format!("{} expires in {}", prompt.entry.key, format::span(span)),
                    Expiry::At(at) => {
                        format!("{} expires in {}", prompt.entry.key, format::span(at.since(now)))
                    }
                    Expiry::Keep | Expiry::Clear => format!("{} does not expire", prompt.entry.key),
                };
                return actions::start(app, actions::expire(prompt.entry, expiry, done), now);
            }
            Err(error) => prompt.problem = Some(error),
        },
    }
    app.dialog = Some(Dialog::Prompt(prompt));
    Vec::new()
}

/// What is wrong with a line as it stands.
fn problem(prompt: &Prompt) -> Option<String> {
    let text = prompt.input.value();
    match prompt.purpose {
        Purpose::Value => {
            Value::parse(text.as_bytes(), prompt.entry.value_type()).err().map(|error| error.to_string())
        }
        Purpose::TimeToLive if text.is_empty() => None,
        Purpose::TimeToLive => expiry(text, &prompt.entry).err(),
    }
}

/// Reads `1h`, `+30m`, `never` for an entry.
fn expiry(text: &str, entry: &Entry) -> Result<Expiry, String> {
    match (lasting(text)?, entry.expires_at) {
        (Lasting::Always, _) => Ok(Expiry::Clear),
        (Lasting::For(span), _) => Ok(Expiry::After(span)),
        (Lasting::Longer(span), Some(at)) => Ok(Expiry::At(at.plus(span))),
        (Lasting::Longer(_), None) => Err("it does not expire: there is nothing to add to".into()),
    }
}

/// Reads `1h`, `+30m`, `never`.
pub(super) fn lasting(text: &str) -> Result<Lasting, String> {
    let text = text.trim();
    if text == "never" {
        return Ok(Lasting::Always);
    }
    let span = |text: &str| match parse_span(text.trim()) {
        Ok(span) if span.is_zero() => Err("longer than nothing, please".to_string()),
        Ok(span) => Ok(span),
        Err(_) => Err("write 90s, 5m, 1h30m; +10m to add to what is left; never".to_string()),
    };
    match text.strip_prefix('+') {
        Some(more) => Ok(Lasting::Longer(span(more)?)),
        None => Ok(Lasting::For(span(text)?)),
    }
}

fn in_form(app: &mut App, mut form: Form, key: KeyEvent, now: Millis) -> Vec<Effect> {
    const TYPES: [Option<Type>; 5] =
        [None, Some(Type::String), Some(Type::Number), Some(Type::Boolean), Some(Type::Table)];
    let rows = Form::LABELS.len();
    match key.code {
        KeyCode::Tab | KeyCode::Down => form.focus = (form.focus + 1) % rows,
        KeyCode::BackTab | KeyCode::Up => form.focus = (form.focus + rows - 1) % rows,
        KeyCode::Enter => match read_form(&form) {
            Ok(write) => return actions::start(app, write, now),
            Err(problem) => form.problem = Some(problem),
        },
        KeyCode::Left | KeyCode::Right | KeyCode::Char(' ') if form.focus == Form::TYPE => {
            let place = TYPES.iter().position(|value_type| *value_type == form.value_type).unwrap_or(0);
            let step = if key.code == KeyCode::Left { TYPES.len() - 1 } else { 1 };
            form.value_type = TYPES[(place + step) % TYPES.len()];
            form.problem = None;
        }
        _ => {
            if let Some(input) = form.field() {
                input.handle_event(&Event::Key(key));
                form.problem = None;
            }
        }
    }
    app.dialog = Some(Dialog::Form(form));
    Vec::new()
}

fn read_form(form: &Form) -> Result<crate::tui::effect::Write, String> {
    let [key, value, ttl] = form.fields.each_ref().map(|field| field.value());
    let key = Key::new(key).map_err(|error| error.to_string())?;
    let value = match form.value_type {
        Some(value_type) => Value::parse(value.as_bytes(), value_type).map_err(|error| error.to_string())?,
        None => Value::guess(value.as_bytes()),
    };
    let expiry = match ttl.trim() {
        "" | "never" => Expiry::Clear,
        span => match parse_span(span) {
            Ok(span) if !span.is_zero() => Expiry::After(span),
            _ => return Err("ttl: write 90s, 5m or 1h30m, or leave it empty".into()),
        },
    };
    Ok(actions::create(key, value, expiry))
}

fn in_conflict(app: &mut App, conflict: Conflict, key: KeyEvent, now: Millis) -> Vec<Effect> {
    match (key.code, &conflict.theirs) {
        (KeyCode::Char('o'), theirs) => {
            let Conflict { mut write, .. } = conflict.clone();
            if let What::Guarded { transaction, seen, .. } = &mut write.what {
                // Over what is there now, and nothing else: it may change once more.
                *transaction = over(transaction, theirs.as_ref());
                *seen = theirs.clone().map(Box::new);
            }
            actions::start(app, write, now)
        }
        (KeyCode::Char('e'), Some(theirs)) => match &conflict.mine {
            Some(mine) => edit_again(app, theirs.clone(), mine.clone()),
            None => {
                app.dialog = Some(Dialog::Conflict(conflict));
                Vec::new()
            }
        },
        _ => {
            app.dialog = Some(Dialog::Conflict(conflict));
            Vec::new()
        }
    }
}

/// Goes on editing my text, over their entry.
fn edit_again(app: &mut App, theirs: Entry, mine: Vec<u8>) -> Vec<Effect> {
    match String::from_utf8(mine) {
        Ok(line) if !line.chars().any(char::is_control) && line.len() <= 200 => {
            let mut prompt =
                Prompt { purpose: Purpose::Value, entry: theirs, input: line.into(), problem: None };
            prompt.problem = problem(&prompt);
            app.dialog = Some(Dialog::Prompt(prompt));
            Vec::new()
        }
        Ok(text) => vec![Effect::EditOutside(theirs, Some(text.into_bytes()))],
        Err(error) => vec![Effect::EditOutside(theirs, Some(error.into_bytes()))],
    }
}

/// The same operations, guarded by what is there now.
fn over(transaction: &Transaction, theirs: Option<&Entry>) -> Transaction {
    let condition = theirs.map(|entry| Condition::Unchanged(Box::new(entry.clone()))).or_else(|| {
        let key = transaction.operations.iter().find_map(Operation::key);
        key.cloned().map(Condition::Absent)
    });
    Transaction { conditions: condition.into_iter().collect(), ..transaction.clone() }
}
