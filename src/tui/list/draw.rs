//! The list: rows in the columns of the view that is open.

use std::collections::HashSet;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::store::Key;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::keys::ScreenKind;
use crate::tui::list::columns::widths;
use crate::tui::list::lookalikes::twins;
use crate::tui::list::{Cell, Column, Listing, MarkState, Row};
use crate::tui::theme::Theme;
use crate::tui::widgets::format;

/// The columns that fit into `width`, with their widths.
fn fitting(app: &App, columns: &'static [Column], width: u16) -> Vec<(&'static Column, usize)> {
    let is_of_one = app.shown_list().scope.is_some();
    let columns = columns.iter().filter(|column| !(is_of_one && column.is_subject));
    widths(columns, width.saturating_sub(gutter(app)))
}

/// How many columns stand before the row itself: that of the cursor, and one for marks if there are
/// any; in the past always, and one for how the entry differs.
pub fn gutter(app: &App) -> u16 {
    match app.screen_kind() {
        ScreenKind::Past => 3,
        _ if app.list.marks.is_empty() => 1,
        _ => 2,
    }
}

/// Whether the entry of a row is marked.
fn marked(app: &App, row: &Row, style: Style) -> Span<'static> {
    match app.shown_list().marks.mark_of(row) {
        MarkState::None => Span::styled(" ", style),
        MarkState::Same => Span::styled("✓", Theme::over(style, app.settings.theme.key)),
        MarkState::Changed => Span::styled("!", Theme::over(style, app.settings.theme.bad)),
    }
}

/// Draws the names of the columns.
pub fn heading(app: &App, columns: &'static [Column], area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let mut text = " ".repeat(usize::from(gutter(app)));
    // The past has no other line that says how it is sorted.
    let mut sort = app.screen.past().and_then(|past_view| past_view.order());
    for (column, width) in fitting(app, columns, area.width) {
        let sorted = sort.take().map_or(String::new(), |sort| format!(", {sort}"));
        text.push_str(&format::fit(&format!("{}{sorted}", column.name), width));
        text.push(' ');
    }
    frame.render_widget(Line::styled(text, app.settings.theme.label), area);
}

/// What an empty list says, with the key that puts something into it, if one does.
fn nothing(app: &App, listing: &Listing) -> String {
    let key = |action| app.settings.keymap.keys_in(action, &app.context()).next().map(ToString::to_string);
    let adds = listing.adds.and_then(|(action, does)| Some(format!("; {} {does}", key(action)?)));
    format!("{}{}", listing.nothing, adds.unwrap_or_default())
}

/// Draws the rows that are on the screen.
pub fn draw(app: &App, listing: &Listing, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let window = &app.list.window;
    // Nothing is known of a database that is not open yet, least of all that it is empty.
    let is_opening = app.database.opening.is_some() && window.rows().is_empty();
    if let Some(lost) = &app.database.lost {
        let text = format!(" no database: {}", lost.why);
        frame.render_widget(Line::styled(text, app.settings.theme.bad), Rect { height: 1, ..area });
        return;
    }
    if let Some(draw) = listing.draw.filter(|_| !is_opening) {
        return draw(app, now, area, frame);
    }
    let text = match (&app.list.reading.from, app.list.filter_line.filter().is_empty()) {
        _ if is_opening => " opening…",
        _ if !window.rows().is_empty() => "",
        (Some(_), _) => " reading…",
        (None, true) => &nothing(app, listing),
        (None, false) if app.list.filter_line.mistake().is_some() => {
            " the filter cannot be read as it stands: what is wrong is said above"
        }
        (None, false) => " nothing passes the filter; esc clears it",
    };
    rows(app, listing.columns, text, now, area, frame);
}

/// Draws the rows themselves in these columns, or says why there are none.
pub fn rows(
    app: &App,
    columns: &'static [Column],
    nothing: &str,
    now: Millis,
    area: Rect,
    frame: &mut Frame<'_>,
) {
    let window = &app.shown_list().window;
    if window.rows().is_empty() {
        let area = Rect { height: 1, ..area }.intersection(area);
        return frame.render_widget(Line::styled(nothing, app.settings.theme.faint), area);
    }
    let widths = fitting(app, columns, area.width);
    let twins = twins(window.rows().iter());
    let places = (window.top()..window.rows().len()).zip(area.y..area.bottom());
    for (place, y) in places {
        draw_row(app, now, place, &widths, &twins, Rect { y, height: 1, ..area }, frame);
    }
}

/// Draws the row at a place of the window.
pub fn draw_row(
    app: &App,
    now: Millis,
    place: usize,
    widths: &[(&'static Column, usize)],
    twins: &HashSet<&Key>,
    area: Rect,
    frame: &mut Frame<'_>,
) {
    let list = app.shown_list();
    let Some(row) = list.window.rows().get(place) else { return };
    let is_cursor = place == list.window.cursor();
    let flashes = list.flashes.contains_key(&row.id());
    let mut style = app.settings.theme.text;
    if is_cursor {
        style = style.patch(app.settings.theme.cursor);
    }
    // Over the cursor: dark letters on its dark ground could not be read.
    if flashes {
        style = style.patch(app.settings.theme.flash);
    }
    let mark = match (is_cursor, flashes) {
        (true, _) => "›",
        (false, true) => "•",
        (false, false) => " ",
    };
    let is_twin = row.entry().is_some_and(|entry| twins.contains(&entry.key));
    let mut spans = vec![Span::styled(mark, style)];
    if gutter(app) > 1 {
        spans.push(marked(app, row, style));
    }
    if let Row::Diff(row) = row {
        let kind = row.difference();
        spans.push(Span::styled(kind.mark(), Theme::over(style, kind.tone(&app.settings.theme))));
    }
    let row = &*app.shown_row(row);
    for (column, width) in widths {
        let cell = Cell { app, width: *width, style, stands_out: flashes, now, is_twin };
        spans.extend((column.draw)(&cell, row));
        spans.push(Span::styled(" ", style));
    }
    frame.render_widget(Line::from(spans).style(style), area);
}
