//! The details of an entry.

use ratatui::text::Line;

use super::fields::{field, moment, prose};
use crate::store::{Entry, Millis, Number, Revision, Type, Value, kind};
use crate::tui::app::App;
use crate::tui::format;

/// Everything about an entry.
pub fn lines(app: &App, entry: &Entry, now: Millis, width: usize) -> Vec<Line<'static>> {
    let theme = &app.theme;
    let (kind, why) = kind::infer(entry);
    let value_type = entry.value_type();
    let typed = match entry.stored_type {
        Some(stored) if stored != value_type => format!("{value_type} (stored as {stored}, which it is not)"),
        Some(_) => value_type.to_string(),
        None => format!("{value_type} (another program wrote it without a type)"),
    };
    let expiry = match entry.expires_at {
        Some(at) => format!("{}, in {}", format::moment(at, app.zone), format::left(Some(at), now)),
        None => "never".into(),
    };
    let actor = entry.actor.as_ref().map_or_else(|| "unknown".into(), |actor| actor.to_string());
    let counted = if entry.revision == Revision::default() {
        "before slothstate counted".to_string()
    } else {
        format!("version {}, revision {}", entry.version, entry.revision)
    };
    // What is looked for first stands first: a pane may have room for a few lines only.
    let mut lines = field(app, "key", entry.key.as_bytes(), theme.title, width);
    lines.extend(prose(app, "type", format!("{typed}, {}", format::bytes(entry.size)), width));
    lines.extend(prose(app, "changed", format!("{} by {actor}", moment(app, entry.modified_at, now)), width));
    lines.extend(prose(app, "expires", expiry, width));
    lines.extend(value(app, entry, width));
    lines.extend(prose(app, "kind", format!("{kind}: {why}"), width));
    lines.extend(prose(app, "written", counted, width));
    lines.extend(prose(app, "created", moment(app, entry.created_at, now), width));
    lines
}

fn value(app: &App, entry: &Entry, width: usize) -> Vec<Line<'static>> {
    let theme = &app.theme;
    let text = match shown_as_table(entry) {
        Some(json) => serde_json::to_string_pretty(&json).unwrap_or_default().into_bytes(),
        None => entry.stored.clone(),
    };
    let mut lines = field(app, "value", &text, theme.text, width);
    if let Some(date) = as_date(entry) {
        lines.extend(prose(app, "", format!("= {}", format::moment(date, app.zone)), width));
    }
    if !entry.is_whole() {
        let (shown, size) = (format::bytes(entry.stored.len() as u64), format::bytes(entry.size));
        lines.extend(prose(app, "", format!("… {shown} of {size} shown; E opens all of it"), width));
    }
    lines
}

fn shown_as_table(entry: &Entry) -> Option<serde_json::Value> {
    if !matches!(entry.stored.first(), Some(b'{' | b'[')) || !entry.is_whole() {
        return None;
    }
    match Value::parse(&entry.stored, Type::Table) {
        Ok(Value::Table(json)) => Some(json),
        _ => None,
    }
}

/// The moment that an epoch number stands for, in seconds or milliseconds.
fn as_date(entry: &Entry) -> Option<Millis> {
    if kind::infer(entry).0 != kind::Kind::Timestamp {
        return None;
    }
    let number: Number = std::str::from_utf8(&entry.stored).ok()?.parse().ok()?;
    let value = number.as_f64();
    Some(Millis(if value < 1e11 { value * 1000.0 } else { value } as i64))
}
