//! The details of the row under the cursor.

use crate::tui::screens::entries;
use crate::tui::screens::entries::group_details;
use crate::tui::screens::history;
use crate::tui::screens::locks;
use crate::tui::screens::runs;
use crate::tui::status;
use crate::tui::widgets::fields;
use crate::tui::widgets::format;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear};
use unicode_width::UnicodeWidthStr;

use crate::store::Needle;
use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::draw::production_word;
use crate::tui::keys::action::Action;
use crate::tui::screens::value::draw_value::Body;
pub use crate::tui::widgets::fields::field;
use crate::tui::widgets::line::typed;

use crate::tui::list::row::Row;
use crate::tui::screens::value::state::Viewer;

/// Draws the details beside or below the list.
pub fn draw(app: &App, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    if area.height < 2 || area.width < 4 {
        return;
    }
    frame.render_widget(block(app, area), area);
    draw_lines(app, now, text_area(app, area), frame);
}

/// Draws the details on the whole screen, with the keys that do something there.
pub fn draw_whole(app: &App, viewer: &Viewer, now: Millis, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let theme = &app.settings.theme;
    frame.render_widget(Clear, screen);
    let area = whole(app.size).intersection(screen);
    draw_lines(app, now, area, frame);
    let bottom = Rect { y: area.bottom(), height: screen.height - area.height, ..screen };
    if viewer.is_finding {
        let (text, column) = typed(&viewer.find, usize::from(bottom.width).saturating_sub(2));
        let line = Line::from(vec![Span::styled("/ ", theme.key), Span::styled(text, theme.text)]);
        frame.render_widget(line, bottom);
        if bottom.height > 0 {
            let column = u16::try_from(column + 2).unwrap_or(u16::MAX).min(bottom.width.saturating_sub(1));
            frame.set_cursor_position((bottom.x + column, bottom.y));
        }
        return;
    }
    let mut line = Line::from_iter(production_word(app));
    if let Some((text, style)) = status::message(app, now) {
        line.push_span(Span::styled(format!(" {text}"), style));
        frame.render_widget(line, bottom);
        return;
    }
    // Where the cursor is, in full where the line in the tree had to be cut.
    if let Some(tree) = app.shown_tree() {
        let path = escape(tree.path().as_bytes());
        line.push_span(Span::styled(
            format::cut(&format!(" {path} "), usize::from(bottom.width) / 2),
            theme.label,
        ));
    }
    line.extend(status::hints(app, usize::from(bottom.width).saturating_sub(line.width())));
    frame.render_widget(line, bottom);
}

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

/// Where the details are shown.
fn shown_in(app: &App) -> Rect {
    match app.screen.value() {
        Some(_) => whole(app.size),
        None => text_area(app, app.areas().detail),
    }
}

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
fn whole((columns, rows): (u16, u16)) -> Rect {
    Rect::new(0, 0, columns, rows.saturating_sub(1))
}

/// What there is to say about a row: the value in the middle may have very many lines.
pub struct Text<'a> {
    pub head: Vec<Line<'static>>,
    pub body: Body<'a>,
    pub tail: Vec<Line<'static>>,
}

impl Text<'_> {
    fn of(lines: Vec<Line<'static>>) -> Text<'static> {
        Text { head: lines, body: Body::None, tail: Vec::new() }
    }

    fn len(&self) -> usize {
        self.head.len() + self.body.len() + self.tail.len()
    }

    fn line(&self, app: &App, place: usize, width: usize, has_cursor: bool) -> Line<'static> {
        let (head, body) = (self.head.len(), self.body.len());
        match place {
            _ if place < head => self.head[place].clone(),
            _ if place < head + body => self.body.line(app, place - head, width, has_cursor),
            _ => self.tail[place - head - body].clone(),
        }
    }
}

fn text(app: &App, now: Millis, width: usize) -> Text<'_> {
    let Some(row) = app.detail_row() else { return Text::of(Vec::new()) };
    // Until the whole is there, what the list has is better than nothing.
    let detail = app.loaded_detail();
    match (row, detail.map(|detail| &detail.row)) {
        (Row::Group(_), _) => match &*app.shown_row(row) {
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

fn draw_lines(app: &App, now: Millis, area: Rect, frame: &mut Frame<'_>) {
    let width = usize::from(area.width);
    let text = text(app, now, width);
    let last = text.len().saturating_sub(usize::from(area.height));
    let top = app.details.scroll.min(last);
    let has_cursor = app.screen.value().is_some();
    for (place, y) in (top..text.len()).zip(area.y..area.bottom()) {
        frame.render_widget(text.line(app, place, width, has_cursor), Rect { y, height: 1, ..area });
    }
    if top < last && area.height > 0 {
        let key = app.settings.keymap.keys_for(Action::ScrollDetail(1)).first().cloned().unwrap_or_default();
        let more = format!(" … {}: {key} ", format::counted((last - top) as u64, "more line"));
        let width = area.width.min(more.width() as u16);
        let place = Rect { x: area.right() - width, y: area.bottom() - 1, width, height: 1 };
        frame.render_widget(Clear, place);
        frame.render_widget(Span::styled(more, app.settings.theme.key), place);
    }
}
