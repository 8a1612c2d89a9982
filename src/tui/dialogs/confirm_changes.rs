//! The one place that every effect passes before it is carried out: what changes something is asked
//! about first, where the context or the file wants that.

use crossterm::event::KeyEvent;

use crate::config::ConfirmPolicy;
use crate::store::{Edit, Entry, Expiry, Key, Number, Operation, Transaction};
use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::dialog::{Confirm, Dialog, Invalid};
use crate::tui::effect::Effect;
use crate::tui::focus::Focus;
use crate::tui::list::RowId;
use crate::tui::screens::debugger::requests::{DebuggerRequest, WorkflowStart};
use crate::tui::undo;
use crate::tui::widgets::format;
use crate::tui::widgets::question::{ConfirmReply, answer};
use crate::tui::write::{Draft, UndoSource, Write, WriteKind};

/// How much of a value a question shows, in columns.
const VALUE: usize = 40;
/// How many operations of a transaction, and parameters of a run, a question names.
const EXAMPLES_MAX: usize = 5;

/// Lets through what changes nothing, what was answered with yes, and what need not be asked about.
/// Everything else becomes a question.
pub fn gate(app: &mut App, effects: Vec<Effect>, now: Millis) -> Vec<Effect> {
    let mut passed = Vec::with_capacity(effects.len());
    for effect in effects {
        let effect = match effect {
            Effect::Approved(effect) => *effect,
            effect if asks(app, &effect) => {
                let back = app.closed.take().map(Box::new);
                let lines = lines_of(app, &effect, now);
                app.needs_drawing = true;
                app.open(Dialog::Confirm(Confirm { back, ..Confirm::new(lines, effect) }));
                continue;
            }
            effect => effect,
        };
        if matches!(effect, Effect::Write(_)) {
            app.requests.writing.push(now);
        }
        passed.push(effect);
    }
    app.closed = None;
    passed
}

/// A question that has just been opened is not answered by the key that led to it.
pub fn remember_key(app: &mut App) {
    let last = app.last_key;
    if let Some(Dialog::Confirm(confirm)) = app.focus.dialog_mut() {
        confirm.asked_by = confirm.asked_by.or(last);
    }
}

fn asks(app: &App, effect: &Effect) -> bool {
    let asks_always = app.database.known.as_ref().is_some_and(|known| known.confirm == ConfirmPolicy::Always);
    effect.change().is_some_and(|_| asks_always || adopts(app, effect))
}

/// Whether an effect would adopt another program's file.
pub fn adopts(app: &App, effect: &Effect) -> bool {
    app.database.adopts && effect.change().is_some_and(|change| change.writes)
}

/// What adoption does, if a change would lead to it.
pub fn about_adoption(app: &App, confirm: &Confirm) -> Vec<String> {
    if !adopts(app, &confirm.effect) {
        return Vec::new();
    }
    let copy = escape(&[app.database.location.short_name(), b".before-slothstate"].concat());
    vec![
        "This is the first write to a file of Sloth Runner: it is adopted.".into(),
        "That adds columns and tables to it, which undo does not remove.".into(),
        format!("A backup of it is kept beside it: {copy}."),
        "Sloth Runner goes on using it.".into(),
    ]
}

/// What says yes to a question: the name where mistakes are felt by others and undo does not help.
pub fn reply(app: &App, confirm: &Confirm) -> ConfirmReply {
    let is_final = !confirm.is_reversible || adopts(app, &confirm.effect);
    if app.production().is_some() && is_final { ConfirmReply::Name } else { ConfirmReply::Key(confirm.yes()) }
}

/// A key while a question is open.
pub fn key(app: &mut App, mut confirm: Confirm, key: KeyEvent) -> Vec<Effect> {
    let reply = reply(app, &confirm);
    match answer(app, &mut confirm.typed, key, reply) {
        Some(true) => return vec![Effect::Approved(confirm.effect)],
        Some(false) => refused(app, confirm),
        None => app.focus = Focus::Dialog(Dialog::Confirm(confirm)),
    }
    Vec::new()
}

/// The answer is no: everything is as it was before the question.
fn refused(app: &mut App, confirm: Confirm) {
    let Confirm { effect, back, .. } = confirm;
    match *effect {
        Effect::Write(Write { what: WriteKind::Undo { change, chosen, force: false }, .. }) => {
            undo::update::put_back(app, &change, chosen);
        }
        // What was typed in the editor is not lost.
        Effect::Write(Write {
            what: WriteKind::Guarded { transaction, seen, draft: Some(draft) }, ..
        }) if back.is_none() && matches!(*draft, Draft::Outside(_)) => {
            if let Some(key) = transaction.operations.iter().find_map(Operation::key).cloned() {
                let problem = "the change was not confirmed".into();
                app.open(Dialog::Invalid(Invalid { entry: seen, key, draft: *draft, problem }));
            }
        }
        Effect::Debugger(DebuggerRequest::Start(number, _)) => {
            app.runs.starting.take_if(|starting| *starting == number);
        }
        _ => {}
    }
    if let Some(back) = back {
        app.focus = Focus::Dialog(*back);
    }
}

/// What would be done, in words.
fn lines_of(app: &App, effect: &Effect, now: Millis) -> Vec<String> {
    match effect {
        Effect::Write(Write { what: WriteKind::Guarded { transaction, seen, .. }, .. }) => {
            lines_of_transaction(app, transaction, seen.as_deref(), now)
        }
        Effect::Write(Write { what: WriteKind::Edit(key, edit), .. }) => lines_of_edit(app, key, edit),
        Effect::Write(Write { what: WriteKind::Undo { change, chosen, .. }, .. }) => {
            let verb = if *chosen == UndoSource::LastUndone { "Redo" } else { "Undo" };
            vec![format!("{verb}: {}?", change.describe())]
        }
        Effect::Write(write) => vec![format!("Make this change: {}?", write.done)],
        Effect::Debugger(DebuggerRequest::Start(_, start)) => lines_of_start(app, start),
        _ => Vec::new(),
    }
}

fn lines_of_transaction(
    app: &App,
    transaction: &Transaction,
    seen: Option<&Entry>,
    now: Millis,
) -> Vec<String> {
    let named = transaction.operations.iter().take(EXAMPLES_MAX);
    let mut lines: Vec<String> =
        named.flat_map(|operation| lines_of_operation(app, operation, seen, now)).collect();
    let more = transaction.operations.len().saturating_sub(EXAMPLES_MAX);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn lines_of_operation(app: &App, operation: &Operation, seen: Option<&Entry>, now: Millis) -> Vec<String> {
    match operation {
        Operation::Put { .. } | Operation::PutUntyped { .. } => {
            let (key, stored, expiry) = match operation {
                Operation::Put { key, value, expiry } => (key, value.to_stored(), expiry),
                Operation::PutUntyped { key, text, expiry } => (key, text.clone(), expiry),
                _ => return Vec::new(),
            };
            let question = match seen.filter(|seen| seen.key == *key) {
                Some(seen) => {
                    let value = app.value_of(key, &stored, VALUE);
                    format!("Change {key}: {} → {value}?", app.value_in(seen, VALUE))
                }
                None => format!("Add {key} with the value {}?", app.value_of(key, &stored, VALUE)),
            };
            let until = lasts(*expiry, now).filter(|_| seen.is_some() || *expiry != Expiry::Clear);
            std::iter::once(question).chain(until.map(|until| format!("It will {until}."))).collect()
        }
        Operation::Restore { key, image } => {
            vec![format!("Set {key} to {}?", app.value_of(key, &image.stored, VALUE))]
        }
        Operation::Edit { key, edit } => lines_of_edit(app, key, edit),
        Operation::SetExpiry { key, expiry } => {
            vec![format!("Set {key} to {}?", lasts(*expiry, now).unwrap_or_default())]
        }
        Operation::Delete(key) => vec![format!("Delete {key}?")],
        Operation::DeleteRange(_) => vec!["Delete a range of keys?".into()],
    }
}

/// What an expiry makes of an entry; `None` where it is kept.
fn lasts(expiry: Expiry, now: Millis) -> Option<String> {
    match expiry {
        Expiry::Keep => None,
        Expiry::Clear => Some("never expire".into()),
        Expiry::After(span) => Some(format!("expire in {}", format::span(span))),
        Expiry::At(at) => Some(format!("expire in {}", format::span(at.since(now)))),
    }
}

fn lines_of_edit(app: &App, key: &Key, edit: &Edit) -> Vec<String> {
    let question = match edit {
        Edit::Increment(Number::Integer(step)) if *step < 0 => {
            format!("Take {} from {key}?", step.unsigned_abs())
        }
        Edit::Increment(step) => format!("Add {step} to {key}?"),
        Edit::Toggle => format!("Toggle {key}?"),
        _ => format!("Change {key}?"),
    };
    let entry = app.list.window.get(&RowId::Entry(key.clone())).and_then(|row| row.entry());
    let now = entry.map(|entry| format!("It is {} now.", app.value_in(entry, VALUE)));
    std::iter::once(question).chain(now).collect()
}

fn lines_of_start(app: &App, start: &WorkflowStart) -> Vec<String> {
    let mut lines = vec![format!("Start {}?", escape(start.file.as_os_str().as_encoded_bytes()))];
    let shown = |param: &String| match param.split_once('=') {
        Some((name, value)) => format!("  {name}={}", app.settings.secrets.parameter(name, value)),
        None => format!("  {param}"),
    };
    let params = start.params.iter().take(EXAMPLES_MAX).map(shown);
    lines.extend(params.map(|param| escape(param.as_bytes())));
    lines.push("Its commands are run, and what they do is not undone.".into());
    lines
}
