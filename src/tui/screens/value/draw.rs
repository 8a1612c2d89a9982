//! The details of the row under the cursor.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;
use unicode_width::UnicodeWidthStr;

use crate::text::escape::escape;
use crate::time::Millis;
use crate::tui::app::App;
use crate::tui::keys::Action;
use crate::tui::screens::details::{block, text, text_area, whole};
use crate::tui::screens::value::state::Viewer;
use crate::tui::status;
use crate::tui::widgets::dialog_frame::place_cursor;
use crate::tui::widgets::format;
use crate::tui::widgets::line::typed;

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
        place_cursor(bottom, 0, column + 2, frame);
        return;
    }
    let mut line = Line::from_iter(status::production_word(app));
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
