//! The details of an entry.

use ratatui::text::Line;

use crate::store::secret_keys::MASK;
use crate::store::{Change, Entry, Kind, Revision, UNTYPED, kind_inference};
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::keys::Action;
use crate::tui::list::RowId;
use crate::tui::list::lookalikes::twins;
use crate::tui::list::trends::number_in;
use crate::tui::screens::history::recent_changes;
use crate::tui::screens::value::detail::{Classification, Detail};
use crate::tui::screens::value::draw_value;
use crate::tui::screens::value::draw_value::Text;
use crate::tui::widgets::fields::{field, moment, prose};
use crate::tui::widgets::{chart, format};

/// How many of its last changes are shown.
const CHANGES: usize = 8;

/// Everything about an entry: `row` is what the list has of it, `detail` more of its value.
pub fn text<'a>(
    app: &'a App,
    row: &'a Entry,
    detail: Option<&'a Detail>,
    now: Millis,
    width: usize,
) -> Text<'a> {
    let theme = &app.settings.theme;
    // What an entry was is told as it was told then.
    let then = app.then();
    let real_now = now;
    let now = then.map_or(now, |then| then.moment.at);
    let entry = detail.and_then(|detail| detail.row.entry()).unwrap_or(row);
    // A later piece of a value says nothing about what it is.
    let whole = if detail.is_some_and(|detail| detail.offset > 0) { row } else { entry };
    let nature = detail.and_then(|detail| detail.nature).unwrap_or_else(|| Classification::of(whole));
    let Classification { kind, why, value_type } = nature;
    let typed = match entry.stored_type {
        Some(stored) if stored != value_type => format!("{value_type} (stored as {stored}, which it is not)"),
        Some(_) => value_type.to_string(),
        None => format!("{UNTYPED} text"),
    };
    let expiry = match entry.expires_at {
        Some(at) => format!("{}, in {}", format::moment(at, app.settings.zone), format::left(Some(at), now)),
        None => "never".into(),
    };
    let actor = entry.actor.as_ref().map_or_else(|| "unknown".into(), |actor| actor.to_string());
    let counted = if entry.revision == Revision::default() {
        "before slothstate counted".to_string()
    } else {
        format!("version {}, revision {}", entry.version, entry.revision)
    };
    // What is looked for first stands first: a pane may have room for a few lines only.
    let mut head = field(app, "key", entry.key.as_bytes(), theme.title, width);
    let is_ascii = entry.key.as_str().is_none_or(str::is_ascii);
    if !is_ascii && twins(app.list.window.rows().iter()).contains(&entry.key) {
        let text = "≈ another key of the list differs only in its Unicode normal form";
        head.extend(prose(app, "", text.into(), width));
    }
    if let Some(then) = then {
        let at = moment(app, Some(then.moment.at), real_now);
        let was = format!("as it was at revision {}: {at}", then.moment.revision);
        head.extend(prose(app, "PAST", was, width));
    }
    head.extend(prose(app, "type", format!("{typed}, {}", format::bytes(entry.size)), width));
    head.extend(prose(app, "changed", format!("{} by {actor}", moment(app, entry.modified_at, now)), width));
    head.extend(prose(app, "expires", expiry, width));
    let is_hidden = app.hides(&entry.key);
    let body = if is_hidden { draw_value::Body::None } else { draw_value::body(app, entry, detail, width) };
    if is_hidden {
        let key = app.settings.keymap.keys_for(Action::Secrets).first().cloned().unwrap_or_default();
        let shown = if key.is_empty() { String::new() } else { format!("  ({key} shows it)") };
        head.extend(prose(app, "value", format!("{MASK}{shown}"), width));
    }
    if matches!(body, draw_value::Body::Bytes { .. }) {
        head.extend(prose(app, "value", "as bytes".into(), width));
    }
    let mut tail = if is_hidden { Vec::new() } else { about_piece(app, entry, detail, width) };
    if kind == Kind::Timestamp
        && !is_hidden
        && let Some(date) = as_date(whole)
    {
        tail.extend(prose(app, "", format!("= {}", format::moment(date, app.settings.zone)), width));
    }
    if then.is_none() && !is_hidden {
        tail.extend(chart_of(app, entry, now, width));
    }
    tail.extend(prose(app, "kind", format!("{kind}: {why}"), width));
    tail.extend(prose(app, "written", counted, width));
    // History does not tell of what was when it was created, and what came later is not what was.
    if then.is_none() {
        tail.extend(prose(app, "created", moment(app, entry.created_at, now), width));
        tail.extend(recent_changes::lines(app, &RowId::Entry(entry.key.clone()), now, width, CHANGES));
    }
    Text { head, body, tail }
}

/// A number over the history that there is of it.
fn chart_of(app: &App, entry: &Entry, now: Millis, width: usize) -> Vec<Line<'static>> {
    let of = RowId::Entry(entry.key.clone());
    let Some(past) = app.details.changes.as_ref().filter(|past| past.of == of) else { return Vec::new() };
    let point = |change: &Change| Some((change.at, number_in(change.new.as_ref()?)?));
    let points: Vec<_> = past.changes.iter().rev().filter_map(point).collect();
    if points.len() < 3 { Vec::new() } else { chart::lines(app, &points, now, width) }
}

/// Which piece of a long value is shown.
fn about_piece(app: &App, entry: &Entry, detail: Option<&Detail>, width: usize) -> Vec<Line<'static>> {
    if entry.is_whole() {
        return Vec::new();
    }
    let start = detail.map_or(0, |detail| detail.offset);
    let end = start + entry.stored.len() as u64;
    let way = match (start > 0, end < entry.size) {
        _ if app.then().is_some() => "of what was, the rest is not read",
        (false, _) => "scrolling on shows more",
        (true, true) => "scrolling on or back shows more",
        (true, false) => "the end; scrolling back shows what was before",
    };
    let shown =
        format!("… bytes {} to {} of {}: {way}", thousands(start), thousands(end), thousands(entry.size));
    prose(app, "", shown, width)
}

/// The moment that an epoch number stands for, in seconds or milliseconds.
fn as_date(entry: &Entry) -> Option<Millis> {
    kind_inference::moment(std::str::from_utf8(&entry.stored).ok()?)
}
