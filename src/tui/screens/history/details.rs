//! The details of a change.

use ratatui::text::Line;

use crate::store::{Change, Image, Subject};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::list::row::DATABASE;
use crate::tui::screens::history;
use crate::tui::widgets::fields::{field, moment, prose};
use crate::tui::widgets::format;

pub fn lines(app: &App, change: &Change, now: Millis, width: usize) -> Vec<Line<'static>> {
    let change = &*app.shown_change(change);
    let theme = &app.settings.theme;
    let (subject, value) = match change.subject {
        Subject::Entry => ("key", ["before", "after"]),
        Subject::Lock => ("lock", ["held by", "now by"]),
        Subject::Database => ("subject", ["before", "reason"]),
    };
    let is_database = change.subject == Subject::Database;
    let key = if is_database { DATABASE.as_bytes() } else { change.key.as_bytes() };
    let mut lines = field(app, subject, key, theme.title, width);
    let tone = history::columns::tone(change, theme);
    lines.extend(field(app, "what", change.operation.as_bytes(), tone, width));
    lines.extend(prose(app, "when", moment(app, Some(change.at), now), width));
    lines.extend(prose(app, "by", change.actor.to_string(), width));
    let images = value.into_iter().zip([&change.old, &change.new]).skip(usize::from(is_database));
    for (name, image) in images {
        lines.extend(of_image(app, name, image.as_ref(), width));
    }
    let version = change.version.map_or(String::new(), |version| format!(", version {version}"));
    lines.extend(prose(app, "revision", format!("{}{version}", change.revision), width));
    let (first, last) = change.transaction;
    if first != last {
        let all = format!("revisions {first} to {last} are one transaction, taken back together");
        lines.extend(prose(app, "together", all, width));
    }
    if let Some(by) = change.undone_by {
        lines.extend(prose(app, "undone", format!("revision {by} took it back"), width));
    }
    lines
}

fn of_image(app: &App, name: &str, image: Option<&Image>, width: usize) -> Vec<Line<'static>> {
    let Some(image) = image else {
        return field(app, name, "∅ nothing".as_bytes(), app.settings.theme.faint, width);
    };
    let mut lines = field(app, name, &image.stored, app.settings.theme.text, width);
    let expiry = image.expires_at.map(|at| format!("expires {}", format::moment(at, app.settings.zone)));
    let about: Vec<String> =
        image.stored_type.map(|stored| stored.to_string()).into_iter().chain(expiry).collect();
    if !about.is_empty() {
        lines.extend(field(app, "", about.join(", ").as_bytes(), app.settings.theme.faint, width));
    }
    lines
}
