//! The last changes of an entry or a lock.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::store::{Change, Image};
use crate::text::escape::{escape, escape_data};
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::keys::action;
use crate::tui::list::RowId;
use crate::tui::screens::history;
use crate::tui::widgets::format;

/// The newest of its changes, one a line, as many as `most`.
pub fn lines(app: &App, of: &RowId, now: Millis, width: usize, most: usize) -> Vec<Line<'static>> {
    let Some(past) = app.details.changes.as_ref().filter(|past| past.of == *of) else { return Vec::new() };
    let theme = &app.settings.theme;
    let mut lines: Vec<Line<'static>> = Vec::new();
    if !past.changes.is_empty() {
        lines.push(Line::styled(format::cut("last changes", width), theme.label));
    }
    lines.extend(past.changes.iter().take(most).map(|change| line(app, change, now, width)));
    if past.changes.len() > most {
        let key = app.settings.keymap.keys_for(action::Action::HistoryOf).first().cloned();
        let rest = format!("  and older ones: {}", key.unwrap_or_default());
        lines.push(Line::styled(format::cut(&rest, width), theme.faint));
    }
    lines
}

fn line(app: &App, change: &Change, now: Millis, width: usize) -> Line<'static> {
    let change = &*app.shown_change(change);
    const AGE: usize = 7;
    const OPERATION: usize = 10;
    let theme = &app.settings.theme;
    let actor = escape(change.actor.to_string().as_bytes());
    let rest = width.saturating_sub(AGE + OPERATION + 2);
    let actor = format::cut(&actor, rest * 2 / 5);
    let room = rest.saturating_sub(actor.width() + 2);
    let values = room.saturating_sub(3);
    let same = match (&change.old, &change.new) {
        (Some(old), Some(new)) => format::same_beginning(&old.stored, &new.stored, values),
        _ => 0,
    };
    let mark = if same > 0 { "…" } else { "" };
    let shown = |image: &Option<Image>| match image {
        None => "∅".to_string(),
        Some(image) => format!("{mark}{}", escape_data(&image.stored[same..])),
    };
    let (old, new) = (shown(&change.old), shown(&change.new));
    let before = format::cut(&old, values.saturating_sub(new.width()).max(values / 2));
    let after = format::cut(&new, values.saturating_sub(before.width()));
    Line::from(vec![
        Span::styled(format::fit(&format!("  {}", format::age(Some(change.at), now)), AGE + 2), theme.faint),
        Span::styled(
            format::fit(&escape(change.operation.as_bytes()), OPERATION),
            history::columns::tone(change, theme),
        ),
        Span::styled(before, theme.faint),
        Span::styled(" → ", theme.faint),
        Span::styled(after, theme.text),
        Span::styled(format!("  {actor}"), theme.faint),
    ])
}
