//! The details of the row under the cursor as text: what they say, where they are and how far they scroll. The
//! drawing, the keys and the mouse all ask here.

use ratatui::layout::Rect;
use ratatui::widgets::{Block, Borders};

use crate::store::Needle;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::list::Row;
use crate::tui::screens::entries::{self, group_details};
use crate::tui::screens::screen::Screen;
use crate::tui::screens::value::draw_value::Text;
use crate::tui::screens::{history, locks, past, runs};
use crate::tui::widgets::fields;

/// How far the details can be scrolled, where they are shown.
pub fn scroll_end(app: &App, now: Millis) -> usize {
    let area = shown_in(app);
    text(app, now, usize::from(area.width)).len().saturating_sub(usize::from(area.height))
}

/// The line at which the value begins, or the last to which can be scrolled.
pub fn start_of_value(app: &App, now: Millis) -> usize {
    let start = text(app, now, usize::from(shown_in(app).width)).head.len();
    start.min(scroll_end(app, now))
}

/// How to be scrolled so that the cursor of the tree is seen.
pub fn scroll_to_cursor(app: &App, now: Millis) -> usize {
    let area = shown_in(app);
    let height = usize::from(area.height).max(1);
    let text = text(app, now, usize::from(area.width));
    let scroll = app.details.scroll.min(text.len().saturating_sub(height));
    match text.body.cursor() {
        // On the first node all that stands above it is of use.
        Some(0) => 0,
        Some(line) => {
            let line = text.head.len() + line;
            scroll.min(line).max((line + 1).saturating_sub(height))
        }
        None => scroll,
    }
}

/// The place of the node of the tree that is on a row of the whole screen.
pub fn node_at(app: &App, row: u16, now: Millis) -> Option<usize> {
    let area = shown_in(app);
    let text = text(app, now, usize::from(area.width));
    let top = app.details.scroll.min(text.len().saturating_sub(usize::from(area.height)));
    let line = (top + usize::from(row.checked_sub(area.y)?)).checked_sub(text.head.len())?;
    text.body.node(line).filter(|_| row < area.bottom())
}

/// The next line, or the one before, that has the needle in it, round the end.
pub fn line_with(app: &App, needle: &Needle, forwards: bool, now: Millis) -> Option<usize> {
    let width = usize::from(shown_in(app).width);
    let text = text(app, now, width);
    let count = text.len();
    let start = app.details.scroll.min(scroll_end(app, now));
    let places = (1..=count).map(|by| if forwards { start + by } else { start + count - by });
    places
        .map(|place| place % count)
        .find(|place| needle.is_in(text.line(app, *place, width, false).to_string().as_bytes()))
}

/// How many columns a line of the value has where it is shown as text.
pub fn columns_of_text(app: &App) -> usize {
    let width = usize::from(shown_in(app).width);
    width.saturating_sub(fields::indent(width))
}

fn shown_in(app: &App) -> Rect {
    match app.screen.value() {
        Some(_) => whole(app.size),
        None => text_area(app, app.areas().detail),
    }
}

/// The line between the details and the list.
pub fn block(app: &App, area: Rect) -> Block<'static> {
    let border = if area.x > app.areas().list.x { Borders::LEFT } else { Borders::TOP };
    Block::new().borders(border).border_style(app.settings.theme.faint)
}

/// Where the text of the details is: a column from the edge.
pub fn text_area(app: &App, area: Rect) -> Rect {
    let inner = block(app, area).inner(area);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(1), ..inner }
}

/// Where the text is on a whole screen: all but the last line.
pub fn whole((columns, rows): (u16, u16)) -> Rect {
    Rect::new(0, 0, columns, rows.saturating_sub(1))
}

/// All there is to say about the row under the cursor.
pub fn text(app: &App, now: Millis, width: usize) -> Text<'_> {
    if let Screen::Past(past_view) = &app.screen {
        return Text::of(past::details::lines(app, past_view, now, width));
    }
    let Some(row) = app.detail_row() else { return Text::of(Vec::new()) };
    // Until the whole is there, what the list has is better than nothing.
    let detail = app.loaded_detail();
    match (row, detail.map(|detail| &detail.row)) {
        (Row::Group(_) | Row::Diff(_), _) => match &*app.shown_row(row) {
            Row::Group(group) => Text::of(group_details::lines(app, group, now, width)),
            _ => Text::of(Vec::new()),
        },
        (Row::Lock(row), _) => Text::of(locks::details::lines(app, row, now, width)),
        (Row::Entry(row), _) => entries::details::text(app, row, detail, now, width),
        (Row::Run(_), Some(Row::Run(row))) | (Row::Run(row), _) => {
            Text::of(runs::details::lines(app, row, now, width))
        }
        (Row::Change(_), Some(Row::Change(change))) | (Row::Change(change), _) => {
            Text::of(history::details::lines(app, change, now, width))
        }
    }
}
