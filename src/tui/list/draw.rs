//! The list: rows in the columns of the view that is open.

use crate::tui::screens::entries::counters;
use crate::tui::screens::entries::expiring;
use crate::tui::screens::entries::flags;
use crate::tui::screens::entries::keys;
use crate::tui::screens::history;
use crate::tui::screens::locks;
use crate::tui::screens::overview;
use crate::tui::screens::runs;
use crate::tui::widgets::format;
use std::collections::HashSet;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::tui::list::cell::{Cell, Drawn};

use crate::store::Key;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::keys::action::{Action, View};

use crate::tui::list::lookalikes::twins;
use crate::tui::list::marks::MarkState;
use crate::tui::list::row::Row;
use crate::tui::theme::Theme;

/// What the list of a view looks like.
pub struct Listing {
    /// Its columns.
    pub columns: &'static [Column],
    /// What it says when it is empty.
    pub nothing: &'static str,
}

/// A column.
pub struct Column {
    name: &'static str,
    /// How many columns of the terminal it takes; of one that shares what is left, the least.
    width: u16,
    /// How many parts it has of what is left; 0: it takes its width.
    parts: u16,
    /// Whether it goes where there is not enough room, the last one first.
    can_go: bool,
    draw: fn(&Cell<'_>, &Row) -> Drawn,
}

/// A column of this width, which goes where there is no room for it.
pub const fn column(name: &'static str, width: u16, draw: fn(&Cell<'_>, &Row) -> Drawn) -> Column {
    Column { name, width, parts: 0, can_go: true, draw }
}

/// A column that has so many parts of what the others leave.
pub const fn share(name: &'static str, parts: u16, draw: fn(&Cell<'_>, &Row) -> Drawn) -> Column {
    let width = if parts > 2 { 20 } else { 12 };
    Column { name, width, parts, can_go: true, draw }
}

impl Column {
    /// It is there however little room there is.
    pub const fn stays(mut self) -> Column {
        self.can_go = false;
        self
    }

    /// The least width with which it is of use.
    pub const fn least(mut self, width: u16) -> Column {
        self.width = width;
        self
    }
}

fn listing(view: View) -> &'static Listing {
    match view {
        View::Keys => &keys::LISTING,
        View::Flags => &flags::LISTING,
        View::Counters => &counters::LISTING,
        View::Locks => &locks::columns::LISTING,
        View::Expiring => &expiring::LISTING,
        View::History => &history::columns::LISTING,
        View::Runs => &runs::columns::LISTING,
        View::Overview => &overview::draw::LISTING,
    }
}

/// The columns of the list that is shown. In the history of one key that key need not stand in each row.
fn columns(app: &App) -> Vec<&'static Column> {
    let is_of_one = app.list.view == View::History && app.list.scope.is_some();
    listing(app.list.view)
        .columns
        .iter()
        .filter(|column| !(is_of_one && column.name == history::columns::KEY))
        .collect()
}

/// The columns that fit, with their widths in `width` columns of the terminal, a space between.
pub fn widths(all: impl IntoIterator<Item = &'static Column>, width: u16) -> Vec<(&'static Column, usize)> {
    let mut shown: Vec<&Column> = all.into_iter().collect();
    while shown.iter().map(|column| column.width + 1).sum::<u16>() > width + 1 {
        match shown.iter().rposition(|column| column.can_go) {
            Some(last) => {
                shown.remove(last);
            }
            None => break,
        }
    }
    let fixed = |column: &Column| if column.parts == 0 { column.width } else { 0 };
    let taken: u16 = shown.iter().map(|column| fixed(column) + 1).sum();
    let mut rest = (width + 1).saturating_sub(taken);
    let mut parts: u16 = shown.iter().map(|column| column.parts).sum();
    let sized = shown.into_iter().map(|column| match column.parts {
        0 => (column, usize::from(column.width)),
        own => {
            let share = rest * own / parts;
            rest -= share;
            parts -= own;
            (column, usize::from(share))
        }
    });
    sized.collect()
}

/// How many columns stand before the row itself: that of the cursor, and one for marks if there are
/// any.
pub fn gutter(app: &App) -> u16 {
    if app.list.marks.is_empty() { 1 } else { 2 }
}

/// Whether the entry of a row is marked.
fn marked(app: &App, row: &Row, style: Style) -> Span<'static> {
    match row.entry().map_or(MarkState::None, |entry| app.list.marks.mark_of(entry)) {
        MarkState::None => Span::styled(" ", style),
        MarkState::Same => Span::styled("✓", Theme::over(style, app.settings.theme.key)),
        MarkState::Changed => Span::styled("!", Theme::over(style, app.settings.theme.bad)),
    }
}

/// Draws the names of the columns.
pub fn heading(app: &App, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let gutter = gutter(app);
    let mut text = " ".repeat(usize::from(gutter));
    for (column, width) in widths(columns(app), area.width.saturating_sub(gutter)) {
        text.push_str(&format::fit(column.name, width));
        text.push(' ');
    }
    frame.render_widget(Line::styled(text, app.settings.theme.label), area);
}

/// What an empty list says, with the key that puts something into it, if one does.
fn nothing(app: &App) -> String {
    let nothing = listing(app.list.view).nothing;
    let (action, does) = match app.list.view {
        View::Keys => (Action::Add, "adds one"),
        View::Runs => (Action::StartRun, "starts one"),
        _ => return nothing.into(),
    };
    match app.settings.keymap.keys_in(action, &app.context()).next() {
        Some(key) => format!("{nothing}; {key} {does}"),
        None => nothing.into(),
    }
}

/// Draws the rows that are on the screen.
pub fn draw(app: &App, now: Millis, area: Rect, frame: &mut Frame<'_>) {
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
    if app.list.view == View::Overview && !is_opening {
        return overview::draw::draw(app, now, area, frame);
    }
    if window.rows().is_empty() {
        let text = match (&app.list.reading.from, app.list.filter_line.filter().is_empty()) {
            _ if is_opening => " opening…",
            (Some(_), _) => " reading…",
            (None, true) => &nothing(app),
            (None, false) if app.list.filter_line.mistake().is_some() => {
                " the filter cannot be read as it stands: what is wrong is said above"
            }
            (None, false) => " nothing passes the filter; esc clears it",
        };
        frame.render_widget(Line::styled(text, app.settings.theme.faint), Rect { height: 1, ..area });
        return;
    }
    let widths = widths(columns(app), area.width.saturating_sub(gutter(app)));
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
    let Some(row) = app.list.window.rows().get(place) else { return };
    let is_cursor = place == app.list.window.cursor();
    let flashes = app.list.flashes.contains_key(&row.id());
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
    let row = &*app.shown_row(row);
    for (column, width) in widths {
        let cell = Cell { app, width: *width, style, stands_out: flashes, now, is_twin };
        spans.extend((column.draw)(&cell, row));
        spans.push(Span::styled(" ", style));
    }
    frame.render_widget(Line::from(spans).style(style), area);
}
