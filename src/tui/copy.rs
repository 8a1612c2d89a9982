//! What is offered to the clipboard.

use serde_json::json;

use crate::store::{Change, Entry};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::effect::Effect;
use crate::tui::keys::{Action, CopyTarget, EntryAction, ScreenKind};
use crate::tui::list::{LockRow, Row};
use crate::tui::terminal::clipboard::COPY_MAX;
use crate::tui::widgets::format;

/// Offers a part of the row whose details are shown.
pub fn row(app: &mut App, part: CopyTarget, now: Millis) -> Vec<Effect> {
    // The details have more of the value than the list.
    let known = app.loaded_detail().map(|detail| &detail.row).or_else(|| app.detail_row());
    let Some(known) = &known.cloned() else { return Vec::new() };
    if part != CopyTarget::Key && known.diff().is_some_and(|row| row.then.is_none()) {
        app.show_hint("it was not there then", now);
        return Vec::new();
    }
    if part != CopyTarget::Key && !known.entry().is_none_or(Entry::is_whole) {
        let size = known.entry().map_or(0, |entry| entry.size);
        let reads = match app.screen_kind() {
            ScreenKind::List => Some((Action::Entry(EntryAction::EditOutside), "opens")),
            ScreenKind::Past => Some((Action::Details, "reads")),
            ScreenKind::Value { .. } | ScreenKind::Run => None,
        };
        let key =
            reads.and_then(|(action, does)| Some((app.settings.keymap.keys_for(action).first()?, does)));
        let how = key.map_or(String::new(), |(key, does)| format!("; {key} {does} it"));
        let size = format::bytes(size);
        app.show_hint(format!("the value is not sent: it is long ({size}), or not read yet{how}"), now);
        return Vec::new();
    }
    if let Some(entry) =
        known.entry().filter(|entry| part != CopyTarget::Key && entry.stored.len() > COPY_MAX)
    {
        let what = if part == CopyTarget::Row { "the row" } else { "the value" };
        too_long(app, what, entry.stored.len(), now);
        return Vec::new();
    }
    let (what, text) = match part {
        CopyTarget::Key => ("the key", name(known)),
        CopyTarget::Value => ("the value", value(known)),
        CopyTarget::Row => ("the row", object(known).to_string().into_bytes()),
    };
    text_of(app, what, text, now)
}

pub fn text_of(app: &mut App, what: &str, text: Vec<u8>, now: Millis) -> Vec<Effect> {
    let size = format::bytes(text.len() as u64);
    if text.len() > COPY_MAX {
        too_long(app, what, text.len(), now);
        return Vec::new();
    }
    // Whether the terminal takes it is not known.
    app.show_done(format!("{what} was sent to the terminal ({size})"), now);
    vec![Effect::Copy(text)]
}

fn too_long(app: &mut App, what: &str, size: usize, now: Millis) {
    let (size, most) = (format::bytes(size as u64), format::bytes(COPY_MAX as u64));
    app.show_hint(format!("{what} is not sent: it has {size}, and terminals take no more than {most}"), now);
}

fn name(row: &Row) -> Vec<u8> {
    match row {
        Row::Entry(entry) => entry.key.as_bytes().to_vec(),
        Row::Lock(row) => row.lock.name.clone().into_bytes(),
        Row::Change(change) => change.key.as_bytes().to_vec(),
        Row::Group(group) => group.prefix.as_bytes().to_vec(),
        Row::Run(row) => row.run.number.to_string().into_bytes(),
        Row::Diff(row) => row.key.as_bytes().to_vec(),
    }
}

/// Of a lock its holder, of a change the value that it made, of the past what it was.
fn value(row: &Row) -> Vec<u8> {
    match row {
        Row::Entry(entry) => entry.stored.clone(),
        Row::Lock(row) => row.lock.holder.clone().into_bytes(),
        Row::Change(change) => change.new.as_ref().map_or_else(Vec::new, |image| image.stored.clone()),
        // What all of its keys begin with: they have a value each.
        Row::Group(group) => group.prefix.as_bytes().to_vec(),
        Row::Run(row) => row.run.number.to_string().into_bytes(),
        Row::Diff(row) => row.then.as_ref().map_or_else(Vec::new, |then| then.stored.clone()),
    }
}

/// All of a row, as the commands print it with `--json`.
fn object(row: &Row) -> serde_json::Value {
    match row {
        Row::Entry(entry) => of_entry(entry),
        Row::Diff(row) => row.then.as_ref().map_or(serde_json::Value::Null, of_entry),
        Row::Lock(LockRow { lock, liveness, .. }) => json!({
            "lock": lock.name, "holder": lock.holder, "state": liveness.name(),
            "token": lock.token.0.0,
            "acquired_at": lock.acquired_at.map(|at| at.to_string()),
            "expires_at": lock.expires_at.map(|at| at.to_string()),
        }),
        Row::Change(change) => of_change(change),
        Row::Group(group) => json!({"prefix": group.prefix.to_text()}),
        Row::Run(row) => {
            json!({"run": row.run.number, "status": row.status, "actor": row.run.actor.to_string()})
        }
    }
}

fn of_entry(entry: &Entry) -> serde_json::Value {
    json!({
        "key": entry.key.to_text(), "value": text(&entry.stored), "type": entry.value_type().name(),
        "version": entry.version, "revision": entry.revision.0,
        "expires_at": entry.expires_at.map(|at| at.to_string()),
        "modified_at": entry.modified_at.map(|at| at.to_string()),
        "actor": entry.actor.as_ref().map(ToString::to_string),
    })
}

fn of_change(change: &Change) -> serde_json::Value {
    json!({
        "revision": change.revision.0, "at": change.at.to_string(), "key": change.key.to_text(),
        "operation": change.operation, "actor": change.actor.to_string(),
        "old": change.old.as_ref().map(|image| text(&image.stored)),
        "new": change.new.as_ref().map(|image| text(&image.stored)),
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
