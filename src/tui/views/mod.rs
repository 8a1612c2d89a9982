//! Drawing: a picture of the state, and nothing else. One file a part of the screen.

pub mod detail;
mod dialogs;
pub mod help;
mod line;
mod list;
mod status;
pub mod tabs;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::app::App;
use super::format;
use crate::store::Millis;

/// Draws the whole screen as it is at `now`.
pub fn draw(app: &App, now: Millis, frame: &mut Frame<'_>) {
    let areas = app.areas();
    tabs::draw(app, areas.tabs, frame);
    filter_line(app, areas.filter, frame);
    list::heading(app, areas.heading, frame);
    list::draw(app, now, areas.list, frame);
    detail::draw(app, now, areas.detail, frame);
    status::draw(app, now, areas.hints, frame);
    dialogs::draw(app, now, frame);
}

fn filter_line(app: &App, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let theme = &app.theme;
    let (aside, style) = match &app.filter_problem {
        // While it is typed, the line at the bottom says what is wrong with it.
        Some(_) if app.is_filtering => (String::new(), theme.bad),
        Some(problem) => (format!("  {problem}"), theme.bad),
        None if app.reading.from.is_some() && app.reading.looked_at > 0 => {
            (format!("  searching… {}", format::thousands(app.reading.looked_at)), theme.warning)
        }
        None => (place(app), theme.faint),
    };
    // The line scrolls with its cursor; what is said about it goes first where there is no room.
    let room = usize::from(area.width).saturating_sub(2);
    let wanted = app.filter_line.value().width() + 1;
    let aside = if wanted + aside.width() > room { format::cut(&aside, room / 3) } else { aside };
    let (text, column) = line::typed(&app.filter_line, room - aside.width());
    let mut spans = vec![Span::styled("/ ", if app.is_filtering { theme.key } else { theme.faint })];
    if text.is_empty() && !app.is_filtering {
        spans.push(Span::styled("no filter", theme.faint));
    } else {
        spans.push(Span::styled(text, theme.text));
    }
    spans.push(Span::styled(aside, style));
    frame.render_widget(Line::from(spans), area);
    if app.is_filtering && app.dialog.is_none() {
        let column = u16::try_from(column + 2).unwrap_or(u16::MAX);
        frame.set_cursor_position((area.x + column.min(area.width.saturating_sub(1)), area.y));
    }
}

/// Where the cursor is in the list, as far as that is known.
fn place(app: &App) -> String {
    let window = &app.window;
    let rows = window.rows().len();
    match (window.at_start, window.at_end) {
        _ if rows == 0 => String::new(),
        (true, true) => format!("  {} of {}", window.cursor() + 1, format::thousands(rows as u64)),
        (true, false) => format!("  {} of many", window.cursor() + 1),
        (false, true) => format!("  {} from the end", rows - window.cursor()),
        (false, false) => String::new(),
    }
}
