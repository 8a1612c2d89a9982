//! Changes as output: one line for people, one JSON object for programs.

use serde_json::Value as Json;
use unicode_width::UnicodeWidthStr;

use super::output::{Object, key_to_json};
use crate::store::secret_keys::{MASK, Secrets};
use crate::store::time_point::show_time;
use crate::store::{Change, Image, Subject, UNTYPED, Value};
use crate::text::escape::{escape, escape_data};

/// A change as JSON. Values are typed; a value that is not UTF-8 has its bytes too. Secrets are masked.
pub fn change_to_json(change: &Change, secrets: &Secrets) -> Object {
    let is_masked = secrets.hides_change(change);
    let mut object = Object::default();
    object.insert("revision", change.revision.0);
    object.insert("time", change.at.to_string());
    object.insert("recorded_at", change.recorded_at.to_string());
    object.insert("operation", change.operation.as_str());
    object.insert("subject", change.subject.name());
    object.extend(key_to_json(&change.key));
    put_image(&mut object, "old", change.old.as_ref(), is_masked);
    put_image(&mut object, "new", change.new.as_ref(), is_masked);
    if is_masked {
        object.insert("masked", true);
    }
    object.insert("actor", change.actor.name.as_str());
    object.insert("run", change.actor.run);
    object.insert("task", change.actor.task.as_deref());
    object.insert("version", change.version);
    object.insert("transaction", change.transaction.0.0);
    object.insert("undone_by", change.undone_by.map(|revision| revision.0));
    object
}

/// Adds a value with its type and expiry under `name`; null for a missing entry.
pub fn put_image(object: &mut Object, name: &str, image: Option<&Image>, is_masked: bool) {
    let Some(image) = image else {
        object.insert(name, Json::Null);
        return;
    };
    let value = image.value();
    let type_name = match (image.stored_type, &value) {
        (None, Value::String(_)) => UNTYPED,
        (_, value) => value.value_type().name(),
    };
    if is_masked {
        object.insert(name, MASK);
    } else {
        object.insert_value(name, &value);
    }
    object.insert(format!("{name}_type"), type_name);
    object.insert(format!("{name}_expires_at"), image.expires_at.map(|at| at.to_string()));
}

/// One line per change, escaped and in columns; long values are truncated.
pub fn changes_to_lines(changes: &[Change], secrets: &Secrets) -> Vec<String> {
    /// A longer key shifts the rest of its own line only.
    const KEY_WIDTH: usize = 40;
    let subject = |change: &Change| match change.subject {
        Subject::Entry => change.key.to_string(),
        Subject::Lock => format!("lock {}", change.key),
        Subject::Database => "(database)".into(),
    };
    let most = |width: &dyn Fn(&Change) -> usize| changes.iter().map(width).max().unwrap_or_default();
    let revisions = most(&|change| change.revision.to_string().len());
    let keys = most(&|change| subject(change).width()).min(KEY_WIDTH);
    let line = |change: &Change| {
        let (revision, subject) = (change.revision.to_string(), subject(change));
        let undone = change.undone_by.map_or(String::new(), |by| format!("  (undone by {by})"));
        format!(
            "{revision:>revisions$}  {}  {:<9}  {subject}{}  {}  {}{undone}",
            show_time(change.at),
            escape(change.operation.as_bytes()),
            " ".repeat(keys.saturating_sub(subject.width())),
            show_step(change.old.as_ref(), change.new.as_ref(), secrets.hides_change(change)),
            escape(change.actor.to_string().as_bytes()),
        )
    };
    changes.iter().map(line).collect()
}

/// The old and the new value: `old → new`.
pub fn show_step(old: Option<&Image>, new: Option<&Image>, is_masked: bool) -> String {
    let show_image = |image: &Image| if is_masked { MASK.into() } else { show_image(image) };
    match (old, new) {
        (Some(old), Some(new)) => {
            let what = match (old.stored_type == new.stored_type, old.expires_at == new.expires_at) {
                (true, _) => "expiry changed",
                (false, true) => "type changed",
                (false, false) => "type and expiry changed",
            };
            match (show_image(old), show_image(new)) {
                (old, new) if old == new && !is_masked => format!("{new} ({what})"),
                (old, new) => format!("{old} → {new}"),
            }
        }
        (None, Some(new)) => format!("→ {}", show_image(new)),
        (Some(old), None) => format!("{} →", show_image(old)),
        (None, None) => "→".into(),
    }
}

fn show_image(image: &Image) -> String {
    /// Longer values are truncated; `get --at` prints all of it.
    const MAX_SHOWN: usize = 60;
    let text = escape_data(&image.stored);
    match text.char_indices().nth(MAX_SHOWN) {
        Some((cut, _)) => format!("{}… ({} bytes)", &text[..cut], image.stored.len()),
        None if text.is_empty() => "\"\"".into(),
        None => text,
    }
}
