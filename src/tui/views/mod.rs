//! Drawing: a picture of the state, and nothing else. One file a part of the screen.

mod detail;
mod dialogs;
mod list;
pub mod tabs;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::app::App;
use super::command;
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
    hints(app, now, areas.hints, frame);
    dialogs::draw(app, now, frame);
}

fn filter_line(app: &App, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let theme = &app.theme;
    let text = app.filter_line.value();
    let mut spans = vec![Span::styled("/ ", if app.is_filtering { theme.key } else { theme.faint })];
    if text.is_empty() && !app.is_filtering {
        spans.push(Span::styled("no filter", theme.faint));
    } else {
        spans.push(Span::styled(crate::escape::escape(text.as_bytes()), theme.text));
    }
    let aside = match &app.filter_problem {
        Some(problem) => Span::styled(format!("  {problem}"), theme.bad),
        None if app.reading.from.is_some() && app.reading.looked_at > 0 => {
            Span::styled(format!("  searching… {}", format::thousands(app.reading.looked_at)), theme.warning)
        }
        None => Span::styled(place(app), theme.faint),
    };
    spans.push(aside);
    frame.render_widget(Line::from(spans), area);
    if app.is_filtering && app.dialog.is_none() {
        let column = 2 + u16::try_from(app.filter_line.visual_cursor()).unwrap_or(u16::MAX - 2);
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

/// The row of key hints; a message takes its place.
fn hints(app: &App, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let theme = &app.theme;
    let slow = app.writing.first().filter(|since| now.since(**since).as_millis() >= 250);
    if let Some(since) = slow {
        let text = format!(" the database is busy: waiting for {}", format::span(now.since(*since)));
        frame.render_widget(Line::styled(text, theme.warning), area);
        return;
    }
    if let Some(status) = &app.status {
        let (mark, style) = if status.is_error { ("✗", theme.bad) } else { ("✓", theme.good) };
        let text = format!(" {mark} {}", crate::escape::escape(status.text.as_bytes()));
        frame.render_widget(Line::styled(format::cut(&text, usize::from(area.width)), style), area);
        return;
    }
    let context = app.context();
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    for command in command::applicable(&context) {
        let Some(hint) = command.hint else { continue };
        let Some(key) = app.keymap.keys_for(command.action).first() else { continue };
        let wide = key.chars().count() + hint.chars().count() + 3;
        if used + wide > usize::from(area.width) {
            break;
        }
        used += wide;
        spans.push(Span::styled(key.clone(), theme.key));
        spans.push(Span::styled(format!(" {hint}  "), theme.faint));
    }
    frame.render_widget(Line::from(spans), area);
}
