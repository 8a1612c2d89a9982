//! The details in the past: what an entry was and what it is, and the change that led there.

use ratatui::text::Line;

use crate::store::Entry;
use crate::store::secret_keys::MASK;
use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::screens::past::state::PastView;
use crate::tui::widgets::fields::field;
use crate::tui::widgets::format;

/// What the entry under the cursor was and what it is.
pub fn lines(app: &App, past_view: &PastView, now: Millis, width: usize) -> Vec<Line<'static>> {
    let theme = &app.settings.theme;
    let mut lines = Vec::new();
    if let Some(row) = past_view.selected() {
        let difference = row.difference();
        lines.extend(field(app, "key", row.key.as_bytes(), theme.title, width));
        lines.push(Line::styled(
            format!("{} {}", difference.mark(), difference.describe()),
            difference.tone(theme),
        ));
        let at = past_view.place.as_ref().map_or(now, |place| place.moment.at);
        lines.extend(side(app, "then", row.then.as_ref(), at, width));
        lines.extend(side(app, "now", row.now.as_ref(), now, width));
    }
    if let Some(change) = past_view.last_change() {
        let text = format!(
            "the last change by then: {} of {} by {}",
            escape(change.operation.as_bytes()),
            change.key,
            escape(change.actor.to_string().as_bytes())
        );
        lines.push(Line::styled(format::cut(&text, width), theme.faint));
    }
    lines
}

fn side(
    app: &App,
    name: &'static str,
    entry: Option<&Entry>,
    at: Millis,
    width: usize,
) -> Vec<Line<'static>> {
    let theme = &app.settings.theme;
    let Some(entry) = entry else {
        return field(app, name, b"(not there)", theme.faint, width);
    };
    // Two values and what is said about them have to have room in a pane of a few lines.
    let value = if app.hides(&entry.key) { MASK.as_bytes() } else { &entry.stored };
    let mut lines = field(app, name, value, theme.text, width);
    if lines.len() > 4 {
        lines.truncate(4);
        lines.push(Line::styled(" …", theme.faint));
    }
    let by = entry.actor.as_ref().map_or(String::new(), |actor| format!(", by {actor}"));
    let expires = match entry.expires_at {
        Some(_) => format!(", expires in {}", format::left(entry.expires_at, at)),
        None => String::new(),
    };
    let about = format!("{}, {}{expires}{by}", entry.value_type(), format::bytes(entry.size));
    lines.extend(field(app, "", about.as_bytes(), theme.faint, width));
    lines
}
