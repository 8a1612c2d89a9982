//! The row of tabs, with the database and how much is in it.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::escape::escape;
use crate::tui::action::View;
use crate::tui::app::App;
use crate::tui::format;

/// The text of each tab; where not all have room, the names of those that are not open go.
fn tabs(app: &App) -> Vec<(View, String)> {
    let width = usize::from(app.size.0);
    let all = |short: Option<&str>| -> Vec<(View, String)> {
        let tab = |(place, view): (usize, View)| match short {
            Some(end) if view != app.view => (view, format!(" {}{end}", place + 1)),
            _ => (view, format!(" {} {} ", place + 1, view.title())),
        };
        View::ALL.into_iter().enumerate().map(tab).collect()
    };
    let fits = |tabs: &Vec<(View, String)>| tabs.iter().map(|(_, text)| text.width()).sum::<usize>() <= width;
    [None, Some(" ")].into_iter().map(all).find(fits).unwrap_or_else(|| all(Some("")))
}

/// The view whose tab is at this column.
pub fn view_at(app: &App, column: u16) -> Option<View> {
    let mut end = 0;
    tabs(app).into_iter().find_map(|(view, text)| {
        end += text.width();
        (usize::from(column) < end).then_some(view)
    })
}

/// Draws the tabs.
pub fn draw(app: &App, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let theme = &app.theme;
    let mut spans = Vec::new();
    let mut used = 0;
    for (view, text) in tabs(app) {
        used += text.width();
        spans.push(Span::styled(text, if view == app.view { theme.title } else { theme.faint }));
    }
    let name = app.path.file_name().unwrap_or(app.path.as_os_str());
    let mut aside = escape(name.as_encoded_bytes());
    if app.read_only {
        aside.push_str(" · read only");
    }
    if let Some(count) = app.count {
        aside.push_str(&format!(" · {}", format::counted(count, "key")));
    }
    let room = usize::from(area.width).saturating_sub(used + 2);
    if room >= 8 {
        let aside = format::cut(&aside, room);
        spans.push(Span::raw(" ".repeat(room + 1 - aside.width())));
        spans.push(Span::styled(aside, if app.read_only { theme.warning } else { theme.label }));
    }
    frame.render_widget(Line::from(spans), area);
}
