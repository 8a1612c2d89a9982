//! The row of tabs, with the database and how much is in it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::text::escape::escape;
use crate::tui::app::App;
use crate::tui::tabs::tabs;
use crate::tui::widgets::format;

pub fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let theme = &app.settings.theme;
    let mut spans = Vec::new();
    let mut used = 0;
    for (view, text) in tabs(app) {
        used += text.width();
        spans.push(Span::styled(text, if view == app.list.view { theme.title } else { theme.faint }));
    }
    let aside = about(app);
    let room = usize::from(area.width).saturating_sub(used + 2);
    if room >= aside.width() {
        spans.push(Span::raw(" ".repeat(room + 1 - aside.width())));
        spans.push(Span::styled(aside, tone(app)));
    }
    frame.render_widget(Line::from(spans), area);
}

/// The database and how much is in it, where the row of tabs has no room for it.
pub fn left_over(app: &App) -> Option<Span<'static>> {
    let used: usize = tabs(app).iter().map(|(_, text)| text.width()).sum();
    let aside = about(app);
    let room = usize::from(app.areas().tabs.width).saturating_sub(used + 2);
    (room < aside.width()).then(|| Span::styled(aside, tone(app)))
}

fn tone(app: &App) -> Style {
    if app.database.read_only { app.settings.theme.warning } else { app.settings.theme.label }
}

/// The database and how much is in it.
fn about(app: &App) -> String {
    let name =
        app.database.known.as_ref().map_or(app.database.location.short_name(), |known| known.name.as_bytes());
    let mut aside = escape(name);
    if app.database.read_only {
        aside.push_str(" · read only");
    }
    if let Some(count) = app.database.count {
        aside.push_str(&format!(" · {}", format::counted(count, "key")));
    }
    aside
}
