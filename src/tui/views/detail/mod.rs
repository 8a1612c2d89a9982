//! The details of the row under the cursor.

mod change;
mod entry;
mod fields;
mod lock;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear};
use unicode_width::UnicodeWidthStr;

use crate::store::Millis;
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::dialog::Dialog;
use crate::tui::format;
use crate::tui::row::Row;

/// Draws the details beside or below the list.
pub fn draw(app: &App, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    if area.height < 2 || area.width < 4 {
        return;
    }
    frame.render_widget(block(app, area), area);
    draw_lines(app, now, text_area(app, area), frame);
}

/// Draws the details on the whole screen.
pub fn draw_whole(app: &App, now: Millis, frame: &mut Frame<'_>) {
    let screen = frame.area();
    frame.render_widget(Clear, screen);
    let text = whole(app.size).intersection(screen);
    draw_lines(app, now, text, frame);
    let keys = Line::from(vec![
        Span::styled(" esc", app.theme.key),
        Span::styled(" close  ", app.theme.faint),
        Span::styled("j k", app.theme.key),
        Span::styled(" scroll", app.theme.faint),
    ]);
    frame.render_widget(keys, Rect { y: text.bottom(), height: screen.height - text.height, ..screen });
}

/// How far the details can be scrolled, where they are shown.
pub fn scroll_end(app: &App, now: Millis) -> usize {
    let area = match app.dialog {
        Some(Dialog::Details) => whole(app.size),
        _ => text_area(app, app.areas().detail),
    };
    lines(app, now, usize::from(area.width)).len().saturating_sub(usize::from(area.height))
}

fn block(app: &App, area: Rect) -> Block<'static> {
    let border = if area.x > 0 { Borders::LEFT } else { Borders::TOP };
    Block::new().borders(border).border_style(app.theme.faint)
}

/// Where the text of the details is: a column from the edge.
fn text_area(app: &App, area: Rect) -> Rect {
    let inner = block(app, area).inner(area);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(1), ..inner }
}

/// Where the text is on a whole screen: all but the last line.
fn whole((columns, rows): (u16, u16)) -> Rect {
    Rect::new(0, 0, columns, rows.saturating_sub(1))
}

fn lines(app: &App, now: Millis, width: usize) -> Vec<Line<'static>> {
    let Some(row) = app.window.selected() else { return Vec::new() };
    // Until the whole is there, what the list has is better than nothing.
    match app.detail.as_ref().filter(|detail| detail.id() == row.id()).unwrap_or(row) {
        Row::Lock(row) => lock::lines(app, row, now, width),
        Row::Entry(entry) => entry::lines(app, entry, now, width),
        Row::Change(change) => change::lines(app, change, now, width),
    }
}

fn draw_lines(app: &App, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    let lines = lines(app, now, usize::from(area.width));
    let last = lines.len().saturating_sub(usize::from(area.height));
    let top = app.detail_scroll.min(last);
    for (line, y) in lines.into_iter().skip(top).zip(area.y..area.bottom()) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
    if top < last && area.height > 0 {
        let key = app.keymap.keys_for(Action::ScrollDetail(1)).first().cloned().unwrap_or_default();
        let more = format!(" … {}: {key} ", format::counted((last - top) as u64, "more line"));
        let width = area.width.min(more.width() as u16);
        let place = Rect { x: area.right() - width, y: area.bottom() - 1, width, height: 1 };
        frame.render_widget(Clear, place);
        frame.render_widget(Span::styled(more, app.theme.key), place);
    }
}
