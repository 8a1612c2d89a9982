//! Drawing: a picture of the state, and nothing else. One file a part of the screen.
//!
//! It imports the state of the interface and changes none of it. The list of each view is drawn by its
//! `LISTING` in `screens`.

pub mod tabs;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::text::{Line, Span};
use ratatui::widgets::Block;
use unicode_width::UnicodeWidthStr;

use crate::text::escape::escape;
use crate::text::thousands;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::list::{RowId, RowOrder};
use crate::tui::screens::screen::Screen;
use crate::tui::screens::{self, debugger, past, value};
use crate::tui::widgets::dialog_frame::place_cursor;
use crate::tui::widgets::{format, line};
use crate::tui::{dialogs, list, status};

pub fn draw(app: &App, now: Millis, frame: &mut Frame<'_>) {
    picture(app, now, frame);
    // A theme that says what text stands on, and in which colour, says it of everything: the terminal's
    // own letters may be as dark as the ground of the theme.
    let text = app.settings.theme.text;
    for cell in frame.buffer_mut().content.iter_mut().filter(|_| text.bg.is_some() || text.fg.is_some()) {
        let own = |colour: Color, of_theme: Option<Color>| match colour {
            Color::Reset => of_theme.unwrap_or(colour),
            _ => colour,
        };
        (cell.fg, cell.bg) = (own(cell.fg, text.fg), own(cell.bg, text.bg));
    }
}

fn picture(app: &App, now: Millis, frame: &mut Frame<'_>) {
    let areas = app.areas();
    match &app.screen {
        Screen::Value { viewer, .. } => value::draw::draw_whole(app, viewer, now, frame),
        Screen::Run { run, .. } => debugger::draw::draw(app, run, now, frame),
        Screen::Past(past) => {
            mark(app, areas.frame, frame);
            past::draw::draw(app, past, now, frame);
        }
        Screen::List => {
            mark(app, areas.frame, frame);
            tabs::draw(app, areas.tabs, frame);
            filter_line(app, areas.filter, frame);
            let listing = screens::listing(app.list.view);
            list::draw::heading(app, listing.columns, areas.heading, frame);
            list::draw::draw(app, listing, now, areas.list, frame);
            value::draw::draw(app, now, areas.detail, frame);
            status::draw(app, now, areas.hints, frame);
        }
    }
    dialogs::draw::draw(app, now, frame);
}

/// Marks a database where mistakes are felt by others, in a word and in a colour.
fn mark(app: &App, area: Rect, frame: &mut Frame<'_>) {
    let Some(name) = app.production() else { return };
    if area.is_empty() {
        return;
    }
    let name = escape(name.as_bytes());
    let title = format!(" PRODUCTION: {} ", format::cut(&name, usize::from(area.width).saturating_sub(20)));
    let style = app.settings.theme.production;
    frame.render_widget(Block::bordered().border_style(style).title(Span::styled(title, style)), area);
}

/// Marks such a database in one word, where a frame has no room.
fn mark_without_frame(app: &App) -> &'static str {
    let is_marked = app.production().is_none() || !app.areas().frame.is_empty();
    if is_marked { "" } else { " PRODUCTION " }
}

fn filter_line(app: &App, area: Rect, frame: &mut Frame<'_>) {
    if area.height == 0 {
        return;
    }
    let theme = &app.settings.theme;
    let (aside, style) = match app.list.filter_line.mistake() {
        // While it is typed, the line at the bottom says what is wrong with it.
        Some(_) if app.focus.is_filter_line() => (String::new(), theme.bad),
        Some(problem) => (format!("  {}", problem.text), theme.bad),
        None if app.list.reading.from.is_some() && app.list.reading.scanned > 0 => {
            let of = app.database.count.map_or(String::new(), |count| format!(" of {}", thousands(count)));
            let scanned = thousands(app.list.reading.scanned);
            (format!("  searching… {scanned}{of}, esc stops"), theme.warning)
        }
        None => (place(app), theme.faint),
    };
    let scope = of_what(app, usize::from(area.width) / 2);
    let mark = mark_without_frame(app);
    let before = mark.width() + scope.width() + 2;
    // What belongs to the database stands at the end of the line, where there is room for it.
    let about =
        tabs::left_over(app).filter(|about| area.height > 0 && about.width() + 30 <= usize::from(area.width));
    let right = about.as_ref().map_or(0, |about| about.width() + 1);
    if let Some(about) = about {
        let width = columns(right);
        frame.render_widget(about, Rect { x: area.right() - width, width, ..area });
    }
    let area = Rect { width: area.width - columns(right), ..area };
    // The line scrolls with its cursor; what is said about it goes first where there is no room.
    let room = usize::from(area.width).saturating_sub(before);
    let wanted = app.list.filter_line.text().width() + 1;
    let aside = if wanted + aside.width() > room { format::cut(&aside, room / 3) } else { aside };
    let (text, column) = line::typed(app.list.filter_line.input(), room.saturating_sub(aside.width()));
    let mut spans = vec![
        Span::styled(mark, theme.production),
        Span::styled(scope, theme.title),
        Span::styled("/ ", if app.focus.is_filter_line() { theme.key } else { theme.faint }),
    ];
    if text.is_empty() && !app.focus.is_filter_line() {
        spans.push(Span::styled("no filter", theme.faint));
    } else {
        spans.extend(status::line_with_mistake(app, &app.list.filter_line, text));
    }
    spans.push(Span::styled(aside, style));
    frame.render_widget(Line::from(spans), area);
    if app.focus.is_filter_line() {
        place_cursor(area, 0, column + before, frame);
    }
}

fn columns(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// What the history that is shown is of.
fn of_what(app: &App, width: usize) -> String {
    let text = match app.list.scope.as_ref().map(|scope| &scope.of) {
        Some(RowId::Lock(name)) => format!(" of lock {} ", escape(name.as_bytes())),
        Some(RowId::Entry(key)) => format!(" of {key} "),
        Some(RowId::Change(_) | RowId::Group(_) | RowId::Run(_)) | None => String::new(),
    };
    format::cut(&text, width)
}

/// Where the cursor is in the list, as far as that is known, and how many entries are marked.
fn place(app: &App) -> String {
    let marked = match app.list.marks.count() {
        0 => String::new(),
        count => format!("  {} marked", thousands(count)),
    };
    cursor_place(app) + &marked
}

fn cursor_place(app: &App) -> String {
    let sorted = match app.list.order() {
        RowOrder::Sorted(sort) => {
            format!(", {sort}")
        }
        _ => String::new(),
    };
    let window = &app.list.window;
    let rows = window.rows().len();
    match (window.at_start, window.at_end) {
        _ if rows == 0 => String::new(),
        (true, true) => {
            format!("  {} of {}{sorted}", window.cursor() + 1, thousands(rows as u64))
        }
        (true, false) => format!("  {} of many{sorted}", window.cursor() + 1),
        (false, true) => format!("  {} from the end{sorted}", rows - window.cursor()),
        (false, false) => sorted,
    }
}
